"""How fast do uint8 images in memory become two finished views, and how much memory do 100 GB of them need?

    OMP_NUM_THREADS=2 python benchmarks/input_path.py           # four minutes; --save keeps the results

The same augmentations (flip, shift or crop, colour jitter, grey, normalisation) are made in four ways:
`ours`; `ours`, compiled; kornia's modules instead of ours, as in earlier versions; and one image at a time
with Pillow, as in scripts with torchvision, in a DataLoader with one worker process for each thread. Batches
have 128 random images. The ways alternate in turns of a second, and the best turn counts. The share of a
training step is for the recipe amdim-cpu, from median times. Memory: 33 million images of 32 x 32 in a sparse
file are read at random through `training.Batches`, in a new process each time, once mapped as NumPy does it,
and once with the advice to the system that reads are random. Anonymous memory is memory that the system
cannot drop (Linux).
"""

import json
import math
import mmap
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import kornia.augmentation as K
import numpy as np
import torch
from PIL import Image, ImageEnhance
from torch import nn
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from decoding import anonymous_mib, peak_growth
from infomax.learning.data.dataset import Dataset
from infomax.learning.data.order.batches import Batches
from infomax.learning.training.options import recipe_from_options
from infomax.learning.training.recipes import recipe_named
from infomax.learning.views.geometry import Geometry
from infomax.learning.views.image_views import AugmentedViews, Normalize
from infomax.learning.views.images import CIFAR_VIEWS, STL_VIEWS
from recording import arguments_of, environment, report
from training_step import parts_of, seconds_of

BATCH = 128
CPU_RECIPE = recipe_from_options(recipe_named("amdim-cpu"), ["--stored_size", "32", "--image_size", "32"])
CONFIGS = {
    "32 px, shifted (CIFAR_VIEWS)": CIFAR_VIEWS,
    "32 px, cropped (amdim-cpu)": CPU_RECIPE.views,
    "96 px to 64 px, cropped (STL_VIEWS)": STL_VIEWS,
}


def main():
    arguments = arguments_of(__doc__, seconds=30.0, memory_in="", advice="none")
    if arguments.memory_in:
        print(json.dumps(memory_of_batches(Path(arguments.memory_in), arguments.advice, arguments.seconds)))
        return
    results = {
        "Images a second": [
            {"views": name, **speeds(config, arguments.seconds)} for name, config in CONFIGS.items()
        ],
        "Share of a training step": [share_of_a_step(CPU_RECIPE, arguments.seconds)],
        "Memory of 100 GB": [memory_of_a_process(one, arguments.seconds / 3) for one in ("none", "random")],
    }
    report(
        "input_path", "From uint8 to two views", environment("torch", "kornia", "pillow"), results, arguments
    )


# --- speed -------------------------------------------------------------------------------------------------


def speeds(config, seconds):
    pixels = np.random.default_rng(0).integers(0, 256, (BATCH, *config.stored_shape[1:], 3), dtype=np.uint8)
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    ours, compiled, before = AugmentedViews(config), AugmentedViews(config), KorniaViews(config)
    began = time.perf_counter()
    compiled.compile(fullgraph=True)
    compiled(images)
    compile_seconds = time.perf_counter() - began
    loader = iter(pillow_loader(pixels, config))
    jobs = {
        "ours": lambda: ours(images),
        "ours, compiled": lambda: compiled(images),
        "kornia": lambda: before(images),
        "Pillow": lambda: next(loader),
    }
    best = fastest(jobs, seconds)
    rates = {name: BATCH / best[name] for name in jobs}
    return {
        **rates,
        **{f"{name} / Pillow": rates[name] / rates["Pillow"] for name in ("ours", "ours, compiled")},
        "ours / kornia": rates["ours"] / rates["kornia"],
        "compiling, s": compile_seconds,
    }


def fastest(jobs, seconds):
    """Best time of one call of each: of turns of a second each, the first calls of which do not count."""
    best, start = dict.fromkeys(jobs, math.inf), time.perf_counter()
    while time.perf_counter() - start < seconds:
        for name, job in jobs.items():
            for _ in range(12):  # a loader's prefetched batches, and caches
                job()
            num_calls, began = 0, time.perf_counter()
            while time.perf_counter() - began < 1:
                job()
                num_calls += 1
            best[name] = min(best[name], (time.perf_counter() - began) / num_calls)
    return best


class KorniaViews(nn.Module):
    """As our views, crop and colours by kornia's modules."""

    def __init__(self, config):
        super().__init__()
        self.flip = config.flip
        self.shift = Geometry(None, config.translate, config.translate_probability)
        layers = [
            K.ColorJitter(*config.jitter, p=config.jitter_probability),
            K.RandomGrayscale(p=config.grayscale),
        ]
        if config.crop_scale is not None:
            crop = K.RandomResizedCrop(
                config.input_shape[1:],
                config.crop_scale,
                config.crop_ratio,
                resample="bicubic",
                align_corners=False,
                cropping_mode="resample",
            )
            layers.insert(0, crop)
        self.augment = nn.Sequential(*layers, Normalize(config))

    @torch.no_grad()
    def forward(self, images):
        flip = (torch.rand(len(images)) < self.flip).repeat(2)
        views = self.augment(self.shift(images, flip))
        return views.contiguous(memory_format=torch.channels_last).chunk(2)


