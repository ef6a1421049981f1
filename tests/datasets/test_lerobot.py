"""LeRobot's folders, written as LeRobot 0.4 writes them."""

import io
import json
from fractions import Fraction

import numpy as np
import pytest

from imitax.datasets import load
from imitax.datasets.lerobot import frames
from imitax.errors import DataError

pandas = pytest.importorskip("pandas")
pytest.importorskip("pyarrow")
SIZE = (16, 24, 3)
EPISODES = (4, 3)
FPS = 10


def test_lerobot(tmp_path):
    (tmp_path / "set/meta").mkdir(parents=True)
    (tmp_path / "set/data/chunk-000").mkdir(parents=True)
    vector = {"dtype": "float32", "shape": [2]}
    features = {"observation.state": vector, "observation.images.top": {"dtype": "video", "shape": [3, 4, 4]}}
    features |= {"action": vector, "next.reward": {"dtype": "float32", "shape": [1]}}
    info = {"codebase_version": "v3.0", "fps": 30, "features": features}
    (tmp_path / "set/meta/info.json").write_text(json.dumps(info))
    for part in range(2):
        rows = {
            "observation.state": [[part, t] for t in range(5)],
            "action": [[0.5, t] for t in range(5)],
            "episode_index": [2 * part, 2 * part, 2 * part + 1, 2 * part + 1, 2 * part + 1],
            "frame_index": [0, 1, 0, 1, 2],
            "next.reward": [1.0] * 5,
            "next.done": [False, True, False, False, True],
        }
        pandas.DataFrame(rows).to_parquet(tmp_path / f"set/data/chunk-000/file-00{part}.parquet")
    data = load(tmp_path / "set")
    assert data.lengths.tolist() == [1, 2, 1, 2]
    assert data.episodes[3].observations.tolist() == [[1, 2], [1, 3], [1, 4]]
    assert data.attributes["observations_left_out"] == "observation.images.top"
    assert not any(e.terminated for e in data.episodes)
    for changed, message in (
        ({k: v for k, v in features.items() if k != "observation.state"}, "are no vectors; name the cameras"),
        (None, "has no features"),
    ):
        (tmp_path / "set/meta/info.json").write_text(json.dumps(info | {"features": changed}))
        with pytest.raises(DataError, match=message):
            load(tmp_path / "set")


def colours():
    """A frame of one colour for each row: its red is ten times the row's number."""
    shown = np.full((sum(EPISODES), *SIZE), 100, np.uint8)
    shown[..., 0] = 10 * np.arange(sum(EPISODES))[:, None, None]
    return shown


def png(frame, kind="PNG"):
    image = pytest.importorskip("PIL.Image")
    file = io.BytesIO()
    image.fromarray(frame).save(file, kind)
    return {"bytes": file.getvalue(), "path": "frame-000000.png"}


def film(path, shown):
    """As ffmpeg concatenates the episodes' videos: one stream, whose times go on."""
    av = pytest.importorskip("av")
    path.parent.mkdir(parents=True)
    with av.open(str(path), "w") as video:
        stream = video.add_stream("mpeg4", rate=FPS)
        stream.height, stream.width, stream.pix_fmt, stream.bit_rate = *SIZE[:2], "yuv420p", 10**6
        stream.codec_context.time_base = Fraction(1, FPS)
        for frame in shown:
            video.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        video.mux(stream.encode())


