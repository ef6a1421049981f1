"""Make an expert or a medium set: train SAC, collect episodes with sampled actions, write dataset and policy.

    python -m bench.experiments.expert                      # train first; an interrupted training is resumed
    python -m bench.experiments.expert --run runs/sac       # collect from a run that exists
    python -m bench.experiments.expert --env HalfCheetah-v5 --name halfcheetah-expert --run runs/halfcheetah \
        --preset frugal --steps 1500000 --eval-every 20000 --stop-at 10000 --min-mean-return 9000
    python -m bench.experiments.expert --env HalfCheetah-v5 --name halfcheetah-medium --run runs/halfcheetah-medium \
        --preset frugal --steps 1500000 --stop-at 4000 --no-full-length-only --min-mean-return 0 --out data
    python -m bench.experiments.expert --env Ant-v5 --env-kwargs '{"include_cfrc_ext_in_observation": false}' \
        --name ant-expert --run runs/ant --preset frugal --steps 3000000 --eval-every 25000 --stop-at 5000 \
        --min-return 4500 --min-mean-return 4500

Discrete actions (LunarLander needs `gymnasium[box2d]`):

    python -m bench.experiments.expert --env CartPole-v1 --name cartpole-expert --run runs/cartpole \
        --steps 50000 --stop-at 500 --min-mean-return 490
    python -m bench.experiments.expert --env Acrobot-v1 --name acrobot-expert --run runs/acrobot \
        --steps 50000 --stop-at -80 --no-full-length-only --min-mean-return -100
    python -m bench.experiments.expert --env LunarLander-v3 --name lunarlander-expert --run runs/lunar \
        --settings '{"finite_values": "target", "temperature.target_entropy": 0.2}' --seeds 100 --steps 300000 \
        --eval-every 10000 --eval-episodes 20 --stop-at 240 --no-full-length-only --min-mean-return 220

Actions are sampled, as in D4RL's expert sets, so that the episodes show recoveries from small errors. The policy is the
one with the best evaluation among all seeds of the run.
"""

import json
import os
import shlex
from dataclasses import dataclass, replace
from pathlib import Path

import tyro

import imitax
from imitax.datasets import collect, loading, save_d4rl, save_minari
from imitax.files import write_atomic
from imitax.run import Run
from imitax.statistics import reference_scores
from imitax.training.loop import Event
from imitax.training.provenance import commit


@dataclass(frozen=True)
class Recipe:
    """Train an expert and write its demonstrations."""

    env: str = "Hopper-v5"
    """Gymnasium id."""
    env_kwargs: str = "{}"
    """Keyword arguments of the environment, a JSON object; the dataset carries them."""
    name: str = "hopper-expert"
    """Name of the dataset; the files are NAME.hdf5 and NAME.policy.safetensors."""
    run: Path = Path("runs/hopper-expert")
    """Folder of the SAC run: opened if it is finished, resumed if it was interrupted, started otherwise."""
    preset: str = "default"
    """Preset of SAC."""
    settings: str = "{}"
    """Settings that are to differ from the preset, by the name of their flag with underscores, a JSON object."""
    steps: int = 300_000
    """Environment steps to train for."""
    seeds: tuple[int, ...] = (0,)
    """Seeds to train."""
    eval_every: int = 5000
    """Environment steps between evaluations."""
    eval_episodes: int = 10
    """Episodes of an evaluation: more of them tell a policy that rarely falls from one that never does."""
    stop_at: float | None = None
    """Stop training once an evaluation has this mean return; None trains to the end."""
    full_length_only: bool = True
    """Discard episodes that end before the time limit; a medium set keeps them."""
    min_return: float | None = None
    """Discard episodes with a lower return."""
    episodes: int = 25
    """Episodes to collect."""
    min_mean_return: float = 3200.0
    """Refuse to write a set with a lower mean return."""
    max_discarded: float = 1.0
    """Refuse to write a set for which a larger share of the collected episodes was discarded: its mean return is above
    the expert's own, and whoever imitates the expert perfectly falls short of it."""
    seed: int = 0
    """Seed of the environments and of the sampled actions."""
    out: Path = loading.BUNDLED
    """Folder for the files."""
    minari: str | None = None
    """Also write a Minari dataset with this id, such as imitax/halfcheetah/expert-v0."""


