"""Kills: whatever moment `kill -9` comes at, the command that goes on ends in the same bytes.

The slow tests kill before each operation on files of a run, one after another, and at random moments. They
count how many kills there were, and how many ended as the undisturbed run did.
"""

import csv
import random
import shutil

import pytest

from infomax.learning.training.run import Run

TIMES = {"seconds", "images_per_second"}
TINY = [
    "--train.steps", "8", "--train.checkpoint_steps", "4", "--train.log_steps", "2",
    "--train.batch_size", "16", "--method.encoder.width", "4", "--method.encoder.embedding_dim", "16",
    "--method.encoder.depth", "1",
]  # fmt: skip
TWO = ["--train.devices", "2", "--train.accelerator", "cpu"]
NEW = ["pretrain", "amdim-digits", *TINY]


def result_of(folder):
    """All that a run gave: the bytes of its files, and the rows of its metrics but for times."""
    run = Run(folder)
    with run.metrics.open() as file:
        rows = [{key: one for key, one in row.items() if key not in TIMES} for row in csv.DictReader(file)]
    names = ("encoder.safetensors", "encoder.json", "recipe.yaml", "views.npz")
    files = {str(path.relative_to(folder)): path.read_bytes() for one in names for path in folder.rglob(one)}
    return files, rows


def go_on(forks, folder, new, *, ranks=1):
    """Go on with a run that was killed, as a user would: `--resume`, or the same command again."""
    run = Run(folder / "run")
    if not run.begun:
        return forks.run(*new, "--out", run.folder, under=folder, ranks=ranks)
    if run.finished:
        return 0, 0, ""
    return forks.run("pretrain", "--resume", run.folder, under=folder, ranks=ranks)


def undisturbed(forks, folder, new, ranks=1):
    """Return the number of operations of a run, and its result."""
    folder.mkdir()
    code, num_operations, said = forks.run(*new, "--out", folder / "run", under=folder, ranks=ranks)
    assert code == 0, said
    return num_operations, result_of(folder / "run")


def killed(forks, folder, new, expected, ranks=1, **kill):
    """Kill a run, go on with it, and check its result; return whether it was killed at all."""
    folder.mkdir()
    code, _, said = forks.run(*new, "--out", folder / "run", under=folder, ranks=ranks, **kill)
    assert code in (0, -9), said
    assert code == 0 or "Traceback" not in said
    code_after, _, said = go_on(forks, folder, new, ranks=ranks)
    assert code_after == 0, (kill, said)
    assert "Traceback" not in said
    assert result_of(folder / "run") == expected, kill
    shutil.rmtree(folder)
    return code == -9


def test_killed_before_an_operation(forks, tmp_path):
    """Two of the moments that the slow test tries: before the run is begun, and between two checkpoints."""
    total, expected = undisturbed(forks, tmp_path / "whole", NEW)
    for part in (0.25, 0.75):
        assert killed(forks, tmp_path / "killed", NEW, expected, kill_at=int(part * total))


@pytest.mark.slow
def test_killed_before_every_operation(forks, tmp_path, count):
    total, expected = undisturbed(forks, tmp_path / "whole", NEW)
    moments = range(1, total + 1)
    num = sum(killed(forks, tmp_path / "killed", NEW, expected, kill_at=k) for k in moments)
    count(f"one process: {num} of {num} kills, before each of {total} operations, ended in the same bytes")
    assert num == total >= 50


@pytest.mark.slow
def test_killed_at_random_moments(forks, tmp_path, count):
    _, expected = undisturbed(forks, tmp_path / "whole", NEW)
    draw, num = random.Random(0), 0
    for _ in range(50):
        num += killed(forks, tmp_path / "killed", NEW, expected, kill_after=draw.uniform(0.02, 2.0))
    count(f"one process: {num} of {num} kills at random moments ended in the same bytes (50 runs)")


@pytest.mark.slow
def test_one_of_two_processes_killed(forks, tmp_path, count):
    """Before operations of the first, which writes; and at random moments, the second."""
    new = [*NEW, *TWO]
    total, expected = undisturbed(forks, tmp_path / "whole", new, ranks=2)
    draw, num = random.Random(1), 0
    moments = sorted(draw.sample(range(1, total + 1), 40))
    for k in moments:
        num += killed(forks, tmp_path / "killed", new, expected, ranks=2, kill_at=k)
    for _ in range(10):
        after = draw.uniform(0.5, 4.0)
        num += killed(forks, tmp_path / "killed", new, expected, ranks=2, kill_after=after, kill_rank=1)
    count(f"two processes: {num} of {num} kills ended in the same bytes (50 runs)")


