"""Runs on the Hugging Face hub: `push` writes one with a model card, `pull` fetches one.

What is fetched is somebody else's: it runs no code, and its environment is used under the rules of `imitax.trust`.
"""

import secrets
import shutil
from pathlib import Path
from typing import Any

from imitax.errors import CheckpointError, ConfigError
from imitax.files import json_bytes, read_json, write_json
from imitax.hub.card import card
from imitax.hub.connection import answering, check_token, client, library
from imitax.hub.shared import OF_THE_MACHINE, SHARED, files, without_machine
from imitax.run import Run

CARD, CONFIG, SUMMARY = "README.md", "config.json", "summary.json"
LARGEST, MOST = 2**32, 10_000
"""Bytes and files of a run that are fetched."""


def push(run: Run | Path | str, repo: str, *, private: bool = False) -> str:
    """Put a finished run on the hub: policies, rewards, scores, records, figures, video and a model card.

    Paths of this machine are left out of its config, and so are checkpoints, replay and fitted models.

    Args:
        run: the run, or its folder.
        repo: USER/NAME; it is made if it is missing, and its files of the same names are replaced.
        private: of a repository that is made.

    Returns:
        Its address.

    Raises:
        CheckpointError: the run is unfinished.
        ConfigError: there is no token, or the hub refuses.
    """
    run = run if isinstance(run, Run) else Run(run)
    config, summary = without_machine(run.config), without_machine(run.summary)
    api = client()
    check_token()
    names = files(run.folder)
    made = {
        CARD: card(config, summary, names, repo).encode(),
        CONFIG: json_bytes(config, exact=True),
        SUMMARY: json_bytes(summary),
    }
    content: dict[str, Any] = {name: str(run.folder / name) for name in names} | made
    add = library().CommitOperationAdd
    with answering(api, repo):
        api.create_repo(repo, private=private, exist_ok=True)
        operations = [add(path_in_repo=name, path_or_fileobj=x) for name, x in content.items()]
        api.create_commit(repo, operations, commit_message=f"{config['algorithm']}, trained with imitax")
    return f"{api.endpoint}/{repo}"


def pull(repo: str, out: Path | str | None = None, *, revision: str | None = None) -> Run:
    """Fetch a run from the hub. Only the files that `push` writes are fetched, whatever else is there.

    Args:
        repo: USER/NAME.
        out: folder to make; `runs/NAME` when None.
        revision: branch, tag or commit; the newest when None.

    Returns:
        The run. It counts as somebody else's: see `docs/security.md`.

    Raises:
        ConfigError: there is no such repository, the folder exists already, or the hub refuses.
        CheckpointError: it holds no run.
    """
    folder = Path("runs") / repo.rpartition("/")[2] if out is None else Path(out).expanduser()
    if folder.exists() or folder.is_symlink():
        raise ConfigError(f"{folder} exists already: choose another --out")
    api = client()
    temporary = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.tmp")
    try:
        with answering(api, repo):
            info = api.model_info(repo, revision=revision, files_metadata=True)
            names = _checked(repo, info.siblings)
            for name in names:
                api.hf_hub_download(repo, name, revision=info.sha, local_dir=temporary)
        shutil.rmtree(temporary / ".cache", ignore_errors=True)
        config = read_json(temporary / CONFIG)
        if not isinstance(config, dict):
            raise CheckpointError(f"{repo} holds no run: its config.json is damaged")
        # a mark would say that the run was started here
        write_json(temporary / CONFIG, {k: x for k, x in config.items() if k not in OF_THE_MACHINE}, exact=True)
        Run(temporary)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return Run(folder)


def _checked(repo: str, siblings: Any) -> list[str]:
    """Names of the files to fetch. Raises CheckpointError where there is no run, or one that is too large."""
    found = {str(file.rfilename): file.size or 0 for file in siblings or () if SHARED.fullmatch(str(file.rfilename))}
    if CONFIG not in found:
        raise CheckpointError(f"{repo} holds no run of imitax: it has no {CONFIG}")
    total = sum(found.values())
    if total > LARGEST or len(found) > MOST:
        raise CheckpointError(f"{repo} is too large: {len(found):,} files, {total / 2**30:.1f} GiB")
    return sorted(found)
