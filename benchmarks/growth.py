"""How do time and memory grow with batch, image, width of the encoder, number of images and of processes?

    OMP_NUM_THREADS=2 python benchmarks/growth.py                 # five minutes; --save keeps the results
    OMP_NUM_THREADS=2 python benchmarks/growth.py --part ranks,reading --save --overwrite   # the rest stays

Parts: batch, image, width (a training step, its parts, its peak memory), objective (one prediction of it,
streamed), reading (a store of ever more images, in a sparse file), embedding, ranks (processes that train
together). Exponents are least-squares slopes of log against log, over the upper half of each range, ± one
standard error. Each is compared with theory, and with counted operations over the same range, since a small
range lies before the limit. Times are medians, float32. Memory of a step and of an objective is the peak of
resident memory beyond the peak of a tiny one, each in its own process. Memory of reading is what NumPy
allocates, memory of embedding the growth of anonymous memory. Bytes sent are the bytes through the kernel's
loopback device, divided by the number of processes (Linux). Each process has one thread. There are two cores,
so the time of more than two processes says nothing and is not measured.
"""

import json
import math
import multiprocessing
import tempfile
import time
import tracemalloc
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from torch.nn.parallel import DistributedDataParallel

from decoding import peak_growth
from infomax.evaluation.embedding import embed_to_file
from infomax.learning.data.dataset import Dataset
from infomax.learning.data.order.batches import Batches
from infomax.learning.distributed.batch_norm import share_batch_norm
from infomax.learning.distributed.groups import num_ranks, wait_for_all
from infomax.learning.encoders.architectures import amdim_encoder
from infomax.learning.encoders.config import AMDIMEncoderConfig
from infomax.learning.encoders.features import Features
from infomax.learning.encoders.saving import PretrainedEncoder
from infomax.learning.methods.amdim import AMDIMConfig
from infomax.learning.methods.amdim_learner import AMDIM
from infomax.learning.objectives.amdim import amdim_objective
from infomax.learning.objectives.contrastive import choose
from infomax.learning.objectives.contrastive.streamed import streamed_prediction
from infomax.learning.objectives.scoring import AMDIM_SCALES
from infomax.learning.training.config import Recipe, TrainConfig
from infomax.learning.views.images import CIFAR_VIEWS
from infomax.pages.figures import save_for_light_and_dark
from objective import extra_mib, forward_and_backward, noise, peak_mib
from recording import RESULTS, arguments_of, environment, markdown, save
from training_step import operations_of, parts_of, timed

CPU = torch.device("cpu")
ENCODER = AMDIMEncoderConfig(width=16, embedding_dim=128, depth=1)
BASE = Recipe(
    method=AMDIMConfig(encoder=ENCODER),
    views=CIFAR_VIEWS,
    train=TrainConfig(steps=1, batch_size=32),
)
BATCHES = (32, 48, 64, 96, 128, 192, 256, 384, 512)
SIDES = (32, 40, 48, 64, 72, 80, 96)
WIDTHS = (16, 24, 32, 48, 64, 96, 128)
CANDIDATES = (64, 128, 256, 512, 768, 1024, 1536, 2048)
STORED = (10**4, 3 * 10**4, 10**5, 3 * 10**5, 10**6, 3 * 10**6, 10**7)
EMBEDDED = (1024, 2048, 4096, 8192, 16384, 32768)
RANKS = (1, 2, 3, 4)
SHARE = 128
"""Images of one rank."""
MAX_GATHERED = {"gathered": 2**40, "ring": 0}
"""What makes ranks take either way."""


def main():
    arguments = arguments_of(__doc__, part="all")
    names = list(PARTS) if arguments.part == "all" else arguments.part.split(",")
    path = RESULTS / "growth.json"
    if arguments.save and path.exists() and not arguments.overwrite:
        raise SystemExit(f"{path} exists; give --overwrite to replace it, or parts of it")
    found = json.loads(path.read_text()) if path.exists() else {"environment": {}, "results": {}}
    for name in names:
        found["environment"][name] = environment("torch", "numpy")
        found["results"] |= PARTS[name]()
        publish(found, arguments)


