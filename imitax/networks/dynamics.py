"""A probabilistic ensemble of learned dynamics (Chua et al. 2018, arXiv:1805.12114; Janner et al. 2019, MBPO).

Every member maps an observation and an action to a Gaussian over the change of the observation and the reward. All
units are the task's own: scalers for inputs and outputs are part of the model, and are fitted once, with its data.

Differs from the papers: outputs are scaled to unit variance, and every member has bounds of its own on its variance.
"""

from typing import Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from imitax.errors import ConfigError
from imitax.kernels import Replaceable
from imitax.networks.mlp import MLP, Activation, Precision
from imitax.networks.termination import Termination
from imitax.settings import Count, Units, settings
from imitax.spaces import Spec
from imitax.types import Transition


@settings("dynamics")
class DynamicsConfig:
    """The ensemble."""

    hidden: Units = (200, 200, 200)
    """Units of the hidden layers."""
    activation: Activation = "silu"
    """Hidden nonlinearity."""
    members: Count = 7
    """Networks that are fitted."""
    elites: int = 5
    """Members with the smallest error on held-out data, which predictions are sampled from."""
    log_var_min: float = -10.0
    """Softest bound from below on the log variance of scaled outputs, at the start; learned from there."""
    log_var_max: float = 0.5
    """From above."""
    termination: Literal["known", "learned"] = "known"
    """known: the task's own rule, for the MuJoCo tasks of Gymnasium. learned: every member predicts it."""

    def __post_init__(self):
        if not 1 <= self.elites <= self.members:
            raise ConfigError(f"dynamics.elites must lie in 1 to members ({self.members}), got {self.elites}")
        if self.log_var_min >= self.log_var_max:
            raise ConfigError(
                f"dynamics.log_var_min ({self.log_var_min}) must lie below log_var_max ({self.log_var_max})"
            )


class Prediction(NamedTuple):
    """What an ensemble says of a transition; M members, scaled outputs D = O + 1, the reward last."""

    mean: Float[Array, "M B D"]
    log_var: Float[Array, "M B D"]
    end: Float[Array, "M B"]
    """Logit of the transition ending the MDP; zeros where the termination is known."""


class ModelStep(NamedTuple):
    """An imagined transition, in the task's units."""

    next_obs: Float[Array, "B O"]
    reward: Float[Array, "B"]
    terminated: Bool[Array, "B"]

    def transition(self, obs: Float[Array, "B O"], action: Float[Array, "B A"]) -> Transition:
        """The whole transition."""
        nowhere = jnp.zeros(len(obs), bool)
        return Transition(obs, action, self.reward, self.next_obs, self.terminated, absorbing=nowhere)


