"""`infomax pretrain` and what every command shares: short names, budgets, going on, tables on a terminal."""

import json
import os
import re
import shlex
import signal
import sys

import numpy as np
import pytest
from PIL import Image

from infomax.cli import main
from infomax.cli.output import Answer, give
from infomax.learning.training.options import described_fields, idle_settings, recipe_from_options
from infomax.learning.training.recipes import RECIPES, recipe_named
from infomax.learning.training.run import Run

TINY = [
    "--batch-size", "8", "--width", "4", "--embedding_dim", "8", "--depth", "1", "--precision", "float32",
]  # fmt: skip
MODULE = """
from torch import nn
from infomax import TappedEncoder

def network():
    convolution = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU())
    return nn.Sequential(convolution, nn.Conv2d(4, 4, 3, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())

def encoder():
    return TappedEncoder(network(), image_shape=(3, 64, 64), local="1", global_="3")
"""


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INFOMAX_CACHE", str(tmp_path / "cache"))
    write_photos(tmp_path / "photos", 12)


def write_photos(place, num):
    random = np.random.default_rng(0)
    for number in range(num):
        folder = place / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (20, 24, 3), np.uint8)).save(folder / f"{number}.png")


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setattr("infomax.cli.output.on_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")


def run(*arguments):
    return main([str(argument) for argument in arguments])


def changed(*options, name="amdim-photos-cpu"):
    return recipe_from_options(recipe_named(name), options)


@pytest.mark.parametrize("kind", ["steps", "minutes", "epochs"])
@pytest.mark.parametrize("name", ["amdim-digits", "amdim-photos-cpu", "amdim-stl10"])
def test_a_budget_set_by_hand_beats_that_of_the_recipe(name, kind):
    for flag in (f"--train.{kind}", f"--{kind}"):
        assert changed(flag, "2", name=name).train.budget == {kind: 2}


def test_budgets_of_options_beat_those_of_a_file(tmp_path):
    (tmp_path / "c.yaml").write_text("train: {epochs: 3}")
    assert changed("--config", "c.yaml").train.budget == {"epochs": 3}
    assert changed("--config", "c.yaml", "--steps", "7").train.budget == {"steps": 7}
    assert changed("--train.steps", "null", "--minutes", "5", name="dim-digits").train.budget == {
        "minutes": 5
    }
    with pytest.raises(ValueError, match="expected one budget, got steps 7 and minutes 2; set one of"):
        changed("--steps", "7", "--minutes=2")
    with pytest.raises(ValueError, match="minutes must be above 0, got 0"):
        changed("--minutes", "0")


@pytest.mark.parametrize("name", RECIPES)
def test_short_names(name):
    """Every recipe has them, with dashes or underscores; all its fields are described."""
    train = changed("--batch-size", "16", "--seed", "3", "--devices", "2", "--lr", "0.5", name=name)
    assert (train.train.batch_size, train.train.seed, train.train.devices) == (16, 3, 2)
    assert train.optimizer.lr == 0.5
    assert changed("--batch_size=16", name=name).train.batch_size == 16
    assert not [one.name for one in described_fields(recipe_named(name)) if not one.text]


def test_numbers_with_commas_are_a_list_only_where_a_field_is_one():
    assert changed("--pages", "2,3").views.pages == changed("--views.pages=2,3").views.pages == "2,3"
    assert changed("--views.mean", "0.5,0.5", "--views.std=1,1").views.mean == (0.5, 0.5)


