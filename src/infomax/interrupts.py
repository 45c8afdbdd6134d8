"""Ctrl-C and SIGTERM: each is answered at once, in one line, and leaves nothing half done.

The first raises `KeyboardInterrupt`, so that whatever is being done cleans up behind it; where training can
stop after a step, it does that instead, and the second raises it. Under the command, a further one ends the
process on the spot: files are written beside their place, so that nothing is lost. SIGTERM does what Ctrl-C
does, and the exit code of the command says which came. Once the command has said how it ended, no signal
changes that: the first is ignored, and a further one ends the process on the spot.
"""

import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import Any

MIN_SECONDS_BETWEEN = 1.0
"""A second signal within less is the first: the terminal and whoever started a process both send it."""
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Answer Ctrl-C and SIGTERM in a process, and remember which came.

    Args:
        ends: whether one more than was answered ends the process on the spot.
    """

    def __init__(self, ends: bool = False):
        self.ends = ends
        self.number: int | None = None
        self.last: float = 0.0
        self.raised: bool = False
        self.stop: Callable[[], None] | None = None
        self.code: int | None = None
        self.process: int = os.getpid()

    @property
    def exit_code(self) -> int:
        """Return the exit code that says which signal came; that of Ctrl-C if none did."""
        return 128 + (self.number or signal.SIGINT)

    @property
    def what(self) -> str:
        """Return what happened, in words."""
        return "ended by SIGTERM" if self.number == signal.SIGTERM else "interrupted"

    def answer(self, number: int, frame: Any) -> None:
        """Answer a signal.

        Raises:
            KeyboardInterrupt: it is the first, or the first after training was asked to stop.
        """
        if os.getpid() != self.process:
            _answer_as_python(number, frame)
            return
        now = time.monotonic()
        if self.number is not None and now - self.last < MIN_SECONDS_BETWEEN:
            return
        self.number, self.last = number, now
        if self.stop is not None:
            stop, self.stop = self.stop, None
            stop()
            return
        if self.raised and self.ends:
            self._end()
        self.raised = True
        if self.code is None:
            raise KeyboardInterrupt

    def ended(self, code: int) -> int:
        """Return the exit code of the command, which no signal changes from here on."""
        self.stop, self.code = None, code
        return code

    def _end(self) -> None:
        """End the process on the spot, with a line where there was none."""
        if self.code is None:
            shown = "\x1b[?25h" if sys.stderr.isatty() else ""  # a cursor that a bar has hidden
            os.write(2, f"{shown}infomax: {self.what}\n".encode())
        os._exit(self.exit_code if self.code is None else self.code)


_current: Interrupts | None = None
"""The object that answers signals now: that of the command, or of the outermost `heard`."""


def listen() -> None:
    """Answer signals from here on, in the process of a command; ignored ones stay so (``nohup``)."""
    global _current
    if _current is None and threading.current_thread() is threading.main_thread():
        _current = Interrupts(ends=True)
        _install(_current)
        atexit.register(_ignore)  # Python puts the usual handlers back at the very end
        sys.unraisablehook = _quiet_hook(sys.unraisablehook)


def leave(code: int) -> int:
    """Return the exit code of the command; where a signal came, end the process with it.

    The interpreter is then not taken down, which crashes now and then after an interrupted import. What is
    registered with `atexit` is called before.
    """
    if came().number is not None:
        atexit._run_exitfuncs()  # pyright: ignore[reportPrivateUsage]
        with suppress(OSError):  # of a pipe whose reader is gone
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
    return code


def came() -> Interrupts:
    """Return what came so far, and how it was answered."""
    return _current or Interrupts()


@contextmanager
def heard() -> Generator[Interrupts]:
    """Within, signals are answered, also where no command runs; afterwards, handlers are what they were.

    Outside of the main thread, which alone can, nothing changes.
    """
    global _current
    outer, found = _current, came()
    if threading.current_thread() is not threading.main_thread():
        yield found
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    _current = found
    _install(found)
    try:
        yield found
    finally:
        _current = outer
        for number, handler in before.items():
            signal.signal(number, handler)


def _install(found: Interrupts) -> None:
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, found.answer)


def _ignore() -> None:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _answer_as_python(number: int, frame: Any) -> None:
    """Answer a signal as Python does, in a process that this one has forked."""
    if number == signal.SIGINT:
        signal.default_int_handler(number, frame)
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _quiet_hook(hook: Any) -> Any:
    """Return a hook that says nothing of an interrupt that comes where none can be raised."""

    def show(unraisable: Any) -> None:
        if came().number is None:
            hook(unraisable)

    return show
