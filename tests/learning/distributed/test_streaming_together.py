"""Two processes that train from shards: no image twice in an epoch, one result, exactly gone on with."""

import io
import tarfile

import numpy as np
import pytest
import torch.distributed as dist
from PIL import Image

from infomax.learning.data.streaming.stream import Stream
from infomax.learning.encoders.config import AMDIMEncoderConfig
from infomax.learning.methods.amdim import AMDIMConfig
from infomax.learning.methods.amdim_learner import AMDIM
from infomax.learning.training.config import Recipe, TrainConfig
from infomax.learning.training.loop import pretrain, resume
from infomax.learning.training.run import Run
from infomax.learning.views.images import ViewsConfig

RANKS, STEPS, BATCH, NUM = 2, 6, 8, 36
RECIPE = Recipe(
    stream=True,
    stream_window=6,
    method=AMDIMConfig(encoder=AMDIMEncoderConfig(width=2, embedding_dim=8, depth=1, batch_norm=True)),
    views=ViewsConfig(mean=(0.5,), std=(0.3,)),
    train=TrainConfig(
        steps=STEPS, batch_size=BATCH, checkpoint_steps=2, log_steps=2, precision="float32",
        devices=RANKS, accelerator="cpu",
    ),
)  # fmt: skip


def work(rank, folder):
    """Run this file's part in each process; see `conftest`."""
    if rank == 0:
        write_shards(folder)
    dist.barrier()
    pattern = f"{folder}/p-{{0..2}}.tar"
    with pytest.MonkeyPatch.context() as patch:
        rows = noted(patch)
        pretrain(RECIPE, RECIPE.load(pattern), folder / "streamed", quiet=True)
    np.save(folder / f"streamed-{rank}.npy", np.concatenate(rows))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AMDIM, "training_step", failing_at_4(AMDIM.training_step))
        with pytest.raises(RuntimeError, match="a fault"):
            pretrain(RECIPE, RECIPE.load(pattern), folder / "stopped", quiet=True)
    run = Run(folder / "stopped")
    resume(run.read_recipe(), RECIPE.load(pattern), run, quiet=True)


def write_shards(folder):
    for shard in range(3):
        with tarfile.open(folder / f"p-{shard}.tar", "w") as archive:
            for row in range(NUM // 3):
                file = io.BytesIO()
                pixels = np.random.default_rng([shard, row]).integers(0, 256, (32, 32), dtype=np.uint8)
                Image.fromarray(pixels).save(file, "PNG")
                info = tarfile.TarInfo(f"{row:02d}.png")
                info.size = len(file.getvalue())
                archive.addfile(info, io.BytesIO(file.getvalue()))


def noted(patch):
    """Note the numbers of the rows of each batch."""
    rows, original = [], Stream.labels_at

    def labels_at(self, numbers):
        rows.append(numbers)
        return original(self, numbers)

    patch.setattr(Stream, "labels_at", labels_at)
    return rows


def failing_at_4(original):
    def training_step(self, batch, index):
        if self.trainer.global_step == 4:
            raise RuntimeError("a fault")
        return original(self, batch, index)

    return training_step


def test_no_image_comes_twice_in_an_epoch(folder):
    """An epoch of 36 images has four steps of 8; of the next one, two steps are trained."""
    share = BATCH // RANKS
    shards = [np.load(folder / f"streamed-{rank}.npy") for rank in range(RANKS)]
    assert all(len(rows) >= STEPS * share for rows in shards)
    per_epoch = NUM // BATCH * share
    for first, last in ((0, per_epoch), (per_epoch, STEPS * share)):
        rows = np.concatenate([rows[first:last] for rows in shards])
        assert len({*rows.tolist()}) == len(rows) == RANKS * (last - first)


def test_a_stream_that_goes_on_from_a_checkpoint_ends_with_the_same_bytes(folder):
    whole, resumed = (Run(folder / name) for name in ("streamed", "stopped"))
    assert whole.encoder.read_bytes() == resumed.encoder.read_bytes()
