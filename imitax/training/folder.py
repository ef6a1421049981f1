"""The folder of a run: it belongs to one run, and one process at a time writes to it."""

import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from imitax import trust
from imitax.checkpoint import checkpoints
from imitax.errors import ConfigError
from imitax.files import fixed, write_json
from imitax.record import METRICS

try:
    import fcntl
except ImportError:  # Windows has no such locks
    fcntl = None

CONFIG = "config.json"

WRITTEN = ("checkpoints", "dynamics*", "export", "figures", METRICS, "policy*", "replay", "reward*", "seed-*")
WRITTEN += ("policies", "selection.json", "summary.json", "tensorboard", "video.mp4", "wandb*", CONFIG)
"""What a run writes, the config last: it says that there is a run."""


def check_folder(folder: Path, overwrite: bool) -> None:
    """Refuse a folder that a run cannot be written to, before anything is computed; it is not made yet.

    Raises:
        ConfigError: it holds a run, is a file, or lies where nothing can be written.
    """
    nearest = folder
    while not nearest.exists() and not nearest.is_symlink() and nearest != nearest.parent:
        nearest = nearest.parent
    if not nearest.is_dir():
        raise ConfigError(f"--out {folder}: {nearest} is not a folder; choose another --out")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise ConfigError(f"--out {folder}: {nearest} cannot be written to; choose another --out")
    if (folder / CONFIG).exists() and not overwrite:
        raise ConfigError(_taken(folder))


def _taken(folder: Path) -> str:
    return (
        f"{folder} holds a run already: resume it with --resume {folder}, choose another --out, or delete it with "
        "--overwrite (overwrite=True)"
    )


def default_folder(algorithm: str, env: str) -> Path:
    """`runs/ALGORITHM-ENV-TIME`, numbered if there is one of this second."""
    name = "".join(c if c.isalnum() or c in "-_." else "-" for c in env) or "env"
    first = fixed("runs") / f"{algorithm}-{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    folder, number = first, 1
    while folder.exists():
        number += 1
        folder = first.with_name(f"{first.name}-{number}")
    return folder


def claim(folder: Path, config: dict[str, Any], *, overwrite: bool = False, numbered: bool = False) -> Path:
    """Make the folder this run's own by writing its config there, which only one of several processes can.

    Args:
        folder: of the run.
        config: of the run; the folder's mark is added.
        overwrite: delete the run that is there.
        numbered: take the next free name if another run took this one meanwhile.

    Raises:
        ConfigError: another run has it, or it cannot be made.
    """
    first, number = folder, 1
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=not numbered)
            if overwrite:
                with locked(folder):
                    remove_run(folder)
            _write_new(folder / CONFIG, config | {"folder_mark": trust.mark(folder)})
            return folder
        except FileExistsError as e:
            if not numbered:
                raise ConfigError(_taken(folder)) from e
            number += 1
            folder = first.with_name(f"{first.name}-{number}")
        except OSError as e:
            raise ConfigError(f"--out {folder} cannot be made: {e}") from e


def _write_new(path: Path, obj: Any) -> None:
    """Write JSON whole, or raise FileExistsError where there is such a file."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    write_json(temporary, obj, exact=True)
    try:
        os.link(temporary, path)  # unlike a rename, it replaces nothing
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_run(folder: Path) -> None:
    """Delete what a run wrote to a folder, and nothing else that lies there."""
    for path in (path for pattern in WRITTEN for path in folder.glob(pattern)):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def release(folder: Path) -> None:
    """Give a folder back whose run failed before it recorded anything."""
    if not any(folder.rglob(METRICS)) and not checkpoints(folder / "checkpoints"):
        remove_run(folder)
        if not any(folder.iterdir()):
            folder.rmdir()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes from training into the folder; the lock ends with the process, whatever happens to it.

    Raises:
        ConfigError: another process has the lock.
    """
    if fcntl is None:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as e:
        os.close(descriptor)
        raise ConfigError(f"another process trains in {folder}: wait for its end, or choose another folder") from e
    except OSError:  # a file system without locks
        pass
    try:
        yield
    finally:
        os.close(descriptor)
