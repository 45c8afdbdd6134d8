"""Training: budgets, run folders, exact resuming, the stop at a bad number, and that it learns at all."""

import csv
import json
import signal
import subprocess
import sys
import time
from dataclasses import replace

import jaxtyping
import numpy as np
import pytest
import torch

import infomax
from infomax.errors import Diverged
from infomax.learning.data.dataset import Dataset
from infomax.learning.data.order.batches import Batches
from infomax.learning.encoders.config import AMDIMEncoderConfig
from infomax.learning.methods.amdim import AMDIMConfig
from infomax.learning.methods.amdim_learner import AMDIM
from infomax.learning.methods.optimizer import OptimizerConfig
from infomax.learning.training.config import Recipe, TrainConfig
from infomax.learning.training.loop import pretrain, resume
from infomax.learning.training.options import recipe_from_options
from infomax.learning.training.precision import choose_precision
from infomax.learning.training.recipes import recipe_named
from infomax.learning.training.run import Run
from infomax.learning.views.images import ViewsConfig

RECIPE = Recipe(
    method=AMDIMConfig(encoder=AMDIMEncoderConfig(width=2, embedding_dim=8, depth=1, batch_norm=True)),
    views=ViewsConfig(mean=(0.5,), std=(0.3,)),
    optimizer=OptimizerConfig(lr=1e-3, warmup_steps=2),
    train=TrainConfig(steps=7, batch_size=8, checkpoint_steps=3, log_steps=2),
)


def make_images(n=20, labelled=True, seed=0):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (n, 32, 32, 1), dtype=np.uint8)
    labels = rng.integers(0, 3, n) if labelled else np.full(n, -1)
    return Dataset(pixels, labels.astype(np.int64), [f"{i}.png" for i in range(n)], ("a", "b", "c"))


def rows_of(run):
    with run.metrics.open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return pretrain(RECIPE, make_images(), tmp_path_factory.mktemp("runs") / "whole", quiet=True)


def test_run_folder(finished):
    names = {path.name for path in finished.folder.rglob("*") if path.is_file()}
    assert names == {
        "recipe.yaml", "metrics.csv", "last.ckpt", "before.ckpt", "lock", "encoder.safetensors",
        "encoder.json", "environment.json", "views.npz", "SHA256SUMS",
    }  # fmt: skip
    chosen = replace(RECIPE.train, precision=choose_precision("auto"))
    assert finished.read_recipe() == replace(RECIPE, train=chosen, views=RECIPE.views.as_read(make_images()))
    environment = json.loads(finished.environment.read_text())
    assert environment["torch"] == torch.__version__
    assert (environment["seed"], environment["num_images"]) == (0, 20)


def test_metrics(finished):
    rows = rows_of(finished)
    assert [int(row["step"]) for row in rows] == [2, 4, 6, 7]
    for row in rows:
        for term in ("1to5", "1to7", "5to5"):
            assert float(row[f"ceiling_{term}"]) == pytest.approx(3.0)  # log2 of a batch of 8
            assert float(row[f"bits_{term}"]) <= 3.0
        assert float(row["images_per_second"]) > 0
        assert 0 <= float(row["online_linear"]) <= 1
    assert float(rows[-1]["epoch"]) == pytest.approx(7 / 2)
    seconds = [float(row["seconds"]) for row in rows]
    assert seconds == sorted(seconds)


def test_example_views(finished):
    with np.load(finished.views) as file:
        assert {key: file[key].shape for key in file.files} == dict.fromkeys(
            ("original", "view1", "view2"), (16, 32, 32, 1)
        )


def test_the_encoder_loads(finished):
    encoder = infomax.load_encoder(finished.folder)
    features = encoder(make_images(3).batch(slice(0, 3)))
    assert features.global_.shape == (3, 8)
    assert not encoder.training


def test_the_same_again(finished, tmp_path):
    again = pretrain(RECIPE, make_images(), tmp_path / "again", quiet=True)
    assert again.encoder.read_bytes() == finished.encoder.read_bytes()
    other = pretrain(
        replace(RECIPE, train=replace(RECIPE.train, seed=1)), make_images(), tmp_path / "other", quiet=True
    )
    assert other.encoder.read_bytes() != finished.encoder.read_bytes()