def publish(found, arguments):
    """Print all that was found so far, with its exponents, and save it."""
    results = {heading: found["results"][heading] for heading in EXPECTED if heading in found["results"]}
    shown = {"Exponents": exponents(results), **results}
    page = markdown("How time and memory grow", as_lines(found["environment"]), shown)
    print(page, flush=True)
    if arguments.save:
        data = {"environment": found["environment"], "exponents": shown["Exponents"], "results": results}
        save("growth.json", json.dumps(data, indent=1, ensure_ascii=False) + "\n", overwrite=True)
        save("growth.md", page, overwrite=True)
        draw(results, RESULTS / "growth.png")


def as_lines(environments):
    """Of each part a line, since parts may be measured at other times."""
    return {part: ", ".join(f"{k} {v}" for k, v in about.items()) for part, about in environments.items()}


# --- a training step ---------------------------------------------------------------------------------------


def with_batch(n, recipe=BASE):
    return replace(recipe, train=replace(recipe.train, batch_size=n))


def with_side(side):
    return replace(BASE, views=replace(BASE.views, stored_size=side, image_size=side))


def with_width(width):
    return replace(BASE, method=AMDIMConfig(encoder=replace(ENCODER, width=width)))


def steps(heading, variable, values, with_value):
    """A row for each value: times of the step and its parts, peak memory, operations."""
    return {heading: [{variable: value, **step_row(with_value(value))} for value in values]}


def step_row(recipe):
    parts = parts_of(recipe, CPU, "float32")
    times = {f"{name}, s": seconds_of(part) for name, part in parts.items()}
    of_objective = objective_operations(recipe)
    return {
        **times,
        "memory, MiB": in_a_process(step_mib, recipe),
        "parameters": num_parameters(recipe),
        "encoder, Gflop": (operations_of(recipe) - of_objective) / 1e9,
        "objective, Gflop": of_objective / 1e9,
    }


def seconds_of(function, least=0.4):
    """Median of calls that take so long together, three at least, after one."""
    function()
    times = []
    while len(times) < 3 or sum(times) < least:
        times.append(timed(function, CPU))
    return float(np.median(times))


def objective_operations(recipe):
    places, n = sum(side**2 for _, side in AMDIM_SCALES), recipe.train.batch_size
    return 2 * 6 * n * n * places * recipe.method.encoder.embedding_dim


def encoder_of(recipe):
    config = recipe.method.encoder
    return amdim_encoder(config, recipe.views.input_shape)


def num_parameters(recipe):
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in encoder_of(recipe).parameters())


def step_mib(recipe):
    """Peak of resident memory over two steps, beyond what a tiny step left: parameters, moments and all."""
    two_steps(with_batch(2, with_width(4)))
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = peak_mib()
    two_steps(recipe)
    return peak_mib() - before


def two_steps(recipe):
    learner = AMDIM(recipe.method, recipe.views, recipe.optimizer, num_classes=0)
    optimizer = torch.optim.Adam(learner.parameters(), fused=True)
    images = torch.randint(256, (recipe.train.batch_size, *recipe.views.stored_shape), dtype=torch.uint8)
    for _ in range(2):
        optimizer.zero_grad()
        features = [learner.encoder(view) for view in learner.views(images)]
        (-amdim_objective(*features).value).backward()
        optimizer.step()


def in_a_process(function, *arguments):
    """What it returns in a fresh process, which has everything imported and computed nothing."""
    with processes(1) as pool:
        return pool.submit(function, *arguments).result()


def processes(num):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["infomax.learning.training.loop"])
    return ProcessPoolExecutor(num, mp_context=context)


# --- one prediction of the objective -----------------------------------------------------------------------


def objectives():
    return {"Objective against candidates": [{"images": n, **objective_row(n, 49, 128)} for n in CANDIDATES]}


def objective_row(n, places, d):
    inputs = noise(n, places, d)
    job = partial(forward_and_backward, streamed_prediction, *inputs)
    return {
        "streamed, s": seconds_of(job),
        "memory, MiB": in_a_process(extra_mib, streamed_prediction, n, places, d),
    }


# --- reading a store ---------------------------------------------------------------------------------------


class Numbers(Sequence):
    """Names of images that take no memory."""

    def __init__(self, num):
        self.num = num

    def __len__(self):
        return self.num

    def __getitem__(self, index):
        return str(index)


def reading():
    with tempfile.TemporaryDirectory() as folder:
        return {
            "Reading against images stored": [
                {"images": num, **reading_row(Path(folder) / "pixels.u8", num)} for num in STORED
            ]
        }


