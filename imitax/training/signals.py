"""SIGINT, SIGTERM and SIGHUP during training: a checkpoint or the results first, then the end."""

import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

HANG_UP = signal.Signals.__members__.get("SIGHUP")
"""The terminal is gone, as of a dropped ssh session; None on Windows, which has no such signal."""
USUAL = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
USUAL |= {} if HANG_UP is None else {HANG_UP: signal.SIG_DFL}
"""Signals, and the handlers that are replaced: a program's own stay, and what `nohup` sets, which ignores SIGHUP."""


class Signals:
    """A context in which the first SIGINT, SIGTERM or SIGHUP only sets `caught`; a second one acts as ever.

    After a SIGHUP what is written to the terminal is lost, which would be an error otherwise.

    Python lets only the main thread handle signals: elsewhere nothing changes.
    """

    def __init__(self) -> None:
        self.caught: int | None = None
        self.before: dict[int, Any] = {}
        self.terminals: list[int] = []

    def __enter__(self) -> "Signals":
        self.terminals = [descriptor for descriptor in (1, 2) if os.isatty(descriptor)]
        if threading.current_thread() is threading.main_thread():
            for number, usual in USUAL.items():
                if signal.getsignal(number) is usual:
                    self.before[number] = signal.signal(number, self.note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)
        self.before = {}

    def note(self, number: int, frame: FrameType | None) -> None:
        """Note a signal."""
        self.caught = number
        if number == HANG_UP:
            for descriptor in self.terminals:
                os.dup2(nowhere := os.open(os.devnull, os.O_WRONLY), descriptor)
                os.close(nowhere)
        print("imitax: a checkpoint or the results come first; again to end at once", file=sys.stderr, flush=True)
        self.__exit__()

    def end(self, folder: Path, step: int | None) -> NoReturn:
        """Say where the run stands, and end as the signal would have.

        Args:
            folder: of the run.
            step: that it has reached; None when it is finished.

        Raises:
            KeyboardInterrupt: it was SIGINT.
            SystemExit: with status 128 + the signal's number.
        """
        if step is None:
            text = f"interrupted when the run had finished: {folder}"
        else:
            text = f"interrupted at step {step:,}, after a checkpoint; continue with imitax train --resume {folder}"
        if self.caught == signal.SIGINT:
            raise KeyboardInterrupt(text)
        print(f"imitax: {text}", file=sys.stderr, flush=True)
        sys.exit(128 + (self.caught or 0))
