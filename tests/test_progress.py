"""Signs of life: a line that moves on a terminal of 80 columns, a line a stage elsewhere."""

import os
import pty
import re
import select
import sys

from infomax.progress import stages


def test_elsewhere_a_line_when_a_stage_begins(capsys):
    with stages() as progress:
        progress.begin("fine-tuning: [a]", 3)
        progress.say("fine-tuning: [a]")
        assert [*progress.track("xyz")] == ["x", "y", "z"]
        progress.begin("probing")
        progress.say("probing more")
    with stages(2) as progress:
        progress.say("first")
        progress.begin("second", 5, "images")
        progress.reach(5)
    with stages(quiet=True) as progress:
        progress.begin("unsaid")
        progress.advance()
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "fine-tuning: [a]",
        "probing",
        "probing more",
        "1 of 2: first",
        "2 of 2: second",
    ]


def test_on_a_terminal_steps_and_time_come_first(monkeypatch):
    ours, theirs = pty.openpty()
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        with stages() as progress:
            progress.begin("fine-tuning: an encoder whose name is long, 50 labels of each class", 4000)
            progress.advance(1200)
            progress._bar.refresh()
            progress.begin("embedding")
        monkeypatch.undo()
        terminal.flush()
        shown = ""
        while select.select([ours], [], [], 0.2)[0]:  # a terminal hands out 4 KB at a time
            shown += os.read(ours, 100_000).decode()
    os.close(ours)
    lines = [re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", line).rstrip() for line in re.split(r"[\r\n]+", shown)]
    assert max(map(len, lines)) <= 80
    assert any(
        re.match(r". 1,200 of 4,000 steps, \d:\d\d:\d\d (left|so far) \S+ +fine-tuning", one) for one in lines
    )
    assert any(re.match(r". 0:00:0\d so far \S+ +embedding", one) for one in lines)
