"""Long runs: memory stays flat over 10,000 steps, and over a million embedded images."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

NUM_STEPS, STEPS_BETWEEN = 10_000, 1_000
NUM_IMAGES, IMAGES_BETWEEN = 1_000_000, 100_000
MAX_GROWTH = 24
"""MiB by which the memory may grow once everything has been used."""


def resident():
    """Return the memory of this process, MiB, without files that are mapped into it."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) / 2**10


def train(folder, found):
    """Train in this process, and write the memory after each so many steps."""
    from lightning import Callback
    from tests.trust.test_checkpoints import SHORT

    from infomax.learning.training.loop import pretrain

    sizes = []

    class Watch(Callback):
        def on_train_batch_end(self, trainer, *_):
            if trainer.global_step % STEPS_BETWEEN == 0:
                sizes.append(resident())

    steps = replace(SHORT.train, steps=NUM_STEPS, batch_size=2, checkpoint_steps=500, log_steps=10)
    small = replace(SHORT, train=steps, views=replace(SHORT.views, image_size=16))
    pretrain(small, small.load(), folder, callbacks=[Watch()], quiet=True)
    Path(found).write_text(json.dumps(sizes))


def embed(out, found):
    """Embed a million different images, which lie one byte apart, and write the memory now and then."""
    from tests.trust.test_checkpoints import SHORT

    from infomax.evaluation import embedding
    from infomax.learning.data.dataset import Dataset
    from infomax.learning.encoders.saving import PretrainedEncoder
    from infomax.learning.training.loop import new_learner

    noise = np.random.default_rng(0).integers(0, 256, NUM_IMAGES + 32 * 32, dtype=np.uint8)
    pixels = np.lib.stride_tricks.as_strided(noise, (NUM_IMAGES, 32, 32, 1), (1, 32, 1, 1), writeable=False)
    names = [str(i) for i in range(NUM_IMAGES)]
    dataset, sizes = Dataset(pixels, np.full(NUM_IMAGES, -1), names, ()), []
    original = embedding._counted

    def watched(batches, progress):
        for rows, features in original(batches, progress):
            if rows.stop % IMAGES_BETWEEN < rows.stop - rows.start:
                sizes.append(resident())
            yield rows, features

    embedding._counted = watched
    encoder = new_learner(SHORT, dataset).encoders[0]
    embedding.embed_to_file(PretrainedEncoder(encoder, SHORT.views), dataset, out)
    Path(found).write_text(json.dumps(sizes))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
@pytest.mark.parametrize(("what", "out"), [("train", "run"), ("embed", "features.npy")])
def test_memory_is_flat(forks, tmp_path, what, out, count):
    found = tmp_path / "sizes.json"
    job = f"tests.trust.test_long_runs:{what}"
    code, _, said = forks.run(job, tmp_path / out, found, under=tmp_path, seconds=1800)
    assert code == 0, said
    sizes = json.loads(found.read_text())
    count(f"{what}: MiB " + ", ".join(f"{size:.0f}" for size in sizes))
    assert len(sizes) == 10
    assert sizes[-1] - sizes[1] <= MAX_GROWTH
