"""MBPO (Janner et al. 2019, "When to Trust Your Model: Model-Based Policy Optimization", arXiv:1906.08253).

    model   an ensemble of probabilistic networks, fitted again every `refit_every` environment steps
    policy  soft actor-critic, `updates_per_step` updates a step, on imagined and a few real transitions

Imagined transitions come from short rollouts that branch from the replay, whose horizon grows with training. Order: a
chunk of environment steps, the model's fit, rollouts, updates.

Differs from the paper: a fit begins from the model before it with new moments of Adam; half of a batch is real by
default (5 % there, preset `paper`); rollouts stop where the model leaves the data by 30 standard deviations.
"""

from dataclasses import dataclass, field

from jaxtyping import PRNGKeyArray

from imitax.choices import model_based
from imitax.choices.actor_critic import CLEANIL, ActorCriticConfig, explorer, policy
from imitax.choices.dynamics_loss import OFFICIAL_DECAY, DynamicsFit
from imitax.choices.imagination import Imagination
from imitax.choices.model_based import ModelConfig, ModelState, rewarded_step
from imitax.choices.pessimism import Pessimism
from imitax.choices.td_loss import TdLoss
from imitax.choices.temperature import Temperature
from imitax.errors import require_positive
from imitax.learner import OptimizerConfig
from imitax.networks import Dynamics, DynamicsConfig, Normalizer
from imitax.types import Batch, Metrics, Spec

__all__ = ["PRESETS", "Config", "State", "explorer", "init", "policy", "update"]

State = ModelState
"""Everything that training changes."""


@dataclass(frozen=True)
class Config(ModelConfig, ActorCriticConfig):
    """MBPO."""

    critic_optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    pessimism: Pessimism = field(default_factory=lambda: Pessimism("none"))
    fit: DynamicsFit = field(default_factory=lambda: DynamicsFit(epochs=20, optimizer=OptimizerConfig(lr=3e-3)))
    imagination: Imagination = field(
        default_factory=lambda: Imagination(
            every=1000, starts=10_000, horizon=5, horizon_first=1, horizon_from=10_000, horizon_to=50_000, keep=200_000
        )
    )
    refit_every: int = 1000
    """Environment steps between fits of the model."""
    updates_per_step: int = 10
    """Updates for each environment step."""

    @property
    def needs(self) -> frozenset[str]:
        """What it learns from."""
        return frozenset({"env", "model"})

    def __post_init__(self):
        super().__post_init__()
        require_positive(self, "refit_every", "updates_per_step")
        self.terminal.for_given_rewards()


PRESETS = {
    "default": Config(),
    "paper": Config(
        real_share=0.05,
        dynamics=DynamicsConfig(hidden=(200, 200, 200, 200)),
        fit=DynamicsFit(decay=OFFICIAL_DECAY),
        imagination=Imagination(
            every=250, starts=100_000, horizon=15, horizon_first=1, horizon_from=20_000, keep=1_000_000, limit=None
        ),
        refit_every=250,
        updates_per_step=20,
        temperature=Temperature(target_entropy=-1.0),
    ),
    "cleanil": Config(
        warmup_steps=2000,
        td_loss=TdLoss("huber"),
        fit=DynamicsFit(bootstrap=False, optimizer=OptimizerConfig(lr=3e-4)),
        imagination=Imagination(
            every=250,
            starts=100_000,
            horizon=15,
            horizon_first=1,
            horizon_from=20_000,
            keep=1_000_000,
            end_beyond=100.0,
        ),
        refit_every=250,
        updates_per_step=10,
        **CLEANIL,
    ),
}
"""default: ours, sized for a few cores. paper: the authors' settings for Hopper. cleanil: the reference system's."""


def init(cfg: Config, spec: Spec, normalizer: Normalizer, key: PRNGKeyArray, dynamics: Dynamics) -> State:
    """A state before its first update."""
    return model_based.create(cfg, spec, normalizer, key, dynamics)


def update(state: State, batch: Batch, cfg: Config, key: PRNGKeyArray) -> tuple[State, Metrics]:
    """One update on replayed and imagined transitions."""
    data = state.normalizer.batch(batch)
    assert data.replay is not None
    assert data.imagined is not None
    return rewarded_step(state, data.replay, data.imagined, cfg, key)
