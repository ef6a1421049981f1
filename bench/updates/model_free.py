"""Updates without a learned model.

Each function takes a precision, and returns a function that runs a number of updates and waits for the result.
"""

from collections.abc import Callable
from functools import partial

from .flops import DEMONSTRATIONS, HIDDEN, REPLAY
from .harness import chunk


def sac_block(precision: str) -> Callable[[int], object]:
    """SAC with the peers' networks."""
    from imitax import preset_config
    from imitax.algorithms import sac

    networks = {"critic.hidden": HIDDEN, "critic.layer_norm": False, "policy.hidden": HIDDEN}
    return chunk(sac, preset_config("sac", "default", precision=precision, **networks), replay=REPLAY)


def sac_default_block(precision: str) -> Callable[[int], object]:
    """SAC's default preset."""
    from imitax import preset_config
    from imitax.algorithms import sac

    return chunk(sac, preset_config("sac", "default", precision=precision), replay=REPLAY)


def bc_block(precision: str) -> Callable[[int], object]:
    """BC's default preset with the peers' networks."""
    from imitax import preset_config
    from imitax.algorithms import bc

    cfg = preset_config("bc", "default", precision=precision, **{"policy.hidden": HIDDEN})
    return chunk(bc, cfg, expert=DEMONSTRATIONS)


def adversarial_block(precision: str, preset: str = "default") -> Callable[[int], object]:
    """A preset of adversarial imitation: discriminator and soft actor-critic."""
    from imitax import preset_config
    from imitax.algorithms import adversarial

    cfg = preset_config("adversarial", preset, precision=precision)
    return chunk(adversarial, cfg, expert=DEMONSTRATIONS, replay=REPLAY)


gail_block = partial(adversarial_block, preset="cleanil")
