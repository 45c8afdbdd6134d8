"""The command as a whole: its table of commands, its help, and how it says that something is missing."""

import subprocess
import sys

import pytest

from infomax.cli import main
from infomax.cli.commands import COMMANDS
from infomax.evaluation.options import FinetuningConfig
from infomax.evaluation.protocols import PROTOCOLS
from infomax.learning.training.recipes import RECIPES

HEAVY = {"torch", "lightning", "datasets", "jsonargparse", "kornia", "sklearn", "scipy", "polars", "numpy"}
RUN = ["run", "--data", "x"]


def help_of(capsys, *arguments):
    with pytest.raises(SystemExit) as exit_info:
        main([*arguments, "--help"])
    assert exit_info.value.code == 0
    return " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("arguments", [["--help"], ["recipes"], *([name, "--help"] for name in COMMANDS)])
def test_help_is_light(arguments):
    """Whatever is heavy takes longer to import than all else; without it, help comes at once."""
    code = (
        "import sys\n"
        "from infomax.cli import main\n"
        f"try: main({arguments})\n"
        "except SystemExit as done: assert not done.code\n"
        f"print(','.join(sorted({HEAVY} & sys.modules.keys())), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == ""
    assert done.stdout.strip()


def test_the_help_lists_every_command(capsys):
    text = help_of(capsys)
    for name, command in COMMANDS.items():
        assert name in text
        assert " ".join(command.__doc__.split()) in text


def test_the_command_alone_lists_its_commands(capsys):
    with pytest.raises(SystemExit) as end:
        main([])
    assert end.value.code == 0 and "measure" in capsys.readouterr().out


def test_help_of_a_command_shows_its_tables(capsys):
    text = help_of(capsys, "pretrain")
    assert "Every field of a recipe is an option" in text
    assert all(name in text for name in RECIPES)
    text = help_of(capsys, "evaluate")
    assert all(f"{name} {protocol.summary}" in text for name, protocol in PROTOCOLS.items())


def test_help_of_a_command_shows_defaults_of_configurations(capsys):
    text = help_of(capsys, "finetune")
    assert f"(default: {FinetuningConfig.max_steps})" in text
    assert "(default: 0.0003,0.003)" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pretian"], "no command 'pretian'; did you mean pretrain?"),
        (["embed", *RUN, "--out", "y", "--colunm", "z"], "embed: no option --colunm; did you mean --column?"),
        (["embed", *RUN, "more", "--out", "y"], "embed: no option more; there are --data, --split"),
        (["evaluate", *RUN, "--protocol", "cleen"], "evaluate: no protocol 'cleen'; did you mean clean?"),
    ],
)
def test_unknown_words(capsys, arguments, message):
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"infomax: {message}")
    assert len(err.splitlines()) == 1


def test_what_an_extra_would_bring():
    """Without torch, every command that needs it says in one line how to install it."""
    commands = [
        ["demo"],
        ["pretrain", "amdim-digits", "--out", "y"],
        ["evaluate", *RUN],
        ["finetune", *RUN, "--num-labels", "10%"],
        ["similarity", *RUN, "--query", "0"],
        ["embed", *RUN, "--out", "y"],
        ["ablate", "amdim-digits", "--out", "y"],
        ["import-amdim", "x", "--out", "y"],
    ]
    code = (
        "import sys\n"
        "sys.modules['torch'] = None\n"
        "from infomax.cli import main\n"
        f"sys.exit(sum(main(one) != 2 for one in {commands}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == [
        f"infomax: {name}: needs torch, which is not installed; pip install 'infomax[learning]'"
        for name, *_ in commands
    ]
