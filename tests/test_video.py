"""Videos: their frames, their length in time, and the episodes that they show."""

import importlib.util

import drawn
import finished
import numpy as np
import pytest
from PIL import Image

import imitax
from imitax import video
from imitax.envs import Task
from imitax.errors import ConfigError, EnvError
from imitax.evaluate import episode_seeds
from imitax.seeding import Purpose
from imitax.video import Film, film

HAS_AV = importlib.util.find_spec("av") is not None
needs_av = pytest.mark.skipif(not HAS_AV, reason="av is not installed")


@pytest.fixture(scope="module")
def task():
    return Task.create(drawn.ENV)


def still(obs):
    return np.zeros(2, np.float32)


def test_a_gif_shows_every_fifth_step_of_each_episode(task, tmp_path):
    made = film(task, still, tmp_path / "x.gif", [3, 4])
    assert made.lengths == [20, 20]
    assert (made.frames, made.fps) == (9, 24.0)  # 42 pictures at 120 a second
    with Image.open(made.path) as picture:
        assert (picture.n_frames, picture.size) == (9, drawn.SIDES[::-1])
        assert picture.info["duration"] in (40, 41, 42)
        shades = []
        for i in range(9):
            picture.seek(i)
            shades.append(np.median(np.asarray(picture.convert("RGB"))))
    # steps 0, 5, 10, 15, 20 of the first episode, then the second one's, whose step 0 is picture 21
    assert shades == [0, 50, 100, 150, 200, 40, 90, 140, 190]
    assert [p.name for p in tmp_path.iterdir()] == ["x.gif"]


@needs_av
def test_an_mp4_plays_everywhere(task, tmp_path):
    import av

    made = film(task, still, tmp_path / "x.mp4", [3])
    with av.open(str(made.path)) as file:
        stream = file.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in file.decode(stream)]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert stream.average_rate == made.fps == 60
    assert len(frames) == made.frames == 11
    assert frames[0].shape == (38, 50, 3)
    np.testing.assert_allclose([np.median(x) for x in frames], np.arange(0, 201, 20), atol=4)


def test_a_failure_leaves_the_old_file(tmp_path):
    (tmp_path / "x.gif").write_text("old")
    with pytest.raises(EnvError, match="cannot be drawn here"):
        film(Task.create(drawn.ENV, {"drawn": "fails"}), still, tmp_path / "x.gif", [0])
    assert (tmp_path / "x.gif").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return imitax.Run(finished.write(tmp_path_factory.mktemp("drawn") / "run", drawn.ENV))


@needs_av
def test_a_run_is_filmed_into_its_folder(run):
    made = run.video(seed=5)
    assert made.path == run.folder / "video.mp4"
    scored = run.evaluate(1)["per_seed"][0]
    assert run.video(seed=0).returns == pytest.approx(scored["returns"], rel=1e-5)


def test_the_episodes_are_those_of_the_seed(run, tmp_path, monkeypatch):
    calls = []

    def filmed(task, act, path, seeds, begin):
        calls.append((path, seeds))
        return Film(path)

    monkeypatch.setattr("imitax.run.film", filmed)
    run.video(tmp_path / "x.gif", episodes=2, seed=7)
    assert calls == [(tmp_path / "x.gif", episode_seeds(Purpose.EVALUATION, 7, 2, index=1))]
    with pytest.raises(ConfigError, match="episodes must be at least 1 and seed at least 0, got 0 and 0"):
        run.video(tmp_path / "x.gif", episodes=0)


def test_what_cannot_be_written(run, tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match=r"videos are .mp4 and .gif, got .*x.avi"):
        run.video(tmp_path / "x.avi")
    with pytest.raises(ConfigError, match=r"cannot be written: there is no such folder.*choose another --out"):
        run.video(tmp_path / "none" / "x.gif")

    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr(video.importlib, "import_module", absent)
    with pytest.raises(ConfigError, match=r"MP4 needs av: pip install 'imitax\[video\]'; a .gif does not"):
        run.video(tmp_path / "x.mp4")


def test_every_episode_begins_anew(tmp_path):
    """A policy that remembers is told so, once the environment has been reset."""
    happened = []

    def act(obs):
        happened.append("act")
        return still(obs)

    film(Task.create(drawn.ENV), act, tmp_path / "x.gif", [3, 4], lambda: happened.append("begin"))
    begins = [i for i, what in enumerate(happened) if what == "begin"]
    assert (len(begins), begins[0], happened[-1]) == (2, 0, "act")
