"""From a CSV file to a policy: open with `marimo edit`, or run it as a script."""

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
    # From a CSV file to a policy

    A robot arm was moved by an operator, and a CSV file recorded 14 observations and 7 torques a step. There is no
    simulator and no reward. Behaviour cloning learns the operator's actions.
    """)
    return


@app.cell
def _():
    steps = 4_000  # updates
    return (steps,)


@app.cell
def _(Path, tempfile):
    folder = Path(tempfile.mkdtemp())
    return (folder,)


@app.cell
def _(folder, mo):
    import subprocess
    import sys

    # In place of your own recording.
    table = folder / "log.csv"
    recorder = mo.notebook_dir().parent / "own_data.py"
    subprocess.run([sys.executable, str(recorder), str(table)], check=True)
    print(*table.read_text().splitlines()[:2], sep="\n")
    return (table,)


@app.cell
def _(mo):
    mo.md("""
    ## Look at the data

    `imitax.load` recognises columns by their names. The doctor looks for what spoils imitation: jumps, copies, delays,
    states in which the operator did two different things, and too few episodes.
    """)
    return


@app.cell
def _(table):
    import imitax
    from imitax.datasets.doctor import examine

    limits = [80.0, 60.0, 60.0, 40.0, 20.0, 20.0, 0.5]  # of the seven torques, N m
    demos = imitax.load(table, action_low=[-limit for limit in limits], action_high=limits)
    found = examine(demos)
    {finding.name: f"{finding.verdict}: {finding.text}" for finding in found.findings}
    return demos, found, imitax


@app.cell
def _(mo):
    mo.md("""
    ## Train

    Three episodes are held out. Their error says how well the policy predicts the operator in episodes that it has not
    seen; the best policy is the one with the smallest.
    """)
    return


@app.cell
def _(demos, folder, imitax, steps):
    run = imitax.train(
        "bc",
        demos=demos,
        validation_episodes=3,
        steps=steps,
        eval_every=steps // 4,
        checkpoint_every=steps,
        out=folder / "run",
    )
    return (run,)


@app.cell
def _(mo, run):
    error = run.summary["best"]["error"]
    mo.md(f"""
    Held-out actions are missed by **{error:.2%}** of their range on average.

    A small error does not promise a good policy: once it acts, small errors add up. `docs/no_simulator.md` says what
    cannot be known without a simulator.
    """)
    return (error,)


@app.cell
def _(demos, run):
    import matplotlib.pyplot as plt

    held_out = run.demonstrations(demos)[0].episodes[0]
    predicted = run.policy(held_out.observations[:-1], which="best")
    figure, axes = plt.subplots(figsize=(7, 3), layout="constrained")
    axes.plot(held_out.actions[:, 0], label="operator")
    axes.plot(predicted[:, 0], "--", label="policy")
    axes.set(xlabel="step", ylabel="torque of joint 0, N m")
    axes.legend()
    figure
    return (predicted,)


@app.cell
def _(mo):
    mo.md("""
    ## Take it to the robot

    The export is two files that need NumPy alone. It is compared with the policy on 10,000 observations.
    """)
    return


@app.cell
def _(folder, run):
    exported = run.export("numpy", folder / "robot", which="best")
    print(f"largest difference {exported.difference:.1e}, {exported.microseconds:.0f} microseconds a call")
    return (exported,)


if __name__ == "__main__":
    app.run()
