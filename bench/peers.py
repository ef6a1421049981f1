"""Time one gradient update, sampling included, of imitax and of its peers: same network, same batch, one core.

    python bench/peers.py --json                             # every library, five rounds, then one line a comparison
    python bench/peers.py --json --only sac-2x256            # one comparison: ours, sb3 and sbx
    python bench/peers.py --json --only sb3 imitax-sac       # or single libraries; compared where ours is among them
    .venv-peers/sb3/bin/python bench/peers.py --worker sb3   # what the parent runs for each library

Each peer lives in a virtual environment of its own, because their pins conflict; a missing one is created, with the
build of torch that pip is configured for (the CPU build is enough: nothing here uses a GPU). A round runs every library
once, in turn, so that a change of the machine's load falls on all of them; ratios are taken round by round. What is
equal: Hopper's sizes (11 observations, 3 actions), two hidden layers of 256 ReLU units, batches of 256, Adam, float32,
one core. Every library samples its batches from its own buffer and is called through its own training method.

sac-2x256: critic, actor, temperature and Polyak step on one batch from a replay of 100,000 random transitions.
- sb3, sbx: `model.train(gradient_steps=n, batch_size=256)`, n being one timed block of 100 updates. That favours SBX,
  which draws the n batches in one call and runs one compiled loop over them: online, with one gradient step for each
  environment step, it pays a dispatch for every update.

bc-2x256: one step on 10,000 demonstrated transitions, in ten episodes of 1000. The losses are not the same (ours is the
log-likelihood of a tanh-Gaussian whose standard deviation depends on the state), the hidden layers are:
- d3rlpy: `fitter`, the generator behind `fit`, with `policy_type="stochastic"`: mean and standard deviation depend on
  the state as ours do, but the loss is the squared error of a sampled action; d3rlpy offers no likelihood for BC. It
  collects each batch transition by transition in Python, a good part of its time.
- imitation: `BC.train(n_batches=n)` on an `ActorCriticPolicy`: a log-likelihood, but of an unsquashed Gaussian with one
  learned standard deviation per action. Its value network, which BC never trains, is reduced to a linear layer, to
  imitation's advantage; its L2 norm, computed at weight zero, stays because no option removes it.

A ratio holds for a machine: on an AMD processor with AVX-512, torch's matrix product (MKL) reached less than half
the rate of XLA's on the same core.
"""

# pyright: reportMissingImports=false
# A worker runs in its peer's environment, so this file imports only the standard library outside its functions.
from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from statistics import median

OBS, ACT, BATCH = 11, 3, 256
HIDDEN = [256, 256]
REPLAY, EPISODES, EPISODE_STEPS = 100_000, 10, 1000
LEARNING_RATE = 3e-4
# The first block builds or compiles (SBX compiles for a block's length, and all are equal); the second is margin.
WARMUP_BLOCKS, TIMED_BLOCKS = 2, 10
ROOT = Path(__file__).resolve().parents[1]

# The peer itself first. The rest is what its speed depends on, or what its own pins leave open and may break later.
PINS = {
    "sb3": ["stable-baselines3==2.9.2", "torch==2.13.0", "numpy==2.4.6", "gymnasium==1.4.0"],
    "sbx": [
        *("sbx-rl==0.28.0", "jax==0.10.2", "jaxlib==0.10.2", "flax==0.12.8", "optax==0.2.8"),
        *("stable-baselines3==2.9.2", "torch==2.13.0", "numpy==2.4.6", "gymnasium==1.4.0"),
    ],
    "d3rlpy": ["d3rlpy==2.8.1", "torch==2.13.0", "numpy==2.4.6", "gymnasium==1.0.0", "gym==0.26.2"],
    "imitation": [
        *("imitation==1.0.1", "stable-baselines3==2.2.1", "torch==2.13.0", "numpy==2.4.6", "gymnasium==0.29.1"),
    ],
}


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
    import torch
    from stable_baselines3 import SAC

    torch.set_num_threads(1)
    model = sac_model(SAC)
    return block_median(lambda n: model.train(gradient_steps=n, batch_size=BATCH), updates)


def worker_sbx(updates: int) -> float:
    import torch
    from sbx import SAC

    torch.set_num_threads(1)
    model = sac_model(SAC)
    # `train` reads the last losses out of the compiled loop, so it returns when the loop has run.
    return block_median(lambda n: model.train(gradient_steps=n, batch_size=BATCH), updates)


def worker_d3rlpy(updates: int) -> float:
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
    from update_rate import sac_updates

    return sac_updates(updates, "float32")


def worker_imitax_bc(updates: int) -> float:
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
# Ours first, then the peers that it is compared with.
COMPARISONS = {"sac-2x256": ["imitax-sac", "sb3", "sbx"], "bc-2x256": ["imitax-bc", "d3rlpy", "imitation"]}