def test_settings_that_have_no_effect_are_said(capsys):
    """Each is read by nobody beside the others; recipes as they are have none of these."""
    muon = changed("--rule", "adam", "--momentum", "0.8", "--max_side", "64", "--milestones", "0.5,0.9")
    assert [*idle_settings(muon)] == [
        "optimizer.momentum 0.8 has no effect: it is of rule muon",
        "optimizer.max_side 64 has no effect: it is of rule muon",
        "optimizer.milestones 0.5,0.9 has no effect: it is of decay steps",
    ]
    assert not [*idle_settings(changed("--momentum", "0.8"))]
    weights = ["--local_weight", "0", "--global_weight", "1"]
    options = ["--prior.kind", "gaussian", "--num_places", "4", "--translate_probability", "0.5"]
    dim = changed(*options, *weights, name="dim-cifar10")
    assert [line.partition(" has no effect: ")[::2] for line in idle_settings(dim)] == [
        ("method.prior.kind gaussian", "the prior's weight is 0"),
        ("method.num_places 4", "local_weight is 0"),
        ("views.translate_probability 0.5", "translate is 0"),
    ]
    assert not [line for name in RECIPES for line in idle_settings(recipe_named(name))]
    window = ["--data", "photos", "--out", "run", "--stream_window", "9", "--steps", "1", *TINY]
    assert run("pretrain", "amdim-digits", *window, "--whitened", "false") == 0
    assert "stream_window 9 has no effect: the data are decoded once" in capsys.readouterr().err
    assert run("pretrain", "amdim-cpu", *window[:4], "--width", "4", "--module", "no:where") == 2
    assert "which --method.encoder.width does not change; leave one" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--epoch", "did you mean --epochs?"),
        ("--batchsize", "did you mean --batch-size?"),
        ("--learning-rate", "did you mean --lr?"),
        ("--train.minute", "did you mean --train.minutes?"),
        ("--zzz", "--dry-run shows all options"),
    ],
)
def test_unknown_options_suggest(option, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        changed(option, "1")


def test_ends_of_several_options_are_refused():
    with pytest.raises(ValueError, match=r"--flip is the end of several options; give --views.first.flip or"):
        changed("--flip", "0", name="amdim-two-cameras")


def test_help_of_a_recipe_lists_its_fields(capsys):
    with pytest.raises(SystemExit):
        run("pretrain", "amdim-digits", "--help")
    out = capsys.readouterr().out
    assert re.search(r"--train.batch_size 32 +images in each step", out)
    assert re.search(r"--optimizer.lr 0.005 +learning rate", out)


def test_a_terminal_shows_tables_and_a_pipe_json(capsys, terminal):
    assert run("recipes") == 0
    out = capsys.readouterr().out
    assert re.search(r"amdim-cpu +any +128 +20 minutes +Your own", out)
    assert re.search(r"amdim-photos-cpu +any +128 +20 minutes +another name of amdim-cpu", out)
    assert max(map(len, out.splitlines()[:-1])) <= 80
    assert run("recipes", "--json") == 0
    assert json.loads(capsys.readouterr().out)["amdim-photos-cpu"]["budget"] == {"minutes": 20.0}
    assert run("pretrain", "amdim-digits", "--minutes", "0.1", "--dry-run") == 0
    out = capsys.readouterr().out
    assert "  minutes: 0.1\n" in out
    assert "--train.steps null, not 500" in out


def test_values_of_fields_are_no_recipe(capsys):
    assert run("pretrain", "--epochs", "3", "amdim-digits", "--dry-run") == 0
    assert json.loads(capsys.readouterr().out)["train"]["epochs"] == 3


def test_answers(capsys, monkeypatch):
    give({"file": "α.csv"})
    assert json.loads(capsys.readouterr().out) == {"file": "α.csv"}
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    give({"file": "α.csv", "num_images": 1200, "none": None})
    assert capsys.readouterr().out.split() == ["file", "α.csv", "num", "images", "1,200"]
    give(Answer({"a": 1}, lambda: ["read [this]"], ["next: that"]))
    assert capsys.readouterr().out == "read [this]\nnext: that\n"
    give(None)
    assert capsys.readouterr().out == ""


def test_trained_moved_lengthened_and_begun_from(capsys, terminal, tmp_path):
    """The commands in the last lines of a training work; moved data is found by what it holds."""
    assert run("pretrain", "amdim-photos-cpu", "--data", "photos", "--out", "a", "--steps", "2", *TINY) == 0
    out = capsys.readouterr().out
    commands = [line.partition("#")[0].strip() for line in out.splitlines() if line.startswith("  infomax")]
    assert [line.split()[1] for line in commands] == ["evaluate", "embed", "report"]
    for line in commands[1:]:
        assert main(shlex.split(line)[1:]) == 0
    assert (tmp_path / "features.parquet").exists()
    (tmp_path / "photos").rename(tmp_path / "moved")
    assert run("pretrain", "--resume", "a", "--steps", "1") == 2
    assert "if the images have moved: --resume a --data NEW_PLACE" in capsys.readouterr().err
    assert run("pretrain", "--resume", "a", "--steps", "1", "--lr", "1") == 2
    assert "--resume uses the recipe of the run; with it you can give --data" in capsys.readouterr().err
    assert run("pretrain", "--resume", "a", "--data", "moved/a", "--steps", "1") == 2
    err = capsys.readouterr().err
    assert re.search(r"the images are not those the run began with \(\d+ now, \d+ then\)", err)
    assert run("pretrain", "--resume", "a", "--data", "moved", "--steps", "1") == 0
    recipe = Run("a").read_recipe()
    assert (recipe.train.steps, recipe.data) == (3, str(tmp_path / "moved"))
    assert run("pretrain", "--from", "a", "--out", "b", "--steps", "1") == 0
    assert Run("b").read_recipe().method == recipe.method
    assert Run("b").read_environment()["began_from"]["folder"] == str(tmp_path / "a")


def test_modules_of_ones_own(capsys, monkeypatch, tmp_path):
    """Named by package:function, they are trained, resumed, made longer and embedded."""
    (tmp_path / "own_network.py").write_text(MODULE)
    size = ["--views.stored_size", "64", "--views.image_size", "64", "--batch-size", "8"]
    options = ["--data", "photos", *size, "--steps", "3", "--precision", "float32"]
    own = ["--module", "own_network:encoder"]
    original = _interrupted_at(monkeypatch, 1)
    assert run("pretrain", "dim-cifar10-cpu", "--out", "a", *options, *own) == 130
    err = capsys.readouterr().err
    assert "interrupted; step 2 of 3 is saved in a; go on with" in err
    command = re.search("go on with `(.*)`", err)[1]
    assert command == "infomax pretrain --resume a --module own_network:encoder"
    monkeypatch.setattr(*original)
    assert run("pretrain", "--resume", "a") == 2
    assert "give it again, with --module package:function" in capsys.readouterr().err
    assert run("pretrain", "--resume", "a", "--module", "own_network:network") == 0
    assert run("pretrain", "--resume", "a", "--steps", "1", *own) == 0
    assert run("embed", "a", "--data", "photos", "--out", "f.npy", *own) == 0
    assert np.load("f.npy").shape == (12, 4)
    write_photos(tmp_path / "many", 20)
    assert run("evaluate", "a", "--data", "many", "--probes", "knn", *own) == 0
    capsys.readouterr()
    for module in ("output", "commands.evaluate"):
        monkeypatch.setattr(f"infomax.cli.{module}.on_terminal", lambda: True)
    assert run("evaluate", "a", "--data", "many", "--probes", "knn", "--overwrite", *own) == 0
    shown = capsys.readouterr().out
    assert "Accuracy on the test images" in shown
    assert shown.splitlines()[-1].split("#")[0].strip() == "infomax report a"
    assert len(shown.splitlines()) < 40
    assert run("similarity", "a", "--data", "photos", "--query", 0, "--target", 16, *own) == 0
    whole = ["pretrain", "dim-cifar10-cpu", "--out", "b", *options, *own]
    assert run(*whole, "--evaluate", "many") == 0
    new = ["pretrain", "dim-cifar10-cpu", "--out", "c", *options, "--module"]
    assert run(*new, "nothing:here") == 2
    assert "no package 'nothing' is installed or lies in" in capsys.readouterr().err
    assert run(*new, "own_network:network") == 2
    assert "wrap it: infomax.TappedEncoder(module" in capsys.readouterr().err


def test_interrupted_before_training(capsys, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("infomax.learning.views.images.ViewsConfig.load", interrupt)
    assert run("pretrain", "amdim-photos-cpu", "--data", "photos", "--out", "a") == 130
    err = capsys.readouterr().err
    assert err == "infomax: interrupted; nothing was trained; start again with the same command\n"


def _interrupted_at(monkeypatch, number):
    """Send Ctrl-C at the beginning of a step; return what puts the step back."""
    from infomax.learning.methods.dim_learner import DIM

    original = DIM.training_step

    def step(self, batch, index):
        if self.trainer.global_step == number:
            os.kill(os.getpid(), signal.SIGINT)
        return original(self, batch, index)

    monkeypatch.setattr(DIM, "training_step", step)
    return DIM, "training_step", original
