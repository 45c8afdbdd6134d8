"""Checkpoints: every flipped byte is found, the one before takes over, nothing passes through $TMPDIR."""

import io
import json
import random
import shutil
from dataclasses import replace

import pytest
import torch

from infomax import files
from infomax.cli import main
from infomax.files import Unreadable, replacing
from infomax.learning.encoders.config import AMDIMEncoderConfig
from infomax.learning.methods.amdim import AMDIMConfig
from infomax.learning.methods.amdim_learner import AMDIM
from infomax.learning.training.checkpoints import saved_in
from infomax.learning.training.config import Recipe, TrainConfig
from infomax.learning.training.loop import pretrain, resume
from infomax.learning.training.record import _drop_rows_after
from infomax.learning.training.run import Run
from infomax.learning.views.images import ViewsConfig

SHORT = Recipe(
    data="digits",
    method=AMDIMConfig(encoder=AMDIMEncoderConfig(width=2, embedding_dim=8, depth=1)),
    views=ViewsConfig(mean=(0.5,), std=(0.3,)),
    train=TrainConfig(steps=4, batch_size=8, checkpoint_steps=2, log_steps=1, precision="float32"),
)


@pytest.fixture(scope="module")
def whole(images, tmp_path_factory):
    return pretrain(SHORT, images, tmp_path_factory.mktemp("runs") / "whole", quiet=True)


@pytest.fixture(scope="module")
def begun(images, tmp_path_factory):
    """A run that failed in its last step: checkpoints of steps 2 and 0."""
    run = Run(tmp_path_factory.mktemp("runs") / "begun")
    with pytest.MonkeyPatch.context() as patch:
        failing_at(patch, 3)
        with pytest.raises(MemoryError):
            pretrain(SHORT, images, run.folder, quiet=True)
    return run


def failing_at(patch, step):
    """Have training fail in a step."""
    original = AMDIM.training_step

    def failing(self, batch, index):
        if self.trainer.global_step == step:
            raise MemoryError("pulled the plug")
        return original(self, batch, index)

    patch.setattr(AMDIM, "training_step", failing)


@pytest.fixture
def copied(begun, tmp_path):
    """A copy of that run, to be damaged."""
    shutil.copytree(begun.folder, tmp_path / "run")
    return Run(tmp_path / "run")


def flipped(path, position):
    """Flip the bits of one byte."""
    content = bytearray(path.read_bytes())
    content[position] ^= 0xFF
    path.write_bytes(content)


def list_of(path):
    torch.save([1, 2], path)


DAMAGES = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "text": lambda path: path.write_text("a checkpoint"),
    "a flipped byte": lambda path: flipped(path, path.stat().st_size // 2),
    "a list": list_of,
    "without a step": lambda path: torch.save({"state_dict": {}}, path),
    "missing": lambda path: path.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_one_before_takes_over(copied, whole, images, capsys, damage):
    """It says so in a line, and ends in the same bytes; the damaged one is not kept as the one before."""
    DAMAGES[damage](copied.checkpoint)
    told = []
    assert saved_in(copied, told.append).step == 0
    (line,) = told
    assert line.startswith(str(copied.checkpoint))
    assert line.endswith("going on from the one before, of step 0")
    if damage == "a flipped byte":
        resume(copied.read_recipe(), images, copied)
        assert "is damaged (a checksum does not match); going on" in " ".join(capsys.readouterr().err.split())
        assert copied.encoder.read_bytes() == whole.encoder.read_bytes()
        assert torch.load(copied.checkpoint_before, weights_only=True)["global_step"] == 2


@pytest.mark.parametrize("before", ["a flipped byte", "missing"])
def test_all_damaged(copied, capsys, before):
    DAMAGES["cut"](copied.checkpoint)
    DAMAGES[before](copied.checkpoint_before)
    assert main(["pretrain", "--resume", str(copied.folder)]) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("infomax")]
    assert len(said) == 1
    assert "last.ckpt is damaged" in said[0]
    assert ("so is the one before" in said[0]) == (before != "missing")
    assert "begin a new one with --out" in said[0]


def test_flipped_bytes_are_found(copied):
    """One in any place is found, or it changes nothing that is read."""
    content = copied.checkpoint.read_bytes()
    copied.checkpoint_before.unlink()
    expected = torch.load(io.BytesIO(content), weights_only=True)["state_dict"]
    draw, found = random.Random(0), 0
    for _ in range(80):
        copied.checkpoint.write_bytes(content)
        flipped(copied.checkpoint, draw.randrange(len(content)))
        try:
            saved_in(copied)
        except Unreadable:
            found += 1
        else:
            state = torch.load(copied.checkpoint, weights_only=True)["state_dict"]
            assert all(torch.equal(state[name], expected[name]) for name in expected)
    assert found > 30  # the others lie in the padding between tensors