class Dynamics(eqx.Module):
    """The ensemble with its scalers."""

    mlp: MLP
    log_var_min: Float[Array, "N D"]
    log_var_max: Float[Array, "N D"]
    input_mean: Float[Array, "I"]
    input_std: Float[Array, "I"]
    output_mean: Float[Array, "D"]
    output_std: Float[Array, "D"]
    elites: Int[Array, "E"]
    spec: Spec
    termination: Termination | None
    """None: learned."""
    cfg: DynamicsConfig = eqx.field(static=True)

    def __init__(
        self,
        spec: Spec,
        cfg: DynamicsConfig,
        termination: Termination | None,
        *,
        key: PRNGKeyArray,
        precision: Precision = "float32",
    ):
        self.spec, self.cfg, self.termination = spec, cfg, termination
        n_in, d = spec.obs_dim + spec.action_dim, spec.obs_dim + 1
        sizes = (n_in, *cfg.hidden, 2 * d + (termination is None))
        km, kw = jr.split(key)
        mlp = MLP(sizes, key=km, members=cfg.members, activation=cfg.activation, precision=precision)
        weights = tuple(  # as in the authors' code: normal, cut at two deviations of 1 / (2 sqrt(fan_in))
            jr.truncated_normal(k, -2, 2, w.shape) / (2 * w.shape[-2] ** 0.5)
            for k, w in zip(jr.split(kw, len(sizes) - 1), mlp.weights, strict=True)
        )
        biases = tuple(jnp.zeros_like(b) for b in mlp.biases)
        self.mlp = eqx.tree_at(lambda m: (m.weights, m.biases), mlp, (weights, biases))
        self.log_var_min = jnp.full((cfg.members, d), cfg.log_var_min)
        self.log_var_max = jnp.full((cfg.members, d), cfg.log_var_max)
        self.input_mean, self.input_std = jnp.zeros(n_in), jnp.ones(n_in)
        self.output_mean, self.output_std = jnp.zeros(d), jnp.ones(d)
        self.elites = jnp.arange(cfg.elites)

    @property
    def predicts_rewards(self) -> bool:
        """Whether the data that it was fitted to had rewards: without, they are all zero."""
        return bool(self.output_mean[-1] != 0) or bool(self.output_std[-1] != 1)

    def predict(self, obs: Float[Array, "*M B O"], action: Float[Array, "*M B A"]) -> Prediction:
        """Of all members, at shared observations and actions or at some for each member."""
        return self._predict(self.mlp, self.log_var_min, self.log_var_max, obs, action)

    def _predict(self, mlp: MLP, low: Array, high: Array, obs: Array, action: Array) -> Prediction:
        mean, std = jax.lax.stop_gradient((self.input_mean, self.input_std))
        lead = (1,) * (obs.ndim - 1)
        x = (jnp.concatenate([obs, action], -1) - mean.reshape(*lead, -1)) / std.reshape(*lead, -1)
        out = forward(mlp, x)  # [M B 2D+1]
        d = self.spec.obs_dim + 1
        raw = out[..., d : 2 * d]
        log_var = high[:, None] - softplus(high[:, None] - raw)
        log_var = low[:, None] + softplus(log_var - low[:, None])
        end = out[..., 2 * d] if self.termination is None else jnp.zeros(out.shape[:2])
        return Prediction(out[..., :d], log_var, end)

    def scaled_outputs(
        self, obs: Float[Array, "*M B O"], next_obs: Float[Array, "*M B O"], reward: Float[Array, "*M B"]
    ) -> Float[Array, "*M B D"]:
        """What the members are fitted to."""
        mean, std = jax.lax.stop_gradient((self.output_mean, self.output_std))
        lead = (1,) * (obs.ndim - 1)
        out = jnp.concatenate([next_obs - obs, reward[..., None]], -1)
        return (out - mean.reshape(*lead, -1)) / std.reshape(*lead, -1)

    def sample(self, obs: Float[Array, "B O"], action: Float[Array, "B A"], key: PRNGKeyArray) -> ModelStep:
        """One transition from each row, every row from an elite drawn for it.

        Rows are dealt to the elites in equal numbers, at random, so that each is computed by its own elite alone.
        """
        b, e = len(obs), len(self.elites)
        kd, kn = jr.split(key)
        share = -(-b // e)
        dealt = jr.permutation(kd, jnp.arange(share * e) % b).reshape(e, share)  # row of each place
        own = jax.tree.map(lambda x: x[self.elites] if eqx.is_array(x) else x, self.mlp)
        p = self._predict(own, self.log_var_min[self.elites], self.log_var_max[self.elites], obs[dealt], action[dealt])
        places = jnp.zeros(b, int).at[dealt.ravel()].set(jnp.arange(share * e))  # one place of each row
        mean, log_var, end = (x.reshape(share * e, *x.shape[2:])[places] for x in p)
        return self._step(obs, mean, log_var, end, kn)

    def sample_from(self, prediction: Prediction, obs: Float[Array, "B O"], key: PRNGKeyArray) -> ModelStep:
        """One transition from each row, where all members' predictions are there already."""
        kd, kn = jr.split(key)
        chosen = self.elites[jr.randint(kd, (len(obs),), 0, len(self.elites))]  # [B]
        mean, log_var, end = (x[chosen, jnp.arange(len(obs))] for x in prediction)
        return self._step(obs, mean, log_var, end, kn)

    def _step(self, obs: Array, mean: Array, log_var: Array, end: Array, key: PRNGKeyArray) -> ModelStep:
        scaled = mean + jnp.exp(log_var / 2) * jr.normal(key, mean.shape)  # [B D]
        out = scaled * self.output_std[None] + self.output_mean[None]
        next_obs = obs + out[:, :-1]
        terminated = end > 0 if self.termination is None else self.termination(next_obs)
        return ModelStep(next_obs, out[:, -1], terminated)

    def log_prob(self, prediction: Prediction, scaled: Float[Array, "B D"]) -> Float[Array, "B"]:
        """Log density of scaled outputs under the mixture of the elites, in nats."""
        mean, log_var = prediction.mean[self.elites], prediction.log_var[self.elites]  # [E B D]
        square = (scaled[None] - mean) ** 2 * jnp.exp(-log_var)
        members = -0.5 * (square + log_var + jnp.log(2 * jnp.pi)).sum(-1)  # [E B]
        return jax.nn.logsumexp(members, axis=0) - jnp.log(len(self.elites))


softplus = Replaceable(jax.nn.softplus)


@Replaceable
def forward(mlp: MLP, x: Float[Array, "*M B I"]) -> Float[Array, "N B O"]:
    """The outputs of all members."""
    return mlp(x)
