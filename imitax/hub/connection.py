"""The Hugging Face hub through `huggingface_hub`, with errors that say what to do."""

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from imitax.errors import ConfigError, ImitaxError

LOGIN = "log in with `hf auth login`, or set HF_TOKEN to a token of yours (its settings are on the hub's site)"


def library() -> Any:
    """The package. Raises ConfigError where it is missing."""
    try:
        return importlib.import_module("huggingface_hub")
    except ImportError as error:
        raise ConfigError("the hub needs huggingface_hub: pip install 'imitax[hub]'") from error


def client() -> Any:
    """The hub, or what HF_ENDPOINT names in its place."""
    return library().HfApi(endpoint=os.environ.get("HF_ENDPOINT"), library_name="imitax")


def check_token() -> None:
    """Refuse to write without a token. Raises ConfigError."""
    if not library().get_token():
        raise ConfigError(f"there is no token for the hub: {LOGIN}")


@contextmanager
def answering(api: Any, repo: str) -> Iterator[None]:
    """Errors of the hub as ConfigError, each with what to do."""
    errors = importlib.import_module("huggingface_hub.errors")
    try:
        yield
    except ImitaxError:
        raise
    except errors.HFValidationError as error:
        raise ConfigError(f"{repo!r} is no name of a repository; it is USER/NAME: {_said(error)}") from error
    except errors.RepositoryNotFoundError as error:
        raise ConfigError(
            f"{api.endpoint} has no model {repo}, or it is private and your token does not open it: check the name, "
            f"or {LOGIN}"
        ) from error
    except errors.HfHubHTTPError as error:
        raise ConfigError(_refusal(api, repo, error)) from error
    except Exception as error:  # any class: of the HTTP library, of the operating system
        raise ConfigError(f"{api.endpoint} cannot be reached: {type(error).__name__}: {_said(error)}") from error


def _refusal(api: Any, repo: str, error: Any) -> str:
    status = error.response.status_code
    if status == 401:
        return f"{api.endpoint} does not know your token: {LOGIN}"
    if status == 403:
        return f"your token may not do this with {repo}: it needs the right to write there ({_said(error)})"
    return f"{api.endpoint} answered {status} for {repo}: {_said(error)}"


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
