"""The paper protocol: the evaluation of the published AMDIM code, beside the same classifiers tested cleanly.

    as published   batch norm re-estimated on up to 50 test batches; shuffled, the last incomplete one dropped
    frozen         nothing re-estimated; every test image counts

A linear classifier and an MLP are trained once, on features of augmented views by the frozen encoder; then
each is tested twice. Only the second accuracy is one of images that the classifier has not seen in any way:
in the first, the statistics of the test images are known before one of them is classified.

In the published code the encoder's batch norm changes while the classifiers learn. Here, in both regimes, the
encoder stays in evaluation mode with the statistics of pretraining.
"""

import copy
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, replace
from itertools import islice

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from infomax.errors import refuse
from infomax.evaluation.embedding import device_of, embed
from infomax.evaluation.options import DEFAULT_PAPER, PaperOptions
from infomax.evaluation.probes.probe import ProbeResult
from infomax.evaluation.representations import random_counterpart
from infomax.evaluation.results import RANDOM_ENCODER, Assessment
from infomax.evaluation.splits import Split
from infomax.fitting import batches, seeded
from infomax.learning.data.dataset import Dataset
from infomax.learning.encoders.features import features_of_rows
from infomax.learning.encoders.saving import PretrainedEncoder
from infomax.learning.methods.online import OnlineClassifiers
from infomax.learning.methods.optimizer import lr_share, new_optimizer
from infomax.progress import stages

MAX_REESTIMATED = 50
"""Test batches on which batch norm is re-estimated."""
_BLOCK = 500  # images classified at a time


def evaluate_paper(
    encoder: PretrainedEncoder, split: Split, options: PaperOptions = DEFAULT_PAPER, *, name: str = "AMDIM"
) -> Assessment:
    """Return the accuracy of both classifiers on the encoder, called `name`, and on a random one.

    Each row names its regime. Progress goes to stderr.

    Raises:
        ValueError: the labels are no classes; there are fewer labelled images, to train or to test on, than
            a batch has.
    """
    split.check_classes("paper protocol")
    train = _labelled("train", split.train, options.batch_size)
    test = _labelled("test", split.test, options.batch_size)
    rows = []
    with stages() as progress:
        compared = {name: encoder, RANDOM_ENCODER: random_counterpart(encoder, options.seed)}
        for one, of in compared.items():
            progress.begin(f"classifiers: {one}", options.num_steps(len(train)))
            heads = train_classifiers(of, train, options, track=progress.track)
            progress.begin(f"testing: {one}")
            for regime, tested in right_answers(of, heads, test, options).items():
                rows += [
                    {"representation": one, "regime": regime, "labels": "all", **asdict(found)}
                    for found in _results(tested, len(train), options)
                ]
        progress.begin("embedding the test images")
        return Assessment(rows, embed(encoder, split.test), notes=split.notes)


def train_classifiers(
    encoder: PretrainedEncoder,
    images: Dataset,
    options: PaperOptions,
    *,
    track: Callable[[Iterable[Tensor]], Iterable[Tensor]] = iter,
) -> OnlineClassifiers:
    """Return a linear classifier and an MLP, trained on augmented views, in evaluation mode.

    Args:
        encoder: what gives the features; it does not change, its batch norm included.
        images: all labelled.
        options: of training.
        track: shows progress of what it is given.
    """
    frozen, device = copy.deepcopy(encoder.encoder).eval().requires_grad_(False), device_of(encoder)
    labels, num_features = torch.from_numpy(images.labels), _features(encoder, images, slice(0, 2)).shape[1]
    num_steps = options.num_steps(len(images))
    config = replace(options.optimizer, milestones=options.shares)
    with seeded(options.seed, 0, device):
        heads = OnlineClassifiers(num_features, int(labels.max()) + 1).to(device)
        augment = encoder.views.random_views(1).to(device)
        optimizer = new_optimizer(config, heads.parameters())
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lr_share(config, num_steps))
        for rows in track(islice(batches(len(images), options.batch_size), num_steps)):
            (view,) = augment(images.batch(rows.numpy()).to(device))
            optimizer.zero_grad(set_to_none=True)
            heads(frozen(view).global_, labels[rows].to(device)).loss.backward()
            optimizer.step()
            schedule.step()
    return heads.eval()


Right = dict[str, Bool[np.ndarray, " m"]]
"""By name of the classifier, whether it classified each image rightly."""


def right_answers(
    encoder: PretrainedEncoder, heads: OnlineClassifiers, images: Dataset, options: PaperOptions
) -> dict[str, tuple[Dataset, Right]]:
    """Return, for each regime, the images that it tests and the answers; encoder and heads do not change."""
    with seeded(options.seed, 1, torch.device("cpu")):
        adapted = reestimated(encoder, heads, images, options.batch_size)
        shuffled = torch.randperm(len(images)).numpy()
    some = images.subset(shuffled[: len(images) // options.batch_size * options.batch_size])
    return {
        "as published": (some, _right(*adapted, some)),
        "frozen": (images, _right(encoder, heads, images)),
    }


def reestimated(
    encoder: PretrainedEncoder,
    heads: OnlineClassifiers,
    images: Dataset,
    batch_size: int,
    *,
    max_batches: int = MAX_REESTIMATED,
) -> tuple[PretrainedEncoder, OnlineClassifiers]:
    """Return copies whose batch norm has continued its averages over random batches of the images."""
    encoder, heads = copy.deepcopy(encoder), copy.deepcopy(heads)
    encoder.encoder.train()
    heads.train()
    num_batches = min(max_batches, len(images) // batch_size)
    for rows in islice(batches(len(images), batch_size), num_batches):
        features = _features(encoder, images, rows.numpy())
        with torch.no_grad():
            heads(features, torch.full((len(rows),), -1, device=features.device))  # no label is needed
    return encoder.eval(), heads.eval()


@torch.no_grad()
def _right(encoder: PretrainedEncoder, heads: OnlineClassifiers, images: Dataset) -> Right:
    """Answers in evaluation mode, by blocks."""
    answers: dict[str, list[np.ndarray]] = {name: [] for name in heads.heads}
    for start in range(0, len(images), _BLOCK):
        features = _features(encoder, images, slice(start, start + _BLOCK)).float()
        for name, head in heads.heads.items():
            answers[name].append(head(features).argmax(1).cpu().numpy())
    return {name: np.concatenate(parts) == images.labels for name, parts in answers.items()}


def _features(encoder: PretrainedEncoder, images: Dataset, rows: np.ndarray | slice) -> Float[Tensor, "b d"]:
    return features_of_rows(encoder, images, rows).global_


def _labelled(part: str, images: Dataset, batch_size: int) -> Dataset:
    some = images.with_labels()
    refuse(
        len(some) < batch_size,
        f"paper protocol: {len(some)} labelled {part} images are fewer than a batch of {batch_size}, and "
        "incomplete batches are dropped; lower the batch size",
    )
    return some


def _results(tested: tuple[Dataset, Right], num_labels: int, options: PaperOptions) -> Iterator[ProbeResult]:
    """One for each classifier."""
    images, right = tested
    settings = {
        "epochs": options.epochs,
        "milestones": tuple(share * options.epochs for share in options.shares),
        "batch_size": options.batch_size,
        **{key: getattr(options.optimizer, key) for key in ("lr", "betas", "weight_decay")},
        "seed": options.seed,
    }
    for name, answers in right.items():
        yield ProbeResult.of(name, [float(answers.mean())], num_labels, images.labels, settings)