def test_a_folder_of_checkpoints_that_was_removed(copied, whole, images):
    shutil.rmtree(copied.checkpoint.parent)
    resume(copied.read_recipe(), images, copied, quiet=True)
    assert copied.encoder.read_bytes() == whole.encoder.read_bytes()


def test_temporary_folders_are_not_needed(tmp_path, images, monkeypatch, whole):
    """Not even one that does not exist."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    run = pretrain(SHORT, images, tmp_path / "run", quiet=True)
    assert run.encoder.read_bytes() == whole.encoder.read_bytes()


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("batch_size: 8", "batch_size: 16", "train.batch_size is 16, was 8"),
        ("steps: 4", "steps: 8", "train.steps is 8, was 4"),
        ("seed: 0", "seed: 1", "train.seed is 1, was 0"),
        ("flip: 0.5", "flip: 0.25", "views.flip is 0.25, was 0.5"),
    ],
)
def test_an_edited_recipe_is_refused(copied, images, old, new, field):
    text = copied.recipe.read_text()
    assert text.count(f"  {old}\n") == 1
    copied.recipe.write_text(text.replace(f"  {old}\n", f"  {new}\n"))
    with pytest.raises(ValueError, match="was edited since the run began") as error:
        resume(copied.read_recipe(), images, copied, quiet=True)
    assert f"({field}); restore that, or begin a new run" in str(error.value)


def test_a_recipe_that_was_edited_back_goes_on(copied, images):
    recipe = copied.read_recipe()
    copied.recipe.write_text(f"# a comment\n{copied.recipe.read_text()}")
    copied.check_unedited(copied.read_recipe())
    copied.check_unedited(replace(recipe, data="elsewhere"))


def test_a_checkpoint_of_another_run(copied, images, tmp_path):
    other = replace(SHORT, train=replace(SHORT.train, seed=1))
    shutil.copy(pretrain(other, images, tmp_path / "other", quiet=True).checkpoint, copied.checkpoint)
    with pytest.raises(ValueError, match=r"belongs to another recipe \(train.seed is 0, was 1\)"):
        resume(copied.read_recipe(), images, copied, quiet=True)


def test_known_weights_are_taken_again(whole, images, tmp_path, monkeypatch):
    """A run from the weights of another that was killed before its first checkpoint."""
    expected = pretrain(SHORT, images, tmp_path / "expected", weights_from=whole.folder, quiet=True)
    run = Run(tmp_path / "run")
    with monkeypatch.context() as patch:
        failing_at(patch, 0)
        with pytest.raises(MemoryError):
            pretrain(SHORT, images, run.folder, weights_from=whole.folder, quiet=True)
    shutil.rmtree(run.checkpoint.parent)
    resume(run.read_recipe(), images, run, quiet=True)
    assert run.encoder.read_bytes() == expected.encoder.read_bytes()


def test_what_a_killed_beginning_left_is_no_result(tmp_path):
    run = Run(tmp_path)
    (tmp_path / "environment.json").write_text("mine")
    with pytest.raises(FileExistsError):
        run.check_free()
    run.checkpoint.parent.mkdir()
    (tmp_path / f"{files.UNFINISHED}recipe-abcdefgh.yaml").write_text("")
    run.check_free()
    run.checkpoint.write_text("")
    with pytest.raises(FileExistsError):
        run.check_free()


def test_rows_after_a_checkpoint_and_parts_of_rows(tmp_path):
    metrics = tmp_path / "metrics.csv"
    metrics.write_text("step,value\n2,0.5\n4,0.25\n6,0.1\n2\n8")
    _drop_rows_after(metrics, 4)
    assert metrics.read_text() == "step,value\n2,0.5\n4,0.25\n"
    metrics.write_text("ste")
    _drop_rows_after(metrics, 4)
    assert not metrics.exists()


def test_leftovers_of_killed_processes_are_removed(tmp_path, monkeypatch):
    """Those of the same file, and only old ones."""
    names = [f"{files.UNFINISHED}{name}" for name in ("a-abcdefgh.json", "b-abcdefgh.json")]
    for name in names:
        (tmp_path / name).write_text("")
    with replacing(tmp_path / "a.json") as path:
        path.write_text(json.dumps(1))
    assert all((tmp_path / name).exists() for name in names)
    monkeypatch.setattr(files, "SECONDS_OF_LEFTOVERS", -1.0)
    with replacing(tmp_path / "a.json") as path:
        path.write_text(json.dumps(1))
    assert [(tmp_path / name).exists() for name in names] == [False, True]
