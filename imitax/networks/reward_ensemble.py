"""Ensembles of rewards: learned side by side from the same data, they agree where the data say something.

Members differ by their initialisation, by the units that are dropped and by the points of gradient penalties, as in
deep ensembles (Lakshminarayanan et al. 2017, arXiv:1612.01474).
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from imitax.networks.reward import Combine, Reward, RewardConfig
from imitax.spaces import Spec
from imitax.types import Metrics, RewardInput


class RewardEnsemble(eqx.Module):
    """N rewards with stacked parameters, which are called as one: `RewardInput -> [B]`."""

    members: Reward
    """All of them: every array has a leading axis [N]."""
    combine: Combine = eqx.field(static=True)
    """How they count as one."""

    @property
    def cfg(self) -> RewardConfig:
        """Configuration of the members."""
        return self.members.cfg

    @property
    def spec(self) -> Spec:
        """Of the task."""
        return self.members.spec

    @property
    def gamma(self) -> float:
        """Discount factor of the members' shaping terms."""
        return self.members.gamma

    @property
    def precision(self) -> str:
        """Of the members' products."""
        return self.members.precision

    def __call__(self, x: RewardInput, key: PRNGKeyArray | None = None) -> Float[Array, "B"]:
        """The combined rewards with their shaping terms; with a key, units of each member are dropped."""
        if key is None:
            return combined(self, lambda net: net(x))
        keys = jr.split(key, self.cfg.members)
        each = eqx.filter_vmap(lambda net, k: net(x, k))(self.members, keys)
        return self.cfg.combined(each, self.combine)

    def unshaped(self, x: RewardInput) -> Float[Array, "B"]:
        """The combined rewards themselves."""
        return combined(self, lambda net: net.unshaped(x))


AnyReward = Reward | RewardEnsemble
"""One reward, or several that count as one."""


def make_reward(cfg: RewardConfig, *, key: PRNGKeyArray, **options: Any) -> AnyReward:
    """A new reward, or as many as `cfg.members` says.

    Args:
        cfg: of the network.
        key: randomness of the initialisation.
        options: `spec`, `gamma`, `flagged`, `absorbing` and `precision` of `Reward`.
    """
    if cfg.members == 1:
        return Reward(cfg=cfg, key=key, **options)
    make = eqx.filter_vmap(lambda k: Reward(cfg=cfg, key=k, **options))
    return RewardEnsemble(make(jr.split(key, cfg.members)), cfg.combine)


def of_members(net: AnyReward, f: Callable[[Reward], Float[Array, "B"]]) -> Float[Array, "N B"]:
    """`f` of every member; of a single reward, one row."""
    return f(net)[None] if isinstance(net, Reward) else eqx.filter_vmap(f)(net.members)


def combined(net: AnyReward, f: Callable[[Reward], Float[Array, "B"]]) -> Float[Array, "B"]:
    """`f` of the reward, or of all members as they count as one."""
    return f(net) if isinstance(net, Reward) else net.cfg.combined(of_members(net, f), net.combine)


def disagreement(net: AnyReward, f: Callable[[Reward], Float[Array, "B"]]) -> Metrics:
    """The standard deviation of the members' `f`, averaged over transitions, as the metric `reward_disagreement`."""
    return {} if isinstance(net, Reward) else {"reward_disagreement": of_members(net, f).std(0).mean()}


def by_member(loss: Callable[..., tuple[Float[Array, ""], Metrics]]) -> Callable[..., tuple[Float[Array, ""], Metrics]]:
    """`loss(net: Reward, *args, key)` as a loss of `AnyReward`: for ensembles the sum of their members' losses.

    Each member has the gradient that it would have alone, and a key of its own. Other ensembles among the arguments are
    given member by member. Metrics are averaged.
    """

    def of_all(net: AnyReward, *args: Any) -> tuple[Float[Array, ""], Metrics]:
        if isinstance(net, Reward):
            return loss(net, *args)
        *shared, key = args
        given = jax.tree.map(lambda x: x.members if _several(x) else x, shared, is_leaf=_several)
        axes = jax.tree.map(lambda x: eqx.if_array(0) if _several(x) else None, shared, is_leaf=_several)
        keys = jr.split(key, net.cfg.members)
        over = eqx.filter_vmap(
            lambda one, others, k: loss(one, *others, k), in_axes=(eqx.if_array(0), axes, eqx.if_array(0))
        )
        losses, metrics = over(net.members, given, keys)
        return losses.sum(), jax.tree.map(lambda x: x.mean(0), metrics)

    return of_all


def _several(x: Any) -> bool:
    return isinstance(x, RewardEnsemble)
