"""Training from shards: as from decoded images, exactly resumed, broken images recorded."""

import io
import json
import os
import signal
import tarfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from infomax.cli.main import main
from infomax.errors import Stopped
from infomax.learning.encoders.config import AMDIMEncoderConfig
from infomax.learning.methods.amdim import AMDIMConfig
from infomax.learning.methods.amdim_learner import AMDIM
from infomax.learning.training.config import Recipe, TrainConfig
from infomax.learning.training.loop import pretrain, resume
from infomax.learning.training.run import Run
from infomax.learning.views.images import ViewsConfig
from infomax.learning.views.signals import SignalViewsConfig

SHORT = Recipe(
    stream=True,
    stream_window=16,
    method=AMDIMConfig(encoder=AMDIMEncoderConfig(width=2, embedding_dim=8, depth=1, batch_norm=True)),
    views=ViewsConfig(mean=(0.5,), std=(0.3,)),
    train=TrainConfig(steps=6, batch_size=8, checkpoint_steps=100, log_steps=2, precision="float32"),
)
TINY = [
    "--steps",
    "2",
    "--batch-size",
    "8",
    "--width",
    "2",
    "--embedding_dim",
    "8",
    "--method.encoder.depth",
    "1",
]


@pytest.fixture
def pattern(tmp_path):
    """Three archives of 12 images of noise; the pattern that stands for them."""
    return shards_in(tmp_path)


def shards_in(folder, broken=()):
    for shard in range(3):
        with tarfile.open(folder / f"p-{shard}.tar", "w") as archive:
            for row in range(12):
                file = io.BytesIO()
                pixels = np.random.default_rng([shard, row]).integers(0, 256, (32, 32), dtype=np.uint8)
                Image.fromarray(pixels).save(file, "PNG")
                content = b"junk" if (shard, row) in broken else file.getvalue()
                for name, data in ((f"{row:02d}.png", content), (f"{row:02d}.cls", b"%d" % (row % 2))):
                    info = tarfile.TarInfo(name)
                    info.size = len(data)
                    archive.addfile(info, io.BytesIO(data))
    return f"{folder}/p-{{0..2}}.tar"


def interrupted_at(monkeypatch, step):
    original = AMDIM.training_step

    def training_step(self, batch, index):
        if self.trainer.global_step == step:
            os.kill(os.getpid(), signal.SIGINT)
        return original(self, batch, index)

    monkeypatch.setattr(AMDIM, "training_step", training_step)


def test_an_interrupted_stream_ends_with_the_same_bytes(pattern, tmp_path, monkeypatch):
    """Six steps are an epoch and a half: windows and epochs are crossed."""
    whole = pretrain(SHORT, SHORT.load(pattern), tmp_path / "whole", quiet=True)
    with monkeypatch.context() as patch:
        interrupted_at(patch, 2)
        with pytest.raises(Stopped):
            pretrain(SHORT, SHORT.load(pattern), tmp_path / "run", quiet=True)
    run = Run(tmp_path / "run")
    resume(run.read_recipe(), SHORT.load(pattern), run, quiet=True)
    assert run.encoder.read_bytes() == whole.encoder.read_bytes()
    assert len([name for name in whole.last_metrics() if name.startswith("online")]) > 0


def test_other_shards_do_not_go_on(pattern, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        interrupted_at(patch, 2)
        with pytest.raises(Stopped):
            pretrain(SHORT, SHORT.load(pattern), tmp_path / "run", quiet=True)
    run = Run(tmp_path / "run")
    with pytest.raises(ValueError, match=r"the images are not those the run began with \(24 now, 36 then\)"):
        resume(run.read_recipe(), SHORT.load(pattern.replace("2}", "1}")), run, quiet=True)


def test_broken_images_are_listed_at_the_end(tmp_path):
    recipe = replace(SHORT, skip_broken=True, train=replace(SHORT.train, steps=5))
    pattern = shards_in(tmp_path, broken=[(1, 4)])
    run = pretrain(recipe, recipe.load(pattern), tmp_path / "run", quiet=True)
    assert json.loads(run.environment.read_text())["data"]["left_out"] == {"broken": 1}
    assert "p-1.tar:04" in (run.folder / "left-out.csv").read_text()


def test_the_command_streams_and_goes_on_from_elsewhere(pattern, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command = ["pretrain", "amdim-digits", "--data", "p-{0..2}.tar", "--stream", "--out", "run", *TINY]
    assert main(command) == 0
    assert "streamed from 3 shards" in capsys.readouterr().err
    recipe = Run(tmp_path / "run").read_recipe()
    assert recipe.stream and recipe.data == pattern
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert main(["pretrain", "--resume", "../run", "--steps", "1"]) == 0


def test_signals_are_not_streamed(pattern):
    recipe = replace(SHORT, views=SignalViewsConfig())
    with pytest.raises(ValueError, match="signal views are made of data that is decoded once"):
        recipe.load(pattern)
