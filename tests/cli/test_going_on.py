"""`infomax pretrain --go-on`: the same command starts a run, and goes on with it."""

import shutil

import pytest
import yaml

from infomax.cli import main
from infomax.learning.training import callbacks
from infomax.learning.training.config import TrainConfig
from infomax.learning.training.run import Run

TINY = [
    "--data", "digits", "--batch-size", "8", "--width", "4", "--embedding_dim", "8", "--depth", "1",
    "--precision", "float32", "--log-steps", "1", "--steps", "4",
]  # fmt: skip
STARTED = {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "4", "GROUP_WORLD_SIZE": "2", "RANK": "0"}


class Lost(Exception):
    pass


@pytest.fixture
def out(tmp_path, monkeypatch):
    monkeypatch.setenv("INFOMAX_CACHE", str(tmp_path / "cache"))
    return tmp_path / "run"


def pretrain(out, *options):
    return main(["pretrain", "amdim-digits", "--out", str(out), *TINY, *options])


def lost_at(monkeypatch, step):
    """Have training end in an error at the beginning of a step."""
    original = callbacks.Seed.on_train_batch_start

    def begin(self, trainer, *others):
        if trainer.global_step == step:
            raise Lost
        original(self, trainer, *others)

    monkeypatch.setattr(callbacks.Seed, "on_train_batch_start", begin)


def test_it_starts_a_run_and_goes_on_to_the_same(out, monkeypatch, capsys):
    assert pretrain(out.with_name("whole")) == 0
    with monkeypatch.context() as patch:
        lost_at(patch, 2)
        with pytest.raises(Lost):
            pretrain(out, "--go-on", "--train.checkpoint_steps", "2")
    assert Run(out).trained
    assert not Run(out).finished
    capsys.readouterr()
    assert pretrain(out, "--train.checkpoint_steps", "2") == 2  # without it, what is there is refused
    assert "is not empty" in capsys.readouterr().err
    assert pretrain(out, "--go-on", "--train.checkpoint_steps", "2") == 0
    assert "going on after step 2 of 4" in capsys.readouterr().err
    assert Run(out).encoder.read_bytes() == Run(out.with_name("whole")).encoder.read_bytes()


def test_a_run_that_has_not_trained_begins_anew(out, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(callbacks.Checkpoint, "on_train_start", lost)
        with pytest.raises(Lost):
            pretrain(out, "--go-on")
    assert Run(out).begun
    assert not Run(out).trained
    assert pretrain(out, "--go-on") == 0
    assert Run(out).finished


def test_results_without_checkpoints_are_left_as_they_are(out, capsys):
    assert pretrain(out) == 0
    shutil.rmtree(Run(out).checkpoint.parent)
    before = sorted(out.rglob("*"))
    assert pretrain(out, "--go-on") == 2
    assert "is not empty" in capsys.readouterr().err
    assert sorted(out.rglob("*")) == before


def lost(*_):
    raise Lost


def test_a_run_by_another_recipe_is_refused(out, monkeypatch, capsys):
    lost_at(monkeypatch, 1)
    with pytest.raises(Lost):
        pretrain(out)
    assert pretrain(out, "--go-on", "--lr", "0.5") == 2
    assert "holds a run by another recipe (optimizer.lr is 0.5, was" in capsys.readouterr().err
    shutil.rmtree(out)
    assert main(["pretrain", "amdim-digits", "--go-on", *TINY]) == 2
    assert "--go-on looks whether --out holds the run; set --out" in capsys.readouterr().err


def test_other_processes_may_go_on(out, monkeypatch, capsys):
    """The recipe then names those that do; images keep their order."""
    with monkeypatch.context() as patch:
        lost_at(patch, 1)
        with pytest.raises(Lost):
            pretrain(out)
    recipe = yaml.safe_load(Run(out).recipe.read_text())
    recipe["train"]["devices"] = 2
    Run(out).recipe.write_text(yaml.safe_dump(recipe))
    for name, value in {**STARTED, "WORLD_SIZE": "1", "GROUP_WORLD_SIZE": "1"}.items():
        monkeypatch.setenv(name, value)
    assert pretrain(out, "--go-on") == 0
    said = capsys.readouterr().err
    assert "1 process, as started by torchrun" in said
    assert "processes: 1 now, 2 before; images keep their order, their views are drawn anew" in said
    assert yaml.safe_load(Run(out).recipe.read_text())["train"]["devices"] == 1


def test_processes_are_those_that_were_started(monkeypatch):
    train = TrainConfig(batch_size=8)
    assert train.as_started() is train
    for name, value in STARTED.items():
        monkeypatch.setenv(name, value)
    found = train.as_started()
    assert (found.devices, found.num_nodes) == (2, 2)
    with pytest.raises(ValueError, match="must together divide batch_size, got 2, 2 and a batch of 6"):
        TrainConfig(batch_size=6).as_started()
