"""One fine-tuned classifier: an encoder and its head trained on labelled rows, some of which stop it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn import functional as F

from infomax.evaluation.finetuning.classifier import FinetunedClassifier
from infomax.evaluation.options import DEFAULT_FINETUNING, FinetuningConfig
from infomax.evaluation.probes.classifiers import validation_parts
from infomax.fitting import ascend, batches, seeded
from infomax.learning.data.dataset import Dataset
from infomax.learning.encoders.saving import PretrainedEncoder


@dataclass(frozen=True)
class Fit:
    """A fine-tuned classifier, the step whose weights it has, and the rate of its encoder."""

    model: FinetunedClassifier
    step: int
    encoder_lr: float


def fit_classifier(
    encoder: PretrainedEncoder,
    dataset: Dataset,
    config: FinetuningConfig = DEFAULT_FINETUNING,
    *,
    seed: int = 0,
    draw: int = 0,
    on_step: Callable[[], None] = lambda: None,
) -> Fit:
    """Return a copy of the encoder with a head, trained end to end on a labelled dataset.

    A fifth of the rows, of more than 2,000 a tenth, stops training early, and chooses among the rates.
    `on_step` is called at each step.
    """
    labels = np.unique(dataset.labels).tolist()
    fits = []
    for rate in config.encoder_lrs:
        with seeded(seed, draw, torch.device("cpu")):
            model = FinetunedClassifier(encoder, labels, dataset.class_names(labels))
            step, held_out = _train(model, dataset, rate, config, draw, on_step)
        fits.append((held_out, Fit(model, step, rate)))
    return max(fits, key=lambda one: one[0])[1]


def _train(
    model: FinetunedClassifier,
    dataset: Dataset,
    encoder_lr: float,
    config: FinetuningConfig,
    draw: int,
    on_step: Callable[[], None],
) -> tuple[int, float]:
    """Train until held-out rows stop it; the step whose weights are kept, and their log-probability."""
    targets = torch.from_numpy(np.searchsorted(np.array(model.labels), dataset.labels))
    held_out = validation_parts(targets.numpy(), draw)[0]
    fitted, spared = np.flatnonzero(~held_out), np.flatnonzero(held_out)
    chosen = batches(len(fitted), config.batch_size)
    groups = [
        {"params": model.encoder.parameters(), "lr": encoder_lr},
        {"params": model.head.parameters(), "lr": config.head_lr},
    ]

    def log_probability(rows: Int[np.ndarray, " b"]) -> Tensor:
        return -F.cross_entropy(model(dataset.batch(rows)), targets[rows])

    def value() -> Tensor:
        on_step()
        return log_probability(fitted[next(chosen).numpy()])

    curve = ascend(
        "finetune",
        model,
        torch.optim.Adam(groups, maximize=True),
        value,
        lambda: log_probability(spared).item(),
        max_steps=config.max_steps,
        evaluate_every=config.evaluate_every,
        patience=config.patience,
    )
    with torch.no_grad():
        return curve.best_step, log_probability(spared).item()
