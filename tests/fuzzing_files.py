"""One small file or folder of each kind that is read: `KINDS[name](folder)` gives what to damage, and what reads it."""

import json
import os

import h5py
import numpy as np
from toy_datasets import FLAT, NEXT

from imitax.datasets import Dataset, Episode, load, save_d4rl, save_minari
from imitax.files import load_arrays, save_arrays


def dataset():
    rng = np.random.default_rng(0)
    episodes = [
        Episode(rng.normal(size=(n + 1, 4)), rng.uniform(-1, 1, (n, 2)), rng.normal(size=n), n > 5, False)
        for n in (5, 7, 4)
    ]
    kwargs = {"healthy_z_range": (0.7, float("inf")), "max_episode_steps": 20}
    low, high = (-1.0, -1.0), (1.0, 1.0)
    return Dataset(tuple(episodes), "Hopper-v5", kwargs, "toy", low, high, {"policy": "random"})


def one(path):
    return path, lambda: load(path)


def d4rl(folder):
    save_d4rl(dataset(), folder / "x.hdf5")
    return one(folder / "x.hdf5")


def npz(folder):
    np.savez_compressed(folder / "x.npz", **FLAT, next_observations=NEXT)
    return one(folder / "x.npz")


def npz_of_imitation(folder):
    ends = {"indices": [2], "terminal": [True, False]}
    np.savez(folder / "x.npz", obs=np.arange(14.0).reshape(7, 2), acts=np.arange(5), rews=np.ones(5), **ends)
    return one(folder / "x.npz")


def csv(folder):
    rows = ["episode,t,obs_0,obs_1,act,reward"] + [f"{i // 7},{i % 7},{i},{i / 3},{i},1" for i in range(60)]
    (folder / "x.csv").write_text("\n".join(rows))
    return one(folder / "x.csv")


def parquet(folder):
    import pandas

    table = {"obs": [[1.0, i] for i in range(50)], "act": range(50), "episode": np.arange(50) // 9}
    pandas.DataFrame(table).to_parquet(folder / "x.parquet")
    return one(folder / "x.parquet")


def robomimic(folder):
    with h5py.File(folder / "x.hdf5", "w") as file:
        for i in range(2):
            file[f"data/demo_{i}/obs/a"], file[f"data/demo_{i}/actions"] = np.ones((4, 2)), np.ones((4, 2))
        file["data"].attrs["env_args"] = json.dumps({"env_name": "Lift"})
    return one(folder / "x.hdf5")


def minari_folder(folder):
    os.environ["MINARI_DATASETS_PATH"] = str(folder / "store")
    return save_minari(dataset(), "plain-v0")


def minari_data(folder):
    made = minari_folder(folder)
    return made / "data/main_data.hdf5", lambda: load(made)


def minari_metadata(folder):
    made = minari_folder(folder)
    return made / "data/metadata.json", lambda: load(made)


def minari_stored(folder, storage):
    """A folder as Minari's Arrow or Parquet storage writes it."""
    import gymnasium as gym
    from minari.data_collector import EpisodeBuffer
    from minari.dataset.minari_storage import MinariStorage

    box = gym.spaces.Box(-9, 9, (2,), np.float64)
    made = MinariStorage.new(folder / "set", observation_space=box, action_space=box, data_format=storage)
    made.update_metadata({"dataset_id": "plain-v0"})
    for n in (4, 2):
        ends = [False] * (n - 1) + [True]
        rows = {"observations": FLAT["observations"][: n + 1], "actions": FLAT["observations"][:n]}
        made.update_episodes([EpisodeBuffer(**rows, rewards=[1.0] * n, terminations=ends, truncations=[False] * n)])
    return folder / f"set/0/part-0.{storage}", lambda: load(folder / "set")


def minari_arrow(folder):
    return minari_stored(folder, "arrow")


def minari_parquet(folder):
    return minari_stored(folder, "parquet")


def minari_arrow_metadata(folder):
    return folder / "set/metadata.json", minari_stored(folder, "arrow")[1]


def lerobot(folder):
    """A folder with a camera of each kind: pictures, and a video where av can write one."""
    import importlib.util
    import io

    import pandas
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.full((8, 8, 3), 90, np.uint8)).save(file, "PNG")
    for part in ("meta/episodes/chunk-000", "data/chunk-000", "videos/observation.film/chunk-000"):
        (folder / part).mkdir(parents=True)
    frames = {"shape": [8, 8, 3]}
    features = {"observation.state": {"dtype": "float32", "shape": [2]}, "action": {"dtype": "float32", "shape": [2]}}
    features |= {"observation.image": {"dtype": "image"} | frames, "observation.film": {"dtype": "video"} | frames}
    info = {"codebase_version": "v3.0", "fps": 10, "chunks_size": 1000, "features": features}
    (folder / "meta/info.json").write_text(json.dumps(info))
    rows = {"observation.state": [[i, 1.0] for i in range(8)], "action": [[i, 1.0] for i in range(8)]}
    rows |= {"episode_index": [0] * 4 + [1] * 4, "frame_index": [*range(4)] * 2}
    rows["observation.image"] = [{"bytes": file.getvalue(), "path": "x.png"}] * 8
    pandas.DataFrame(rows).to_parquet(folder / "data/chunk-000/file-000.parquet")
    key = "videos/observation.film"
    where = {"episode_index": [0, 1], f"{key}/chunk_index": [0, 0], f"{key}/file_index": [0, 0]}
    where[f"{key}/from_timestamp"] = [0.0, 0.4]
    pandas.DataFrame(where).to_parquet(folder / "meta/episodes/chunk-000/file-000.parquet")
    named = ["observation.state", "observation.image"]
    if importlib.util.find_spec("av"):
        import av

        with av.open(str(folder / key / "chunk-000/file-000.mp4"), "w") as video:
            stream = video.add_stream("mpeg4", rate=10)
            stream.height = stream.width = 8
            stream.pix_fmt = "yuv420p"
            for i in range(8):
                shown = np.full((8, 8, 3), 30 * i, np.uint8)
                video.mux(stream.encode(av.VideoFrame.from_ndarray(shown, format="rgb24")))
            video.mux(stream.encode())
        named.append("observation.film")
    return lambda: load(folder, columns={"observations": named})


