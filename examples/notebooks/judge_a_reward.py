"""Is a learned reward worth anything? Open with `marimo edit`, or run it as a script."""

import marimo

__generated_with = "0.25.2"
app = marimo.App()


@app.cell
def _():
    import tempfile
    from pathlib import Path

    import marimo as mo

    return Path, mo, tempfile


@app.cell
def _(mo):
    mo.md("""
    # Judge a reward

    A policy can imitate well while the reward that it learned from would teach nobody else. Here a point goes round a
    wall to a goal. The true reward, minus the distance from the goal, is known, so the learned one can be compared with
    it.
    """)
    return


@app.cell
def _():
    steps = 6_000  # of the environment, and updates
    warmup = 1_000  # steps of the untrained policy before the first update
    return steps, warmup


@app.cell
def _(Path, tempfile):
    folder = Path(tempfile.mkdtemp())
    return (folder,)


@app.cell
def _():
    import numpy as np

    import imitax
    from imitax.datasets import collect

    MAZE = "imitax/PointMaze-v0"

    def expert(obs, _):
        """To the passage at the right, through it, to the goal."""
        x, y = obs[:, :1], obs[:, 1:]
        through = np.where(x < 0.7, [0.8, -0.2], [0.8, 0.3])
        return np.clip((np.where(y < 0.1, through, [0.0, 0.7]) - obs) / 0.1, -1, 1)

    demos = collect(expert, imitax.Task.create(MAZE).make, episodes=10, seed=0)
    print(f"return of the demonstrations: {demos.returns.mean():.1f}")
    return MAZE, demos, imitax, np


@app.cell
def _(mo):
    mo.md("""
    ## Learn a reward

    The discriminator of adversarial imitation is a reward, and is saved with the policy. It sees states alone here
    (`reward.inputs`), as the true reward nearly does.
    """)
    return


@app.cell
def _(MAZE, demos, folder, imitax, steps, warmup):
    small = {f"{network}.hidden": (32, 32) for network in ("policy", "critic", "reward")}
    states = {"reward.inputs": "state", "warmup_steps": warmup, "batch_size": 64, "horizon_share": None}
    run = imitax.train(
        imitax.preset_config("adversarial", "default", **small, **states),
        env=MAZE,
        demos=demos,
        steps=steps,
        eval_every=steps // 2,
        checkpoint_every=steps,
        eval_episodes=5,
        out=folder / "run",
    )
    return (run,)


@app.cell
def _(demos, imitax, run):
    judged = imitax.rewards.evaluate_reward(run, episodes=10, demos=demos)
    return (judged,)


@app.cell
def _(judged, mo):
    def shown(estimate):
        return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"

    names = ("pearson", "spearman", "starc", "kendall")
    head = "| episodes | " + " | ".join(names) + " |\n| --- |" + " --- |" * len(names)
    body = [
        f"| {name} | " + " | ".join(shown(found[n]) for n in names) + " |"
        for name, found in {**judged["sets"], "all": judged["all"]}.items()
    ]
    mo.md("\n".join([head, *body]))
    return


@app.cell
def _(mo):
    mo.md("""
    Kendall's tau asks whether episodes are ranked as the true reward ranks them; 1 is the same order. STARC is a
    distance that forgets scale and shaping: 0 is the same reward, 0.71 an unrelated one. `docs/rewards.md` explains
    all four. Expect a good ranking over all episodes, and a worse one within a single kind of them: the learned reward
    says who behaves like the expert, and not how far the goal is.
    """)
    return


@app.cell
def _(np, run):
    import matplotlib.pyplot as plt

    places = np.linspace(-1, 1, 41, dtype=np.float32)
    grid = np.stack(np.meshgrid(places, places), -1).reshape(-1, 2)  # [B, 2]
    still = np.zeros_like(grid)
    learned = run.reward(grid, still, grid, np.zeros(len(grid)))
    true = -np.linalg.norm(grid - [0.0, 0.7], axis=1)

    figure, axes = plt.subplots(1, 2, figsize=(7, 3.2), layout="constrained", sharey=True)
    for ax, title, values in zip(axes, ("true reward", "learned reward"), (true, learned), strict=True):
        drawn = ax.imshow(values.reshape(41, 41), origin="lower", extent=(-1, 1, -1, 1))
        ax.plot([-1, 0.6], [0, 0], color="white")  # the wall
        ax.set(title=title, xlabel="x")
        figure.colorbar(drawn, ax=ax)
    figure
    return (learned,)


if __name__ == "__main__":
    app.run()
