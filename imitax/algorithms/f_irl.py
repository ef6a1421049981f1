"""f-IRL: a reward of states whose soft-optimal policy visits the states that the expert visits.

    objective      min_theta  D_f(rho_E || rho_theta),  rho_theta: states of the soft-optimal policy of r_theta
    discriminator  min_g      BCE(g; expert, learner),  so that g(s) estimates log u(s),  u = rho_E / rho_theta
    reward         min_theta  Cov_{s ~ m}(h(u(s)), r_theta(s)),  h(u) = f(u) - u f'(u)
    policy         soft actor-critic on r_theta

(Ni et al. 2020, "f-IRL: Inverse Reinforcement Learning via State Marginal Matching", arXiv:2011.04709.) States are all
that is compared, so demonstrations need no actions. -h is high where the expert is and the learner is not.

The paper's theorem has a covariance over whole trajectories; docs/f_irl.md shows why one over single states will do,
and what it leaves out. Where the expert cannot be matched, r grows without rest; its bound and L2 penalty stop it.

Order of one update: discriminator, reward, critic, policy, temperature, target, all on one batch of expert and replay,
the critic on the new reward.

Differs from the paper: the covariance is over single states; the factor 1 / (alpha T), which Adam would cancel, is left
out. The learner's states are those of the replay, which old policies wrote too: r answers late and overshoots, the
more the larger `buffer_size` (the paper compares the last policy's episodes alone). The policy is not trained to
optimality in between: the reward takes a small step at each update, instead of one every 5,000. Episodes may end: by
default the end is an absorbing state, one more state to be matched (the paper's environments run on for a fixed time).
States count alike whatever their time, values are discounted. The official code's discriminator has residual layers.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from imitax.choices import actor_critic
from imitax.choices.actor_critic import ActorCritic, ImitationConfig, explorer, improve, policy, soft_q_loss
from imitax.choices.discriminator import Discrimination, RewardHead
from imitax.choices.divergence import Divergence
from imitax.choices.learned_reward import LearnedReward
from imitax.choices.temperature import Temperature
from imitax.choices.terminal import absorbing_transition
from imitax.choices.weight_penalty import l2
from imitax.errors import ConfigError, require_not_negative
from imitax.learner import Learner, OptimizerConfig
from imitax.networks import CriticConfig, Normalizer, Reward, RewardConfig
from imitax.types import Batch, Metrics, Spec, Transition

__all__ = ["PRESETS", "Config", "State", "explorer", "init", "policy", "reward", "update"]

LIMIT = 10.0
"""Log density ratios are clipped to +-LIMIT, as in the official code."""

REFUSED = {
    "chi2": "its h is -u^2, up to e^20 at the clipped ratio: one state would decide the whole covariance",
    "tv": "it is not differentiable at u = 1, where the method should come to rest: h jumps between -1/2 and 1/2 there",
}


@dataclass(frozen=True)
class Config(ImitationConfig):
    """f-IRL."""

    reward: RewardConfig = field(default_factory=lambda: RewardConfig(hidden=(64, 64), inputs="state"))
    density: RewardConfig = field(default_factory=lambda: RewardConfig(inputs="state"))
    """Network of the discriminator, whose logit is the log density ratio."""
    divergence: Divergence = field(default_factory=lambda: Divergence("reverse_kl"))
    samples: Literal["mixed", "weighted", "learner"] = "mixed"
    """States m of the covariance. mixed: expert's and learner's half and half, as they are (the official code).
    weighted: the same, weighted by 2 / (1 + u) to stand for the learner's. learner: the learner's, as in the theorem,
    which say nothing of where it never is."""
    reward_l2: float = 1e-3
    """Weight of the coupled L2 penalty on the reward's parameters, biases included."""
    density_l2: float = 1e-4
    """Weight of the coupled L2 penalty on the discriminator's parameters, biases included."""
    reward_optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(lr=1e-5))
    density_optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    temperature: Temperature = field(default_factory=lambda: Temperature("fixed", initial=0.2))
    buffer_size: int = 100_000
    """Transitions that the replay buffer holds; what it holds counts as the learner's marginal."""

    def __post_init__(self):
        super().__post_init__()
        require_not_negative(self, "reward_l2", "density_l2")
        if self.divergence.kind in REFUSED:
            raise ConfigError(
                f"divergence.kind={self.divergence.kind} is not for f_irl: {REFUSED[self.divergence.kind]}; "
                "use kl, reverse_kl, js or hellinger"
            )
        for name, net in (("reward", self.reward), ("density", self.density)):
            if net.inputs != "state" or net.shaping:
                raise ConfigError(f"f_irl compares states alone: {name}.inputs must be state, without {name}.shaping")

    @property
    def needs_actions(self) -> bool:
        """Whether demonstrations must have actions."""
        return False


_PAPER = Config(
    batch_size=256,
    average=0.0,
    critic=CriticConfig(),
    critic_optimizer=OptimizerConfig(lr=1e-3),
    warmup_steps=1000,
    buffer_size=1_000_000,
    reward=RewardConfig(hidden=(64, 64), inputs="state", bound=10.0, bound_kind="clip"),
    density=RewardConfig(hidden=(128, 128), activation="tanh", inputs="state", bound=LIMIT, bound_kind="clip"),
    reward_optimizer=OptimizerConfig(lr=1e-6),
    policy_optimizer=OptimizerConfig(lr=1e-3),
    normalize_obs=False,
)

