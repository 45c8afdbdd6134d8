"""A network with one hidden layer on cached features, its length of training chosen on validation."""

from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from infomax.evaluation.probes.classifiers import (
    SCALINGS,
    Array,
    Classifier,
    Device,
    Scaling,
    labelled,
    validation_parts,
    validation_settings,
)
from infomax.fitting import batches, seeded

_BATCH_SIZE, _LEARNING_RATE, _WEIGHT_DECAY = 256, 1e-3, 1e-2
_MAX_ROUNDS, _PATIENCE = 50, 5
_BLOCK = 4096  # rows evaluated at a time


def fit_mlps(
    features: Array,
    labels: Array,
    *,
    seed: int = 0,
    num_seeds: int = 1,
    num_hidden: int = 1024,
    device: Device = "cpu",
) -> list[Classifier]:
    """Networks dropout .2 → linear → batch norm → ReLU → dropout .2 → linear on standardised features.

    AdamW, batches of 256, in rounds of one pass through the rows (ten steps at least). The scaling (as in
    `fit_linear`) and the number of rounds are those at which a network fitted without the first validation
    part (see `validation_parts`) has the smallest cross-entropy on that part, none of the five rounds after
    it being better; `num_seeds` networks are then fitted to all labels for as many rounds. Where nothing can
    be validated: each feature scaled, ten rounds.

    Args:
        features: [n, d]. labels: [n], integers, −1 for none (left out).
        seed: everything random is a function of it; the networks use seed, seed + 1, …
        num_hidden: hidden units, at most; no more than 4d, nor than labels where these are more than 64.

    Raises:
        ValueError: shapes that do not fit, NaN or infinity, no labels, or a single one.
    """
    features, labels, _ = labelled("fit_mlps", "train", features, labels)
    if len(labels) < 2:
        raise ValueError("fit_mlps: batch normalisation needs at least 2 labelled rows, got 1; label more")
    if num_seeds < 1 or num_hidden < 1:
        raise ValueError(
            f"fit_mlps: num_seeds and num_hidden must be at least 1, got {num_seeds} and {num_hidden}"
        )
    classes, targets = np.unique(labels, return_inverse=True)
    y = torch.from_numpy(targets).to(device)
    num_hidden = min(num_hidden, 4 * features.shape[1], max(64, len(y)))
    parts = validation_parts(targets, seed)[:1]
    scaling, num_rounds = "each", 10
    if parts:
        losses = {
            (name, number): loss
            for name, scale in SCALINGS.items()
            for number, loss in _losses(scale(features)(features, device), y, parts[0], num_hidden, seed)
        }
        scaling, num_rounds = min(losses, key=lambda choice: losses[choice])
    scale = SCALINGS[scaling](features)
    z = scale(features, device)
    seeds = [seed + i for i in range(num_seeds)]
    settings = {
        "num_hidden": num_hidden,
        "scaling": scaling,
        "num_steps": num_rounds * _steps_per_round(len(y)),
        "batch_size": min(_BATCH_SIZE, len(y)),
        "learning_rate": _LEARNING_RATE,
        "weight_decay": _WEIGHT_DECAY,
        "seeds": seeds,
        **validation_settings(parts),
    }
    networks = [next(islice(_rounds(z, y, num_hidden, one), num_rounds - 1, None)) for one in seeds]
    return [
        Classifier(classes, features.shape[1], _scores(network, scale, device), settings)
        for network in networks
    ]


def _scores(network: nn.Module, scale: Scaling, device: Device) -> Callable[[np.ndarray], Tensor]:
    return lambda rows: _logits(network, scale(rows, device))


def _losses(
    z: Float[Tensor, "n d"],
    y: Int[Tensor, " n"],
    held_out: Bool[np.ndarray, " n"],
    num_hidden: int,
    seed: int,
) -> list[tuple[int, float]]:
    """Cross-entropy on the held-out rows after one round of training on the others, after two, …

    Held-out rows whose class is among the others count. It ends five rounds after the smallest.
    """
    held = torch.from_numpy(held_out).to(y.device)
    others, other_targets = z[~held], y[~held]
    held &= torch.isin(y, other_targets)
    losses: list[float] = []
    for network in _rounds(others, other_targets, num_hidden, seed, num_classes=int(y.max()) + 1):
        losses.append(F.cross_entropy(_logits(network, z[held]), y[held]).item())
        if len(losses) - 1 - int(np.argmin(losses)) == _PATIENCE:
            break
    return list(enumerate(losses, start=1))


def _rounds(
    z: Float[Tensor, "n d"],
    y: Int[Tensor, " n"],
    num_hidden: int,
    seed: int,
    num_classes: int | None = None,
) -> Iterator[nn.Module]:
    """The network after one round of training, after two, … at most 50; the same object each time."""
    with seeded(seed, 0, z.device):
        network = _network(z.shape[1], num_hidden, num_classes or int(y.max()) + 1).to(z.device)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY, fused=True
    )
    for number in range(1, _MAX_ROUNDS + 1):
        with seeded(seed, number, z.device):
            for rows in islice(batches(len(y), _BATCH_SIZE), _steps_per_round(len(y))):
                optimizer.zero_grad()
                rows = rows.to(z.device)
                F.cross_entropy(network(z[rows]), y[rows]).backward()
                optimizer.step()
        yield network


def _network(num_features: int, num_hidden: int, num_classes: int) -> nn.Module:
    return nn.Sequential(
        nn.Dropout(0.2),
        nn.Linear(num_features, num_hidden, bias=False),
        nn.BatchNorm1d(num_hidden),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(num_hidden, num_classes),
    )


def _steps_per_round(n: int) -> int:
    return max(n // _BATCH_SIZE, 10)


def _logits(network: nn.Module, z: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
    network.eval()
    with torch.no_grad():
        logits = torch.cat([network(rows) for rows in z.split(_BLOCK)])
    network.train()
    return logits
