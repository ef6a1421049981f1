"""Where a learned function of actions is high: searches over the unit box, [-1, 1] along every action dimension."""

from collections.abc import Callable
from dataclasses import field, replace
from typing import Literal

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from imitax.settings import Count, CountOrZero, settings

InferenceKind = Literal["dfo", "langevin", "actor_mean", "actor_polish"]


@settings("langevin")
class Langevin:
    """Noisy ascent of f over the unit box (Florence et al. 2021, appendix B.3, with the constants of their code).

    `a <- clip(a + clip(eta_k (df/da / 2 + noise xi), +-move))`, `xi ~ N(0, 1)`,
    `eta_k = (first - last) (1 - k / (K - 1))^power + last`, the outer clip to the box.
    """

    iterations: CountOrZero = 100
    """K, steps of the chain; 0 leaves the start as it is."""
    first: float = 0.5
    """Step size of the first step."""
    last: float = 1e-5
    """Step size of the last step."""
    power: float = 2.0
    """Of the step size's polynomial decay."""
    noise: float = 0.5
    """Standard deviation of the noise, before the step size scales it."""
    move: float = 0.5
    """Largest change of a coordinate in one step, in half-widths of the box."""

    def steps(self) -> Float[Array, "K"]:
        """The step sizes eta_k."""
        left = 1 - jnp.arange(self.iterations) / max(self.iterations - 1, 1)
        return (self.first - self.last) * left**self.power + self.last

    def __call__(self, f: Callable[[Array], Array], start: Float[Array, "*B A"], key: PRNGKeyArray) -> Array:
        """Where the chains end. `f` maps `[*B, A]` to `[*B]`, each of its values depends on its own action alone."""

        def step(a: Array, x: tuple[Array, PRNGKeyArray]) -> tuple[Array, None]:
            eta, k = x
            slope = jax.grad(lambda points: f(points).sum())(a)
            change = eta * (0.5 * slope + self.noise * jr.normal(k, a.shape))
            return jnp.clip(a + jnp.clip(change, -self.move, self.move), -1, 1), None

        return jax.lax.scan(step, start, (self.steps(), jr.split(key, self.iterations)))[0]


@settings("inference")
class Inference:
    """How an implicit policy finds its action, argmax f(s, a)."""

    kind: InferenceKind = "dfo"
    """dfo: uniform samples, resampled and shrunk (algorithm 1 of Florence et al. 2021). langevin: chains from uniform
    samples, and a second chain without noise to speak of. actor_mean: no search, the amortised policy's mode.
    actor_polish: chains from the amortised policy's mode and samples. Each but actor_mean ends with the best sample."""
    samples: Count = 256
    """N, uniform actions that dfo and langevin start from."""
    actor_samples: Count = 32
    """Actions of the amortised policy that actor_polish starts from, its mode one of them. A sampled action starts
    from a sample where there is but one."""
    actor_steps: CountOrZero = 0
    """Steps of actor_polish's chain; 0 takes the best of the amortised policy's actions as they are."""
    actor_first: float | None = None
    """Step size of the first of them; None is that of `langevin`."""
    iterations: CountOrZero = 3
    """Rounds of dfo: resample in proportion to exp f, add noise, clip."""
    noise: float = 0.33
    """Standard deviation of the noise in dfo's first round, in half-widths of the box."""
    shrink: float = 0.5
    """Factor of that noise from one round to the next."""
    langevin: Langevin = field(default_factory=Langevin)
    """The chain of langevin, and of actor_polish but for their number and the first step size."""
    polish: float = 1e-5
    """Step size at which langevin's second chain starts; it ends at `langevin.last`."""

    @property
    def carried(self) -> int:
        """Actions that the search carries."""
        return self.actor_samples if self.kind == "actor_polish" else self.samples

    def search(
        self,
        f: Callable[[Array], Array],
        actor: Callable[[PRNGKeyArray], Array],
        dims: int,
        key: PRNGKeyArray,
        *,
        greedy: bool,
    ) -> Float[Array, "A"]:
        """The action of one state.

        Args:
            f: `[N, A] -> [N]`, high for the expert's actions.
            actor: draws `actor_samples` actions of the amortised policy in the unit box.
            dims: A.
            key: randomness of the search.
            greedy: take the best of the last samples; otherwise one of them, drawn in proportion to exp f.
        """
        k_start, k_search, k_polish, k_draw = jr.split(key, 4)
        if self.kind == "actor_polish":
            first = self.langevin.first if self.actor_first is None else self.actor_first
            chain = replace(self.langevin, iterations=self.actor_steps, first=first)
            a = chain(f, actor(k_start), k_search)
        else:
            a = jr.uniform(k_start, (self.samples, dims), minval=-1, maxval=1)
            if self.kind == "langevin":
                second = replace(self.langevin, first=self.polish)
                a = second(f, self.langevin(f, a, k_search), k_polish)
            else:
                a = self.derivative_free(f, a, k_search)
        values = f(a)
        return a[values.argmax() if greedy else jr.categorical(k_draw, values)]

    def derivative_free(
        self, f: Callable[[Array], Array], start: Float[Array, "N A"], key: PRNGKeyArray
    ) -> Float[Array, "N A"]:
        """The samples after the last round."""

        def step(a: Array, x: tuple[Array, PRNGKeyArray]) -> tuple[Array, None]:
            sigma, k = x
            k_rows, k_noise = jr.split(k)
            a = a[resample(jax.nn.softmax(f(a)), k_rows)]
            return jnp.clip(a + sigma * jr.normal(k_noise, a.shape), -1, 1), None

        sigmas = self.noise * self.shrink ** jnp.arange(self.iterations)
        return jax.lax.scan(step, start, (sigmas, jr.split(key, self.iterations)))[0]


def resample(share: Float[Array, "N"], key: PRNGKeyArray) -> Array:
    """N rows drawn with replacement, row i with probability `share[i]`, by inverting the cumulative sum."""
    return jnp.minimum(jnp.searchsorted(jnp.cumsum(share), jr.uniform(key, share.shape)), len(share) - 1)
