"""Time what an order of epochs costs: to start, to resume, to begin an epoch, from 10⁴ rows to 10⁹.

    python benchmarks/scale/order.py --save --overwrite      # a minute, no disk: files of holes

Pixels (uint8 [n, 32, 32, 3]), labels and names are memory-mapped. Each row of the tables comes from a
process of its own, which has imported all before. "memory" is the growth of its anonymous memory at the peak,
and "resident" that of all its resident memory, pages of mapped files included. The rows of a batch are timed
alone: reading from holes takes page faults that have nothing to do with the order. The last table trains two
steps of a tiny encoder by `infomax.pretrain`, resumes for two more, and counts everything.
"""

import math
import multiprocessing
import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).parent.parent))

from decoding import peak_growth
from infomax.learning.data.dataset import Dataset, Names
from infomax.learning.data.order.batches import Batches
from infomax.learning.data.order.epochs import ORDERS
from infomax.learning.encoders.config import AMDIMEncoderConfig
from infomax.learning.methods.amdim import AMDIMConfig
from infomax.learning.training.config import Recipe, TrainConfig
from infomax.learning.training.loop import pretrain, resume
from infomax.learning.views.images import CIFAR_VIEWS
from recording import arguments_of, environment, report

BATCH = 128
LATE_EPOCH = 40
SIZES = {"keyed": (10**4, 10**6, 10**9), "drawn": (10**4, 10**6, 10**7)}
RECIPE = Recipe(
    method=AMDIMConfig(encoder=AMDIMEncoderConfig(width=4, embedding_dim=16, depth=1, batch_norm=True)),
    views=CIFAR_VIEWS,
    train=TrainConfig(steps=2, batch_size=16, log_steps=1, precision="float32", accelerator="cpu"),
)


def main():
    arguments = arguments_of(__doc__)
    results = {
        "Order": [in_a_process(order_row, order, num) for order, sizes in SIZES.items() for num in sizes],
        "Training": [in_a_process(training_row, num) for num in SIZES["keyed"]],
    }
    report(
        "scale_order", "What the order of an epoch costs", environment("torch", "numpy"), results, arguments
    )


def in_a_process(function, *arguments):
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def order_row(order, num):
    per_epoch = num // BATCH
    begin = {"start": 0, "resume": LATE_EPOCH * per_epoch + per_epoch // 2, "new epoch": per_epoch}
    with tempfile.TemporaryDirectory() as folder:
        images = mapped(Path(folder), num)
        with peak_growth() as growth:
            times = {f"{name}, ms": milliseconds(ORDERS[order], num, step) for name, step in begin.items()}
            for step in begin.values():
                began = time.perf_counter()
                next(iter(Batches(images, BATCH, 0, step, order=ORDERS[order])))
                times["batch with pixels, ms"] = 1000 * (time.perf_counter() - began)
    return {"order": order, "rows": num, **times, "memory, MB": growth[0] * 2**20 / 1e6}


def milliseconds(order, num, step):
    """Return the seconds that the rows of a batch take, from nothing; median of three seeds."""
    epoch, place = divmod(step, num // BATCH)
    times = []
    for seed in range(3):
        began = time.perf_counter()
        rows = order(num, seed, epoch)[place * BATCH : (place + 1) * BATCH]
        times.append(1000 * (time.perf_counter() - began))
        assert len(rows) == BATCH
        del rows
    return float(np.median(times))


def training_row(num):
    with tempfile.TemporaryDirectory() as folder:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with peak_growth() as growth:
            images, began = mapped(Path(folder), num), time.perf_counter()
            run = pretrain(RECIPE, images, Path(folder) / "run", quiet=True)
            trained = time.perf_counter()
            resume(run.read_recipe(), images, run, steps=2, quiet=True)
            resumed = time.perf_counter()
        resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {
        "rows": num,
        "two steps, s": trained - began,
        "two more, s": resumed - trained,
        "memory, MB": growth[0] * 2**20 / 1e6,
        "resident, MB": resident * 1024 / 1e6,
    }


def mapped(folder, num):
    """A dataset whose files are holes: black pixels of the class 0, all of the name ""."""
    pixels = holes(folder / "pixels.u8", np.uint8, (num, 32, 32, 3))
    labels = holes(folder / "labels.i8", np.int64, (num,))
    holes(folder / "offsets.i8", np.int64, (num + 1,))
    offsets = pa.memory_map(str(folder / "offsets.i8")).read_buffer()
    names = pa.LargeStringArray.from_buffers(num, offsets, pa.py_buffer(b""))
    return Dataset(pixels, labels, Names(pa.chunked_array([names])), ("black",), known_fingerprint="holes")


def holes(path, dtype, shape):
    with path.open("wb") as file:
        file.truncate(math.prod(shape) * np.dtype(dtype).itemsize)
    return np.memmap(path, dtype, "r", shape=shape)


if __name__ == "__main__":
    main()
