"""Going on: Ctrl-C at any step, checkpoints by the clock, runs made longer, new runs from known weights."""

import csv
import hashlib
import json
import os
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from infomax import interrupts
from infomax.errors import Stopped
from infomax.learning.data.dataset import Dataset
from infomax.learning.data.order.epochs import ORDERS, drawn
from infomax.learning.encoders.config import AMDIMEncoderConfig
from infomax.learning.encoders.saving import load_encoder
from infomax.learning.methods import learner
from infomax.learning.methods.amdim import AMDIMConfig
from infomax.learning.methods.amdim_learner import AMDIM
from infomax.learning.methods.optimizer import OptimizerConfig, new_optimizer
from infomax.learning.training import callbacks
from infomax.learning.training.config import Recipe, TrainConfig
from infomax.learning.training.loop import pretrain, resume
from infomax.learning.training.run import Run
from infomax.learning.views.images import ViewsConfig

TRAIN = TrainConfig(steps=6, batch_size=8, checkpoint_steps=100, log_steps=2, precision="float32")
SHORT = Recipe(
    method=AMDIMConfig(encoder=AMDIMEncoderConfig(width=2, embedding_dim=8, depth=1, batch_norm=True)),
    views=ViewsConfig(mean=(0.5,), std=(0.3,)),
    optimizer=OptimizerConfig(lr=1e-3, decay="cosine", warmup_steps=2),
    train=TRAIN,
)


def make_images(n=20, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (n, 32, 32, 1), dtype=np.uint8)
    return Dataset(pixels, np.full(n, -1), [f"{i}.png" for i in range(n)], ())


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return pretrain(SHORT, make_images(), tmp_path_factory.mktemp("runs") / "whole", quiet=True)


def interrupted_at(monkeypatch, *steps):
    """Send Ctrl-C at the beginning of each of these steps."""
    original = AMDIM.training_step

    def step(self, batch, index):
        if self.trainer.global_step in steps:
            os.kill(os.getpid(), signal.SIGINT)
        return original(self, batch, index)

    monkeypatch.setattr(AMDIM, "training_step", step)


def rates_of(run):
    with run.metrics.open() as file:
        return {int(row["step"]): float(row["learning_rate"]) for row in csv.DictReader(file)}


@pytest.mark.parametrize("step", [0, 3])
def test_interrupted_at_any_step_goes_on_to_the_same(finished, tmp_path, monkeypatch, step):
    """The step is finished and saved, however long the next checkpoint is away."""
    before = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patch:
        interrupted_at(patch, step)
        with pytest.raises(Stopped, match=rf"^step {step + 1} of 6 is saved in .*run$"):
            pretrain(SHORT, make_images(), tmp_path / "run", quiet=True)
    assert signal.getsignal(signal.SIGINT) is before
    run = Run(tmp_path / "run")
    assert torch.load(run.checkpoint, weights_only=True)["global_step"] == step + 1
    resume(run.read_recipe(), make_images(), run, quiet=True)
    assert run.encoder.read_bytes() == finished.encoder.read_bytes()


