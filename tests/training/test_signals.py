"""Signals during training."""

import os
import signal
import threading

import pytest

from imitax.training.signals import USUAL, Signals


@pytest.mark.parametrize(
    ("number", "end"),
    [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit), (signal.SIGHUP, SystemExit)],
)
def test_the_first_signal_is_noted_and_the_next_acts_as_ever(number, end, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(USUAL, number, signal.getsignal(number))  # a shell's background jobs ignore SIGINT
    before = signal.getsignal(number)
    with Signals() as signals:
        assert signals.caught is None
        os.kill(os.getpid(), number)
        assert signals.caught == number
        assert signal.getsignal(number) is before
        with pytest.raises(end) as ended:
            signals.end(tmp_path, 1200)
    told = str(ended.value) + capsys.readouterr().err
    assert "interrupted at step 1,200" in told
    assert f"--resume {tmp_path}" in told
    assert signal.getsignal(number) is before


def test_a_terminal_that_is_gone_is_written_to_without_an_error(monkeypatch):
    terminal, standard = os.openpty()
    monkeypatch.setitem(USUAL, signal.SIGHUP, signal.getsignal(signal.SIGHUP))
    with Signals() as signals:
        signals.terminals = [standard]
        os.close(terminal)
        with pytest.raises(OSError, match="Input/output error"):
            os.write(standard, b"lost")
        signals.note(signal.SIGHUP, None)
        assert os.write(standard, b"lost") == 4
    os.close(standard)


def test_a_hang_up_that_is_ignored_stays_so():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as `nohup` does
    try:
        with Signals():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_handlers_of_the_program_and_other_threads_are_left_alone():
    def own(*_):
        pass

    before, seen = signal.signal(signal.SIGTERM, own), []
    try:
        with Signals():
            assert signal.getsignal(signal.SIGTERM) is own

        def elsewhere():
            with Signals() as signals:
                seen.append(signals.before)

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        assert seen == [{}]
    finally:
        signal.signal(signal.SIGTERM, before)