PRESETS = {
    "default": Config(),
    "fkl": Config(divergence=Divergence("kl")),
    "rkl": Config(divergence=Divergence("reverse_kl")),
    "js": Config(divergence=Divergence("js")),
    "paper": _PAPER,
}
"""default: ours, as rkl. fkl, rkl, js: ours with the paper's three divergences. paper: the official Hopper settings, as
far as updates at every step allow."""


class State(ActorCritic):
    """Everything that training changes."""

    reward: Learner[Reward]
    density: Learner[Reward]


def init(cfg: Config, spec: Spec, normalizer: Normalizer, key: PRNGKeyArray) -> State:
    """A state before its first update."""
    ka, kr, kd = jr.split(key, 3)
    agent = actor_critic.create(cfg, spec, normalizer, ka)

    def network(net: RewardConfig, key: PRNGKeyArray) -> Reward:
        flagged, absorbing = cfg.terminal.flagged, cfg.terminal.rows
        return Reward(
            spec, net, gamma=cfg.gamma, flagged=flagged, absorbing=absorbing, key=key, precision=cfg.precision
        )

    return State(
        **actor_critic.fields(agent),
        reward=Learner.create(network(cfg.reward, kr), cfg.reward_optimizer),
        density=Learner.create(network(cfg.density, kd), cfg.density_optimizer),
    )


def density_loss(
    net: Reward, expert: Float[Array, "B D"], learner: Float[Array, "B D"], cfg: Config, key: PRNGKeyArray
) -> tuple[Float[Array, ""], Metrics]:
    """Cross-entropy of the logit on states of both, and its weight penalty."""
    loss, metrics = Discrimination("bce")(lambda x: net(x, key), expert, learner, key)
    weights = cfg.density_l2 * l2(net)
    return loss + weights, metrics | {"discriminator_loss": loss}


def covariance(h: Float[Array, "N"], r: Float[Array, "N"], weight: Float[Array, "N"]) -> Float[Array, ""]:
    """`E[h r] - E[h] E[r]` under normalised weights."""
    share = weight / weight.sum()
    return (share * (h - (share * h).sum()) * r).sum()


def sample_weights(log_ratio: Float[Array, "N"], expert: Float[Array, "N"], cfg: Config) -> Float[Array, "N"]:
    """How much each state counts, up to a factor; `expert` is 1 for the expert's states, 0 for the learner's."""
    if cfg.samples == "learner":
        return 1 - expert
    return jax.nn.sigmoid(-log_ratio) if cfg.samples == "weighted" else jnp.ones_like(log_ratio)


def reward_loss(
    net: Reward,
    density: Reward,
    expert: Float[Array, "B D"],
    learner: Float[Array, "B D"],
    cfg: Config,
    key: PRNGKeyArray,
) -> tuple[Float[Array, ""], Metrics]:
    """Covariance whose gradient lowers the divergence, and the reward's weight penalty."""
    x = jnp.concatenate([expert, learner])
    from_expert = jnp.concatenate([jnp.ones(len(expert)), jnp.zeros(len(learner))])  # [2B]
    log_ratio = jnp.clip(density(x), -LIMIT, LIMIT)
    h, r = cfg.divergence.state_reward(log_ratio), net(x, key)
    match = covariance(h, r, sample_weights(log_ratio, from_expert, cfg))
    weights = cfg.reward_l2 * l2(net)
    n = len(expert)
    metrics = {"covariance": match, "divergence": cfg.divergence.f(jnp.exp(log_ratio[n:])).mean()}
    return match + weights, metrics | {"reward_expert": r[:n].mean(), "reward_learner": r[n:].mean()}


def update(state: State, batch: Batch, cfg: Config, key: PRNGKeyArray) -> tuple[State, Metrics]:
    """One update of everything on one batch of expert and replay."""
    data = state.normalizer.batch(batch)
    assert data.expert is not None
    assert data.replay is not None
    kd, kr, kc, ka = jr.split(key, 4)

    def states(t: Transition) -> Float[Array, "N D"]:
        return state.reward.net.join(*cfg.terminal.reward_input(t))

    expert, learner = states(data.expert), states(data.replay)
    density, md = state.density.descend(density_loss, expert, learner, cfg, kd)
    rewarder, mr = state.reward.descend(reward_loss, density.net, expert, learner, cfg, kr)

    replay = replace(data.replay, reward=rewarder.net(learner))
    spec = state.actor.net.spec
    end = rewarder.net(states(absorbing_transition(spec.obs_dim, spec.action_dim)))[0]
    critic, mc = state.critic.descend(soft_q_loss, state, replay, end, cfg, kc)
    new, ma = improve(state, critic, replay, cfg, ka)
    flagged = {"reward_absorbing": end} if cfg.terminal.flagged else {}
    return replace(new, reward=rewarder, density=density), md | mr | flagged | mc | ma


def reward(state: State, cfg: Config) -> LearnedReward:
    """The learned reward of states, on raw observations."""
    return LearnedReward(state.normalizer, state.reward.net, cfg.terminal, RewardHead("logit"), 1.0)
