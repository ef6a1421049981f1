import sys
from types import SimpleNamespace

import numpy as np
import pytest

from bench.experiments import point_maze

U = [[1, 1, 1, 1, 1], [1, 0, 0, 0, 1], [1, 1, 1, 0, 1], [1, 0, 0, 0, 1], [1, 1, 1, 1, 1]]


@pytest.fixture
def maze():
    """Cells of size 1; the centre of the maze is the origin, rows go down."""

    def rowcol(xy):
        return np.array([np.floor(2.5 - xy[1]), np.floor(xy[0] + 2.5)], int)

    def xy(rowcol):
        return np.array([rowcol[1] - 2.0, 2.0 - rowcol[0]])

    return SimpleNamespace(maze_map=U, cell_xy_to_rowcol=rowcol, cell_rowcol_to_xy=xy)


def test_the_way_goes_round_the_wall(maze):
    expert, way = point_maze.Expert(maze), [(1, 1)]
    while way[-1] != (3, 1):
        way.append(expert.next_cell(way[-1], (3, 1)))
    assert way == [(1, 1), (1, 2), (1, 3), (2, 3), (3, 3), (3, 2), (3, 1)]
    with pytest.raises(ValueError, match="no way"):
        expert.next_cell((0, 0), (3, 1))


def test_the_controller_arrives(maze):
    expert = point_maze.Expert(maze)
    here, speed, goal = np.array([-1.0, 1.0]), np.zeros(2), np.array([-1.1, -0.9])
    for _ in range(300):
        obs = {"observation": np.concatenate([here, speed]), "achieved_goal": here, "desired_goal": goal}
        force = expert({key: x[None] for key, x in obs.items()})[0]
        assert np.abs(force).max() <= 1
        speed = np.clip(speed + 0.1 * force, -1, 1)
        here = here + 0.1 * speed
        row, column = maze.cell_xy_to_rowcol(here)
        assert U[row][column] == 0
        if np.linalg.norm(here - goal) < 0.3:
            return
    pytest.fail(f"after 300 steps the point was at {here}")


def test_the_environment_is_an_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "gymnasium_robotics", None)
    with pytest.raises(ImportError):
        point_maze.make("PointMaze_UMaze-v3")
