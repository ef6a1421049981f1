"""The gradient penalty of critics."""

from jaxtyping import Array, Float, PRNGKeyArray

from imitax.choices.gradient_penalty import GradientPenalty
from imitax.networks import Critic, CriticInput
from imitax.types import Metrics, Transition


def critic_penalty(
    cfg: GradientPenalty, critic: Critic, expert: Transition, learner: Transition, key: PRNGKeyArray
) -> tuple[Float[Array, ""], Metrics]:
    """The penalty at the states, actions and ends of transitions."""
    points = [CriticInput(t.obs, t.action, t.absorbing.astype(float)) for t in (expert, learner)]
    return cfg(critic.at, points[0], points[1], key)
