"""Sizes of the timed updates, and their matrix products in GFLOP: those of the mathematics, without recomputation."""

import itertools

OBS, ACT, BATCH, HIDDEN = 11, 3, 256, (256, 256)
REPLAY, DEMONSTRATIONS = 100_000, 10_000
ENSEMBLE, MEMBERS, STARTS, HORIZON = (200, 200, 200), 7, 5000, 40
"""Learned dynamics and their rollouts."""


def mlp(sizes: tuple[int, ...], *, backward: bool, to_input: float, rows: int = BATCH) -> float:
    """Products of one network on one batch, in GFLOP.

    Args:
        rows: size of the batch.
        sizes: widths of the layers, including input and output.
        backward: whether gradients of the parameters are needed.
        to_input: 1 if the gradient of the input is needed, else 0.
    """
    layers = [2 * rows * a * b / 1e9 for a, b in itertools.pairwise(sizes)]
    total = sum(layers)
    if backward:
        total += sum(layers)
    if backward or to_input:
        total += sum(layers[1:]) + to_input * layers[0]
    return total


def sac(hidden: tuple[int, ...] = HIDDEN) -> float:
    """One SAC update: 0.564 at Hopper's sizes and 2x256."""
    actor, critic = (OBS, *hidden, 2 * ACT), (OBS + ACT, *hidden, 1)
    critic_step = mlp(actor, backward=False, to_input=0) + 2 * mlp(critic, backward=False, to_input=0)
    critic_step += 2 * mlp(critic, backward=True, to_input=0)
    actor_step = mlp(actor, backward=True, to_input=0)
    actor_step += 2 * mlp(critic, backward=False, to_input=1)
    return critic_step + actor_step


def adversarial(hidden: tuple[int, ...], *, smooth: bool) -> float:
    """One adversarial update: discriminator on expert and learner, gradient penalty, rewards, and a SAC update.

    The penalty is a forward pass, the input's gradient (as many products), and the derivative of both with respect to
    the parameters: two products for each product of the gradient, and, if the activation has a second derivative
    (`smooth`), an ordinary backward pass.
    """
    net = (OBS + ACT + 1, *hidden, 1)
    once = mlp(net, backward=False, to_input=0)
    discrimination = 2 * mlp(net, backward=True, to_input=0)
    penalty = 4 * once + (mlp(net, backward=True, to_input=0) - once if smooth else 0.0)
    return discrimination + penalty + once + sac(hidden)


def gail() -> float:
    """CleanIL's form: 3x256, SiLU."""
    return adversarial((256, 256, 256), smooth=True)


def adversarial_default() -> float:
    """Our default: 2x256."""
    return adversarial(HIDDEN, smooth=False)


def bc() -> float:
    """One BC update."""
    return mlp((OBS, *HIDDEN, 2 * ACT), backward=True, to_input=0)


ENSEMBLE_SIZES = (OBS + ACT, *ENSEMBLE, 2 * (OBS + 1))


def ensemble() -> float:
    """One epoch of all members over the replay."""
    return MEMBERS * mlp(ENSEMBLE_SIZES, backward=True, to_input=0, rows=REPLAY)


def rollout(hidden: tuple[int, ...] = HIDDEN) -> float:
    """5000 branched rollouts of 40 steps, all members' predictions at each, and the policy."""
    rows = STARTS * HORIZON
    policy = mlp((OBS, *hidden, 2 * ACT), backward=False, to_input=0, rows=rows)
    return policy + MEMBERS * mlp(ENSEMBLE_SIZES, backward=False, to_input=0, rows=rows)


def omlirl() -> float:
    """One policy update at CleanIL's sizes, with its share of rollouts and of the reward's steps."""
    hidden = (256, 256, 256)
    net = (OBS + ACT, *hidden, 1)
    rewards = mlp(net, backward=False, to_input=0)
    step = 2 * mlp(net, backward=True, to_input=0) + 4 * rewards  # discriminator, penalty
    step += mlp(net, backward=True, to_input=0) - rewards  # SiLU has a second derivative
    return sac(hidden) + rewards + step / 10 + rollout(hidden) / 250


def rmirl() -> float:
    """One step of the adversarial model: rollout step, advantage, and the gradient of both terms.

    The rows of a rollout are distributed over the elites, so that they cost the forward pass of one member.
    """
    hidden = (256, 256, 256)
    policy, critic = (OBS, *hidden, 2 * ACT), (OBS + ACT, *hidden, 1)
    acts = 2 * mlp(policy, backward=False, to_input=0)  # in the rollout, and for V(s')
    values = 4 * mlp(critic, backward=False, to_input=0)  # both critics at s and s'
    reward = mlp((OBS + ACT, *hidden, 1), backward=False, to_input=0)
    model = mlp(ENSEMBLE_SIZES, backward=False, to_input=0)
    return acts + values + reward + model + 2 * MEMBERS * mlp(ENSEMBLE_SIZES, backward=True, to_input=0)
