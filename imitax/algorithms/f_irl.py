"""f-IRL: a reward of states whose soft-optimal policy visits the states that the expert visits.

    objective      min_theta  D_f(rho_E || rho_theta),  rho_theta: states of the soft-optimal policy of r_theta
    discriminator  min_g      BCE(g; expert, learner),  so that g(s) estimates log u(s),  u = rho_E / rho_theta
    reward         min_theta  Cov_{s ~ m}(h(u(s)), r_theta(s)),  h(u) = f(u) - u f'(u)
    policy         soft actor-critic on r_theta

(Ni et al. 2020, "f-IRL: Inverse Reinforcement Learning via State Marginal Matching", arXiv:2011.04709.) States are all
that is compared, so demonstrations need no actions. -h is high where the expert is and the learner is not.

The paper's theorem has a covariance over whole trajectories; docs/f_irl.md shows why one over single states will do,
and what it leaves out. Where the expert cannot be matched, the reward diverges; its bound and L2 penalty stop it.

Order of one update: discriminator, reward, critic, policy, temperature, target, all on one batch of expert and replay,
the critic on the new reward.

Differs from the paper: the covariance is over single states. The official one is over sums along episodes, divided by
their length T: where the states of an episode are alike, T times as large. Adam cancels such a factor from the
covariance alone, not from its sum with the L2 penalty, which is up to T times stronger here than there;
`covariance_weight` is the factor (1; 1,000 in `paper`). The theorem's 1 / alpha is in neither. The learner's states are
those of the replay, which old policies wrote too: r answers late and overshoots, the more the larger `buffer_size` (the
paper compares the last policy's episodes alone). The policy is not trained to optimality in between: the reward takes a
small step at each update, instead of one every 5,000 (`paper` has the latter). The discriminator too takes a step at
each update, on the agent's batch size, there 1,200 steps on 800 states of each every 5,000. Episodes may end: by
default the end is an absorbing state, one more state to be matched (the paper's environments run on for a fixed time).
States count alike whatever their time, values are discounted. The official code's discriminator has residual layers.
"""

# Over 250 lines: three losses, and the reward's step in an update or in a turn of its own.

from dataclasses import field, replace
from typing import Annotated, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from imitax.agents.actor_critic import ActorCritic, SoftActorCritic, create, improve, next_value, regression
from imitax.agents.replay import Replay
from imitax.agents.start import Start
from imitax.algorithm import Needs, Schedule
from imitax.buffers import Buffers
from imitax.choices.discrimination import Discrimination, RewardHead
from imitax.choices.discriminator import create_reward
from imitax.choices.divergence import Divergence
from imitax.choices.learned_reward import LearnedReward
from imitax.choices.temperature import Temperature
from imitax.choices.terminal import Terminal, absorbing_transition
from imitax.choices.weight_penalty import l2
from imitax.errors import ConfigError
from imitax.learner import Learner, OptimizerConfig
from imitax.networks import AnyReward, Critic, CriticConfig, Normalizer, Policy, Reward, RewardConfig
from imitax.networks.reward_ensemble import by_member, disagreement
from imitax.settings import INLINE, Count, NonNegative, Positive, settings
from imitax.types import Batch, Metrics, RewardInput, Transition, concat

LIMIT = 10.0
"""Log density ratios are clipped to +-LIMIT, as in the official code."""

REFUSED = {
    "chi2": "its h is -u^2, up to e^20 at the clipped ratio: one state would decide the whole covariance",
    "tv": "it is not differentiable at u = 1, where the method should converge: h jumps between -1/2 and 1/2 there",
}


