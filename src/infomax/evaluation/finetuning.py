"""Fine-tuning: an encoder and a linear head trained together on few labels; and the same from scratch.

Semi-supervised learning as in Hjelm et al. (2018), section 4.1: what matters is how much better the few
labels do on an encoder that has seen many images without them.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress
from torch import Tensor
from torch.nn import functional as F

from infomax.evaluation.classifier import Classifier
from infomax.evaluation.clean import Split, random_counterpart
from infomax.evaluation.embedding import embed
from infomax.evaluation.label_budget import LabelBudget, class_names, draws, labelled_part
from infomax.evaluation.probes.classifiers import validation_parts
from infomax.evaluation.probes.probe import ProbeResult, linear_probe, result_of
from infomax.fitting import ascend, batches, seeded
from infomax.learning.encoders.saving import PretrainedEncoder
from infomax.learning.views.pairing import Seen

FIFTY_PER_CLASS = LabelBudget(per_class=50)


@dataclass(frozen=True)
class FinetuningConfig:
    """How an encoder and its head are trained.

    encoder_lrs: rates of Adam for the encoder, of which held-out labels choose one in each draw. head_lr: for
    the head. max_steps, batch_size, evaluate_every, patience: of training, see `ascend`.
    """

    encoder_lrs: tuple[float, ...] = (3e-4,)
    head_lr: float = 3e-3
    max_steps: int = 400
    batch_size: int = 64
    evaluate_every: int = 20
    patience: int = 5


@dataclass(frozen=True)
class Comparison:
    """rows: accuracies, as of an evaluation. classifier: the fine-tuned one of the first draw."""

    rows: list[dict[str, Any]]
    classifier: Classifier


def finetune(
    encoder: PretrainedEncoder,
    train: Seen,
    test: Seen,
    *,
    labels: LabelBudget = FIFTY_PER_CLASS,
    num_draws: int = 3,
    config: FinetuningConfig = FinetuningConfig(),
    seed: int = 0,
) -> ProbeResult:
    """Test accuracy of a copy of the encoder with a linear head, trained end to end on a few labels.

    Labels are drawn of each class without replacement, several times; a fifth of each draw stops training
    early. Images are augmented as the encoder's views say. Batch norm goes on learning its statistics.

    Args:
        encoder: learned, or with random weights for training from scratch; it stays as it is.
        train: labelled images to draw from. test: labelled images.
        labels: how many are drawn.
        num_draws: of labels; also of the order of batches and of views.
        config: of training.

    Returns:
        Mean and standard deviation over draws.

    Raises:
        ValueError: more labels than there are, or fewer than two of a class: one of them is to stop by.
    """
    split = Split(labelled_part(train), labelled_part(test), "given")
    chosen = draws(split.train, labels, num_draws, seed)
    return _finetuned(lambda _: encoder, split, chosen, labels, config, seed)[0]


def compare_finetuning(
    encoder: PretrainedEncoder,
    split: Split,
    *,
    labels: LabelBudget,
    name: str = "AMDIM",
    num_draws: int = 3,
    config: FinetuningConfig = FinetuningConfig(),
    seed: int = 0,
) -> Comparison:
    """The encoder fine-tuned, the same network from scratch, and a linear probe, all on the same few labels.

    The network from scratch is trained in the same way, its rate chosen among the same; it starts from other
    random weights in every draw. Progress goes to stderr.

    Raises:
        ValueError: as `finetune`.
    """
    split = Split(labelled_part(split.train), labelled_part(split.test), split.how)
    chosen = draws(split.train, labels, num_draws, seed)
    shared = (split, chosen, labels, config, seed)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        track = partial(progress.track, total=num_draws, description=f"fine-tuning: {name}, {labels}")
        tuned, classifier = _finetuned(lambda _: encoder, *shared, track)
        track = partial(progress.track, total=num_draws, description=f"from scratch, {labels}")
        scratch, _ = _finetuned(lambda draw: random_counterpart(encoder, seed + draw), *shared, track)
    probe = _probed(encoder, *shared[:3], seed)
    rows = [
        {"representation": one, "labels": str(labels), **asdict(found)}
        for one, found in ((name, tuned), ("from scratch", scratch), (name, probe))
    ]
    return Comparison(rows, classifier)


def _finetuned(
    start: Callable[[int], PretrainedEncoder],
    split: Split,
    chosen: list[np.ndarray],
    labels: LabelBudget,
    config: FinetuningConfig,
    seed: int,
    track: Callable[[Iterable[Any]], Iterable[Any]] = iter,
) -> tuple[ProbeResult, Classifier]:
    """Fits to each draw, from the encoder that `start` gives for it; and the classifier of the first."""
    accuracies, steps, rates, first = [], [], [], None
    for draw, rows in enumerate(track(chosen)):
        fit = fit_classifier(start(draw), split.train.subset(rows), config, seed=seed, draw=draw)
        accuracies.append(fit.model.accuracy(split.test))
        steps.append(fit.step)
        rates.append(fit.encoder_lr)
        first = first or fit.model
    assert first is not None
    settings = {**asdict(config), "labels": str(labels), "steps": steps, "chosen_encoder_lr": rates}
    return _result("fine-tuning", accuracies, split, len(chosen[0]), settings), first


def _probed(
    encoder: PretrainedEncoder, split: Split, chosen: list[np.ndarray], labels: LabelBudget, seed: int
) -> ProbeResult:
    """The linear probe of frozen features, fitted to each draw."""
    train, test = embed(encoder, split.train), embed(encoder, split.test)
    accuracies = [
        linear_probe(train[rows], split.train.labels[rows], test, split.test.labels, seed=seed).accuracy
        for rows in chosen
    ]
    return _result("linear probe", accuracies, split, len(chosen[0]), {"labels": str(labels)})


def _result(
    probe: str, accuracies: list[float], split: Split, num_labels: int, settings: dict[str, Any]
) -> ProbeResult:
    labels = split.test.labels
    chance = float(np.unique(labels, return_counts=True)[1].max() / len(labels))
    settings = {**settings, "num_draws": len(accuracies)}
    return result_of(probe, accuracies, num_labels, len(labels), chance, settings)


@dataclass(frozen=True)
class Fit:
    """A fine-tuned classifier, the step that was kept, and the rate that was chosen."""

    model: Classifier
    step: int
    encoder_lr: float


def fit_classifier(
    encoder: PretrainedEncoder,
    seen: Seen,
    config: FinetuningConfig = FinetuningConfig(),
    *,
    seed: int = 0,
    draw: int = 0,
) -> Fit:
    """A classifier trained end to end on labelled images, a fifth of which stop it, and choose the rate."""
    fits = []
    for rate in config.encoder_lrs:
        with seeded(seed, draw, torch.device("cpu")):
            labels = np.unique(seen.labels)
            model = Classifier(encoder, labels.tolist(), class_names(seen, labels.tolist()))
            step, held_out = _train(model, seen, rate, config, draw)
        fits.append((held_out, Fit(model, step, rate)))
    return max(fits, key=lambda one: one[0])[1]


def _train(
    model: Classifier, seen: Seen, encoder_lr: float, config: FinetuningConfig, draw: int
) -> tuple[int, float]:
    """Until held-out images say so; the step that is kept, and their log-probability there."""
    targets = torch.from_numpy(np.searchsorted(np.array(model.labels), seen.labels))
    held_out = validation_parts(targets.numpy(), draw)[0]
    fitted, spared = np.flatnonzero(~held_out), np.flatnonzero(held_out)
    chosen = batches(len(fitted), config.batch_size)
    groups = [
        {"params": model.encoder.parameters(), "lr": encoder_lr},
        {"params": model.head.parameters(), "lr": config.head_lr},
    ]

    def log_probability(rows: np.ndarray) -> Tensor:
        return -F.cross_entropy(model(seen.batch(rows)), targets[rows])

    curve = ascend(
        "finetune",
        model,
        torch.optim.Adam(groups, maximize=True),
        lambda: log_probability(fitted[next(chosen).numpy()]),
        lambda: log_probability(spared).item(),
        max_steps=config.max_steps,
        evaluate_every=config.evaluate_every,
        patience=config.patience,
    )
    with torch.no_grad():
        return curve.best_step, log_probability(spared).item()
