"""Updates without a learned model.

Each function takes a precision, and returns a function that runs a number of updates and waits for the result.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from .flops import DEMONSTRATIONS, HIDDEN, REPLAY
from .harness import chunk


def sac_block(precision: str) -> Callable[[int], object]:
    """SAC with the peers' networks."""
    from imitax.algorithms import sac

    cfg = sac.PRESETS["default"]
    critic = replace(cfg.critic, hidden=HIDDEN, layer_norm=False)
    policy = replace(cfg.policy, hidden=HIDDEN)
    return chunk(sac, replace(cfg, critic=critic, policy=policy, precision=precision), replay=REPLAY)


def sac_default_block(precision: str) -> Callable[[int], object]:
    """SAC's default preset."""
    from imitax.algorithms import sac

    return chunk(sac, replace(sac.PRESETS["default"], precision=precision), replay=REPLAY)


def bc_block(precision: str) -> Callable[[int], object]:
    """BC's default preset with the peers' networks."""
    from imitax.algorithms import bc

    cfg = bc.PRESETS["default"]
    return chunk(
        bc, replace(cfg, policy=replace(cfg.policy, hidden=HIDDEN), precision=precision), expert=DEMONSTRATIONS
    )


def adversarial_block(precision: str, preset: str = "default") -> Callable[[int], object]:
    """A preset of adversarial imitation: discriminator and soft actor-critic."""
    from imitax.algorithms import adversarial

    cfg = replace(adversarial.PRESETS[preset], precision=precision)
    return chunk(adversarial, cfg, expert=DEMONSTRATIONS, replay=REPLAY)


gail_block = partial(adversarial_block, preset="cleanil")