@settings()
class Config:
    """f-IRL."""

    agent: Annotated[SoftActorCritic, INLINE] = SoftActorCritic(
        ema=0.999,
        critic=CriticConfig(layer_norm=True),
        critic_optimizer=OptimizerConfig(),
        terminal=Terminal("absorbing"),
        temperature=Temperature("fixed", initial=0.2),
    )
    replay: Annotated[Replay, INLINE] = Replay(warmup_steps=2000, buffer_size=100_000)
    """What the replay holds counts as the learner's marginal."""
    batch_size: Count = 256
    """Expert transitions, and as many of the replay, in an update."""
    normalize_obs: bool = True
    """Standardise observations with the statistics of the training demonstrations."""
    reward: RewardConfig = RewardConfig(hidden=(64, 64), inputs="state")
    density: RewardConfig = RewardConfig(inputs="state")
    """Network of the discriminator, whose logit is the log density ratio."""
    divergence: Divergence = Divergence("reverse_kl")
    samples: Literal["mixed", "weighted", "learner"] = "mixed"
    """States m of the covariance. mixed: expert's and learner's half and half, as they are (the official code).
    weighted: the same, weighted by 2 / (1 + u) to stand for the learner's. learner: the learner's, as in the theorem,
    which say nothing of where it never is."""
    covariance_weight: Positive = 1.0
    """Factor of the covariance against the L2 penalty. The official loss sums along episodes of T steps: T times this
    one where the states of an episode are alike."""
    reward_every: Count = 1
    """Updates between steps of the reward (the official code: 5,000). At 1 it takes its step in each update, on its
    batch."""
    reward_batch_size: Count = 10_000
    """Expert's states, and as many of the replay's, in a step of the reward that is none of an update."""
    reward_l2: NonNegative = 1e-3
    """Weight of the coupled L2 penalty on the reward's parameters, biases included."""
    density_l2: NonNegative = 1e-4
    """Weight of the coupled L2 penalty on the discriminator's parameters, biases included."""
    reward_optimizer: OptimizerConfig = OptimizerConfig(lr=1e-5)
    density_optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)

    def __post_init__(self):
        if self.divergence.kind in REFUSED:
            raise ConfigError(
                f"divergence.kind={self.divergence.kind} is not for f_irl: {REFUSED[self.divergence.kind]}; "
                "use kl, reverse_kl, js or hellinger"
            )
        for name, net in (("reward", self.reward), ("density", self.density)):
            if net.inputs != "state" or net.shaping:
                raise ConfigError(f"f_irl compares states alone: {name}.inputs must be state, without {name}.shaping")
        if self.density.members > 1:
            raise ConfigError("the ensemble of f_irl is one of rewards: give reward.members, and leave density.members")


PRESETS = {
    "default": Config(),
    "fkl": Config(divergence=Divergence("kl")),
    "rkl": Config(divergence=Divergence("reverse_kl")),
    "js": Config(divergence=Divergence("js")),
    "paper": Config(
        agent=SoftActorCritic(
            policy_optimizer=OptimizerConfig(lr=1e-3),
            critic_optimizer=OptimizerConfig(lr=1e-3),
            terminal=Terminal("absorbing"),
            temperature=Temperature("fixed", initial=0.2),
        ),
        replay=Replay(warmup_steps=1000),
        reward=RewardConfig(hidden=(64, 64), inputs="state", bound=10.0, bound_kind="clip"),
        density=RewardConfig(hidden=(128, 128), activation="tanh", inputs="state", bound=LIMIT, bound_kind="clip"),
        covariance_weight=1000.0,
        reward_every=5000,
        reward_optimizer=OptimizerConfig(lr=1e-4),
        normalize_obs=False,
    ),
}
"""default: ours, as rkl. fkl, rkl, js: ours with the paper's three divergences. paper: the official Hopper settings, as
far as a replay allows: one batch size of 256 for all (there 100 for the policy), discriminator steps at each update."""


def needs(cfg: Config) -> Needs:
    """Demonstrations, whose states suffice, and an environment."""
    terminal = cfg.agent.terminal
    return Needs(
        box_only="",
        expert=True,
        ends=terminal.kind == "stay",
        env=True,
        absorbing=terminal.samples_absorbing,
        normalize_obs=cfg.normalize_obs,
    )


def schedule(cfg: Config) -> Schedule:
    """One update a step, and steps of the reward now and then where updates have none."""
    turns = () if cfg.reward_every == 1 else ((cfg.reward_every, reward_turn),)
    return Schedule(cfg.batch_size, cfg.replay.warmup_steps, cfg.replay.buffer_size, turns=turns)


class State(eqx.Module):
    """Agent, reward and discriminator."""

    agent: ActorCritic
    reward: Learner[AnyReward]
    density: Learner[AnyReward]
    normalizer: Normalizer


def init(cfg: Config, start: Start) -> State:
    """A state before its first update."""
    ka, kr, kd = jr.split(start.key, 3)
    agent = cfg.agent
    reward = create_reward(cfg.reward, start.spec, agent.terminal, agent.gamma, kr, agent.precision)
    density = create_reward(cfg.density, start.spec, agent.terminal, agent.gamma, kd, agent.precision)
    return State(
        agent=create(agent, start, ka),
        reward=Learner.create(reward, cfg.reward_optimizer),
        density=Learner.create(density, cfg.density_optimizer),
        normalizer=start.normalizer,
    )


def density_loss(
    net: Reward, expert: RewardInput, learner: RewardInput, cfg: Config, key: PRNGKeyArray
) -> tuple[Float[Array, ""], Metrics]:
    """Cross-entropy of the logit on states of both, and its weight penalty."""
    loss, metrics = Discrimination("bce")(lambda x: net(x, key), expert, learner, key)
    return loss + cfg.density_l2 * l2(net), metrics | {"discriminator_loss": loss}