def main(recipe: Recipe) -> None:
    """Train where necessary, collect the episodes, and write the dataset and its policy."""
    run = trained(recipe)
    scores = {entry["seed"]: entry["return_mean"] for entry in run.summary["best"]["per_seed"]}
    best = max(scores, key=lambda seed: scores[seed])
    data = collect(
        run.actor(best, "best", recipe.seed),
        run.task.make,
        episodes=recipe.episodes,
        seed=recipe.seed,
        full_length_only=recipe.full_length_only,
        min_return=recipe.min_return,
        name=recipe.name,
    )
    if data.returns.mean() < recipe.min_mean_return:
        raise SystemExit(f"mean return {data.returns.mean():,.0f} is below {recipe.min_mean_return:,.0f}: not written")
    tried, discarded = (int(data.attributes[name]) for name in ("attempted_episodes", "discarded_episodes"))
    if discarded > recipe.max_discarded * tried:
        raise SystemExit(f"{discarded} of {tried} episodes discarded, over {recipe.max_discarded:.0%}: not written")
    about = {
        "algorithm": "sac",
        "actions": "sampled",
        "recipe": command(recipe),
        "training_seed": str(best),
        "training_steps": str(run.summary["best_steps"][str(best)]),
        "training_commit": run.config["commit"],
        "collection_commit": commit(),
        "return_mean": f"{data.returns.mean():.2f}",
        "return_sd": f"{data.returns.std():.2f}",
        "mujoco": str(run.config["versions"]["mujoco"]),
        "license": "MIT",
        **reference_scores(run.task.env_id),
    }
    data = replace(data, attributes=data.attributes | about)
    save_d4rl(data, recipe.out / f"{recipe.name}.hdf5", compact=True)
    if recipe.minari is not None:
        save_minari(data, recipe.minari)
    policy = run.seed_folder(best) / "policy-best.safetensors"
    write_atomic(recipe.out / f"{recipe.name}.policy.safetensors", policy.read_bytes())
    print(
        f"{recipe.name}: {len(data.episodes)} episodes, return {data.returns.mean():,.1f} ± {data.returns.std():,.1f}"
    )


def trained(recipe: Recipe) -> Run:
    """The finished run of the recipe: opened, resumed or started."""
    stop = [lambda event: not reached(recipe, event)]
    if not (recipe.run / "config.json").exists():
        return imitax.train(
            imitax.preset_config("sac", recipe.preset, **json.loads(recipe.settings)),
            preset=recipe.preset,
            env=recipe.env,
            env_kwargs=json.loads(recipe.env_kwargs),
            steps=recipe.steps,
            eval_every=recipe.eval_every,
            eval_episodes=recipe.eval_episodes,
            seeds=recipe.seeds,
            out=recipe.run,
            callbacks=stop,
        )
    if not (recipe.run / "summary.json").exists():
        return imitax.resume(recipe.run, callbacks=stop)
    return Run(recipe.run)


def command(recipe: Recipe) -> str:
    """The command line that reproduces the set, without folders."""
    flags = ["--env", recipe.env, "--name", recipe.name, "--preset", recipe.preset, "--steps", str(recipe.steps)]
    flags += ["--seeds", *map(str, recipe.seeds), "--eval-every", str(recipe.eval_every)]
    flags += [] if recipe.env_kwargs == "{}" else ["--env-kwargs", shlex.quote(recipe.env_kwargs)]
    flags += [] if recipe.settings == "{}" else ["--settings", shlex.quote(recipe.settings)]
    flags += [] if recipe.stop_at is None else ["--stop-at", f"{recipe.stop_at:g}"]
    flags += [] if recipe.full_length_only else ["--no-full-length-only"]
    flags += [] if recipe.min_return is None else ["--min-return", f"{recipe.min_return:g}"]
    flags += ["--eval-episodes", str(recipe.eval_episodes), "--episodes", str(recipe.episodes)]
    flags += ["--min-mean-return", f"{recipe.min_mean_return:g}", "--max-discarded", f"{recipe.max_discarded:g}"]
    flags += ["--seed", str(recipe.seed)]
    return " ".join(["python -m bench.experiments.expert", *flags])


def reached(recipe: Recipe, event: Event) -> bool:
    """Whether a seed's evaluation has reached `stop_at`."""
    best = max(record["return_mean"] for record in event.records.values())
    return recipe.stop_at is not None and best >= recipe.stop_at


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    main(tyro.cli(Recipe))
