"""A learned reward, frozen: what `run.reward(...)` calls and `imitax train sac --reward RUN` trains on."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from imitax.choices.discrimination import RewardHead
from imitax.choices.terminal import Terminal, absorbing_transition
from imitax.networks import Normalizer, Reward
from imitax.types import AnyArray, Obs, Transition


class LearnedReward(eqx.Module):
    """`scale * head(h)` on raw observations, without shaping and log-policy terms.

    Args:
        normalizer: of the observations.
        net: the discriminator or reward network.
        terminal: how the run that learned it handled the end of episodes.
        head: turns logits into rewards.
        scale: factor of the reward.
    """

    normalizer: Normalizer
    net: Reward
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
        """Reward of each transition; of those that end the MDP, without what follows the end."""
        zeros = jnp.zeros(len(action))
        here, there = self.normalizer(obs), self.normalizer(next_obs)
        return self._of(Transition(here, jnp.asarray(action), zeros, there, jnp.asarray(terminated), zeros > 0))

    def absorbing(self) -> Float[Array, ""]:
        """Reward of each step after the end; zero where the run gave the end no reward of its own."""
        if not self.terminal.samples_absorbing:
            return jnp.zeros(())
        return self._of(absorbing_transition(self.net.spec))[0]

    def with_end(self, rewards: Float[Array, "B"], terminated: Bool[Array, "B"], gamma: float) -> Float[Array, "B"]:
        """Rewards whose terminating steps carry everything that follows the end, `gamma R / (1 - gamma)`.

        With these a learner that masks the value of terminal states optimises what the run's own policy did.
        """
        return rewards + jnp.where(terminated, gamma / (1 - gamma) * self.absorbing(), 0.0)

    def _of(self, t: Transition) -> Float[Array, "B"]:
        return self.scale * self.head(self.net.unshaped(self.terminal.reward_input(t)))
