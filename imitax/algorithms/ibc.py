"""Implicit behaviour cloning: a function f of state and action that is higher at the demonstrated action than at
counter-examples; the policy is its maximiser (Florence et al. 2021, "Implicit Behavioral Cloning", arXiv:2109.00137).

    energy     min_g   E_E[-f(s, a) + log(exp f(s, a) + sum_j exp f(s, a_j))]  +  gradient penalty(g)
               f(s, a) = g(s, a) + log pi(a|s);  without `energy.residual`, f is the network g itself
    amortised  max_pi  E_E[log pi(a|s)]                                        amortised: likelihood
               max_pi  E_E[f(s, a') - alpha log pi(a'|s)],  a' ~ pi(.|s)       amortised: energy
    policy     argmax_a f(s, a)

f is minus the paper's energy. Order of one update: amortised policy (on the f from before it), temperature, f.

Differs from the paper: an amortised policy is trained beside f, on the likelihood of demonstrated actions (R-NCE, Singh
et al. 2023) or to follow f (CleanIL's "IBC", which acts by it alone). It may be a part of f, give counter-examples,
start the search, or act in its place. The searched range is that of the demonstrated actions
seen so far, within the action box. f is a plain multilayer perceptron, in the `paper` preset too (there: 8 layers of
512 units with skip connections). Of a finite set of actions all others are the counter-examples and all are searched,
so the loss is the exact likelihood of exp f, and settings of counter-examples and searches have no effect.
"""

# Over 250 lines: the losses of energy and actor, and the searches that evaluations compare.

from dataclasses import field, replace
from typing import Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, PRNGKeyArray

from imitax.agents.actor_critic import CLEANIL
from imitax.agents.start import Start
from imitax.algorithm import Needs, Schedule
from imitax.choices.gradient_penalty import GradientPenalty
from imitax.choices.negatives import Negatives, all_others
from imitax.choices.temperature import LogScalar, Temperature
from imitax.errors import ConfigError
from imitax.learner import Learner, OptimizerConfig, growing_average
from imitax.networks import (
    ActionRange,
    Energy,
    EnergyConfig,
    Inference,
    InferenceKind,
    Normalizer,
    Policy,
    PolicyConfig,
    PolicyHead,
    Precision,
    TanhGaussian,
    f_of,
    implicit_actor,
    join,
    log_probs,
    policy_head,
    require_own_encoder,
    with_inference,
)
from imitax.settings import Count, NonNegative, Share, settings
from imitax.types import Batch, Metrics, Obs

NEAR_MODE = Inference("actor_polish", actor_samples=1, actor_steps=10, actor_first=0.001, iterations=6, shrink=0.6)
"""A short climb from the amortised policy's mode."""


@settings()
class Config:
    """Implicit behaviour cloning."""

    batch_size: Count = 128
    """Transitions in an update."""
    loss: Literal["info_nce", "contrastive"] = "info_nce"
    """info_nce: cross-entropy of the demonstrated action among the counter-examples. contrastive: mean f of the
    counter-examples minus f of the demonstrated action."""
    negatives: Negatives = field(default_factory=lambda: Negatives("actor", corrected=True))
    gradient_penalty: GradientPenalty = field(default_factory=lambda: GradientPenalty(kind="none"))
    """Of the network. At mix: between the demonstrated action and each counter-example, in the same state. At
    learner: at the demonstrated action and at all counter-examples (the paper)."""
    inference: Inference = field(default_factory=lambda: NEAR_MODE)
    """How the policy finds its action."""
    amortised: Literal["likelihood", "energy"] = "likelihood"
    """How the amortised policy is trained. likelihood: on demonstrated actions (Singh et al. 2023). energy: to follow
    f (CleanIL)."""
    range_margin: NonNegative = 0.05
    """Share of the demonstrated actions' range that is added at either end of it to get the searched one."""
    ema: Share = 0.25
    """What acts and is saved is a moving average of the parameters over about this share of the updates so far; 0
    takes them as they are. It changes nothing in training."""
    normalize_obs: bool = True
    """Standardise observations with the statistics of the training demonstrations."""
    energy: EnergyConfig = field(default_factory=lambda: EnergyConfig(residual=True))
    policy: PolicyConfig = field(default_factory=lambda: PolicyConfig(log_std_min=-1.0, action_clip=0.01))
    """The amortised policy's network."""
    temperature: Temperature = field(default_factory=lambda: Temperature("fixed", initial=1.0))
    """alpha, where the amortised policy follows f. At 1, with corrected counter-examples, it is the one nearest to
    exp f."""
    energy_optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    policy_optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    precision: Precision = "float32"
    """Of matrix products: bfloat16 rounds their operands and accumulates in float32."""

    def __post_init__(self):
        if self.loss == "contrastive" and self.negatives.corrected:
            raise ConfigError("negatives.corrected is for loss=info_nce: turn it off for loss=contrastive")
        if self.energy.residual and self.amortised == "energy":
            raise ConfigError(
                "energy.residual adds to a policy that is trained without f: take amortised=likelihood, or turn it off"
            )
        require_own_encoder(self.policy)


