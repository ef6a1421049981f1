"""Pages with generated sections, each between a pair of markers that are HTML comments."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from imitax.errors import DataError
from imitax.files import write_atomic


@dataclass(frozen=True)
class Markers:
    """The comments `<!-- NAME:begin -->` and `<!-- NAME:end -->`."""

    name: str

    @property
    def begin(self) -> str:
        """Before the section."""
        return f"<!-- {self.name}:begin -->"

    @property
    def end(self) -> str:
        """After it."""
        return f"<!-- {self.name}:end -->"

    def on(self, page: Path) -> bool:
        """Whether the page exists and has the first marker."""
        return page.exists() and self.begin in page.read_text()

    def replace(self, text: str, section: str, page: str = "the page") -> str:
        """`text` with `section` between the markers. Raises DataError if a marker is missing, repeated or misplaced."""
        if text.count(self.begin) != 1 or text.count(self.end) != 1 or text.index(self.begin) > text.index(self.end):
            raise DataError(f"{page} must hold {self.begin} and, after it, {self.end}, once each")
        return f"{text.partition(self.begin)[0]}{self.begin}\n{section}\n{self.end}{text.partition(self.end)[2]}"

    def update(self, sections: Mapping[Path, str], root: Path, *, write: bool) -> list[Path]:
        """The pages whose section differs from the given one; `write` replaces it. Raises DataError like `replace`."""
        stale = []
        for page, section in sections.items():
            before = page.read_text()
            after = self.replace(before, section, str(page.relative_to(root)))
            if after != before:
                stale.append(page)
                if write:
                    write_atomic(page, after.encode())
                    page.chmod(0o644)
        return stale
