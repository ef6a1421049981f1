"""What a machine might have recorded: an arm with seven joints that an operator brings to rest, as a CSV file.

There are 14 observations (angles and speeds), 7 actions (torques, each with a limit of its own) and no reward. It needs
nothing but Python: `python own_data.py FILE`.
"""

import csv
import random
import sys

LIMITS = (80.0, 60.0, 60.0, 40.0, 20.0, 20.0, 0.5)
"""Largest torque of each joint, N m."""
INERTIA = (4.0, 3.0, 3.0, 2.0, 1.0, 1.0, 0.025)
"""Of each joint, kg m^2."""
EPISODES, STEPS, DT = 30, 60, 0.05


def record(rng):
    """One episode: rows of observations and actions."""
    angle, speed = [rng.uniform(-1.5, 1.5) for _ in LIMITS], [0.0] * len(LIMITS)
    for _ in range(STEPS):
        wanted = [inertia * (-9 * q - 5 * v) for inertia, q, v in zip(INERTIA, angle, speed, strict=True)]
        torque = [
            max(-limit, min(limit, u + rng.gauss(0, 0.01 * limit))) for limit, u in zip(LIMITS, wanted, strict=True)
        ]
        yield angle + speed, torque
        speed = [v + DT * u / inertia for v, u, inertia in zip(speed, torque, INERTIA, strict=True)]
        angle = [q + DT * v for q, v in zip(angle, speed, strict=True)]


def main(path):
    """Write the file."""
    rng = random.Random(0)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["episode", "t", *(f"obs_{i}" for i in range(14)), *(f"action_{i}" for i in range(len(LIMITS)))]
        )
        for episode in range(EPISODES):
            for step, (obs, action) in enumerate(record(rng)):
                writer.writerow([episode, step, *(f"{x:.5f}" for x in obs + action)])


if __name__ == "__main__":
    main(sys.argv[1])
