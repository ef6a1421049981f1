"""What the end of an episode means: the only code, beside the sources, that reads `terminated`.

Five ways, T0 to T4. With a reward that has a sign, the first two decide whether living or dying pays, whatever is
demonstrated; the last two give the end a learned reward, so that it has to be imitated like everything else.
"""

from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from imitax.errors import ConfigError
from imitax.settings import settings
from imitax.spaces import Spec
from imitax.types import RewardInput, Transition, scaled


@settings("terminal")
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
    def samples_absorbing(self) -> bool:
        """Batches contain absorbing transitions: one for each episode that terminated."""
        return self.kind in ("closed_form", "absorbing")

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
        return jnp.where(terminated, absorbing_value if self.samples_absorbing else 0.0, v_next)

    def reward_input(self, t: Transition) -> RewardInput:
        """Transitions as a reward sees them: at the end, zeros and a flag take the place of what was there.

        Kinds without flagged rewards give zeros and the true next observation, but for `next_flag` under mask, which
        the shaping potential of AIRL needs and rewards do not see.
        """
        if not self.flagged:
            ended = jnp.zeros(len(t)) if self.kind == "none" else t.terminated.astype(float)
            return RewardInput(t.obs, t.action, jnp.zeros(len(t)), t.next_obs, ended)
        flag = (t.terminated if self.kind == "reward_flag" else t.absorbing).astype(float)  # [B]
        next_flag = t.terminated.astype(float)  # [B]
        obs, action = scaled((t.obs, t.action), 1 - flag)
        return RewardInput(obs, action, flag, scaled(t.next_obs, 1 - next_flag), next_flag)


def require_given_rewards(terminal: Terminal, hint: str = "") -> None:
    """Refuse kinds that give the end a learned reward, where rewards are given.

    Args:
        terminal: the kind.
        hint: what else to say, after a space.

    Raises:
        ConfigError: for flagged kinds.
    """
    if terminal.flagged:
        raise ConfigError(
            f"terminal.kind={terminal.kind} is for learned rewards, which give the end a reward of its own; methods "
            f"that are given rewards take mask or none{hint}"
        )


def require_implied_rewards(terminal: Terminal) -> None:
    """Refuse the kind that replaces an explicit reward, where the critic implies the reward.

    Raises:
        ConfigError: for reward_flag.
    """
    if terminal.kind == "reward_flag":
        raise ConfigError(
            "terminal.kind=reward_flag replaces an explicit reward at the end, and here the reward is implied by Q: "
            "use absorbing or closed_form to give the end a value, or mask"
        )


def continue_after_end(
    terminal: Terminal, t: Transition, mask: Bool[Array, "C T"]
) -> tuple[Transition, Bool[Array, "C T"]]:
    """Segments that go on after a termination, in the absorbing state, where there is one.

    Args:
        terminal: the kind.
        t: C segments of T transitions; what follows a termination is replaced.
        mask: whether each transition belongs to its segment.

    Returns:
        The segments, and which of their transitions count.
    """
    if not terminal.samples_absorbing:
        return t, mask
    ended = t.terminated & mask
    after = jnp.cumsum(ended, 1) - ended > 0
    obs, action, next_obs = scaled((t.obs, t.action, t.next_obs), 1.0 - after)
    return Transition(obs, action, t.reward, next_obs, t.terminated | after, after), mask | after


def absorbing_transition(spec: Spec) -> Transition:
    """One transition [1, ...] from the absorbing state to itself, as networks see it: zeros, in all leaves of the
    observation, the action and the reward."""
    obs, ended = spec.observation.blank(1), jnp.ones(1, bool)
    return Transition(obs, jnp.zeros((1, spec.action_dim)), jnp.zeros(1), obs, terminated=ended, absorbing=ended)