def camera(folder, dtype, version="v3.0", cells=None, shape=SIZE, **about):
    """A folder of two episodes with one vector and one camera."""
    for part in ("meta/episodes/chunk-000", "data/chunk-000"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    vector = {"dtype": "float32", "shape": [2], "names": None}
    feature = {"dtype": dtype, "shape": list(shape), "names": ["height", "width", "channels"]}
    features = {"observation.state": vector, "observation.images.top": feature, "action": vector}
    info = {"codebase_version": version, "fps": FPS, "chunks_size": 1000, "features": features} | about
    (folder / "meta/info.json").write_text(json.dumps(info))
    steps = np.concatenate([np.arange(n) for n in EPISODES])
    rows = {
        "observation.state": [[t, -t] for t in range(len(steps))],
        "action": [[t, t] for t in range(len(steps))],
        "timestamp": steps / FPS,
        "frame_index": steps,
        "episode_index": np.repeat(range(len(EPISODES)), EPISODES),
        "index": range(len(steps)),
        "task_index": 0,
    }
    if dtype == "image":
        rows["observation.images.top"] = [png(f) for f in colours()] if cells is None else cells
    pandas.DataFrame(rows).to_parquet(folder / "data/chunk-000/file-000.parquet")
    where = {"episode_index": [0, 1], "stats/action/min": [[0.0], [1.0]]}
    if dtype == "video":
        key = "videos/observation.images.top"
        where |= {f"{key}/chunk_index": [0, 0], f"{key}/file_index": [0, 0]}
        where |= {f"{key}/from_timestamp": [0.0, EPISODES[0] / FPS], f"{key}/to_timestamp": [0.4, 0.7]}
    pandas.DataFrame(where).to_parquet(folder / "meta/episodes/chunk-000/file-000.parquet")
    return folder


BOTH = {"observations": ["observation.images.top", "observation.state"]}


def test_pictures(tmp_path):
    folder = camera(tmp_path / "set", "image")
    assert (frames(folder, "observation.images.top") == colours()).all()
    assert load(folder).attributes["observations_left_out"] == "observation.images.top"
    assert load(folder).obs_dim == 2
    data = load(folder, columns=BOTH)
    assert "observations_left_out" not in data.attributes
    assert data.lengths.tolist() == [3, 2]
    assert data.obs_dim == 16 * 24 * 3 + 2
    assert data.episodes[1].observations[0, [0, 1, 2, -2]].tolist() == [40, 100, 100, 4]
    with pytest.raises(DataError, match=r"no camera nothing; there is observation\.images\.top"):
        frames(folder, "nothing")


@pytest.mark.parametrize(
    ("first", "shape", "message"),
    [
        ({"bytes": b"garbage", "path": None}, SIZE, "row 0 holds no PNG or JPEG"),
        ({"bytes": None, "path": "/etc/passwd"}, SIZE, "row 0 holds no picture: it lies in a file of its own"),
        (None, (3, 32, 24), "row 0 holds a picture of 16 x 24, its feature says 32 x 24"),
        (None, (2**20, 2**20, 3), "a frame would take"),
        (None, (16, 24, 5), "1 or 3 channels"),
        (None, (True, 24, 3), "1 or 3 channels"),
    ],
)
def test_pictures_that_are_refused(first, shape, message, tmp_path):
    cells = [png(f) for f in colours()]
    cells[0] = first or cells[0]
    with pytest.raises(DataError, match=message):
        load(camera(tmp_path / "set", "image", cells=cells, shape=shape), columns=BOTH)


def test_more_frames_than_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr("imitax.datasets.frames.TOTAL", 1000)
    with pytest.raises(DataError, match="7 frames of 16 x 24 x 3 take"):
        frames(camera(tmp_path / "set", "image"), "observation.images.top")


def test_videos(tmp_path):
    pytest.importorskip("av")
    folder = camera(tmp_path / "set", "video", shape=(3, 16, 24))
    with pytest.raises(DataError, match="there is no such video"):
        load(folder, columns=BOTH)
    film(folder / "videos/observation.images.top/chunk-000/file-000.mp4", colours())
    shown = frames(folder, "observation.images.top")
    assert np.abs(shown.astype(int) - colours()).max() < 5
    assert load(folder, columns=BOTH).episodes[1].observations[0, 0] == pytest.approx(40, abs=5)
    assert load(folder).obs_dim == 2


def test_videos_of_version_2(tmp_path):
    pytest.importorskip("av")
    folder = camera(tmp_path / "set", "video", version="v2.1")
    (folder / "meta/episodes/chunk-000/file-000.parquet").unlink()
    for episode, shown in enumerate(np.split(colours(), [EPISODES[0]])):
        film(folder / f"videos/chunk-000/observation.images.top/episode_{episode:06d}.mp4", shown)
        break
    second = folder / "videos/chunk-000/observation.images.top/episode_000001.mp4"
    with pytest.raises(DataError, match=r"episode_000001\.mp4: there is no such video"):
        frames(folder, "observation.images.top")
    second.write_bytes((second.parent / "episode_000000.mp4").read_bytes())
    assert frames(folder, "observation.images.top")[4:, 0, 0, 0].tolist() == pytest.approx([0, 10, 20], abs=5)


def test_videos_that_are_refused(tmp_path):
    pytest.importorskip("av")
    folder = camera(tmp_path / "set", "video")
    path = folder / "videos/observation.images.top/chunk-000/file-000.mp4"
    film(path, colours()[:5])
    for content, message in (
        (None, r"no frame at 0\.500 s"),
        (b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n", "no readable video"),
        (path.read_bytes()[:300], "no readable video|no video in it"),
    ):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(DataError, match=message):
            frames(folder, "observation.images.top")
    camera(folder, "video", shape=(32, 24, 3))
    film(path.with_name("other.mp4").parent / "x" / "file.mp4", colours())
    (path.parent / "x/file.mp4").replace(path)
    with pytest.raises(DataError, match="its frames are 16 x 24, the feature says 32 x 24"):
        frames(folder, "observation.images.top")
    path.rename(tmp_path / "elsewhere.mp4")
    path.symlink_to(tmp_path / "elsewhere.mp4")
    with pytest.raises(DataError, match="leads out of the folder"):
        frames(folder, "observation.images.top")
