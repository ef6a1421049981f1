"""The policy of a finite set of actions."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from imitax.networks.choices import Choices
from imitax.networks.encoder import Encoder, make_encoder
from imitax.networks.mlp import MLP, Precision
from imitax.networks.policy import PolicyConfig, encoded
from imitax.spaces import Spec
from imitax.types import Obs


class Categorical(eqx.Module):
    """A softmax for each factor of the action, independent of each other in one state.

    `pi(a|s) = prod_f softmax(logits_f(s))[a_f]`; Discrete has one factor. Expectations are sums over all joint actions
    (Christodoulou 2019, "Soft Actor-Critic for Discrete Action Settings", arXiv:1910.07207), so they have no noise and
    need no reparametrisation.
    """

    mlp: MLP
    spec: Spec
    encoder: Encoder
    cfg: PolicyConfig = eqx.field(static=True)

    def __init__(self, spec: Spec, cfg: PolicyConfig, *, key: PRNGKeyArray, precision: Precision = "float32"):
        self.spec, self.cfg, self.encoder = spec, cfg, make_encoder(spec.observation, cfg.encoder, key)
        sizes = (self.encoder.size, *cfg.hidden, spec.action_dim)
        self.mlp = MLP(sizes, key=key, activation=cfg.activation, precision=precision)

    def log_probs(self, obs: Obs) -> Float[Array, "B A"]:
        """Log-probability of each value of each factor."""
        factors = self.spec.finite.factors(self.mlp(encoded(self.encoder, obs, self.cfg)))
        return jnp.concatenate([jax.nn.log_softmax(x, axis=-1) for x in factors], axis=-1)

    def sample(self, obs: Obs, key: PRNGKeyArray) -> tuple[Float[Array, "B A"], Float[Array, "B"]]:
        """A random one-hot action and its log-probability."""
        logp = self.log_probs(obs)
        action = self._drawn(logp, key)
        return action, (action * logp).sum(-1)

    def choices(self, obs: Obs, key: PRNGKeyArray, samples: int | None = None) -> Choices:
        """All K joint actions with their probabilities; the number of samples makes no difference."""
        del samples
        logp, space = self.log_probs(obs), self.spec.finite
        joint = jnp.asarray(space.joint())[:, None]  # [K 1 A]
        log_prob = space.combined(logp, jnp.add).T  # [K B]
        action = jnp.broadcast_to(joint, (*log_prob.shape, logp.shape[-1]))
        return Choices(action, log_prob, jnp.exp(log_prob), self._drawn(logp, key))

    def mode(self, obs: Obs) -> Float[Array, "B A"]:
        """The most probable action."""
        return self._one_hot([x.argmax(-1) for x in self.spec.finite.factors(self.log_probs(obs))])

    def log_prob(self, obs: Obs, action: Float[Array, "B A"]) -> Float[Array, "B"]:
        """Log-probability of one-hot actions."""
        return (action * self.log_probs(obs)).sum(-1)

    def log_prob_by_step(self, obs: Obs, action: Float[Array, "B HA"], steps: int) -> Float[Array, "B H"]:
        """`log_prob` of each of `steps` actions that one action is made of, one after the other."""
        return (action * self.log_probs(obs)).reshape(len(action), steps, -1).sum(-1)

    def _drawn(self, logp: Float[Array, "B A"], key: PRNGKeyArray) -> Float[Array, "B A"]:
        factors = self.spec.finite.factors(logp)
        keys = jr.split(key, len(factors))
        return self._one_hot([jr.categorical(k, x) for k, x in zip(keys, factors, strict=True)])

    def _one_hot(self, index: list[Array]) -> Float[Array, "B A"]:
        sizes = self.spec.finite.sizes
        return jnp.concatenate([jax.nn.one_hot(i, n) for i, n in zip(index, sizes, strict=True)], axis=-1)
