"""ML-IRL: the reward under whose soft-optimal policy the demonstrations are most likely.

    objective  max_theta  E_E[log pi_theta(a|s)],   pi_theta soft-optimal for r_theta
    reward     min_theta  E_pi[r_theta] - E_E[r_theta] + mu change(theta, theta_old) + penalties
    policy     soft actor-critic on r_theta

(Zeng, Li, Garcia and Hong 2022, "Maximum-Likelihood Inverse Reinforcement Learning with Finite-Time Guarantees",
arXiv:2210.01808, algorithm 1; by lemma 1 the difference has the objective's gradient, times -alpha.) The term with mu
is PIRO's (Chen et al. 2025, arXiv:2509.23135, algorithm 3): it keeps the reward near the one that the policy was
trained on. At mu = 0, the default, it is ML-IRL.

Each environment step has one update of soft actor-critic on a batch of the whole replay, rewarded by the reward as it
is. Every `reward_every` steps the reward takes `reward_steps` steps, each on a batch of demonstrations and one of the
latest `recent_size` steps, which stand for the policy.

Differs from the papers: they make rollouts for each turn of the reward, which in the official codes run on for 1,000
steps; here the steps in which the policy learned serve, and one absorbing transition follows a termination. Steps count
alike, as in the official codes; the papers discount. Adam, for a gradient step of a rate that falls with their number.
A gradient penalty is ours. PIRO: the change is a root of a mean (there of a sum). Both its paper and its code publish
one reward step in a turn, at whose start nothing has changed and the term has no gradient; `piro` takes ten.
docs/ml_irl.md has the rest.
"""

from dataclasses import field, replace
from typing import Annotated

import equinox as eqx
import jax
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from imitax.agents.actor_critic import ActorCritic, SoftActorCritic, create, improve, next_value, regression
from imitax.agents.replay import Replay
from imitax.agents.start import Start
from imitax.algorithm import Needs, Schedule
from imitax.buffers import Buffers
from imitax.choices.discrimination import RewardHead
from imitax.choices.discriminator import create_reward
from imitax.choices.gradient_penalty import GradientPenalty
from imitax.choices.learned_reward import LearnedReward
from imitax.choices.proximal import Proximal, change
from imitax.choices.temperature import Temperature
from imitax.choices.terminal import Terminal, absorbing_transition, require_one_end
from imitax.choices.weight_penalty import l2
from imitax.errors import ConfigError
from imitax.learner import Learner, OptimizerConfig
from imitax.networks import AnyReward, Critic, CriticConfig, Normalizer, Policy, Reward, RewardConfig
from imitax.networks.reward_ensemble import by_member, disagreement, of_members
from imitax.settings import INLINE, Count, NonNegative, settings
from imitax.types import Batch, Metrics, RewardInput, Transition, concat


@settings()
class Config:
    """ML-IRL."""

    agent: Annotated[SoftActorCritic, INLINE] = SoftActorCritic(
        ema=0.999,
        critic=CriticConfig(layer_norm=True),
        critic_optimizer=OptimizerConfig(),
        terminal=Terminal("absorbing"),
        temperature=Temperature("fixed", initial=0.2),
    )
    replay: Annotated[Replay, INLINE] = Replay(warmup_steps=2000)
    batch_size: Count = 256
    """Transitions in an update."""
    normalize_obs: bool = True
    """Standardise observations with the statistics of the training demonstrations."""
    recent_size: Count = 5000
    """Latest environment steps, which stand for the policy in the reward's loss. The first turns see random ones."""
    reward: RewardConfig = field(default_factory=RewardConfig)
    reward_every: Count = 50
    """Environment steps between turns of the reward."""
    reward_steps: Count = 5
    """Steps of the reward in a turn (n)."""
    reward_batch_size: Count = 256
    """Transitions of the expert, and as many of the policy, in a step of the reward."""
    gradient_penalty: GradientPenalty = GradientPenalty(inputs="observed")
    """Without the flags of the end: a limit on the slope along them would tie the reward of the absorbing state to that
    of the states of the expert, whose mean its zeros are."""
    l2: NonNegative = 0.0
    """Weight of the coupled L2 penalty on the reward's parameters, biases included."""
    proximal: Proximal = field(default_factory=Proximal)
    reward_optimizer: OptimizerConfig = OptimizerConfig(lr=1e-4)

    def __post_init__(self):
        if self.reward.bound is None and self.gradient_penalty.kind == "none" and not self.l2:
            raise ConfigError("the reward grows without limit: give a reward.bound, a gradient_penalty or l2")
        if self.reward.inputs != "state_action" and self.gradient_penalty.inputs == "action":
            raise ConfigError(f"gradient_penalty.inputs=action: reward.inputs={self.reward.inputs} has no actions")
        if self.reward.shaping:
            require_one_end(self.agent.terminal, "shows no step into the end, which reward.shaping needs")
        if self.proximal.kind != "none" and self.reward_steps == 1:
            raise ConfigError(
                f"proximal.kind={self.proximal.kind} does nothing at reward_steps=1, whose only step begins where the "
                "reward has not changed: use more reward_steps, or proximal.kind=none"
            )