def covariance(h: Float[Array, "N"], r: Float[Array, "N"], weight: Float[Array, "N"]) -> Float[Array, ""]:
    """`E[h r] - E[h] E[r]` under normalised weights."""
    share = weight / weight.sum()
    return (share * (h - (share * h).sum()) * r).sum()


def sample_weights(log_ratio: Float[Array, "N"], expert: Float[Array, "N"], cfg: Config) -> Float[Array, "N"]:
    """Weight of each state, up to a factor; `expert` is 1 for the expert's states, 0 for the learner's."""
    if cfg.samples == "learner":
        return 1 - expert
    return jax.nn.sigmoid(-log_ratio) if cfg.samples == "weighted" else jnp.ones_like(log_ratio)


def reward_loss(
    net: Reward, density: Reward, expert: RewardInput, learner: RewardInput, cfg: Config, key: PRNGKeyArray
) -> tuple[Float[Array, ""], Metrics]:
    """Covariance whose gradient lowers the divergence, and the reward's weight penalty."""
    x, n = concat(expert, learner), len(expert.flag)
    from_expert = jnp.concatenate([jnp.ones(n), jnp.zeros(len(learner.flag))])  # [2B]
    log_ratio = jnp.clip(density(x), -LIMIT, LIMIT)
    h, r = cfg.divergence.state_reward(log_ratio), net(x, key)
    match = covariance(h, r, sample_weights(log_ratio, from_expert, cfg))
    decay = cfg.reward_l2 * l2(net)
    metrics = {"covariance": match, "divergence": cfg.divergence.f(jnp.exp(log_ratio[n:])).mean()}
    metrics |= {"reward_expert": r[:n].mean(), "reward_learner": r[n:].mean()}
    return cfg.covariance_weight * match + decay, metrics


def reward_turn(state: State, buffers: Buffers, cfg: Config, key: PRNGKeyArray) -> tuple[State, Metrics]:
    """One step of the reward on a large batch of expert and replay."""
    ke, kl, kr = jr.split(key, 3)
    assert buffers.expert is not None
    assert buffers.replay is not None
    n = cfg.reward_batch_size
    pairs = (buffers.expert.take(buffers.expert.draw(n, ke)), buffers.replay.take(buffers.replay.draw(n, kl)))
    expert, learner = (cfg.agent.terminal.reward_input(state.normalizer.transition(t)) for t in pairs)
    net, metrics = state.reward.descend(by_member(reward_loss), state.density.net, expert, learner, cfg, kr)
    return replace(state, reward=net), metrics


def critic_loss(
    critic: Critic, agent: ActorCritic, t: Transition, end: Float[Array, ""], cfg: Config, key: PRNGKeyArray
) -> tuple[Float[Array, ""], Metrics]:
    """Soft temporal-difference loss of all critics; `end` is the reward of the absorbing state."""
    y = t.reward + cfg.agent.gamma * next_value(agent, t, cfg.agent, key, end)
    return regression(critic, t, y, cfg.agent)


def update(state: State, batch: Batch, cfg: Config, key: PRNGKeyArray) -> tuple[State, Metrics]:
    """One update of everything on one batch of expert and replay, of the reward where it has no turns of its own."""
    data = state.normalizer.batch(batch)
    assert data.expert is not None
    assert data.replay is not None
    kd, kr, kc, ka = jr.split(key, 4)
    expert, learner = (cfg.agent.terminal.reward_input(t) for t in (data.expert, data.replay))
    density, md = state.density.descend(by_member(density_loss), expert, learner, cfg, kd)
    net, mr = state.reward, {}
    if cfg.reward_every == 1:
        net, mr = net.descend(by_member(reward_loss), density.net, expert, learner, cfg, kr)

    replay = replace(data.replay, reward=net.net(learner))
    end = net.net(cfg.agent.terminal.reward_input(absorbing_transition(state.agent.actor.net.spec)))[0]
    critic, mc = state.agent.critic.descend(critic_loss, state.agent, replay, end, cfg, kc)
    agent, ma = improve(replace(state.agent, critic=critic), replay, cfg.agent, ka)
    md |= disagreement(net.net, lambda one: one(learner))
    md |= {"reward_absorbing": end} if cfg.agent.terminal.has_one_end else {}
    return State(agent, net, density, state.normalizer), md | mr | mc | ma


def policy(state: State) -> Policy:
    """The policy that a run evaluates and saves."""
    return Policy(state.normalizer, state.agent.ema)


def explorer(state: State) -> Policy:
    """The policy that acts in training."""
    return Policy(state.normalizer, state.agent.actor.net)


def reward(state: State, cfg: Config) -> LearnedReward:
    """The learned reward of states, on raw observations."""
    return LearnedReward(state.normalizer, state.reward.net, cfg.agent.terminal, RewardHead("logit"), 1.0)