def lerobot_info(folder):
    read = lerobot(folder)
    return folder / "meta/info.json", read


def lerobot_data(folder):
    read = lerobot(folder)
    return folder / "data/chunk-000/file-000.parquet", read


def lerobot_episodes(folder):
    read = lerobot(folder)
    return folder / "meta/episodes/chunk-000/file-000.parquet", read


def lerobot_video(folder):
    read = lerobot(folder)
    return folder / "videos/observation.film/chunk-000/file-000.mp4", read


def huggingface(folder):
    import pyarrow as pa

    rows = {"obs": [np.ones((n + 1, 2)).tolist() for n in (4, 3)], "acts": [np.ones((n, 2)).tolist() for n in (4, 3)]}
    table = pa.table(rows | {"terminal": [True, False], "infos": [["{}"] * 4, ["{}"] * 3]})
    with pa.ipc.new_stream(str(folder / "data.arrow"), table.schema) as writer:
        writer.write_table(table)
    (folder / "dataset_info.json").write_text("{}")
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data.arrow"}]}))
    return folder / "data.arrow", lambda: load(folder)


def huggingface_state(folder):
    return folder / "state.json", huggingface(folder)[1]


def feather(folder):
    import pyarrow as pa
    from pyarrow import feather

    feather.write_feather(pa.table({"obs": np.arange(50.0), "episode": np.arange(50) // 9}), folder / "x.feather")
    return one(folder / "x.feather")


def safetensors(folder):
    path = folder / "x.safetensors"
    save_arrays(path, {"a": np.ones((3, 4), np.float32), "b": np.arange(5)}, {"note": "{}"})
    return path, lambda: load_arrays(path)


def run(folder):
    """The folder of a short run, and everything that opens it."""
    import toy

    import imitax
    from imitax.checkpoint import checkpoints, load_checkpoint
    from imitax.training.resume import read_run

    cfg = toy.shrink(imitax.preset_config("bc"))
    options = {"steps": 20, "eval_every": 10, "eval_episodes": 1, "checkpoint_every": 10, "chunk": 10, "quiet": True}
    imitax.train(cfg, env=toy.ENV, demos=toy.demonstrations(2), out=folder / "run", **options)

    def read():
        opened = imitax.Run(folder / "run")
        repr(opened), opened.summary, opened.metrics(), opened.load_policy(), opened.about()
        read_run(folder / "run"), load_checkpoint(checkpoints(folder / "run/checkpoints")[-1])

    return read


def of_run(pattern):
    def make(folder):
        read = run(folder)
        return sorted((folder / "run").glob(pattern))[-1], read

    return make


QUICK = {
    make.__name__: make
    for make in (
        *(d4rl, robomimic, npz, npz_of_imitation, csv, parquet, feather, safetensors),
        *(minari_data, minari_metadata, minari_arrow, minari_parquet, minari_arrow_metadata),
        *(lerobot_info, lerobot_data, lerobot_episodes, lerobot_video, huggingface, huggingface_state),
    )
}
RUNS = {
    "run_config": of_run("config.json"),
    "run_summary": of_run("summary.json"),
    "run_metrics": of_run("**/metrics.jsonl"),
    "run_policy": of_run("**/policy.safetensors"),
    "run_manifest": of_run("checkpoints/*/manifest.json"),
    "run_checkpoint": of_run("checkpoints/*/state.safetensors"),
}
KINDS = QUICK | RUNS