PRESETS = {
    "default": Config(),
    "cleanil": Config(
        batch_size=256,
        negatives=Negatives("mix", count=4, actor=1),
        gradient_penalty=GradientPenalty("hinge", weight=10.0, margin=1.0, norm="linf"),
        inference=Inference("actor_mean"),
        amortised="energy",
        range_margin=0.0,
        ema=0.0,
        energy=EnergyConfig((256, 256, 256), "silu", bound=100.0, bound_kind="clip"),
        policy=CLEANIL.policy,
        temperature=Temperature(initial=0.2),
        energy_optimizer=OptimizerConfig(lr=3e-4, clip=1000.0),
        policy_optimizer=CLEANIL.policy_optimizer,
    ),
    "paper": Config(
        batch_size=512,
        negatives=Negatives("langevin", count=8),
        gradient_penalty=GradientPenalty("hinge", weight=1.0, margin=1.0, at="learner", norm="linf", inputs="action"),
        inference=Inference("langevin", samples=512),
        amortised="energy",
        ema=0.0,
        energy=EnergyConfig((512, 512), spectral_norm=True),
        policy=PolicyConfig(),
        temperature=Temperature(initial=0.2),
        energy_optimizer=OptimizerConfig(lr=5e-4),
    ),
}
"""default: ours. cleanil: CleanIL, which acts by the amortised policy. paper: the authors' best
configuration on the D4RL tasks, with a smaller network."""


def needs(cfg: Config) -> Needs:
    """Demonstrations with actions."""
    why = "it tells demonstrated actions from others"
    return Needs(box_only="", expert=True, actions=True, without_actions=why, normalize_obs=cfg.normalize_obs)


def schedule(cfg: Config) -> Schedule:
    """One update a step."""
    return Schedule(batch_size=cfg.batch_size)


class State(eqx.Module):
    """f, the amortised policy, the averages of both, and the range of actions."""

    actor: Learner[PolicyHead]
    energy: Learner[Energy]
    temperature: Learner[LogScalar]
    ema: PolicyHead
    ema_energy: Energy
    seen: ActionRange
    """Of the demonstrated actions so far."""
    searched: ActionRange
    updates: Int[Array, ""]
    normalizer: Normalizer
    inference: Inference = eqx.field(static=True)


def init(cfg: Config, start: Start) -> State:
    """A state before its first update."""
    ka, ke = jr.split(start.key)
    actor = start.actor or policy_head(start.spec, cfg.policy, key=ka, precision=cfg.precision)
    energy = Energy(start.spec, cfg.energy, key=ke, precision=cfg.precision)
    return State(
        actor=Learner.create(actor, cfg.policy_optimizer),
        energy=Learner.create(energy, cfg.energy_optimizer),
        temperature=cfg.temperature.create(),
        ema=actor,
        ema_energy=energy,
        seen=ActionRange.nothing(start.spec),
        searched=ActionRange.box(start.spec),
        updates=jnp.zeros((), int),
        normalizer=start.normalizer,
        inference=cfg.inference,
    )


def info_nce(f_expert: Float[Array, "B"], f_negative: Float[Array, "B N"]) -> Float[Array, "B"]:
    """`-log` of the demonstrated action's share of exp f among itself and its counter-examples."""
    return jax.nn.logsumexp(jnp.concatenate([f_expert[:, None], f_negative], 1), 1) - f_expert


def contrastive(f_expert: Float[Array, "B"], f_negative: Float[Array, "B N"]) -> Float[Array, "B"]:
    """Mean f of the counter-examples minus f of the demonstrated action."""
    return f_negative.mean(1) - f_expert


class Candidates(NamedTuple):
    """The demonstrated action, first, and its counter-examples."""

    unit: Float[Array, "B M A"]
    """In unit coordinates."""
    amortised: Float[Array, "B M"]
    """log pi(a|s), a part of f; 0 where it is none."""
    drawn: Float[Array, "B M"]
    """Log-density with which they are drawn, which is subtracted from f; 0 where nothing is."""


def energy_loss(
    net: Energy, obs: Obs, shown: Candidates, cfg: Config, key: PRNGKeyArray
) -> tuple[Float[Array, ""], Metrics]:
    """Loss of f among candidates, and the gradient penalty."""
    f = net.at(obs)(shown.unit) + shown.amortised  # [B M]
    corrected = f - shown.drawn
    loss = {"info_nce": info_nce, "contrastive": contrastive}[cfg.loss]
    contrast = loss(corrected[:, 0], corrected[:, 1:]).mean()
    negatives = shown.unit[:, 1:] if cfg.gradient_penalty.at == "mix" else shown.unit
    near = join(obs, jnp.broadcast_to(shown.unit[:, :1], negatives.shape))
    penalty, norm = cfg.gradient_penalty(net, near, join(obs, negatives), key)
    return contrast + penalty, norm | {
        "contrast": contrast,
        "penalty": penalty,
        "f_expert": f[:, 0].mean(),
        "f_negative": f[:, 1:].mean(),
        "accuracy": (f[:, 0] > f[:, 1:].max(1)).mean(),
    }


