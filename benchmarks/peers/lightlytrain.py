"""lightly-train's `pretrain` on a folder of image files, by DINO, with views of 32 pixels.

Its default method, distillation, cannot be compared: it downloads a teacher, DINOv3, that has seen other
images. DINO is, of its methods for a ResNet, the first that learns from the given images alone. All settings
are its defaults but these: two views of 32 pixels (its defaults are two of 224 and six of 96, for larger
images; two views without small crops are what lightly's CIFAR-10 benchmark takes); the precision; and no
messages to its makers about what is trained.
"""

import math
import os
import tempfile
from pathlib import Path
from time import perf_counter

import lightly_train
import torch
from common import BATCH_SIZE, Trained, precision, resnet18
from PIL import Image
from pytorch_lightning import Callback
from torch import nn

os.environ["LIGHTLY_TRAIN_EVENTS_DISABLED"] = "1"
TRANSFORM = {"image_size": (32, 32), "local_view": None}


class Printable(dict, Callback):
    """The timer; lightly-train prints what its trainer is given as JSON, here an empty object."""

    def __init__(self, timer):
        super().__init__()
        self.timer = timer

    def on_train_batch_end(self, *arguments):
        self.timer.on_train_batch_end(*arguments)


def train(task):
    files = written(task.images, task.folder.parent / f"images-{len(task.images)}")
    with tempfile.TemporaryDirectory(dir=task.folder) as folder:
        os.environ["LIGHTLY_TRAIN_CACHE_DIR"] = str(Path(folder) / "cache")
        start = perf_counter()
        weights = pretrain(task, files, Path(folder) / "run")
        seconds = perf_counter() - start
        encoder = resnet18(task.encoder)
        encoder.load_state_dict(torch.load(weights, weights_only=True))
    encoder.fc = nn.Identity()
    return Trained(encoder, task.steps, seconds)


def pretrain(task, files, out):
    timer = {"callbacks": Printable(task.timer)} if task.timer else {}
    lightly_train.pretrain(
        out=out,
        data=files,
        model=resnet18(task.encoder),
        method="dino",
        epochs=math.ceil(task.steps / (len(task.images) // BATCH_SIZE)),
        batch_size=BATCH_SIZE,
        num_workers=task.workers,
        seed=task.seed,
        precision=precision(),
        transform_args=TRANSFORM,
        trainer_args={"max_steps": task.steps} | timer,
    )
    return out / "exported_models" / "exported_last.pt"


def written(images, folder):
    """The folder with the images as PNG files, which is no part of the minutes."""
    if not (folder / f"{len(images) - 1:06}.png").exists():
        folder.mkdir(parents=True, exist_ok=True)
        for row, values in enumerate(images.values):
            Image.fromarray(values).save(folder / f"{row:06}.png")
    return folder
