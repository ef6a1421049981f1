"""Environments of Gymnasium's registry."""

import json
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec

from imitax.envs.missing import missing
from imitax.envs.mujoco_warnings import told_once
from imitax.errors import ConfigError


def make_env(env: str | EnvSpec, env_kwargs: dict[str, Any]) -> gym.Env:
    """`gym.make`, with errors that say what to do."""
    env_id = env if isinstance(env, str) else env.id
    try:
        with told_once(env):
            return gym.make(env, **env_kwargs)
    except (gym.error.NameNotFound, gym.error.NamespaceNotFound, gym.error.VersionNotFound) as e:
        raise ConfigError(f"unknown environment {env_id!r}: {e}. Is the package that registers it imported?") from e
    except (gym.error.DependencyNotInstalled, ModuleNotFoundError) as e:
        raise ConfigError(f"{env_id} needs a package that is missing: {missing(e)}") from e
    except TypeError as e:
        raise ConfigError(f"{env_id} does not take env_kwargs {json.dumps(env_kwargs, default=str)}: {e}") from e
    except gym.error.Error as e:
        raise ConfigError(f"{env_id}: {e}") from e
