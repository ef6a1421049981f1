"""A learned reward, frozen: what `run.reward(...)` calls and `imitax train sac --reward RUN` trains on."""

from dataclasses import replace

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from imitax.choices.discrimination import RewardHead
from imitax.choices.terminal import Terminal, absorbing_transition
from imitax.errors import ConfigError
from imitax.networks import AnyReward, Combine, Normalizer, Reward, RewardEnsemble, combined, of_members
from imitax.types import AnyArray, Obs, Transition


class LearnedReward(eqx.Module):
    """`scale * head(h)` on raw observations, without shaping and log-policy terms.

    Args:
        normalizer: of the observations.
        net: the discriminator or reward network, or an ensemble of them.
        terminal: how the run that learned it handled the end of episodes.
        head: turns logits into rewards.
        scale: factor of the reward.
    """

    normalizer: Normalizer
    net: AnyReward
    terminal: Terminal = eqx.field(static=True)
    head: RewardHead = eqx.field(static=True)
    scale: float = eqx.field(static=True)

    def __call__(
        self,
        obs: Obs,
        action: Float[AnyArray, "B A"],
        next_obs: Obs,
        terminated: Bool[AnyArray, "B"],
    ) -> Float[Array, "B"]:
        """Reward of each transition; of those that end the MDP, without what follows the end. Under terminal.kind=stay
        theirs is that of the terminal state, whatever the action."""
        t = self._seen(obs, action, next_obs, terminated)
        return combined(self.net, lambda one: self._of(one, t))

    def each(
        self, obs: Obs, action: Float[AnyArray, "B A"], next_obs: Obs, terminated: Bool[AnyArray, "B"]
    ) -> Float[Array, "N B"]:
        """Rewards by every member of an ensemble; one row where there is one network."""
        t = self._seen(obs, action, next_obs, terminated)
        return of_members(self.net, lambda one: self._of(one, t))

    def counted(self, combine: Combine) -> "LearnedReward":
        """The reward of an ensemble whose members count as one in this way. ConfigError for a single reward."""
        if not isinstance(self.net, RewardEnsemble):
            raise ConfigError(
                f"combine={combine}: this reward has one member; ensembles are learned with --reward.members N"
            )
        return replace(self, net=replace(self.net, combine=combine))

    def absorbing(self) -> Float[Array, ""]:
        """Reward of each step after the end, where all ends are alike; zero where the run gave them no reward, and
        under terminal.kind=stay, where each has its own (`after_end`)."""
        return self._end() if self.terminal.samples_absorbing else jnp.zeros(())

    def after_end(self) -> float | None:
        """`absorbing()` as a number; None where each end has its own, that of its terminating step."""
        return None if self.terminal.kind == "stay" else float(self.absorbing())

    def above_end(self, rewards: Float[Array, "B"], terminated: Bool[AnyArray, "B"], gamma: float) -> Float[Array, "B"]:
        """Rewards less that of a step after the end, so that what follows the end is worth nothing.

        Under terminal.kind=stay ends differ: rewards are those less the reward of an end in the zero observation, as
        networks see it, and a terminating step has in its own what the steps after it add, discounted by `gamma`, the
        learner's. Where these ends are far below the other rewards, critics learn badly from that too.

        A learner that masks the value of terminal states optimises with these what the run's own policy did: with R a
        step after the end, every value is R / (1 - gamma) lower, whatever the policy does. Adding
        gamma R / (1 - gamma) to terminating steps instead says the same in single rewards of a hundred steps' size,
        from which critics learn badly.
        """
        if self.terminal.kind != "stay":
            return rewards - self.absorbing()
        above = rewards - self._end()
        return jnp.where(terminated, above / (1 - gamma), above)

    def _end(self) -> Float[Array, ""]:
        """Reward of the zero transition, with the flag of the end."""
        return combined(self.net, lambda one: self._of(one, absorbing_transition(one.spec)))[0]

    def _seen(
        self, obs: Obs, action: Float[AnyArray, "B A"], next_obs: Obs, terminated: Bool[AnyArray, "B"]
    ) -> Transition:
        zeros = jnp.zeros(len(action))
        here, there = self.normalizer(obs), self.normalizer(next_obs)
        return Transition(here, jnp.asarray(action), zeros, there, jnp.asarray(terminated), zeros > 0)

    def _of(self, net: Reward, t: Transition) -> Float[Array, "B"]:
        return self.scale * self.head(net.unshaped(self.terminal.reward_input(t)))