@pytest.mark.parametrize("stop_at", [4, 6])
def test_resumed_equals_uninterrupted(finished, tmp_path, monkeypatch, stop_at):
    """The process fails in step `stop_at`, after the checkpoint of step 3 (or 6)."""
    original = AMDIM.training_step

    def failing(self, batch, index):
        if self.trainer.global_step == stop_at:
            raise MemoryError("pulled the plug")
        return original(self, batch, index)

    with monkeypatch.context() as patch:
        patch.setattr(AMDIM, "training_step", failing)
        with pytest.raises(MemoryError):
            pretrain(RECIPE, make_images(), tmp_path / "run", quiet=True)
    run = Run(tmp_path / "run")
    assert not run.encoder.exists()
    resume(run.read_recipe(), make_images(), run, quiet=True)
    assert run.encoder.read_bytes() == finished.encoder.read_bytes()
    assert [row["step"] for row in rows_of(run)] == [row["step"] for row in rows_of(finished)]
    bits = [[row["bits_1to5"] for row in rows_of(r)] for r in (run, finished)]
    assert bits[0] == bits[1]


def test_muon_and_whitened_filters_go_on_to_the_same_bytes(tmp_path, monkeypatch):
    """A first layer that whitens is made anew when a run goes on, and then is as the checkpoint has it."""
    encoder = AMDIMEncoderConfig(width=8, embedding_dim=8, depth=1, global_dim=12, whitened=True)
    muon = OptimizerConfig(rule="muon", lr=1e-2)
    recipe = replace(RECIPE, method=AMDIMConfig(encoder=encoder), optimizer=muon)
    whole = pretrain(recipe, make_images(), tmp_path / "whole", quiet=True)
    original = AMDIM.training_step

    def failing(self, batch, index):
        if self.trainer.global_step == 5:
            raise MemoryError("pulled the plug")
        return original(self, batch, index)

    with monkeypatch.context() as patch:
        patch.setattr(AMDIM, "training_step", failing)
        with pytest.raises(MemoryError):
            pretrain(recipe, make_images(), tmp_path / "run", quiet=True)
    run = Run(tmp_path / "run")
    resume(run.read_recipe(), make_images(), run, quiet=True)
    assert run.encoder.read_bytes() == whole.encoder.read_bytes()


def test_resume_refuses(finished, tmp_path):
    with pytest.raises(ValueError, match=r"resume: .* is finished"):
        resume(RECIPE, make_images(), finished, quiet=True)
    run = Run(tmp_path / "unfinished")
    run.begin(RECIPE, images="something else")
    with pytest.raises(ValueError, match="not those the run began with"):
        resume(RECIPE, make_images(), run, quiet=True)


def test_compiled_learns_the_same(finished, tmp_path, monkeypatch):
    compile_ = torch.nn.Module.compile
    compiled = []

    def without_code_generation(module, **options):  # which takes minutes on a CPU
        compiled.append(type(module).__name__)
        compile_(module, backend="eager", **options)

    monkeypatch.setattr(torch.nn.Module, "compile", without_code_generation)
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    train = replace(RECIPE.train, compile=True)
    run = pretrain(replace(RECIPE, train=train), make_images(), tmp_path / "compiled", quiet=True)
    assert compiled == ["AugmentedViews", "AMDIMEncoder"]
    for row, expected in zip(rows_of(run), rows_of(finished), strict=True):
        assert float(row["value"]) == pytest.approx(float(expected["value"]), rel=1e-5)


def test_unlabelled_images(tmp_path):
    run = pretrain(RECIPE, make_images(labelled=False), tmp_path / "run", quiet=True)
    assert "online_linear" not in rows_of(run)[0]


def test_labels_do_not_reach_the_encoder(tmp_path, finished):
    """The online classifiers see detached features: other labels, the same encoder."""
    images = make_images()
    shuffled = Dataset(images.values, images.labels[::-1].copy(), images.names, images.classes)
    run = pretrain(RECIPE, shuffled, tmp_path / "run", quiet=True)
    assert run.encoder.read_bytes() == finished.encoder.read_bytes()


def test_minutes_become_steps(tmp_path):
    recipe = replace(RECIPE, train=replace(RECIPE.train, steps=None, minutes=0.02))
    run = pretrain(recipe, make_images(), tmp_path / "run", quiet=True)
    steps = run.read_recipe().train.steps
    assert steps is not None
    assert steps > 0
    assert int(rows_of(run)[-1]["step"]) == steps


def test_epochs_become_steps(tmp_path):
    recipe = replace(RECIPE, train=replace(RECIPE.train, steps=None, epochs=1.5))
    run = pretrain(recipe, make_images(), tmp_path / "run", quiet=True)
    assert run.read_recipe().train.steps == 3  # two batches of 8 in 20 images


def test_divergence_stops_and_keeps_the_last_good_checkpoint(tmp_path):
    recipe = replace(RECIPE, train=replace(RECIPE.train, steps=50, precision="float32", checkpoint_steps=1))
    recipe = replace(recipe, optimizer=OptimizerConfig(lr=1e30, warmup_steps=0))
    with pytest.raises(Diverged, match=r"step \d+: the objective is .*lower --optimizer.lr"):
        pretrain(recipe, make_images(), tmp_path / "run", quiet=True)
    run = Run(tmp_path / "run")
    assert not run.encoder.exists()
    assert run.checkpoint.exists()