def reading_row(path, num):
    images = stored(path, num)
    rng = np.random.default_rng(0)
    last_of_epoch = num // SHARE - 1
    return {
        "batch, s": seconds_of(lambda: images.batch(rng.integers(num, size=SHARE))),
        "slice, s": seconds_of(lambda: images.batch(slice(num - SHARE, num))),
        "order, s": seconds_of(lambda: rng.permutation(num)),
        "batch, bytes": numpy_bytes(lambda: images.batch(rng.integers(num, size=SHARE))),
        "order, bytes": numpy_bytes(lambda: rng.permutation(num)),
        "training, bytes": numpy_bytes(lambda: some_of(Batches(images, SHARE, 0, last_of_epoch), 3)),
        "labels, bytes": images.labels.nbytes,
    }


def stored(path, num):
    """Mapped as the cache maps them, in a file of holes, which takes no disk."""
    shape = (num, 32, 32, 3)
    with path.open("wb") as file:
        file.truncate(math.prod(shape))
    return Dataset(np.memmap(path, np.uint8, "r", shape=shape), np.full(num, -1), Numbers(num), ())


def numpy_bytes(function):
    """The most that NumPy held at once during it."""
    tracemalloc.start()
    function()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def some_of(batches, num):
    iterator = iter(batches)
    for _ in range(num):
        next(iterator)


# --- embedding ---------------------------------------------------------------------------------------------


def embedding():
    return {"Embedding against images": [in_a_process(embedding_row, num) for num in EMBEDDED]}


def embedding_row(num):
    encoder = PretrainedEncoder(encoder_of(BASE), CIFAR_VIEWS)
    with tempfile.TemporaryDirectory() as folder:
        images = stored(Path(folder) / "pixels.u8", num)
        with peak_growth() as growth:
            embed_to_file(encoder, images.subset(slice(0, 512)), Path(folder) / "first.npy")
            began = time.perf_counter()
            embed_to_file(encoder, images, Path(folder) / "all.npy")
            took = time.perf_counter() - began
    return {"images": num, "embed_to_file, s": took, "memory, MiB": growth[0]}


# --- processes that train together -------------------------------------------------------------------------


def ranks():
    whole = [{"processes": num, **ranks_row(num)} for num in RANKS]
    strong = [{"processes": num, "step, s": run_ranks(seconds_of_step, num)} for num in RANKS[:2]]
    return {"Processes, 128 images each": whole, "Processes, 256 images in all": strong}


def ranks_row(num):
    """Of each way what a rank sends in a step, counted and by formula, and the memory that it needs."""
    block = SHARE * ENCODER.embedding_dim * 4 / 1e6  # one place of a rank's images
    return {
        **run_ranks(sent_by_rank, num),
        "gathered by formula, MB": (num - 1) * 3 * 148 * block,
        "ring by formula, MB": (3 * num - 2 if num > 1 else 0) * 198 * block,
        "gradients by formula, MB": 2 * (num - 1) / num * 4 * num_parameters(BASE) / 1e6,
        **{f"{way}, MiB": run_ranks(mib_of_rank, num, most) for way, most in MAX_GATHERED.items()},
    }


def run_ranks(function, num, *arguments):
    """What rank 0 finds."""
    with tempfile.TemporaryDirectory() as folder, processes(num) as pool:
        store = f"file://{folder}/store"
        jobs = [pool.submit(as_rank, rank, num, store, function, *arguments) for rank in range(num)]
        return next(job.result() for job in jobs)


def as_rank(rank, num, store, function, *arguments):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=store, rank=rank, world_size=num)
    found = function(*arguments)
    dist.destroy_process_group()
    return found


def sent_by_rank():
    model = DistributedDataParallel(encoder_of(BASE))
    views = torch.randn(2, *model.module.input_shape)
    jobs = {
        **{way: partial(objective_of_rank, most) for way, most in MAX_GATHERED.items()},
        "gradients": lambda: sum_of(model(views)).backward(),
    }
    return {f"{name}, MB": mb_sent(job) for name, job in jobs.items()}


def mib_of_rank(max_gathered):
    """Peak of memory of features, of their gradients, and of all that the objective needs."""
    objective_of_rank(max_gathered, share=2)
    Path("/proc/self/clear_refs").write_text("5")
    before = peak_mib()
    objective_of_rank(max_gathered)
    return peak_mib() - before


