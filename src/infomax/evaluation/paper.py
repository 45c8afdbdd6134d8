"""The evaluation of the authors' published AMDIM code, beside the same classifiers tested cleanly.

    as published   batch norm re-estimated on up to 50 test batches; shuffled, the last incomplete one dropped
    frozen         nothing re-estimated; every test image counts

A linear classifier and an MLP are trained once, on augmented views, on features of the frozen encoder; then
each is tested twice. Only the second is an accuracy on images that the classifier has not seen in any way:
in the first, the statistics of the test images are known before one of them is classified.

Published code lets the encoder's batch norm drift while the classifiers learn; here, in both, the encoder
stays in evaluation mode with the statistics of pretraining.
"""

import copy
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import islice

import numpy as np
import torch
from jaxtyping import Bool, Float
from rich.console import Console
from rich.progress import Progress
from torch import Tensor

from infomax.evaluation.clean import Assessment, Split, random_counterpart
from infomax.evaluation.embedding import embed
from infomax.evaluation.probes.probe import ProbeResult, result_of
from infomax.fitting import batches, seeded
from infomax.learning.encoders.saving import PretrainedEncoder
from infomax.learning.methods.online import OnlineClassifiers
from infomax.learning.methods.optimizer import OptimizerConfig, adam, learning_rate_share
from infomax.learning.views.contexts import view_maker
from infomax.learning.views.pairing import Seen

_BLOCK = 500  # images classified at a time


@dataclass(frozen=True)
class ClassifierTraining:
    """How the classifiers are trained; defaults are those of CIFAR and STL in the published code.

    epochs: passes over the training images, one augmented view of each, incomplete batches dropped.
    milestones: epochs at which the rate is multiplied by 0.2; default: two thirds and eleven twelfths (80 and
    110 of 120). For ImageNet: 30 epochs with (15, 25). batch_size: in training, and of the test batches.
    """

    epochs: int = 120
    milestones: tuple[float, ...] | None = None
    batch_size: int = 200
    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(warmup_steps=0))

    def __post_init__(self):
        if self.epochs < 1 or self.batch_size < 2:
            raise ValueError(
                "paper protocol: epochs must be at least 1 and batch_size at least 2, "
                f"got {self.epochs} and {self.batch_size}"
            )
        if self.milestones and not all(0 < one <= self.epochs for one in self.milestones):
            raise ValueError(
                f"paper protocol: milestones must be epochs between 0 and {self.epochs}, "
                f"got {', '.join(f'{one:g}' for one in self.milestones)}"
            )

    @property
    def shares(self) -> tuple[float, ...]:
        """The milestones as shares of training."""
        if self.milestones is None:
            return (80 / 120, 110 / 120)
        return tuple(one / self.epochs for one in self.milestones)

    def num_steps(self, num_images: int) -> int:
        """Steps of training on so many images."""
        return self.epochs * (num_images // self.batch_size)


def assess_paper(
    encoder: PretrainedEncoder,
    split: Split,
    *,
    name: str = "AMDIM",
    training: ClassifierTraining | None = None,
    seed: int = 0,
) -> Assessment:
    """Both classifiers on the encoder, called `name`, and on a random one, tested under both regimes.

    Each row says its regime. Progress goes to stderr.

    Raises:
        ValueError: fewer labelled images, to train or to test on, than a batch.
    """
    training = training or ClassifierTraining()
    train = _labelled("train", split.train, training.batch_size)
    test = _labelled("test", split.test, training.batch_size)
    rows = []
    with Progress(console=Console(stderr=True), transient=True) as progress:
        for one, of in {name: encoder, "random encoder": random_counterpart(encoder, seed)}.items():
            track = partial(
                progress.track, total=training.num_steps(len(train)), description=f"classifiers: {one}"
            )
            heads = train_classifiers(of, train, training, seed=seed, track=track)
            for regime, tested in right_answers(of, heads, test, training.batch_size, seed=seed).items():
                rows += [
                    {"representation": one, "regime": regime, "labels": "all", **asdict(found)}
                    for found in _results(tested, len(train), training, seed)
                ]
    return Assessment(rows, embed(encoder, split.test))


def train_classifiers(
    encoder: PretrainedEncoder,
    images: Seen,
    training: ClassifierTraining,
    *,
    seed: int = 0,
    track: Callable[[Iterable[Tensor]], Iterable[Tensor]] = iter,
) -> OnlineClassifiers:
    """A linear classifier and an MLP on the frozen features of augmented views, in evaluation mode.

    Args:
        encoder: it stays as it is, its batch norm included.
        images: all labelled.
        track: shows progress of what it is given.
    """
    frozen, device = copy.deepcopy(encoder.encoder).eval().requires_grad_(False), _device(encoder)
    labels, num_features = torch.from_numpy(images.labels), _features(encoder, images, slice(0, 2)).shape[1]
    num_steps = training.num_steps(len(images))
    config = replace(training.optimizer, milestones=training.shares)
    with seeded(seed, 0, device):
        heads = OnlineClassifiers(num_features, int(labels.max()) + 1).to(device)
        augment = view_maker(encoder.views, 1).to(device)
        optimizer = adam(config, heads.parameters())
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, learning_rate_share(config, num_steps))
        for rows in track(islice(batches(len(images), training.batch_size), num_steps)):
            (view,) = augment(images.batch(rows.numpy()).to(device))
            optimizer.zero_grad(set_to_none=True)
            heads(frozen(view).global_, labels[rows].to(device)).loss.backward()
            optimizer.step()
            schedule.step()
    return heads.eval()


