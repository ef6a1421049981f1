"""What `peers.py` times: one training step of each library, at Hopper's sizes and with the same networks.

A worker runs in its peer's environment, so this file imports only the standard library outside its functions. Every
library samples its batches from its own buffer and is called through its own training method.

sac-2x256: critic, actor, temperature and Polyak step on one batch from a replay of 100,000 random transitions.
- sb3, sbx: `model.train(gradient_steps=n, batch_size=256)`, where n is one timed block of 100 updates. This favours
  SBX, which draws the n batches in one call and runs one compiled loop over them. Online, with one gradient step per
  environment step, it dispatches every update separately.

bc-2x256: one step on 10,000 demonstrated transitions, in ten episodes of 1000. The hidden layers are the same, the
losses are not (ours is the log-likelihood of a tanh-Gaussian whose standard deviation depends on the state):
- d3rlpy: `fitter`, the generator behind `fit`, with `policy_type="stochastic"`. Mean and standard deviation depend on
  the state as ours do, but the loss is the squared error of a sampled action, because d3rlpy has no likelihood for BC.
  It collects each batch transition by transition in Python, which is a good part of its time.
- imitation: `BC.train(n_batches=n)` on an `ActorCriticPolicy`. The loss is a log-likelihood, but of an unsquashed
  Gaussian with one learned standard deviation per action. Its value network, which BC never trains, is reduced to a
  linear layer, to imitation's advantage. No option removes its L2 norm, which is computed with weight zero.
"""

# pyright: reportMissingImports=false
from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

OBS, ACT, BATCH = 11, 3, 256
HIDDEN = [256, 256]
REPLAY, EPISODES, EPISODE_STEPS = 100_000, 10, 1000
LEARNING_RATE = 3e-4
# The first block builds or compiles (SBX compiles for a block's length, and all are equal); the second is margin.
WARMUP_BLOCKS, TIMED_BLOCKS = 2, 10


def block_median(block: Callable[[int], object], updates: int) -> float:
    """Milliseconds per update: the median over timed blocks, each `block(n)` making n updates."""
    size = max(1, updates // TIMED_BLOCKS)
    for _ in range(WARMUP_BLOCKS):
        block(size)
    times = []
    for _ in range(TIMED_BLOCKS):
        start = time.perf_counter()
        block(size)
        times.append((time.perf_counter() - start) * 1e3 / size)
    return median(times)


def sac_model(algorithm, **policy):
    """Make an SB3 or SBX model (they share the interface) on Hopper's spaces, its replay full of random transitions."""
    import gymnasium
    import numpy as np
    from stable_baselines3.common.logger import Logger

    class Spaces(gymnasium.Env):
        """Never stepped: the model reads its spaces, which are Hopper-v5's, float64 observations included."""

        observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (OBS,), np.float64)
        action_space = gymnasium.spaces.Box(-1.0, 1.0, (ACT,), np.float32)

        def reset(self, **_):
            return np.zeros(OBS), {}

    model = algorithm(
        "MlpPolicy",
        Spaces(),
        learning_rate=LEARNING_RATE,
        buffer_size=REPLAY,
        batch_size=BATCH,
        gamma=0.99,
        tau=0.005,
        ent_coef="auto",
        policy_kwargs={"net_arch": HIDDEN, **policy},
        seed=0,
        device="cpu",
    )
    model.set_logger(Logger(None, []))
    rng, replay = np.random.default_rng(0), model.replay_buffer
    replay.observations[:] = rng.standard_normal(replay.observations.shape)
    replay.next_observations[:] = rng.standard_normal(replay.next_observations.shape)
    replay.actions[:] = rng.uniform(-1, 1, replay.actions.shape)
    replay.rewards[:] = rng.standard_normal(replay.rewards.shape)
    replay.dones[:] = rng.random(replay.dones.shape) < 0.01
    replay.full = True
    return model


def demonstrations():
    """Observations [E T+1 O] and actions [E T A] of the behavioural cloning task, float32."""
    import numpy as np

    rng = np.random.default_rng(0)
    obs = rng.standard_normal((EPISODES, EPISODE_STEPS + 1, OBS), np.float32)
    # Actions that depend on the observation, and inside the bounds: a tanh-Gaussian's likelihood stays finite.
    action = np.tanh(obs[:, :-1] @ rng.standard_normal((OBS, ACT), np.float32) / OBS)
    return obs, action


