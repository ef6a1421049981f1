"""The page itself: one HTML file with its style, script, figures and video in it, which asks nothing of any network."""

import base64
import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import Any

from imitax.comparison.methods import Runs
from imitax.compiled import guarded
from imitax.errors import ConfigError
from imitax.files import write_atomic

PARTS = Path(__file__).parent / "template"


@guarded
def write(
    runs: Runs,
    out: Path | str = "report.html",
    *,
    success: float | int | None = None,
    examine: bool = True,
    trust_env: bool = False,
    reward_dims: tuple[int, int] | None = None,
) -> Path:
    """Write a page about runs, which may still be training.

    Every text from a run is escaped, and the page's own policy allows no script but the one that it came with and no
    request at all, so that a run that somebody sent cannot do anything in the browser.

    Args:
        runs: as of `imitax.compare`.
        out: the file.
        success: the return from which an episode counts as a success.
        examine: whether the data that the runs learned from are read again and examined.
        trust_env: read the data files that a run names although its folder was copied here.
        reward_dims: two observations that the maps of learned rewards show; when None the first two principal
            components of the demonstrations.

    Returns:
        The file.

    Raises:
        ConfigError: Jinja2 is missing, or `reward_dims` are not two observations of a reward.
        CheckpointError: a folder holds no run, or a damaged one.
    """
    template, script = _template()
    from imitax.report import charts
    from imitax.report.content import gather

    options = {"success": success, "examine": examine, "trusted": trust_env, "dims": reward_dims}
    content = gather(runs, **options, version=version("imitax"))
    html = template.render(
        page=content,
        style=_own((PARTS / "style.css").read_text()),
        script=_own(script),
        policy=_policy(script),
        returns=charts.returns,
    )
    path = Path(out).expanduser()
    write_atomic(path, html.encode())
    return path


def _template() -> tuple[Any, str]:
    """The page's template, which escapes all that it is given, and its script. ConfigError without Jinja2."""
    try:
        import jinja2
    except ImportError as e:
        raise ConfigError("a report needs Jinja2: pip install 'imitax[report]'") from e
    from imitax.report.content import summary_rows

    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(PARTS),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters["facts"] = summary_rows
    return env.get_template("page.html"), (PARTS / "script.js").read_text()


def _own(text: str) -> Any:
    """The page's own style and script, which are markup as they are."""
    from markupsafe import Markup

    return Markup(text)  # no text of a run is in it


def _policy(script: str) -> str:
    """The content security policy: this script by its hash, styles and data URIs; nothing from anywhere else."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; media-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