def paired_run(folder):
    """Train two encoders, or go on."""
    import numpy as np

    from infomax.learning.data.dataset import Dataset, Pairs
    from infomax.learning.encoders.config import AMDIMEncoderConfig
    from infomax.learning.methods.amdim import AMDIMConfig
    from infomax.learning.training.config import Recipe, TrainConfig
    from infomax.learning.training.loop import pretrain, resume
    from infomax.learning.views.images import ViewsConfig
    from infomax.learning.views.paired import PairedViewsConfig

    pixels = np.random.default_rng(0).integers(0, 256, (2, 12, 32, 32, 1), dtype=np.uint8)
    columns = [Dataset(one, np.full(12, -1), [f"{i}.png" for i in range(12)], ()) for one in pixels]
    pairs = Pairs(*columns, np.arange(12)[:, None].repeat(2, axis=1))
    view = ViewsConfig(mean=(0.5,), std=(0.3,))
    views = PairedViewsConfig(first=view, second=view)
    recipe = Recipe(
        method=AMDIMConfig(encoder=AMDIMEncoderConfig(width=2, embedding_dim=8, depth=1)),
        views=views,
        train=TrainConfig(steps=4, batch_size=4, checkpoint_steps=2, log_steps=1, precision="float32"),
    )
    run = Run(folder)
    if not run.begun:
        pretrain(recipe, pairs, run.folder, quiet=True)
    elif not run.finished:
        resume(run.read_recipe(), pairs, run, quiet=True)


@pytest.mark.slow
def test_a_paired_run_killed_before_every_operation(forks, tmp_path, count):
    """Also between its two encoders."""
    job = "tests.trust.test_kills:paired_run"
    whole = tmp_path / "whole"
    whole.mkdir()
    code, total, said = forks.run(job, whole / "run", under=whole)
    assert code == 0, said
    expected = result_of(whole / "run")
    assert len([name for name in expected[0] if name.endswith("safetensors")]) == 2
    for k in range(1, total + 1):
        folder = tmp_path / "killed"
        folder.mkdir()
        assert forks.run(job, folder / "run", under=folder, kill_at=k)[0] == -9
        code, _, said = forks.run(job, folder / "run", under=folder)
        assert code == 0, (k, said)
        assert result_of(folder / "run") == expected, k
        shutil.rmtree(folder)
    count(f"a paired run: {total} of {total} kills ended in the same bytes")


@pytest.mark.slow
def test_a_longer_training_killed_before_every_operation(forks, tmp_path, count):
    """What the encoder so far gave is set aside, whole, in any case."""
    begun, whole = tmp_path / "begun", tmp_path / "whole"
    undisturbed(forks, begun, NEW)
    first = Run(begun / "run").encoder.read_bytes()
    shutil.copytree(begun, whole)
    longer = ["--train.steps", "4"]
    code, total, said = forks.run("pretrain", "--resume", whole / "run", *longer, under=whole)
    assert code == 0, said
    expected = result_of(whole / "run")
    for k in range(1, total + 1):
        folder = tmp_path / "killed"
        shutil.copytree(begun, folder)
        run = Run(folder / "run")
        assert forks.run("pretrain", "--resume", run.folder, *longer, under=folder, kill_at=k)[0] == -9
        more = longer if run.read_recipe().train.steps == 8 else []
        code, _, said = (
            (0, 0, "")
            if not more and run.finished
            else forks.run("pretrain", "--resume", run.folder, *more, under=folder)
        )
        assert code == 0, (k, said)
        assert result_of(run.folder) == expected, k
        assert (run.folder / "stage-1" / "encoder.safetensors").read_bytes() == first
        shutil.rmtree(folder)
    count(f"a longer training: {total} of {total} kills ended in the same bytes")


@pytest.mark.slow
@pytest.mark.parametrize("command", ["embed", "report"])
def test_a_result_killed_before_every_operation(forks, tmp_path, command, count):
    """The result is there, whole, or not at all."""
    folder = tmp_path / "whole"
    undisturbed(forks, folder, NEW)
    run = folder / "run"
    result = folder / "features.npy" if command == "embed" else run / "report.html"
    line = ["embed", run, "--data", "digits", "--out", result] if command == "embed" else ["report", run]
    code, total, said = forks.run(*line, under=folder)
    assert code == 0, said
    expected = result.read_bytes()
    for k in range(1, total + 1):
        result.unlink(missing_ok=True)
        shutil.rmtree(folder / "cache", ignore_errors=True)
        forks.run(*line, under=folder, kill_at=k)
        if not result.exists():
            code, _, said = forks.run(*line, under=folder)
            assert code == 0, (k, said)
        assert result.read_bytes() == expected, k
    count(f"{command}: {total} of {total} kills ended in the same bytes")
