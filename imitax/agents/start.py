"""What a run starts from."""

from typing import NamedTuple

from jaxtyping import PRNGKeyArray

from imitax.networks import Dynamics, Normalizer, PolicyHead
from imitax.spaces import Spec


class Start(NamedTuple):
    """What an algorithm's `init` is given."""

    spec: Spec
    """The task's spaces."""
    normalizer: Normalizer
    """Of observations, with the statistics of the data; the identity where the algorithm does not normalise."""
    key: PRNGKeyArray
    """Decides the initial parameters."""
    dynamics: Dynamics | None = None
    """The model, fitted or about to be, for algorithms with `Needs.model`."""
    actor: PolicyHead | None = None
    """A trained policy network to start from (`--init-from`); None is a new one."""
    held_out: bool = False
    """Demonstrations are held out for turns that compare (`Needs.held_out`)."""
