"""Environments with changed dynamics, where a learned reward is tried again. Importing this module registers them.

| id | changed |
| --- | --- |
| `imitax/AntDisabled-v0` | Ant-v5 without observed contact forces; the motors of the two front legs do nothing |
| `imitax/HalfCheetahHeavy-v0` | HalfCheetah-v5, all masses 1.5 times |
| `imitax/HalfCheetahSlippery-v0` | HalfCheetah-v5, friction 0.4 times |
| `imitax/HopperHeavy-v0` | Hopper-v5, all masses 1.25 times |
| `imitax/HopperMoon-v0` | Hopper-v5, gravity half of it |
| `imitax/PointMaze-v0` | a point that goes round a wall; nothing is changed |
| `imitax/PointMazeMoved-v0` | the same with the passage at the other side |

The crippled ant is after the one of the AIRL paper (Fu et al. 2018, section 7.2), which shortens these legs.
"""

from typing import Any

import gymnasium as gym

FRONT_LEGS = (2, 3, 4, 5)
"""Ant's motors of its front legs: hip and ankle of each."""
CHANGES: dict[str, dict[str, Any]] = {
    "AntDisabled": {"base": "Ant-v5", "disabled": FRONT_LEGS, "include_cfrc_ext_in_observation": False},
    "HalfCheetahHeavy": {"base": "HalfCheetah-v5", "mass": 1.5},
    "HalfCheetahSlippery": {"base": "HalfCheetah-v5", "friction": 0.4},
    "HopperHeavy": {"base": "Hopper-v5", "mass": 1.25},
    "HopperMoon": {"base": "Hopper-v5", "gravity": 0.5},
}


def changed(
    base: str,
    *,
    mass: float = 1.0,
    friction: float = 1.0,
    gravity: float = 1.0,
    disabled: tuple[int, ...] = (),
    **options: Any,
) -> gym.Env:
    """A MuJoCo environment of Gymnasium with changed dynamics.

    Args:
        base: its id.
        mass: factor of all masses and inertias.
        friction: factor of all contacts' friction.
        gravity: factor of gravity.
        disabled: motors that do nothing, by their index.
        options: of the environment.
    """
    env = gym.make(base, **options)
    model = env.unwrapped.model  # pyright: ignore[reportAttributeAccessIssue]  a MuJoCo environment has one
    model.body_mass[:] *= mass
    model.body_inertia[:] *= mass
    model.geom_friction[:] *= friction
    model.opt.gravity[:] *= gravity
    model.actuator_gear[list(disabled)] = 0.0
    return env.env if isinstance(env, gym.wrappers.TimeLimit) else env  # `gym.make` adds the registered limit


def register() -> None:
    """Make the ids known to Gymnasium, once."""
    entry = f"{__name__}:changed"
    for name, change in CHANGES.items():
        gym.register(f"imitax/{name}-v0", entry_point=entry, max_episode_steps=1000, kwargs=change)
    for name, passage in (("PointMaze", "right"), ("PointMazeMoved", "left")):
        maze = "imitax.envs.point_maze:PointMaze"
        gym.register(f"imitax/{name}-v0", entry_point=maze, max_episode_steps=100, kwargs={"passage": passage})


if "imitax/PointMaze-v0" not in gym.registry:
    register()
