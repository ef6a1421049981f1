"""What of a run is shared: its policies, rewards, scores, records and figures, and nothing about the machine."""

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from imitax.datasets.loading import named

SHARED = re.compile(
    r"(seed-\d{1,10}/)?(metrics\.jsonl|((policy|reward)(-best)?|policy-selected)\.safetensors|figures/[\w-]{1,100}\.png)"
    r"|config\.json|summary\.json|selection\.json|video\.(mp4|gif)|README\.md"
)
"""Files that are pushed and pulled, by their names in the run's folder; `README.md` is the card."""

GIVEN = ("demos", "offline_data", "init_from", "reward", "model_from", "results")
"""Options of a run that name a file or a dataset."""

OF_THE_MACHINE = ("folder_mark", "platform")
"""What else a config says of the machine."""


def files(folder: Path) -> list[str]:
    """Names of the files of a run that are shared. Links are left out: they may lead anywhere."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    own = (path for path in found if not any((folder / part).is_symlink() for part in (path, *path.parents[:-1])))
    names = sorted(path.as_posix() for path in own)
    return [name for name in names if SHARED.fullmatch(name)]


def without_machine(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config, or a summary, with file names in place of paths, and without what only tells of the machine."""
    kept = {key: _bare(value) for key, value in config.items() if key not in OF_THE_MACHINE}
    training = kept.get("training")
    if isinstance(training, dict):
        for key in GIVEN:
            value = training.get(key)
            if isinstance(value, str) and not named(value):
                training[key] = PureWindowsPath(value).name  # which knows both kinds of slashes
    return kept


def _bare(value: Any) -> Any:
    """A value without paths, at any depth."""
    if isinstance(value, Mapping):
        return {key: _bare(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_bare(part) for part in value]
    if not isinstance(value, str):
        return value
    absolute = PurePosixPath(value).is_absolute() or PureWindowsPath(value).is_absolute() or value.startswith("~")
    return PureWindowsPath(value).name if absolute else value.replace(str(Path.home()), "~")
