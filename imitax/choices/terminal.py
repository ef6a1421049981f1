"""What the end of an episode means: the only code, beside the sources, that reads `terminated`.

Five ways, T0 to T4. With a reward that has a sign, the first two decide whether living or dying pays, whatever is
demonstrated; the last two give the end a learned reward, so that it has to be imitated like everything else.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from imitax.errors import ConfigError
from imitax.types import Transition


class RewardInput(NamedTuple):
    """What a reward or discriminator sees of transitions; flags are 0 or 1 and tell real states from the end.

    Kinds without flagged rewards give zeros and the true next observation, but for `next_flag` under mask, which the
    shaping potential of AIRL needs and rewards do not see.
    """

    obs: Float[Array, "B O"]
    action: Float[Array, "B A"]
    flag: Float[Array, "B"]
    next_obs: Float[Array, "B O"]
    next_flag: Float[Array, "B"]


@dataclass(frozen=True)
class Terminal:
    """How losses treat transitions that end the MDP. Time limits are not among them."""

    kind: Literal["none", "mask", "reward_flag", "closed_form", "absorbing"] = "mask"
    """none: bootstrap through the end, as if the horizon were infinite. mask: the value of a terminal state is zero.
    reward_flag: mask, and a terminating transition's reward is one learned number, whatever its state and action
    (CleanIL). absorbing: the end is a state of its own that is never left, with learned reward and value, visited by
    expert and learner (DAC, Kostrikov et al. 2019). closed_form: the same state, its value R / (1 - gamma) computed
    instead of bootstrapped (LS-IQ, Al-Hafez et al. 2023)."""

    @property
    def flagged(self) -> bool:
        """Rewards take a flag that marks the end."""
        return self.kind in ("reward_flag", "closed_form", "absorbing")

    @property
    def rows(self) -> bool:
        """Reward batches contain absorbing transitions: one for each episode that terminated."""
        return self.kind in ("closed_form", "absorbing")

    def for_given_rewards(self, hint: str = "") -> None:
        """Refuse kinds that give the end a learned reward, where rewards are given.

        Args:
            hint: what else to say, after a space.

        Raises:
            ConfigError: for flagged kinds.
        """
        if self.flagged:
            raise ConfigError(
                f"terminal.kind={self.kind} is for learned rewards, which give the end a reward of its own; methods "
                f"that are given rewards take mask or none{hint}"
            )

    def next_value(
        self,
        v_next: Float[Array, "*B"],
        terminated: Bool[Array, "*B"],
        absorbing_value: Float[Array, ""] | float = 0.0,
    ) -> Float[Array, "*B"]:
        """Value of the next state as it enters a target.

        Args:
            v_next: value of `next_obs`.
            terminated: the MDP ended there.
            absorbing_value: of the absorbing state: R / (1 - gamma) for closed_form, the target critic's value for
                absorbing; the other kinds ignore it.
        """
        if self.kind == "none":
            return v_next
        end = absorbing_value if self.rows else 0.0
        return jnp.where(terminated, end, v_next)

    def reward_input(self, t: Transition) -> RewardInput:
        """Transitions as a reward sees them: at the end, zeros and a flag take the place of what was there."""
        n = len(t.obs)
        if not self.flagged:
            ended = jnp.zeros(n) if self.kind == "none" else t.terminated.astype(float)
            return RewardInput(t.obs, t.action, jnp.zeros(n), t.next_obs, ended)
        flag = (t.terminated if self.kind == "reward_flag" else t.absorbing).astype(float)  # [B]
        next_flag = t.terminated.astype(float)  # [B]
        real, real_next = 1 - flag[:, None], 1 - next_flag[:, None]
        return RewardInput(t.obs * real, t.action * real, flag, t.next_obs * real_next, next_flag)

    def with_end(self, t: Transition, alive: Bool[Array, "C T"]) -> tuple[Transition, Bool[Array, "C T"]]:
        """Stretches that go on after a termination, in the absorbing state, where there is one.

        Args:
            t: C stretches of T transitions; what follows a termination is replaced.
            alive: whether each row belongs to its stretch.

        Returns:
            The stretches, and which of their rows count.
        """
        if not self.rows:
            return t, alive
        ended = t.terminated & alive
        after = jnp.cumsum(ended, 1) - ended > 0
        real = 1.0 - after[..., None]
        stretched = Transition(
            obs=t.obs * real,
            action=t.action * real,
            reward=t.reward,
            next_obs=t.next_obs * real,
            terminated=t.terminated | after,
            absorbing=after,
        )
        return stretched, alive | after


def absorbing_transition(obs_dim: int, action_dim: int) -> Transition:
    """One transition [1, ...] from the absorbing state to itself: zeros, action and reward included."""
    obs, action, ended = jnp.zeros((1, obs_dim)), jnp.zeros((1, action_dim)), jnp.ones(1, bool)
    return Transition(obs, action, jnp.zeros(1), obs, terminated=ended, absorbing=ended)