def objective_of_rank(max_gathered, share=SHARE):
    choose.MAX_GATHERED = max_gathered
    amdim_objective(*(features_of_rank(share) for _ in range(2))).value.backward()


def features_of_rank(share):
    shapes = {side: (share, ENCODER.embedding_dim, side, side) for side in (1, 5, 7)}
    maps = {side: torch.randn(shape).requires_grad_() for side, shape in shapes.items()}
    return Features(maps[1].flatten(1), {side: maps[side] for side in (5, 7)})


def sum_of(features):
    return torch.stack([part.sum() for part in (features.global_, *features.local.values())]).sum()


def mb_sent(function, repeats=3):
    """MB that a rank sends during it: the least of some, after one."""
    counts = []
    for _ in range(1 + repeats):
        wait_for_all()
        at_start = loopback_bytes()
        wait_for_all()
        function()
        wait_for_all()
        counts.append(loopback_bytes() - at_start)
    return min(counts[1:]) / num_ranks() / 1e6


def loopback_bytes():
    lines = Path("/proc/net/dev").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.split()[0] == "lo:")


def seconds_of_step():
    """Of a step with the objective gathered and gradients averaged, 256 images in all."""
    model = DistributedDataParallel(share_batch_norm(encoder_of(BASE)))
    views = torch.randn(2, 2 * SHARE // num_ranks(), *model.module.input_shape)

    def step():
        n = len(views[0])
        both = model(views.flatten(0, 1))
        features = [
            Features(both.global_.split(n)[v], {side: m.split(n)[v] for side, m in both.local.items()})
            for v in range(2)
        ]
        (-amdim_objective(*features).value).backward()

    times = []
    for _ in range(8):
        wait_for_all()
        began = time.perf_counter()
        step()
        wait_for_all()
        times.append(time.perf_counter() - began)
    return float(np.median(times[2:]))


PARTS = {
    "batch": partial(steps, "Step against batch", "batch", BATCHES, with_batch),
    "image": partial(steps, "Step against image", "side", SIDES, with_side),
    "width": partial(steps, "Step against width", "width", WIDTHS, with_width),
    "objective": objectives,
    "reading": reading,
    "embedding": embedding,
    "ranks": ranks,
}

# --- exponents ---------------------------------------------------------------------------------------------

EXPECTED = {
    "Step against batch": {
        "step, s": "1, to 2 where scores prevail",
        "views, s": "1",
        "encoder, s": "1",
        "objective, s": "2",
        "memory, MiB": "1",
        "encoder, Gflop": "1",
        "objective, Gflop": "2",
    },
    "Step against image": {
        "step, s": "2 and more: longer sides have more stages",
        "views, s": "2",
        "encoder, s": "2 and more",
        "objective, s": "0",
        "memory, MiB": "2",
        "encoder, Gflop": "2 and more",
    },
    "Step against width": {
        "step, s": "to 2",
        "encoder, s": "to 2",
        "views, s": "0",
        "objective, s": "0",
        "optimizer, s": "2",
        "memory, MiB": "1, to 2 where parameters prevail",
        "parameters": "to 2",
        "encoder, Gflop": "to 2",
    },
    "Objective against candidates": {"streamed, s": "2", "memory, MiB": "0"},
    "Reading against images stored": {
        "batch, s": "0",
        "slice, s": "0",
        "order, s": "1",
        "batch, bytes": "0",
        "order, bytes": "1",
        "training, bytes": "1",
        "labels, bytes": "1",
    },
    "Embedding against images": {"embed_to_file, s": "1", "memory, MiB": "0"},
    "Processes, 128 images each": {
        "gathered, MB": "R − 1: 1.59 here, to 1",
        "ring, MB": "3R − 2: 1.33 here, to 1",
        "gradients, MB": "(R − 1) / R: 0.59 here, to 0",
        "gathered, MiB": "to 1",
        "ring, MiB": "0",
    },
    "Processes, 256 images in all": {"step, s": "−1"},
}
"""What theory says of the exponent of each column, by heading."""


def exponents(results):
    """A row for each column of which theory says something."""
    return [
        {"of": column, "in": heading, **exponent(results[heading], column), "theory": theory}
        for heading, columns in EXPECTED.items()
        if heading in results
        for column, theory in columns.items()
    ]


def exponent(rows, column):
    first, last, slope, error = fitted(rows, column)
    return {
        "from": first,
        "to": last,
        "exponent": f"{slope:.2f}",
        "±": "two points" if math.isnan(error) else f"{error:.2f}",
    }


def fitted(rows, column):
    """Ends of the upper half of the range, the slope of log against log there, its standard error."""
    xs, ys = points(rows, column)
    upper = xs >= min(math.sqrt(xs[0] * xs[-1]), xs[-3:][0])
    x, y = np.log(xs[upper]), np.log(ys[upper])
    x_centred = x - x.mean()
    slope = (x_centred @ y) / (x_centred @ x_centred)
    rest = y - y.mean() - slope * x_centred
    error = math.sqrt((rest @ rest) / (len(x) - 2) / (x_centred @ x_centred)) if len(x) > 2 else math.nan
    return float(xs[upper][0]), float(xs[-1]), float(slope), error


def points(rows, column):
    """What can stand on a logarithmic axis."""
    of = next(iter(rows[0]))
    pairs = [(row[of], row[column]) for row in rows if row[column] > 0]
    return np.array(pairs, float).T


# --- the figure --------------------------------------------------------------------------------------------

STEP = ("step, s", "encoder, s", "objective, s", "views, s", "optimizer, s")
PANELS = [
    ("Step against batch", "images a step", "s", STEP),
    ("Step against image", "side, px", "s", STEP),
    ("Step against width", "width", "s", STEP),
    ("Objective against candidates", "images", "s", ("streamed, s",)),
    ("Embedding against images", "images", "s", ("embed_to_file, s",)),
    ("Step against batch", "images a step", "MiB", ("memory, MiB",)),
    ("Step against image", "side, px", "MiB", ("memory, MiB",)),
    ("Step against width", "width", "MiB", ("memory, MiB",)),
    ("Objective against candidates", "images", "MiB", ("memory, MiB",)),
    ("Embedding against images", "images", "MiB", ("memory, MiB",)),
    ("Reading against images stored", "images", "s", ("order, s", "batch, s", "slice, s")),
    ("Reading against images stored", "images", "bytes", ("training, bytes", "order, bytes", "batch, bytes")),
    (
        "Processes, 128 images each",
        "processes",
        "MB sent by each",
        ("ring, MB", "gathered, MB", "gradients, MB"),
    ),
    ("Processes, 128 images each", "processes", "MiB", ("gathered, MiB", "ring, MiB")),
    ("Processes, 256 images in all", "processes", "s", ("step, s",)),
]
"""(heading, label of x, label of y, columns)."""


def draw(results, path):
    """Rows of panels: time, memory, and what has to do with a store or with several processes."""
    figure = Figure(figsize=(18, 11), layout="constrained")
    for axes, (heading, x_label, y_label, columns) in zip(figure.subplots(3, 5).flat, PANELS, strict=True):
        axes.set(title=heading, xlabel=x_label, ylabel=y_label, xscale="log", yscale="log")
        if heading in results:
            draw_panel(axes, results[heading], columns)
    figure.suptitle("Lines and exponents are fits to the upper half of each range")
    save_for_light_and_dark(figure, path, dpi=90)


def draw_panel(axes, rows, columns):
    for column in columns:
        draw_fit(axes, column.split(",")[0], points(rows, column), fitted(rows, column))
    values = [next(iter(row.values())) for row in rows]
    if values[-1] < 1000:
        axes.set_xticks(values[:: (len(values) - 1) // 4 + 1], minor=False)
        axes.xaxis.set_major_formatter("{x:.0f}")
        axes.xaxis.set_minor_locator(NullLocator())
    low, high = axes.get_ylim()
    axes.set_ylim(low, high * (high / low) ** 0.45)  # the legend goes there
    axes.legend(fontsize=8, loc="upper left")


def draw_fit(axes, name, xs_ys, fit):
    (xs, ys), (first, _, slope, error) = xs_ys, fit
    upper = xs >= first
    height = np.log(ys[upper]).mean() - slope * np.log(xs[upper]).mean()
    label = f"{name} {slope:.2f}" + ("" if math.isnan(error) else f" ± {error:.2f}")
    (dots,) = axes.plot(xs, ys, "o", markersize=4, label=label)
    axes.plot(xs[upper], np.exp(height) * xs[upper] ** slope, color=dots.get_color())


if __name__ == "__main__":
    main()