def distribution(library: str) -> str:
    """Name of the package on the index, whose version is quoted."""
    return PINS[library][0].split("==")[0] if library in PINS else "imitax"


def work(library: str, updates: int) -> None:
    """Time one library in this process, which must not have imported it, or any numerics, yet."""
    # JAX and OpenMP size their thread pools by the cores they may use; the variables hold where one of them does not.
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = "1"
    os.environ["JAX_PLATFORMS"] = "cpu"
    with contextlib.redirect_stdout(sys.stderr):  # d3rlpy logs to standard output
        ms = WORKERS[library](updates)
    print(json.dumps({"library": library, "version": metadata.version(distribution(library)), "ms": round(ms, 4)}))


def interpreter(library: str, folder: Path) -> Path:
    """Return the library's Python, creating the peer's virtual environment where it is missing or has other pins."""
    if library not in PINS:
        return Path(sys.executable)
    home = folder / library
    python, stamp = home / "bin" / "python", home / "pins.json"
    if not (stamp.exists() and json.loads(stamp.read_text()) == PINS[library]):
        print(f"creating {home}: {' '.join(PINS[library])}", file=sys.stderr)
        base = shutil.which("python3.11") or sys.executable
        subprocess.run([base, "-m", "venv", "--clear", home], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PINS[library]], check=True, stdout=sys.stderr)
        stamp.write_text(json.dumps(PINS[library]))  # last: an interrupted installation is made again
    return python


def measure(library: str, python: Path, updates: int) -> dict:
    command = [python, __file__, "--worker", library, "--updates", str(updates)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if run.returncode:
        sys.exit(f"{library} failed:\n{run.stderr[-4000:]}")
    return json.loads(run.stdout.splitlines()[-1])


def compare(name: str, peer: str, rounds: list[dict[str, dict]]) -> dict:
    """One comparison from the rounds' lines: the ratio is taken in each round, then its median."""
    ours = [line[COMPARISONS[name][0]]["ms"] for line in rounds]
    theirs = [line[peer]["ms"] for line in rounds]
    ratios = [p / o for p, o in zip(theirs, ours, strict=True)]
    return {
        "comparison": name,
        "peer": peer,
        "peer_version": rounds[0][peer]["version"],
        "ours_ms": round(median(ours), 4),
        "peer_ms": round(median(theirs), 4),
        "ratio": round(median(ratios), 3),
        "ratio_min": round(min(ratios), 3),
        "ratio_max": round(max(ratios), 3),
        "rounds": len(rounds),
        "cores": 1,
        "precision": "float32",
    }


def write_lines(file: Path, lines: list[dict]) -> None:
    """Replace the file at once, so that a reader never sees half of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=file.parent, prefix=f".{file.name}.", delete=False) as part:
        part.writelines(json.dumps(line) + "\n" for line in lines)
    Path(part.name).chmod(0o644)
    os.replace(part.name, file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON lines instead of text")
    parser.add_argument("--only", nargs="+", choices=[*COMPARISONS, *WORKERS], help="these comparisons and libraries")
    parser.add_argument("--rounds", type=int, default=5, help="how often each library runs")
    parser.add_argument("--updates", type=int, default=1000, help="timed updates in one run of a library")
    parser.add_argument("--out", type=Path, help="also write the JSON lines to this file")
    parser.add_argument("--venvs", type=Path, default=ROOT / ".venv-peers", help="folder of the peers' environments")
    parser.add_argument("--worker", choices=WORKERS, help="time this library in this process")
    args = parser.parse_args()
    if args.worker:
        return work(args.worker, args.updates)

    chosen = [
        library
        for comparison, libraries in COMPARISONS.items()
        for library in libraries
        if not args.only or comparison in args.only or library in args.only
    ]
    pythons = {library: interpreter(library, args.venvs) for library in chosen}
    lines = []

    def emit(line: dict) -> None:
        lines.append(line)
        text = json.dumps(line) if args.json else "  ".join(f"{key} {value}" for key, value in line.items())
        print(text, flush=True)

    rounds = []
    for i in range(args.rounds):
        rounds.append({})
        # Every second round runs backwards: a drift of the machine's speed then favours nobody.
        for library in chosen if i % 2 == 0 else chosen[::-1]:
            rounds[-1][library] = measure(library, pythons[library], args.updates)
            emit({"round": i, **rounds[-1][library]})
    for name, (ours, *peers) in COMPARISONS.items():
        for peer in peers:
            if {ours, peer} <= set(chosen):
                emit(compare(name, peer, rounds))
    if args.out:
        write_lines(args.out, lines)


if __name__ == "__main__":
    main()
