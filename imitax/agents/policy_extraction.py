"""Policy extraction: how a policy is made to follow a critic, by climbing it or by cloning weighted actions."""

from typing import Literal

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from imitax.agents.actor_critic import ActorCritic, SoftActorCritic, actor_loss, follow, masked_mean
from imitax.networks import Critic, PolicyHead
from imitax.settings import Count, NonNegative, Positive, Share, settings
from imitax.types import Metrics, Transition


@settings("policy_update")
class PolicyUpdate:
    """Loss of the policy."""

    kind: Literal["sac", "awr", "bc"] = "sac"
    """sac: climb the critic with the policy's own actions, wherever they lead. awr: clone the actions of the data,
    weighted by `exp(A / beta)` of their advantage A (Peng et al. 2019, arXiv:1910.00177, equation 10): actions that no
    data show are never evaluated. bc: clone them all alike."""
    beta: Positive = 0.1
    """Temperature of the weights, in units of the value; with `normalize` in standard deviations of A."""
    samples: Count = 4
    """K, actions of the policy whose mean value is the baseline of A, where no value network gives one; over a finite
    set of actions the mean is exact."""
    clip: Positive = 100.0
    """Largest weight (20 in the paper, 100 in AWAC and IQL)."""
    normalize: bool = False
    """Divide A by its standard deviation over the batch."""
    noise: NonNegative = 0.0
    """awr, bc: standard deviation, in half-widths of the action box, of noise on data actions before they are weighted
    and cloned (CleanIL: 0.1)."""
    noise_share: Share = 0.5
    """Share of the batch, its last transitions, whose actions get noise; demonstrations stand first."""
    cloning: NonNegative = 0.0
    """sac: weight of `-log pi(a|s)` of demonstrated actions, which is added to its loss (after Nair et al. 2018,
    arXiv:1709.10089, who add a squared error, and only where the critic agrees). awr and bc clone all data already, and
    have no use for it."""

    @property
    def box_only(self) -> str:
        """Why actions must lie in a box (`Needs.box_only`)."""
        noisy = self.noise and self.kind != "sac"
        return "policy_update.noise is added to its actions (set it to 0)" if noisy else ""

    def weights(self, advantage: Float[Array, "B"], mask: Float[Array, "B"]) -> Float[Array, "B"]:
        """Weight of each cloned action."""
        if self.kind == "bc":
            return jnp.ones_like(advantage)
        if self.normalize:
            count = jnp.maximum(mask.sum(), 1.0)
            mean = (advantage * mask).sum() / count
            std = jnp.sqrt(((advantage - mean) ** 2 * mask).sum() / count)
            advantage = advantage / (std + 1e-6)
        return jnp.exp(jnp.minimum(advantage / self.beta, jnp.log(self.clip)))

    def noisy(
        self, action: Float[Array, "B A"], half: Float[Array, "A"], middle: Float[Array, "A"], key: PRNGKeyArray
    ) -> Float[Array, "B A"]:
        """Data actions as they are cloned, within the action box."""
        if not self.noise:
            return action
        n = len(action)
        chosen = jnp.arange(n) >= n - round(self.noise_share * n)  # [B]
        noise = self.noise * half[None] * jr.normal(key, action.shape) * chosen[:, None]
        return jnp.clip(action + noise, (middle - half)[None], (middle + half)[None])


def cloning_loss(
    actor: PolicyHead,
    critic: Critic,
    t: Transition,
    cfg: PolicyUpdate,
    key: PRNGKeyArray,
    baseline: Float[Array, "B"] | None = None,
) -> tuple[Float[Array, ""], Metrics]:
    """`-E[w log pi(a|s)]` over data actions; the metrics hold `entropy` and `q_policy` of sampled actions [B].

    Args:
        actor: the network that the gradient is for.
        critic: its smallest member is the value of an action.
        t: transitions with normalised observations; absorbing ones do not count.
        cfg: gives the weights w.
        key: of the sampled actions and the noise.
        baseline: value of the states, from a value network; None samples the policy.
    """
    mask = 1.0 - t.absorbing  # [B]
    ks, kn = jr.split(key)
    action = cfg.noisy(t.action, actor.spec.half, actor.spec.middle, kn)
    choices = actor.choices(t.obs, ks, cfg.samples if baseline is None else 1)
    q_policy = choices.mean(critic.among(t.obs, choices).min(0))  # [B]
    advantage = critic(t.obs, action).min(0) - (q_policy if baseline is None else baseline)  # [B]
    weights = jax.lax.stop_gradient(cfg.weights(advantage, mask))  # [B]
    nll = -actor.log_prob(t.obs, action)  # [B]
    return (weights * nll * mask).sum() / jnp.maximum(mask.sum(), 1.0), {
        "entropy": -choices.mean(choices.log_prob),
        "q_policy": q_policy,
        "advantage": advantage,
        "weight": weights,
        "weight_clipped": (weights >= cfg.clip).astype(float),
        "nll": nll,
    }


def climbing_loss(
    actor: PolicyHead,
    agent: ActorCritic,
    t: Transition,
    demonstrated: int,
    cfg: tuple[SoftActorCritic, PolicyUpdate],
    key: PRNGKeyArray,
) -> tuple[Float[Array, ""], Metrics]:
    """Soft actor-critic's loss of the policy, and the cloning of demonstrated actions beside it.

    Args:
        actor: the network that the gradient is for.
        agent: gives the critics and the temperature.
        t: transitions with normalised observations; absorbing ones do not count.
        demonstrated: how many of them, the first ones, are demonstrated, with actions that are known.
        cfg: say which critics count, and give the weight of cloning.
        key: of the policy's actions.
    """
    mask = 1.0 - t.absorbing  # [B]
    soft, update = cfg
    loss, metrics = actor_loss(actor, agent, t.obs, mask, soft, key)
    if not (update.cloning and demonstrated):
        return loss, metrics
    nll = -actor.log_prob(t.obs, t.action)  # [B]
    cloning = masked_mean(nll, mask * (jnp.arange(len(t)) < demonstrated))
    return loss + update.cloning * cloning, metrics | {"nll": jnp.broadcast_to(cloning, nll.shape)}


def extract(
    agent: ActorCritic,
    t: Transition,
    demonstrated: int,
    cfg: tuple[SoftActorCritic, PolicyUpdate],
    key: PRNGKeyArray,
    baseline: Float[Array, "B"] | None = None,
) -> tuple[ActorCritic, Metrics]:
    """The rest of an update after the critic's own step: policy, temperature, moving average, target critic.

    Args:
        agent: after the critic's step.
        t: transitions with normalised observations.
        demonstrated: as of `climbing_loss`.
        cfg: of the agent and of the policy's loss.
        key: of the policy's loss.
        baseline: as of `cloning_loss`.
    """
    soft, update = cfg
    if update.kind == "sac":
        actor, metrics = agent.actor.descend(climbing_loss, agent, t, demonstrated, cfg, key)
    else:
        actor, metrics = agent.actor.descend(cloning_loss, agent.critic.net, t, update, key, baseline)
    return follow(agent, actor, metrics, 1.0 - t.absorbing, soft)