class PillowViews(TorchDataset):
    """Two views of one image, made as torchvision's transforms make them of Pillow's images."""

    def __init__(self, pixels, config, num_batches=100_000):
        self.pixels, self.config, self.num_batches = pixels, config, num_batches
        self.mean, self.std = (np.array(x, np.float32)[:, None, None] for x in (config.mean, config.std))

    def __len__(self):
        return self.num_batches * len(self.pixels)

    def __getitem__(self, index):
        image = Image.fromarray(self.pixels[index % len(self.pixels)])
        if random.random() < self.config.flip:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return self.view(image), self.view(image)

    def view(self, image):
        config = self.config
        if config.translate and random.random() < config.translate_probability:
            image = shifted(image, config.translate)
        if config.crop_scale is not None:
            image = cropped(image, config)
        if random.random() < config.jitter_probability:
            image = jittered(image, config.jitter)
        if random.random() < config.grayscale:
            grey = image.convert("L")
            image = Image.merge("RGB", (grey, grey, grey))
        view = np.asarray(image).transpose(2, 0, 1).astype(np.float32) / 255
        return torch.from_numpy((view - self.mean) / self.std)


def pillow_loader(pixels, config):
    num_workers = torch.get_num_threads()
    return DataLoader(PillowViews(pixels, config), BATCH, num_workers=num_workers, persistent_workers=True)


def shifted(image, reach):
    padded = np.pad(np.asarray(image), ((reach, reach), (reach, reach), (0, 0)), mode="reflect")
    top, left = random.randint(0, 2 * reach), random.randint(0, 2 * reach)
    return Image.fromarray(padded[top : top + image.height, left : left + image.width])


def cropped(image, config):
    (low, high), ratios = config.crop_scale, [math.log(ratio) for ratio in config.crop_ratio]
    left, top, width, height = 0, 0, image.width, image.height
    for _ in range(10):
        area = image.width * image.height * random.uniform(low, high)
        ratio = math.exp(random.uniform(*ratios))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= image.width and 0 < h <= image.height:
            left, top = random.randint(0, image.width - w), random.randint(0, image.height - h)
            width, height = w, h
            break
    box = image.crop((left, top, left + width, top + height))
    return box.resize(config.input_shape[:0:-1], Image.Resampling.BICUBIC)


def jittered(image, strengths):
    *blends, hue = strengths
    for which in random.sample(range(4), 4):
        if which == 3:
            image = with_hue_moved(image, random.uniform(-hue, hue))
        else:
            enhance = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)[which]
            image = enhance(image).enhance(random.uniform(1 - blends[which], 1 + blends[which]))
    return image


def with_hue_moved(image, turns):
    hue, saturation, value = image.convert("HSV").split()
    moved = Image.fromarray(np.asarray(hue) + np.uint8(int(turns * 255) % 256))
    return Image.merge("HSV", (moved, saturation, value)).convert("RGB")


def share_of_a_step(recipe, seconds):
    parts = parts_of(recipe, torch.device("cpu"), "float32")
    times = {name: seconds_of(parts[name], torch.device("cpu"), seconds / 2) for name in ("views", "step")}
    return {
        "recipe": "amdim-cpu",
        **{f"{name}, ms": 1000 * value for name, value in times.items()},
        "views / step": times["views"] / times["step"],
    }


# --- memory ------------------------------------------------------------------------------------------------

NUM_IMAGES = 100 * 10**9 // (32 * 32 * 3)


class Numbers(Sequence):
    """Names of images that take no memory."""

    def __len__(self):
        return NUM_IMAGES

    def __getitem__(self, index):
        return str(index)


def memory_of_a_process(advice, seconds):
    with tempfile.TemporaryDirectory() as folder:
        options = ["--memory-in", folder, "--advice", advice, "--seconds", str(seconds)]
        command = [sys.executable, __file__, *options]
        return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def memory_of_batches(folder, advice, seconds):
    """Growth of anonymous memory at its peak over so many seconds of random batches of a mapped file."""
    shape = (NUM_IMAGES, 32, 32, 3)
    with (folder / "pixels.u8").open("wb") as file:
        file.truncate(math.prod(shape))
    at_start = anonymous_mib()
    pixels = np.memmap(folder / "pixels.u8", np.uint8, "r", shape=shape)
    if advice == "random":
        pixels._mmap.madvise(mmap.MADV_RANDOM)  # type: ignore[attr-defined]
    images = Dataset(pixels, np.full(NUM_IMAGES, -1), Numbers(), ())
    labels = anonymous_mib() - at_start
    with peak_growth() as growth:
        began = time.perf_counter()
        batches = iter(Batches(images, BATCH, seed=0))
        next(batches)
        first = time.perf_counter() - began
        num_batches, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            next(batches)
            num_batches += 1
        rate = num_batches * BATCH / (time.perf_counter() - began)
    return {
        "advice": advice,
        "images": NUM_IMAGES,
        "pixels, GB": math.prod(shape) / 1e9,
        "labels, MiB": labels,
        "order and batches, MiB": growth[0],
        "GB in all": (labels + growth[0]) * 2**20 / 1e9,
        "first batch, s": first,
        "images/s read at random": rate,
    }


if __name__ == "__main__":
    main()