def test_a_run_of_an_earlier_version_keeps_its_order(finished, tmp_path, monkeypatch, capsys):
    """It drew the order of each epoch, and recorded none; in the order of today it would end otherwise."""
    images, run = make_images(), Run(tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setitem(ORDERS, "keyed", drawn)
        whole = pretrain(SHORT, images, tmp_path / "whole", quiet=True)
        interrupted_at(patch, 2)
        with pytest.raises(Stopped):
            pretrain(SHORT, images, run.folder, quiet=True)
    facts = run.read_environment()
    assert facts.pop("order") == "keyed"
    run.environment.write_text(json.dumps(facts))
    resume(run.read_recipe(), images, run)
    assert run.encoder.read_bytes() == whole.encoder.read_bytes()
    assert whole.encoder.read_bytes() != finished.encoder.read_bytes()
    assert "images keep the order that the run began with" in capsys.readouterr().err


def test_an_order_of_a_later_version_is_refused(tmp_path):
    run = pretrain(replace(SHORT, train=replace(TRAIN, steps=1)), make_images(), tmp_path / "run", quiet=True)
    run.note(order="by shards")
    with pytest.raises(ValueError, match="order named 'by shards', expected one of keyed, drawn; resume it"):
        resume(run.read_recipe(), make_images(), run, quiet=True, steps=1)


def test_a_second_interrupt_stops_at_once(finished, tmp_path, monkeypatch):
    """The last checkpoint then is the one before the first step; it leads to the same encoder."""
    with monkeypatch.context() as patch:
        patch.setattr(interrupts, "MIN_SECONDS_BETWEEN", -1.0)
        original = AMDIM.training_step

        def step(self, batch, index):
            for _ in range(2 * (self.trainer.global_step == 2)):
                os.kill(os.getpid(), signal.SIGINT)
            return original(self, batch, index)

        patch.setattr(AMDIM, "training_step", step)
        with pytest.raises(Stopped, match="step 0 of 6 is saved"):
            pretrain(SHORT, make_images(), tmp_path / "run", quiet=True)
    run = Run(tmp_path / "run")
    resume(run.read_recipe(), make_images(), run, quiet=True)
    assert run.encoder.read_bytes() == finished.encoder.read_bytes()


def test_checkpoints_by_the_clock(tmp_path, monkeypatch):
    saved, save = [], callbacks.Checkpoint._save
    monkeypatch.setattr(
        callbacks.Checkpoint,
        "_save",
        lambda self, trainer: (saved.append(trainer.global_step), save(self, trainer)),
    )
    train = replace(TRAIN, steps=2, checkpoint_minutes=1e-9)
    pretrain(replace(SHORT, train=train), make_images(), tmp_path / "often", quiet=True)
    pretrain(replace(SHORT, train=replace(TRAIN, steps=3)), make_images(), tmp_path / "ends", quiet=True)
    assert saved == [0, 1, 2, 0, 3]


def test_a_finished_run_is_lengthened_as_a_new_stage(finished, tmp_path):
    run = pretrain(SHORT, make_images(), tmp_path / "run", quiet=True)
    (run.folder / "evaluation.json").write_text("{}")
    with pytest.raises(ValueError, match=r"is finished: .*--minutes 20 .* trains it further"):
        resume(run.read_recipe(), make_images(), run, quiet=True)
    resume(run.read_recipe(), make_images(), run, quiet=True, steps=4)
    recipe = run.read_recipe()
    assert (recipe.train.steps, recipe.optimizer.restarts) == (10, (6,))
    first, second = run.read_environment()["stages"]
    assert (first["last_step"], first["budget"]) == (6, {"steps": 6})
    assert (second["first_step"], second["last_step"], second["budget"]) == (6, 10, {"steps": 4})
    aside = run.folder / "stage-1"
    assert (aside / "encoder.safetensors").read_bytes() == finished.encoder.read_bytes()
    assert (aside / "evaluation.json").exists()
    assert load_encoder(aside).views == recipe.views
    assert run.encoder.read_bytes() != finished.encoder.read_bytes()
    assert not (run.folder / "evaluation.json").exists()
    assert [*rates_of(run)] == [2, 4, 6, 8, 10]


def test_a_stage_resumes_to_the_same(tmp_path, monkeypatch):
    """Interrupted in its second stage, which began before the first was done; the rate rises anew."""
    runs = []
    for name in ("whole", "interrupted"):
        with monkeypatch.context() as patch:
            interrupted_at(patch, 3)
            with pytest.raises(Stopped):
                pretrain(SHORT, make_images(), tmp_path / name, quiet=True)
        runs.append(Run(tmp_path / name))
    whole, run = runs
    resume(whole.read_recipe(), make_images(), whole, quiet=True, epochs=2.5)
    with monkeypatch.context() as patch:
        interrupted_at(patch, 6)
        with pytest.raises(Stopped, match="step 7 of 9"):
            resume(run.read_recipe(), make_images(), run, quiet=True, steps=5)
    resume(run.read_recipe(), make_images(), run, quiet=True)
    assert run.read_recipe() == whole.read_recipe()
    assert run.read_environment()["stages"][1]["planned_before"] == 6
    assert run.encoder.read_bytes() == whole.encoder.read_bytes()
    assert rates_of(run) == rates_of(whole)
    assert not (run.folder / "stage-1").exists()  # there was no encoder yet


def test_a_new_run_from_the_weights_of_another(finished, tmp_path):
    still = replace(SHORT, optimizer=OptimizerConfig(lr=1e-30, weight_decay=0.0))
    run = pretrain(still, make_images(seed=1), tmp_path / "run", weights_from=finished.folder, quiet=True)
    ours, theirs = load_file(run.encoder), load_file(finished.encoder)
    moving = {key for key in theirs if not torch.equal(ours[key], theirs[key])}
    assert all("running" in key or "num_batches" in key for key in moving)  # of batch norm
    began = run.read_environment()["began_from"]
    assert began["folder"] == str(finished.folder.resolve())
    assert began["sha256"] == {
        "encoder.safetensors": hashlib.sha256(finished.encoder.read_bytes()).hexdigest()
    }
    with pytest.raises(FileNotFoundError, match=r"holds no encoder.safetensors to begin from"):
        pretrain(SHORT, make_images(), tmp_path / "other", weights_from=tmp_path, quiet=True)
    wider = replace(SHORT.method, encoder=replace(SHORT.method.encoder, width=4))
    with pytest.raises(ValueError, match=r"has another shape \(width 2, here 4\); leave the recipe out"):
        pretrain(replace(SHORT, method=wider), make_images(), tmp_path / "o", weights_from=finished.folder)


def test_weights_of_a_run_with_another_readout_are_taken(finished, tmp_path):
    """A readout is fitted after training, so that nothing of it is begun with."""
    joined = replace(SHORT.method, encoder=replace(SHORT.method.encoder, readout="joined"))
    still = replace(SHORT, method=joined, optimizer=OptimizerConfig(lr=1e-30, weight_decay=0.0))
    run = pretrain(still, make_images(), tmp_path / "run", weights_from=finished.folder, quiet=True)
    ours, theirs = load_file(run.encoder), load_file(finished.encoder)
    assert ours.keys() - theirs.keys() == {"readout.mean", "readout.matrix"}
    moving = {key for key in theirs if not torch.equal(ours[key], theirs[key])}
    assert all("running" in key or "num_batches" in key for key in moving)
    back = pretrain(SHORT, make_images(), tmp_path / "back", weights_from=run.folder, quiet=True)
    assert load_file(back.encoder).keys() == theirs.keys()


def test_a_batch_shrinks_to_the_data(tmp_path, capsys):
    run = pretrain(replace(SHORT, train=replace(TRAIN, steps=2)), make_images(5), tmp_path / "run")
    assert "batches of 5, not 8: larger ones would need more than 5 images" in capsys.readouterr().err
    assert run.read_recipe().train.batch_size == 5
    assert run.read_environment()["asked_batch_size"] == 8


def test_what_a_run_takes_is_said(tmp_path, capsys, monkeypatch):
    """Steps of short runs, and minutes and memory of longer ones; a budget in minutes is recorded too."""
    run = pretrain(replace(SHORT, train=TRAIN.with_budget(minutes=0.02)), make_images(), tmp_path / "run")
    err = capsys.readouterr().err
    steps = run.read_recipe().train.steps
    assert (
        f"20 images, {steps:,} steps of 8 (each image {steps / 2:,.1f} times), about 1 second, about " in err
    )
    assert "GB of memory" in err
    assert run.read_recipe().train.budget == {"steps": steps}
    assert run.read_environment()["stages"][0]["budget"] == {"minutes": 0.02}
    assert f"step {steps:,} of {steps:,}, 0:00:00 left" in err  # where there is no terminal


def test_a_run_in_which_muon_moved_the_online_classifiers_goes_on_as_it_began(tmp_path, monkeypatch):
    """As in earlier versions; the encoder has the same bytes, whatever moves the classifiers."""
    recipe = replace(SHORT, optimizer=OptimizerConfig(rule="muon", lr=1e-2), train=replace(TRAIN, steps=2))
    pixels = make_images().values
    images = Dataset(pixels, np.arange(len(pixels)) % 3, [*map(str, range(len(pixels)))], ("a", "b", "c"))
    own = pretrain(recipe, images, tmp_path / "own", quiet=True)
    with monkeypatch.context() as patch:
        patch.setattr(learner, "new_optimizer", lambda *given, by_adam, **how: new_optimizer(*given, **how))
        run = pretrain(recipe, images, tmp_path / "earlier", quiet=True)
    groups = [
        [len(group["params"]) for group in torch.load(one.checkpoint)["optimizer_states"][0]["param_groups"]]
        for one in (own, run)
    ]
    assert groups[1][0] > groups[0][0] and sum(groups[0]) == sum(groups[1])
    assert own.encoder.read_bytes() == run.encoder.read_bytes()
    assert resume(run.read_recipe(), images, run, steps=2, quiet=True).finished