def likelihood_loss(
    actor: PolicyHead, obs: Obs, action: Float[Array, "B A"], key: PRNGKeyArray
) -> tuple[Float[Array, ""], Metrics]:
    """`-E[log pi(a|s)]` of demonstrated actions."""
    return -actor.log_prob(obs, action).mean(), {"entropy": -actor.sample(obs, key)[1]}


def actor_loss(
    actor: PolicyHead,
    energy: Energy,
    searched: ActionRange,
    obs: Obs,
    alpha: Float[Array, ""],
    key: PRNGKeyArray,
) -> tuple[Float[Array, ""], Metrics]:
    """`E[alpha log pi(a|s) - f(s, a)]` with the policy's own actions (of a finite set, `Choices.climb`)."""
    choices = actor.choices(obs, key)
    f = energy.at(obs)(jnp.moveaxis(searched.unit(choices.action), 0, 1)).T  # [M B]
    return choices.climb(f, alpha).mean(), {
        "entropy": -choices.mean(choices.log_prob),
        "f_policy": choices.mean(f).mean(),
    }


def candidates(
    state: State, actor: PolicyHead, obs: Obs, action: Float[Array, "B A"], cfg: Config, key: PRNGKeyArray
) -> Candidates:
    """The demonstrated action and its counter-examples.

    Args:
        state: whose f leads a chain, with the searched range.
        actor: draws counter-examples.
        obs: normalised observations.
        action: demonstrated actions.
        cfg: of the counter-examples.
        key: of their draw.
    """
    searched = state.searched
    own = searched.unit(action)[:, None]
    if not isinstance(actor, TanhGaussian):
        every = jnp.concatenate([own, searched.unit(all_others(actor.spec.finite, action))], 1)
        nothing = jnp.zeros(every.shape[:2])
        return Candidates(every, nothing, nothing)
    f = f_of(state.energy.net, actor, obs, searched)
    negatives = cfg.negatives.draw(f, actor, obs, searched, key)  # [B N A]
    every = jnp.concatenate([own, negatives], 1)
    amortised = drawn = jnp.zeros(every.shape[:2])
    if cfg.energy.residual:
        amortised = jax.lax.stop_gradient(log_probs(actor, obs, searched.action(every)))
    if cfg.negatives.corrected:
        drawn = cfg.negatives.log_density(actor, obs, searched, every)
    return Candidates(every, amortised, drawn)


def update(state: State, batch: Batch, cfg: Config, key: PRNGKeyArray) -> tuple[State, Metrics]:
    """One update on a batch of demonstrations."""
    expert = state.normalizer.batch(batch).expert
    assert expert is not None
    obs = expert.obs
    spec = state.actor.net.spec
    ka, kn, ke = jr.split(key, 3)
    seen = state.seen.seen(expert.action)
    searched = ActionRange.box(spec) if spec.is_finite else seen.widened(cfg.range_margin, spec)

    alpha = state.temperature.net()
    if cfg.amortised == "likelihood":
        actor, metrics = state.actor.descend(likelihood_loss, obs, expert.action, ka)
    else:
        actor, metrics = state.actor.descend(actor_loss, state.energy.net, searched, obs, alpha, ka)
    entropy = metrics["entropy"]  # [B]
    temperature = cfg.temperature.update(state.temperature, entropy, jnp.ones(len(expert)), spec)

    shown = candidates(replace(state, searched=searched), actor.net, obs, expert.action, cfg, kn)
    energy, me = state.energy.descend(energy_loss, obs, shown, cfg, ke)

    updates = state.updates + 1
    new = State(
        actor=actor,
        energy=energy,
        temperature=temperature,
        ema=growing_average(state.ema, actor.net, cfg.ema, updates),
        ema_energy=growing_average(state.ema_energy, energy.net, cfg.ema, updates),
        seen=seen,
        searched=searched,
        updates=updates,
        normalizer=state.normalizer,
        inference=cfg.inference,
    )
    return new, me | metrics | {"entropy": entropy.mean(), "alpha": alpha}


def policy(state: State) -> Policy:
    """The policy that a run evaluates and saves."""
    return Policy(state.normalizer, implicit_actor(state.ema_energy, state.ema, state.searched, state.inference))


def alternatives(state: State) -> dict[str, Policy]:
    """The same networks, acting by search if the policy is the amortised one, and the other way round."""
    kind: InferenceKind = "actor_polish" if state.inference.kind == "actor_mean" else "actor_mean"
    return {kind: with_inference(policy(state), kind)}