def worker_sb3(updates: int) -> float:
    """Milliseconds per SAC update of Stable-Baselines3."""
    import torch
    from stable_baselines3 import SAC

    torch.set_num_threads(1)
    model = sac_model(SAC)
    return block_median(lambda n: model.train(gradient_steps=n, batch_size=BATCH), updates)


def worker_sbx(updates: int) -> float:
    """Milliseconds per SAC update of SBX."""
    import torch
    from sbx import SAC

    torch.set_num_threads(1)
    model = sac_model(SAC)
    # `train` reads the last losses out of the compiled loop, so it returns when the loop has run.
    return block_median(lambda n: model.train(gradient_steps=n, batch_size=BATCH), updates)


def worker_d3rlpy(updates: int) -> float:
    """Milliseconds per BC update of d3rlpy."""
    import d3rlpy
    import numpy as np
    import torch

    torch.set_num_threads(1)
    d3rlpy.seed(0)
    obs, action = demonstrations()
    dataset = d3rlpy.dataset.MDPDataset(
        observations=obs[:, :-1].reshape(-1, OBS),
        actions=action.reshape(-1, ACT),
        rewards=np.zeros(EPISODES * EPISODE_STEPS, np.float32),
        terminals=np.tile(np.arange(EPISODE_STEPS) == EPISODE_STEPS - 1, EPISODES).astype(np.float32),
    )
    config = d3rlpy.algos.BCConfig(
        batch_size=BATCH,
        learning_rate=LEARNING_RATE,
        policy_type="stochastic",
        encoder_factory=d3rlpy.models.VectorEncoderFactory(hidden_units=HIDDEN, activation="relu"),
    )
    # An epoch of the generator is one block, so its set-up falls in the warm-up.
    size = max(1, updates // TIMED_BLOCKS)
    epochs = config.create(device=False).fitter(
        dataset,
        n_steps=(WARMUP_BLOCKS + TIMED_BLOCKS) * size,
        n_steps_per_epoch=size,
        logger_adapter=d3rlpy.logging.NoopAdapterFactory(),
        show_progress=False,
    )
    return block_median(lambda _: next(epochs), updates)


def worker_imitation(updates: int) -> float:
    """Milliseconds per BC update of imitation."""
    import gymnasium
    import numpy as np
    import torch
    from imitation.algorithms.bc import BC
    from imitation.data.rollout import flatten_trajectories
    from imitation.data.types import Trajectory
    from imitation.util.logger import HierarchicalLogger
    from stable_baselines3.common.logger import Logger
    from stable_baselines3.common.policies import ActorCriticPolicy

    torch.set_num_threads(1)
    torch.manual_seed(0)
    spaces = {
        "observation_space": gymnasium.spaces.Box(-np.inf, np.inf, (OBS,), np.float32),
        "action_space": gymnasium.spaces.Box(-1.0, 1.0, (ACT,), np.float32),
    }
    policy = ActorCriticPolicy(
        **spaces,
        lr_schedule=lambda _: LEARNING_RATE,
        net_arch={"pi": HIDDEN, "vf": []},
        activation_fn=torch.nn.ReLU,
    )
    trainer = BC(
        **spaces,
        rng=np.random.default_rng(0),
        policy=policy,
        demonstrations=flatten_trajectories(
            [Trajectory(o, a, None, terminal=True) for o, a in zip(*demonstrations(), strict=True)]
        ),
        batch_size=BATCH,
        optimizer_kwargs={"lr": LEARNING_RATE},
        device="cpu",
        custom_logger=HierarchicalLogger(Logger(None, [])),
    )
    return block_median(lambda n: trainer.train(n_batches=n, log_interval=n, progress_bar=False), updates)


def worker_imitax_sac(updates: int) -> float:
    """Milliseconds per SAC update of imitax."""
    from update_rate import sac_updates

    return sac_updates(updates, "float32")


def worker_imitax_bc(updates: int) -> float:
    """Milliseconds per BC update of imitax."""
    from update_rate import bc_updates

    return bc_updates(updates, "float32")


WORKERS = {
    "sb3": worker_sb3,
    "sbx": worker_sbx,
    "d3rlpy": worker_d3rlpy,
    "imitation": worker_imitation,
    "imitax-sac": worker_imitax_sac,
    "imitax-bc": worker_imitax_bc,
}
