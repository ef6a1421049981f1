"""Adversarial imitation on an environment of your own: open with `marimo edit`, or run it as a script."""

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
    # Adversarial imitation on an environment of your own

    An environment is a class with Gymnasium's two methods. Its reward is used for nothing but measuring: the policy
    learns from a discriminator, which tells its behaviour from the demonstrations.
    """)
    return


@app.cell
def _():
    steps = 4_000  # of the environment, and updates
    warmup = 1_000  # steps of the untrained policy before the first update
    return steps, warmup


@app.cell
def _(Path, tempfile):
    folder = Path(tempfile.mkdtemp())
    return (folder,)


@app.cell
def _():
    import gymnasium
    import numpy as np

    class Cart(gymnasium.Env):
        """A cart on a rail is to stop at 0. Observed are place (m) and speed (m/s); the action is its acceleration."""

        observation_space = gymnasium.spaces.Box(-10, 10, (2,), np.float32)
        action_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)

        def reset(self, *, seed=None, options=None):
            """Anywhere within a metre, at rest."""
            super().reset(seed=seed)
            self.place, self.speed, self.time = self.np_random.uniform(-1, 1), 0.0, 0
            return self.seen(), {}

        def step(self, action):
            """A tenth of a second; 50 of them are an episode."""
            self.speed = np.clip(self.speed + 0.1 * float(action[0]), -2, 2)
            self.place = np.clip(self.place + 0.1 * self.speed, -10, 10)
            self.time += 1
            # terminated: the task is over. truncated: only the time is up, as here.
            return self.seen(), -abs(self.place) / 50, False, self.time == 50, {}

        def seen(self):
            """The observation."""
            return np.array([self.place, self.speed], np.float32)

    return Cart, np


@app.cell
def _(mo):
    mo.md("""
    ## Demonstrations

    Here a rule of thumb stands for the expert. `collect` asks it for the actions of a batch of observations. Five
    episodes are plenty.
    """)
    return


@app.cell
def _(Cart, np):
    from imitax.datasets import collect

    def expert(obs, _):
        return np.clip(-2.0 * obs[:, :1] - 2.0 * obs[:, 1:], -1, 1)

    def anything(obs, _):
        return rng.uniform(-1, 1, (len(obs), 1))

    rng = np.random.default_rng(0)
    demos = collect(expert, Cart, episodes=5, seed=0)
    aimless = collect(anything, Cart, episodes=20, seed=0)
    print(f"returns: expert {demos.returns.mean():.2f}, random actions {aimless.returns.mean():.2f}")
    return aimless, demos


@app.cell
def _(mo):
    mo.md("""
    ## Train

    Small networks are enough for two numbers. A setting has the name of its flag (`imitax train adversarial --help`).
    """)
    return


@app.cell
def _(Cart, demos, folder, steps, warmup):
    import imitax

    small = {f"{network}.hidden": (32, 32) for network in ("policy", "critic", "reward")}
    config = imitax.preset_config("adversarial", "default", **small, warmup_steps=warmup, batch_size=64)
    run = imitax.train(
        config,
        env=Cart,
        demos=demos,
        steps=steps,
        eval_every=steps // 4,
        checkpoint_every=steps,
        eval_episodes=5,
        out=folder / "run",
    )
    return (run,)


@app.cell
def _(aimless, demos, mo, run):
    score = run.summary["last"]["iqm"]
    mo.md(f"""
    | who | return |
    | --- | ---: |
    | expert | {demos.returns.mean():.2f} |
    | the policy | {score:.2f} |
    | random actions | {aimless.returns.mean():.2f} |
    """)
    return (score,)


@app.cell
def _(mo):
    mo.md("""
    ## Is the discriminator healthy?

    An `accuracy` near 1 with a high `saturation` would mean that it has overfitted, and that its reward says little.
    `imitax report RUN` draws these conclusions for you.
    """)
    return


@app.cell
def _(run):
    import matplotlib.pyplot as plt

    trained = [line for line in run.metrics(seed=0) if line["kind"] == "train"]
    figure, axes = plt.subplots(figsize=(7, 3), layout="constrained")
    for name in ("accuracy", "saturation"):
        lines = [line for line in trained if name in line]
        axes.plot([line["step"] for line in lines], [line[name] for line in lines], label=name)
    axes.set(xlabel="environment steps", ylabel="share", ylim=(0, 1.02))
    axes.legend()
    figure
    return (trained,)


@app.cell
def _(mo):
    mo.md("""
    ## Act

    `run.policy` takes what the environment shows and returns what it takes.
    """)
    return


@app.cell
def _(Cart, run):
    cart = Cart()
    obs, _ = cart.reset(seed=3)
    path = [float(obs[0])]
    over = False
    while not over:
        obs, _, terminated, truncated, _ = cart.step(run.policy(obs))
        path.append(float(obs[0]))
        over = terminated or truncated
    print(f"from {path[0]:.2f} m to {path[-1]:.2f} m")
    return (path,)


if __name__ == "__main__":
    app.run()