Right = dict[str, Bool[np.ndarray, " m"]]
"""Classifier -> whether it named each image rightly."""


def right_answers(
    encoder: PretrainedEncoder, heads: OnlineClassifiers, images: Seen, batch_size: int, *, seed: int = 0
) -> dict[str, tuple[Seen, Right]]:
    """Regime -> the images that it tests, and the answers; encoder and heads stay as they are."""
    with seeded(seed, 1, torch.device("cpu")):
        adapted = reestimated(encoder, heads, images, batch_size)
        shuffled = torch.randperm(len(images)).numpy()
    some = images.subset(shuffled[: len(images) // batch_size * batch_size])
    return {
        "as published": (some, _right(*adapted, some)),
        "frozen": (images, _right(encoder, heads, images)),
    }


def reestimated(
    encoder: PretrainedEncoder,
    heads: OnlineClassifiers,
    images: Seen,
    batch_size: int,
    *,
    max_batches: int = 50,
) -> tuple[PretrainedEncoder, OnlineClassifiers]:
    """Copies whose batch norm, everywhere, has gone on to average over so many random batches of images."""
    encoder, heads = copy.deepcopy(encoder), copy.deepcopy(heads)
    labels = torch.from_numpy(images.labels)
    encoder.encoder.train()
    heads.train()
    num_batches = min(max_batches, len(images) // batch_size)
    for rows in islice(batches(len(images), batch_size), num_batches):
        features = _features(encoder, images, rows.numpy())
        with torch.no_grad():
            heads(features, labels[rows].to(features.device))
    return encoder.eval(), heads.eval()


@torch.no_grad()
def _right(encoder: PretrainedEncoder, heads: OnlineClassifiers, images: Seen) -> Right:
    """In evaluation mode, by blocks."""
    answers: dict[str, list[np.ndarray]] = {name: [] for name in heads.heads}
    for start in range(0, len(images), _BLOCK):
        features = _features(encoder, images, slice(start, start + _BLOCK)).float()
        for name, head in heads.heads.items():
            answers[name].append(head(features).argmax(1).cpu().numpy())
    return {name: np.concatenate(parts) == images.labels for name, parts in answers.items()}


def _features(encoder: PretrainedEncoder, images: Seen, rows: np.ndarray | slice) -> Float[Tensor, "b d"]:
    return encoder(images.batch(rows).to(_device(encoder))).global_


def _device(encoder: PretrainedEncoder) -> torch.device:
    return next(encoder.parameters()).device


def _labelled(part: str, images: Seen, batch_size: int) -> Seen:
    rows = np.flatnonzero(images.labels >= 0)
    if len(rows) < batch_size:
        raise ValueError(
            f"paper protocol: {len(rows)} labelled {part} images are fewer than a batch of {batch_size}, and "
            "incomplete batches are dropped; lower the batch size"
        )
    return images.subset(rows)


def _results(
    tested: tuple[Seen, Right], num_labels: int, training: ClassifierTraining, seed: int
) -> Iterator[ProbeResult]:
    """One for each classifier."""
    images, right = tested
    chance = float(np.unique(images.labels, return_counts=True)[1].max() / len(images))
    settings = {
        "epochs": training.epochs,
        "milestones": tuple(share * training.epochs for share in training.shares),
        "batch_size": training.batch_size,
        **{key: getattr(training.optimizer, key) for key in ("lr", "betas", "weight_decay")},
        "seed": seed,
    }
    for name, of in right.items():
        yield result_of(name, [float(of.mean())], num_labels, len(images), chance, settings)
