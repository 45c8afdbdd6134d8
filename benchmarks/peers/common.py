"""Share among peers what they are given, encoders, training by lightly's parts, and evaluation."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
import torchvision
from lightning import LightningModule, Trainer, seed_everything
from lightning.pytorch.accelerators import CUDAAccelerator
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader

from infomax.evaluation.embedding import embed
from infomax.evaluation.probes.linear import linear_probe
from infomax.evaluation.probes.neighbors import nearest_neighbor_probe
from infomax.learning.data.dataset import Dataset
from infomax.learning.distributed.lightning import without_notices
from infomax.learning.encoders.architectures import amdim_encoder
from infomax.learning.encoders.features import Features, evaluating
from infomax.learning.encoders.saving import PretrainedEncoder
from infomax.learning.methods.optimizer import lr_share, new_optimizer
from infomax.learning.training.callbacks import StopAtNonFinite, Timer
from infomax.learning.training.options import recipe_from_options
from infomax.learning.training.precision import choose_precision
from infomax.learning.training.recipes import recipe_named
from infomax.learning.views.images import ViewsConfig

RECIPE = recipe_from_options(recipe_named("amdim-cpu"), ["--stored_size", "32", "--image_size", "32"])
BATCH_SIZE = 128  # of lightly's CIFAR-10 benchmark, of lightly-train's default, and of infomax's recipe


@dataclass(frozen=True)
class Task:
    """Hold what a peer is given.

    images: to learn from; only `supervised` looks at their labels. encoder: its name. steps: the budget.
    optimizer: infomax for that of its recipe, else the method's own. workers: processes that make views.
    folder: for the peer's own files. timer: stops the training early, when steps are only timed.
    """

    images: Dataset
    encoder: str
    steps: int
    seed: int
    optimizer: str
    workers: int
    folder: Path
    timer: Timer | None = None

    @property
    def unlabelled(self):
        return Dataset(self.images.values, np.full(len(self.images), -1), self.images.names, ())


@dataclass(frozen=True)
class Trained:
    """Hold what a peer gives back: its encoder, images to rows; the steps, and the seconds that they took."""

    backbone: nn.Module
    steps: int
    seconds: float


def resnet18(name):
    """ResNet-18 of torchvision with a first convolution of 3×3 and no pooling, or, 7x7, as it is."""
    resnet = torchvision.models.resnet18()
    if name == "resnet18":
        resnet.conv1 = nn.Conv2d(3, 64, kernel_size=3, padding=1, bias=False)
        resnet.maxpool = nn.Identity()
    return resnet.to(memory_format=torch.channels_last)


def new_encoder(name):
    """An encoder by name, with random weights: images to rows of features."""
    if name == "amdim":
        return global_part(amdim_encoder(RECIPE.method.encoder, RECIPE.views.input_shape))
    encoder = resnet18(name)
    encoder.fc = nn.Identity()
    return encoder


def global_part(encoder):
    """The layers of an AMDIM encoder up to its 1×1 map, without what only local features need."""
    return nn.Sequential(*encoder.layers, nn.Flatten())


def precision():
    """Return the precision that infomax takes on this machine, in Lightning's words."""
    return "bf16-mixed" if choose_precision("auto") == "bf16" else "32-true"


class Pictures(torch.utils.data.Dataset):
    """Images as lightly's transforms take them: views of one picture at a time."""

    def __init__(self, images, transform):
        self.images, self.transform = images, transform

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.transform(Image.fromarray(self.images.values[index]))


def sgd(learner, num_steps):
    """Optimizer and schedule of lightly's CIFAR-10 benchmark, for batches of 128; the rate falls by step."""
    optimizer = torch.optim.SGD(learner.trainable(), lr=6e-2, momentum=0.9, weight_decay=5e-4)
    return optimizer, torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, num_steps)


def of_the_recipe(learner, num_steps):
    """Optimizer and schedule of infomax's recipe."""
    bf16 = precision() == "bf16-mixed"
    optimizer = new_optimizer(RECIPE.optimizer, learner.trainable(), bf16=bf16)
    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, lr_share(RECIPE.optimizer, num_steps))


class Learner(LightningModule, ABC):
    """A method on an encoder; `criterion` of a subclass turns its outputs into a loss, in float32.

    examples: what batches are made of. optimization: the published one.
    """

    optimization = staticmethod(sgd)

    def __init__(self, task, examples):
        super().__init__()
        self.task, self.examples = task, examples
        self.backbone = new_encoder(task.encoder)
        with evaluating(self.backbone):
            self.num_features = self.backbone(torch.zeros(1, *RECIPE.views.input_shape)).shape[1]
        self.watched = {}

    @abstractmethod
    def outputs(self, batch, /):
        """Return what the criterion takes, of a batch of examples."""

    def train_dataloader(self):
        workers = {"num_workers": self.task.workers, "persistent_workers": self.task.workers > 0}
        return DataLoader(self.examples, BATCH_SIZE, shuffle=True, drop_last=True, **workers)

    def training_step(self, batch, _):
        outputs = self.outputs(batch)
        with torch.autocast(self.device.type, enabled=False):
            loss = self.criterion(*(x.float() if x.is_floating_point() else x for x in outputs))
        self.watched = {"value": loss.detach()}
        return loss

    def trainable(self):
        return [one for one in self.parameters() if one.requires_grad]

    def configure_optimizers(self):
        choose = of_the_recipe if self.task.optimizer == "infomax" else self.optimization
        optimizer, schedule = choose(self, int(self.trainer.max_steps))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


@without_notices()
def fit(new_learner, task):
    """Train a learner for the budget, with its whole schedule of rates."""
    seed_everything(task.seed, workers=True, verbose=False)
    learner, start = new_learner(task), perf_counter()
    trainer(task.steps, [task.timer or StopAtNonFinite()]).fit(learner)
    return Trained(learner.backbone, task.steps, perf_counter() - start)


def trainer(num_steps, callbacks):
    quiet = {"enable_progress_bar": False, "enable_model_summary": False}
    kind = "auto" if CUDAAccelerator.is_available() else "cpu"
    return Trainer(
        accelerator=kind, devices=1, precision=precision(), max_steps=num_steps, max_epochs=-1,
        logger=False, enable_checkpointing=False, callbacks=[*callbacks], **quiet,
    )  # fmt: skip


class AsEncoder(nn.Module):
    """An encoder whose rows are global features, for infomax's evaluation."""

    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone

    def forward(self, views):
        return Features(self.backbone(views), {})


IMAGENET_VIEWS = replace(ViewsConfig(), crop_scale=None)
"""Plain images with the mean and standard deviation that lightly and lightly-train normalise by."""


def accuracies(encoder, split):
    """Accuracy of infomax's probes on features of plain images."""
    rows = (embed(encoder, split.train), split.train.labels, embed(encoder, split.test), split.test.labels)
    probes = {"linear": linear_probe, "knn": nearest_neighbor_probe}
    return {name: probe(*rows).accuracy for name, probe in probes.items()}


def plain_encoder(backbone, views):
    """The encoder whose features are the rows of a backbone."""
    return PretrainedEncoder(AsEncoder(backbone), views)
