"""What the end of an episode means: the only code, beside the sources, that reads `terminated`.

Six ways. With a reward that has a sign, the first two decide whether living or dying pays, whatever is demonstrated;
the last three give what follows the end a learned reward, so that it has to be imitated like everything else.
"""

from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from imitax.errors import ConfigError
from imitax.settings import settings
from imitax.spaces import Spec
from imitax.types import RewardInput, Transition, scaled


@settings("terminal")
class Terminal:
    """How losses treat transitions that end the MDP. Time limits are not among them."""

    kind: Literal["none", "mask", "reward_flag", "closed_form", "absorbing", "stay"] = "mask"
    """none: bootstrap through the end, as if the horizon were infinite. mask: the value of a terminal state is zero.
    reward_flag: mask, and a terminating transition's reward is one learned number, whatever its state and action
    (CleanIL). absorbing: the end is a state of its own that is never left, with learned reward and value, visited by
    expert and learner (DAC, Kostrikov et al. 2019). closed_form: the same state, its value R / (1 - gamma) computed
    instead of bootstrapped (LS-IQ, Al-Hafez et al. 2023). stay: the episode stays where it ended, so that a crash and
    a goal are two ends: a terminating transition has the reward of its terminal state, and that is repeated for ever,
    R / (1 - gamma)."""

    @property
    def flagged(self) -> bool:
        """Rewards take a flag that marks the end."""
        return self.has_one_end or self.kind == "stay"

    @property
    def has_one_end(self) -> bool:
        """All ends have the same learned reward."""
        return self.kind in ("reward_flag", "closed_form", "absorbing")

    @property
    def samples_absorbing(self) -> bool:
        """Batches contain absorbing transitions: one for each episode that terminated."""
        return self.kind in ("closed_form", "absorbing")

    def next_value(
        self,
        v_next: Float[Array, "*B"],
        terminated: Bool[Array, "*B"],
        end_value: Float[Array, "*E"] | float = 0.0,
    ) -> Float[Array, "*B"]:
        """Value of the next state as it enters a target.

        Args:
            v_next: value of `next_obs`.
            terminated: the MDP ended there.
            end_value: of what follows the end: R / (1 - gamma) for closed_form and stay, where each transition has its
                own R, the target critic's value for absorbing; the other kinds ignore it.
        """
        if self.kind == "none":
            return v_next
        valued = self.samples_absorbing or self.kind == "stay"
        return jnp.where(terminated, end_value if valued else 0.0, v_next)

    def reward_input(self, t: Transition) -> RewardInput:
        """Transitions as a reward sees them: at the end, zeros and a flag take the place of what was there.

        Under stay a terminating transition is seen as a step from its terminal state to itself, with the zero action.
        Kinds without flagged rewards give zeros and the true next observation, but for `next_flag` under mask, which
        the shaping potential of AIRL needs and rewards do not see.
        """
        if not self.flagged:
            ended = jnp.zeros(len(t)) if self.kind == "none" else t.terminated.astype(float)
            return RewardInput(t.obs, t.action, jnp.zeros(len(t)), t.next_obs, ended)
        next_flag = t.terminated.astype(float)  # [B]
        if self.kind == "stay":
            here, action = scaled((t.obs, t.action), 1 - next_flag)
            obs = jax.tree.map(jnp.add, here, scaled(t.next_obs, next_flag))
            return RewardInput(obs, action, next_flag, t.next_obs, next_flag)
        flag = next_flag if self.kind == "reward_flag" else t.absorbing.astype(float)  # [B]
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


def require_one_end(terminal: Terminal, why: str) -> None:
    """Refuse the kind that gives each end a reward of its own.

    Args:
        terminal: the kind.
        why: after the kind's name.

    Raises:
        ConfigError: for stay.
    """
    if terminal.kind == "stay":
        raise ConfigError(f"terminal.kind=stay {why}: use absorbing or closed_form")


def require_implied_rewards(terminal: Terminal) -> None:
    """Refuse the kinds that replace an explicit reward, where the critic implies the reward.

    Raises:
        ConfigError: for reward_flag and stay.
    """
    if terminal.kind in ("reward_flag", "stay"):
        raise ConfigError(
            f"terminal.kind={terminal.kind} replaces an explicit reward at the end, and here the reward is implied by "
            "Q: use absorbing or closed_form to give the end a value, or mask"
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