_SLOW = Config(
    agent=SoftActorCritic(
        policy_optimizer=OptimizerConfig(lr=1e-3),
        terminal=Terminal("absorbing"),
        temperature=Temperature("fixed", initial=0.2),
    ),
    replay=Replay(warmup_steps=1000),
    normalize_obs=False,
    reward=RewardConfig(hidden=(64, 64), bound=10.0, bound_kind="clip"),
    reward_every=5000,
    reward_steps=1,
    reward_batch_size=10_000,
    gradient_penalty=GradientPenalty("none", inputs="observed"),
    l2=1e-6,
)

PRESETS = {
    "default": Config(),
    "state": Config(reward=RewardConfig(inputs="state")),
    "paper": _SLOW,
    "piro": replace(
        _SLOW,
        reward=replace(_SLOW.reward, hidden=(128, 128)),
        reward_steps=10,
        reward_batch_size=256,
        proximal=Proximal("adaptive"),
    ),
}
"""default: ours. state: the same with a reward of states. paper: the official Hopper settings of ML-IRL. piro: those of
PIRO (its tables 2 and 3), but ten steps of the reward in a turn."""


def needs(cfg: Config) -> Needs:
    """Demonstrations, whose actions count where the reward sees actions, and an environment."""
    return Needs(
        box_only="",
        expert=True,
        actions=cfg.reward.inputs == "state_action",
        without_actions="its reward sees them but for reward.inputs=state or state_next (preset state)",
        env=True,
        ends=cfg.agent.terminal.kind == "stay",
        absorbing=cfg.agent.terminal.samples_absorbing,
        normalize_obs=cfg.normalize_obs,
    )


def schedule(cfg: Config) -> Schedule:
    """One update a step, and turns of the reward."""
    turns, replay = ((cfg.reward_every, reward_turn),), cfg.replay
    return Schedule(cfg.batch_size, replay.warmup_steps, replay.buffer_size, turns=turns, recent_size=cfg.recent_size)


class State(eqx.Module):
    """Agent, reward and the weight of its proximal term."""

    agent: ActorCritic
    reward: Learner[AnyReward]
    proximal_weight: Float[Array, ""]
    normalizer: Normalizer


def init(cfg: Config, start: Start) -> State:
    """A state before its first update."""
    ka, kr = jr.split(start.key)
    agent = cfg.agent
    net = create_reward(cfg.reward, start.spec, agent.terminal, agent.gamma, kr, agent.precision)
    learner = Learner.create(net, cfg.reward_optimizer)
    return State(create(agent, start, ka), learner, cfg.proximal.create(), start.normalizer)


def reward_loss(
    net: Reward, old: tuple[Reward, Array], pair: tuple[RewardInput, RewardInput], cfg: Config, key: PRNGKeyArray
) -> tuple[Float[Array, ""], Metrics]:
    """Difference, proximal term and penalties; `old` is theta_old and mu, `pair` has as many of expert and policy."""
    kd, kp = jr.split(key)
    (old_net, mu), x, n = old, concat(*pair), len(pair[0].flag)
    r, moved = net(x, kd), change(net(x), old_net(x))
    gap = r[n:].mean() - r[:n].mean()
    penalty, norm = cfg.gradient_penalty(net, *pair, kp)
    decay = cfg.l2 * l2(net)
    metrics = {"reward_loss": gap, "penalty": penalty, "reward_expert": r[:n].mean(), "reward_learner": r[n:].mean()}
    return gap + mu * moved + penalty + decay, metrics | norm


