"""Ctrl-C and SIGTERM: one line, exit code 130 or 143, a checkpoint, and the way to go on; at every stage."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest
from tests.trust.test_kills import NEW, TWO, go_on, result_of, undisturbed

from infomax import interrupts
from infomax.cli.main import main
from infomax.interrupts import Interrupts, heard
from infomax.learning.training.run import Run

NUMBERS = [signal.SIGINT, signal.SIGTERM]
WORDS = {signal.SIGINT: "infomax: interrupted", signal.SIGTERM: "infomax: ended by SIGTERM"}


@pytest.mark.parametrize("number", NUMBERS)
def test_the_first_raises_and_its_echo_does_not(number):
    found = Interrupts()
    with pytest.raises(KeyboardInterrupt):
        found.answer(number, None)
    found.answer(number, None)  # at once: the terminal and the command both send it
    assert found.exit_code == 128 + number


def test_training_stops_after_a_step_and_then_at_once(monkeypatch):
    monkeypatch.setattr(interrupts, "MIN_SECONDS_BETWEEN", -1.0)
    found, asked = Interrupts(), []
    found.stop = lambda: asked.append("to stop")
    found.answer(signal.SIGINT, None)
    assert asked == ["to stop"]
    with pytest.raises(KeyboardInterrupt):
        found.answer(signal.SIGINT, None)


def test_a_further_one_ends_the_process(monkeypatch):
    monkeypatch.setattr(interrupts, "MIN_SECONDS_BETWEEN", -1.0)
    codes = []
    monkeypatch.setattr(os, "_exit", codes.append)
    monkeypatch.setattr(os, "write", lambda *_: 0)
    found = Interrupts(ends=True)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            found.answer(signal.SIGTERM, None)
    assert codes == [143]


def test_none_changes_how_a_command_has_ended(monkeypatch):
    """The first is ignored, the second ends what is left of the process."""
    monkeypatch.setattr(interrupts, "MIN_SECONDS_BETWEEN", -1.0)
    codes = []
    monkeypatch.setattr(os, "_exit", codes.append)
    found = Interrupts(ends=True)
    assert found.ended(2) == 2
    found.answer(signal.SIGTERM, None)
    assert codes == []
    found.answer(signal.SIGTERM, None)
    assert codes == [2]


def test_after_a_signal_the_interpreter_is_not_taken_down():
    """Registered functions are called, and what was printed is there."""
    lines = [
        "import atexit, os, signal",
        "from infomax.interrupts import came, leave, listen",
        "listen()",
        "atexit.register(print, 'called')",
        "came().number = signal.SIGTERM",
        "print('said', end=' ')",
        "leave(143)",
        "print('not reached')",
    ]
    process = subprocess.run([sys.executable, "-c", "; ".join(lines)], capture_output=True, text=True)
    assert (process.returncode, process.stdout, process.stderr) == (143, "said called\n", "")


@pytest.mark.parametrize("number", NUMBERS)
def test_none_changes_it_while_python_ends(number):
    late = f"import atexit, os; atexit.register(os.kill, os.getpid(), {int(number)})"
    lines = [
        late,
        "from infomax.interrupts import listen",
        "listen()",
    ]  # what is registered first is done last
    process = subprocess.run([sys.executable, "-c", "; ".join(lines)], capture_output=True, text=True)
    assert (process.returncode, process.stderr) == (0, "")


def test_one_that_comes_while_an_error_is_told(monkeypatch, capsys):
    def interrupted(arguments, error):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["infomax.cli.main"], "as_typed", interrupted)
    assert main(["measure", "nowhere.csv", "--target", "x"]) == 130
    assert capsys.readouterr().err == "infomax: interrupted\n"


def test_handlers_are_put_back():
    before = [signal.getsignal(number) for number in NUMBERS]
    with heard(), pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(1)
    assert [signal.getsignal(number) for number in NUMBERS] == before


def interrupted(forks, folder, new, expected, number, **when):
    """Interrupt a run and go on with it; return whether it was interrupted at all."""
    folder.mkdir()
    code, _, said = forks.run(*new, "--out", folder / "run", under=folder, number=number, **when)
    assert "Traceback" not in said, (when, said)
    lines = [line for line in said.splitlines() if line.startswith("infomax: ")]
    assert (code, len(lines)) in ((128 + number, 1), (0, 0)), (when, said)
    assert code == 0 or lines[0].startswith(WORDS[number])
    assert code == 0 or any(remedy in lines[0] for remedy in ("--resume", "same command", "is complete")), (
        said
    )
    assert not [path for path in folder.rglob(".*") if path.is_file()]
    code_after, _, said = go_on(forks, folder, new)
    assert code_after == 0, (when, said)
    assert result_of(folder / "run") == expected, when
    shutil.rmtree(folder)
    return code != 0


def test_interrupted_at_an_operation(forks, tmp_path):
    """One of the moments that the slow test tries, in the midst of training."""
    total, expected = undisturbed(forks, tmp_path / "whole", NEW)
    assert interrupted(forks, tmp_path / "stopped", NEW, expected, signal.SIGTERM, kill_at=int(0.7 * total))


@pytest.mark.slow
@pytest.mark.parametrize("number", NUMBERS)
def test_interrupted_at_every_operation(forks, tmp_path, number, count):
    total, expected = undisturbed(forks, tmp_path / "whole", NEW)
    num = sum(
        interrupted(forks, tmp_path / "stopped", NEW, expected, number, kill_at=k)
        for k in range(1, total + 1)
    )
    count(f"{number.name}: {num} of {total} operations interrupted, each with one line and the same bytes")
    assert num >= total - 2  # in the last ones, all is done


@pytest.mark.slow
def test_often_and_at_any_moment(tmp_path, count):
    """The whole command, with its imports; from one signal to four, at random moments."""
    draw, environment = random.Random(0), {**os.environ, "INFOMAX_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "infomax", *NEW, "--train.steps", "100000", "--out"]
    for k in range(20):
        number, folder = NUMBERS[k % 2], tmp_path / f"run{k}"
        process = subprocess.Popen([*command, folder], stderr=subprocess.PIPE, text=True, env=environment)
        time.sleep(draw.uniform(0.5, 15))
        for _ in range(draw.randint(1, 4)):
            process.send_signal(number)
            time.sleep(draw.choice([0.01, 0.2, 1.1]))
        _, err = process.communicate(timeout=60)
        assert process.returncode == 128 + number, err
        assert "Traceback" not in err
        assert len([line for line in err.splitlines() if line.startswith("infomax: ")]) == 1, err
    count("20 of 20 commands ended with one line and their code")


@pytest.mark.slow
@pytest.mark.parametrize("number", NUMBERS)
def test_two_processes_stop_together_and_go_on(tmp_path, number):
    """The signal goes to the command; its processes save what they have."""
    environment = {**os.environ, "INFOMAX_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}
    folder = tmp_path / "run"
    command = [sys.executable, "-m", "infomax", *NEW, *TWO, "--train.steps", "1000000", "--out", folder]
    process = subprocess.Popen(
        [*command, "--train.checkpoint_steps", "999999"], stderr=subprocess.PIPE, text=True, env=environment
    )
    deadline = time.monotonic() + 120
    while not Run(folder).metrics.exists():
        assert time.monotonic() < deadline
        time.sleep(0.2)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number, err
    (line,) = [line for line in err.splitlines() if line.startswith("infomax: ")]
    assert "Traceback" not in err
    assert line.startswith(WORDS[number])
    assert " is saved in " in line
    assert "step 0 " not in line
    assert "--resume" in line


@pytest.mark.slow
@pytest.mark.parametrize("killed", ["a process", "the command"])
def test_none_is_left_when_one_is_killed(tmp_path, killed):
    """One of the processes, or the command that has started them."""
    from tests.learning.distributed.test_processes import processes_of, wait_until

    environment = {**os.environ, "INFOMAX_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}
    command = [
        sys.executable,
        "-m",
        "infomax",
        *NEW,
        *TWO,
        "--train.steps",
        "1000000",
        "--out",
        tmp_path / "run",
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    wait_until(Run(tmp_path / "run").metrics.exists, 120)
    others = [one for one in processes_of(tmp_path) if one != process.pid]
    os.kill(process.pid if killed == "the command" else max(others), signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    wait_until(lambda: not processes_of(tmp_path), 20)
    assert "Traceback" not in err
    if killed == "a process":
        assert process.returncode == 128 + signal.SIGKILL
        assert [line for line in err.splitlines() if line.startswith("infomax: ")] == [
            line for line in err.splitlines() if "was ended by SIGKILL" in line
        ]