def test_refusals(tmp_path, finished, monkeypatch):
    with pytest.raises(FileExistsError, match=r"is not empty; choose another --out"):
        pretrain(RECIPE, make_images(), finished.folder, quiet=True)
    with pytest.raises(ValueError, match=r"expected at least 2 images to learn from, got 1"):
        pretrain(RECIPE, make_images(1), tmp_path / "a", quiet=True)
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match=r"expected a Recipe, got 'amdim-photos-cpu'; recipe_named\("):
        pretrain("amdim-photos-cpu", make_images(), tmp_path / "a")
    with pytest.raises(ValueError, match=r"expected a dataset, got a list; recipe.views.load\(source\)"):
        pretrain(RECIPE, [1, 2], tmp_path / "a")
    two = replace(RECIPE, train=replace(RECIPE.train, minutes=1.0))
    with pytest.raises(ValueError, match=r"one budget, got steps 7 and minutes 1; .*with_budget\(minutes"):
        pretrain(two, make_images(), tmp_path / "a")
    with pytest.raises(ValueError, match=r"expected inputs \[1, 64, 64\].*got \[1, 32, 32\]"):
        pretrain(replace(RECIPE, views=replace(RECIPE.views, stored_size=64)), make_images(), tmp_path / "b")
    with pytest.raises(ValueError, match="no budget; set --minutes"):
        pretrain(replace(RECIPE, train=TrainConfig(batch_size=8)), make_images(), tmp_path / "c")
    with pytest.raises(ValueError, match=r"both views need local maps of sides \[9\], got \[5, 7\]"):
        pretrain(
            replace(RECIPE, method=replace(RECIPE.method, scales=((1, 9),))), make_images(), tmp_path / "e"
        )
    assert not any(tmp_path.iterdir())


def test_batches_are_a_function_of_seed_and_step():
    images = make_images(20)
    iterator = iter(Batches(images, 6, seed=3))
    whole = [next(iterator) for _ in range(8)]
    for first in (1, 3, 5):
        later = iter(Batches(images, 6, seed=3, first_step=first))
        for expected in whole[first:]:
            pixels, labels = next(later)
            assert torch.equal(pixels, expected[0])
            assert torch.equal(labels, expected[1])
    epoch = torch.cat([pixels for pixels, _ in whole[:3]]).flatten(1)
    assert len(torch.unique(epoch, dim=0)) == 18  # no image twice within an epoch


def test_labels_beyond_the_classes_are_refused():
    images = make_images(4)
    images.labels[:] = 3
    with pytest.raises(ValueError, match=r"labels from -1 \(none\) to 2, got 3; give the dataset a name for"):
        next(iter(Batches(images, 4, seed=0)))


@pytest.mark.slow
def test_killed_at_a_random_moment(tmp_path):
    """SIGKILL a training process; resumed, its encoder is that of an undisturbed run, byte for byte."""
    options = ["--train.steps", "60", "--train.checkpoint_steps", "5", "--method.encoder.width", "4"]

    def command(*arguments):
        return [sys.executable, "-m", "infomax.cli", "pretrain", *arguments]

    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    subprocess.run(
        command("amdim-digits", "--out", str(undisturbed), *options), check=True, capture_output=True
    )
    process = subprocess.Popen(
        command("amdim-digits", "--out", str(killed), *options),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    while not Run(killed).checkpoint.exists():
        assert process.poll() is None
        time.sleep(0.01)
    time.sleep(float(np.random.default_rng().uniform(0, 1.5)))
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not Run(killed).encoder.exists()
    subprocess.run(command("--resume", str(killed)), check=True, capture_output=True)
    assert Run(killed).encoder.read_bytes() == Run(undisturbed).encoder.read_bytes()


def test_configuration_files_are_read_and_refused(tmp_path):
    """Settings of a file count; unknown ones, and files without any, are told before anything else."""
    recipe, file = recipe_named("amdim-digits"), tmp_path / "settings.yaml"
    file.write_text("train: {steps: 7}")
    assert recipe_from_options(recipe, ["--config", str(file)]).train.steps == 7
    file.write_text("optimizer: {lrr: 1}")
    with pytest.raises(ValueError, match=r"no option --optimizer.lrr; did you mean --optimizer.lr\?"):
        recipe_from_options(recipe, [f"--config={file}"])
    file.write_text("")
    with pytest.raises(ValueError, match=r"settings.yaml: it is empty; expected settings such as"):
        recipe_from_options(recipe, ["--config", str(file)])