def changed(new: AnyReward, old: AnyReward, x: RewardInput) -> Float[Array, ""]:
    """Change of the reward, averaged over the members of an ensemble."""
    return jax.vmap(change)(*(of_members(net, lambda one: one(x)) for net in (new, old))).mean()


def reward_turn(state: State, buffers: Buffers, cfg: Config, key: PRNGKeyArray) -> tuple[State, Metrics]:
    """`reward_steps` steps of the reward, then one of mu; metrics of the last step."""
    sources = [b for b in (buffers.expert, buffers.recent) if b is not None]
    assert len(sources) == 2
    old = (state.reward.net, state.proximal_weight)
    arrays, static = eqx.partition(state.reward, eqx.is_array)

    def step(arrays, key: PRNGKeyArray):
        *draws, kr = jr.split(key, 3)
        pair = [b.take(b.draw(cfg.reward_batch_size, k)) for b, k in zip(sources, draws, strict=True)]
        expert, recent = (cfg.agent.terminal.reward_input(state.normalizer.transition(t)) for t in pair)
        learner, metrics = eqx.combine(arrays, static).descend(by_member(reward_loss), old, (expert, recent), cfg, kr)
        x = concat(expert, recent)
        return eqx.filter(learner, eqx.is_array), metrics | {"reward_change": changed(learner.net, old[0], x)}

    arrays, metrics = jax.lax.scan(step, arrays, jr.split(key, cfg.reward_steps))
    metrics = {name: value[-1] for name, value in metrics.items()} | {"proximal_weight": state.proximal_weight}
    weight = cfg.proximal.update(state.proximal_weight, metrics["reward_change"])
    return replace(state, reward=eqx.combine(arrays, static), proximal_weight=weight), metrics


def critic_loss(
    critic: Critic, agent: ActorCritic, t: Transition, end: Float[Array, ""], cfg: Config, key: PRNGKeyArray
) -> tuple[Float[Array, ""], Metrics]:
    """Soft temporal-difference loss of all critics; `end` is the reward of the absorbing state."""
    y = t.reward + cfg.agent.gamma * next_value(agent, t, cfg.agent, key, end)
    return regression(critic, t, y, cfg.agent)


def update(state: State, batch: Batch, cfg: Config, key: PRNGKeyArray) -> tuple[State, Metrics]:
    """One update of critic, policy, temperature and target on the reward as it is."""
    replay = state.normalizer.batch(batch).replay
    assert replay is not None
    kc, ka = jr.split(key)
    net, terminal = state.reward.net, cfg.agent.terminal
    replay = replace(replay, reward=net(terminal.reward_input(replay)))
    end = net(terminal.reward_input(absorbing_transition(state.agent.actor.net.spec)))[0]
    critic, mc = state.agent.critic.descend(critic_loss, state.agent, replay, end, cfg, kc)
    agent, ma = improve(replace(state.agent, critic=critic), replay, cfg.agent, ka)
    several = disagreement(net, lambda one: one(terminal.reward_input(replay)))
    metrics = {"reward_replay": replay.reward.mean()} | several
    metrics |= {"reward_absorbing": end} if terminal.has_one_end else {}
    return replace(state, agent=agent), metrics | mc | ma


def policy(state: State) -> Policy:
    """The policy that a run evaluates and saves."""
    return Policy(state.normalizer, state.agent.ema)


def explorer(state: State) -> Policy:
    """The policy that acts in training."""
    return Policy(state.normalizer, state.agent.actor.net)


def reward(state: State, cfg: Config) -> LearnedReward:
    """The learned reward, without shaping, on raw observations."""
    return LearnedReward(state.normalizer, state.reward.net, cfg.agent.terminal, RewardHead("logit"), 1.0)
