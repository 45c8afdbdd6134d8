"""Signs of life on stderr: on a terminal a line that moves, elsewhere a line when a stage begins."""

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from importlib.util import find_spec
from typing import Any, TypeVar

T = TypeVar("T")


_SILENT: ContextVar[bool] = ContextVar("silent", default=False)


@contextmanager
def silence(quiet: bool = True) -> Generator[None]:
    """Show no bars of decoding within, where `quiet`; lines and warnings are said all the same."""
    before = _SILENT.set(quiet or _SILENT.get())
    try:
        yield
    finally:
        _SILENT.reset(before)


def is_silent() -> bool:
    """Return whether bars are not wanted here, by `silence`."""
    return _SILENT.get()


def can_move(console: Any) -> bool:
    """Return whether a line of a rich console can move: on a terminal, or in a notebook with ipywidgets."""
    return console.is_terminal or (console.is_jupyter and find_spec("ipywidgets") is not None)


class Stages:
    """The stages of something that takes long, one after another."""

    def __init__(self, console: Any, bar: Any, num: int | None = None):
        self._console, self._bar, self._task = console, bar, None
        self._num, self._begun, self._said = num, 0, ""

    def begin(self, what: str, total: int | None = None, noun: str = "steps") -> None:
        """Say which stage begins, and how many steps it has if that is known."""
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._begun += 1
        what = what if self._num is None else f"{self._begun} of {self._num}: {what}"
        self._task = self._bar.add_task(what, total=total, noun=noun)
        self.say(what)

    def say(self, what: str) -> None:
        """Say what is done now, within the same stage."""
        if self._task is None:
            self.begin(what)
            return
        if what == self._said:
            return
        self._said = what
        self._bar.update(self._task, description=what)
        if not can_move(self._console):
            self._console.print(what, soft_wrap=True)

    def tell(self, found: Any) -> None:
        """Print a line that stays: text, or a `rich.text.Text`."""
        self._console.print(found, soft_wrap=not self._console.is_terminal)

    def advance(self, num: int = 1) -> None:
        """Count steps of the stage."""
        if self._task is not None:
            self._bar.advance(self._task, num)

    def reach(self, num: int) -> None:
        """Count steps up to this number, where some were not needed."""
        if self._task is not None:
            self._bar.update(self._task, completed=num)

    def track(self, steps: Iterable[T]) -> Iterator[T]:
        """Yield steps, and count them."""
        for step in steps:
            yield step
            self.advance()


@contextmanager
def stages(num: int | None = None, *, quiet: bool = False) -> Generator[Stages]:
    """Give stages that are shown on stderr.

    On a terminal a line shows the steps and the time that is left, or the time so far, and vanishes in the
    end.

    Args:
        num: how many stages there are, if that is to be shown.
        quiet: show nothing.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
    from rich.table import Column

    console = Console(stderr=True, quiet=quiet, highlight=False, markup=False)
    text = Column(no_wrap=True, overflow="ellipsis", ratio=1)
    columns = _counts(), BarColumn(bar_width=10), TextColumn("{task.description}", table_column=text)
    with Progress(
        SpinnerColumn(),
        *columns,
        console=console,
        transient=True,
        expand=True,
        disable=quiet or not can_move(console),
    ) as bar:
        yield Stages(console, bar, num)


def _counts() -> Any:
    """Return the column with the steps of a stage, and its time."""
    from rich.progress import ProgressColumn
    from rich.table import Column
    from rich.text import Text

    class Counts(ProgressColumn):
        def render(self, task: Any) -> Text:
            time, end = task.time_remaining, "left"
            if task.total is None or time is None:
                time, end = task.elapsed or 0, "so far"
            steps = f"{task.completed:,.0f} of {task.total or 0:,.0f} {task.fields['noun']}, "
            return Text(f"{steps if task.total else ''}{timedelta(seconds=int(time))} {end}")

    return Counts(table_column=Column(no_wrap=True))
