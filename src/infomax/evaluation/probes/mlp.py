"""A network with one hidden layer on cached features, trained as long as validation says: the MLP probe."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from infomax.errors import refuse
from infomax.evaluation.probes.classifiers import FittedClassifier, validation_parts, validation_settings
from infomax.evaluation.probes.probe import ProbeResult, tested
from infomax.evaluation.probes.rows import (
    BLOCK,
    SCALINGS,
    Array,
    Device,
    Features,
    ProbeData,
    Scaling,
    labelled,
)
from infomax.fitting import batches, mlp_head, seeded

BATCH_SIZE, LR, WEIGHT_DECAY = 256, 1e-3, 1e-2
MIN_STEPS = 10
"""Steps of a round, at least."""
DEFAULT_NUM_ROUNDS, MAX_NUM_ROUNDS = 10, 50
PATIENCE = 5
"""Rounds without a smaller loss after which validation ends."""
DEFAULT_NUM_SEEDS, DEFAULT_NUM_HIDDEN = 3, 1024


def mlp_probe(
    train_features: Features,
    train_labels: Array,
    test_features: Features,
    test_labels: Array,
    *,
    seed: int = 0,
    num_seeds: int = DEFAULT_NUM_SEEDS,
    num_hidden: int = DEFAULT_NUM_HIDDEN,
    device: Device = "cpu",
) -> ProbeResult:
    """Return the test accuracy of networks with one hidden layer on standardised features; see `fit_mlps`.

    Args:
        train_features: [n, d], NumPy or torch.
        train_labels: [n], integers, −1 for none.
        test_features: [m, d].
        test_labels: [m].
        seed: of the validation part and of the first network.
        num_seeds: networks, with different initial weights, order of rows and dropout.
        num_hidden: hidden units, at most.
        device: where they are fitted.

    Returns:
        Mean and standard deviation over the networks.

    Raises:
        ValueError: shapes that do not fit, NaN or infinity, no labels, or a single one.

    Reference: the MLP classifier of Bachman et al. (2019).
    """
    data = ProbeData.of("mlp_probe", train_features, train_labels, test_features, test_labels)
    classifiers = fit_mlps(
        data.train_features,
        data.train_labels,
        seed=seed,
        num_seeds=num_seeds,
        num_hidden=num_hidden,
        device=device,
    )
    return tested("mlp", classifiers, data)


def fit_mlps(
    features: Features,
    labels: Array,
    *,
    seed: int = 0,
    num_seeds: int = 1,
    num_hidden: int = DEFAULT_NUM_HIDDEN,
    device: Device = "cpu",
) -> list[FittedClassifier]:
    """Return networks dropout .2 → linear → batch norm → ReLU → dropout .2 → linear on standardised features.

    They are trained by AdamW in batches of 256. A round is one pass through the rows, but at least ten steps.
    One network is trained without the first validation part (see `validation_parts`); the scaling (as in
    `fit_linear`) and the number of rounds are those at which its cross-entropy on that part is smallest, when
    the five rounds after it bring nothing smaller. Then `num_seeds` networks are trained on all labels for as
    many rounds. Where nothing can be validated, each feature is scaled and there are ten rounds.

    Args:
        features: [n, d].
        labels: [n], integers; rows with −1 (none) are left out.
        seed: everything random is a function of it; the networks use seed, seed + 1, ….
        num_seeds: how many networks.
        num_hidden: hidden units, at most; no more than 4d, and no more than the labels where these are more
            than 64.
        device: where they are fitted.

    Raises:
        ValueError: shapes that do not fit, NaN or infinity, no labels, or a single one.
    """
    features, labels, _ = labelled("fit_mlps", "train", features, labels)
    features = np.asarray(features)  # all of them in memory, also of stored rows
    _check(labels, num_seeds, num_hidden)
    classes, targets = np.unique(labels, return_inverse=True)
    y = torch.from_numpy(targets).to(device)
    num_hidden = min(num_hidden, 4 * features.shape[1], max(64, len(y)))
    parts = validation_parts(targets, seed)[:1]
    scaling, num_rounds = _chosen(features, y, parts, num_hidden, seed)
    scale = SCALINGS[scaling](features)
    z = scale(features, device)
    seeds = [seed + i for i in range(num_seeds)]
    settings = {
        "num_hidden": num_hidden,
        "scaling": scaling,
        "num_steps": num_rounds * _steps_per_round(len(y)),
        "batch_size": min(BATCH_SIZE, len(y)),
        "learning_rate": LR,
        "weight_decay": WEIGHT_DECAY,
        "seeds": seeds,
        **validation_settings(parts),
    }
    networks = [next(islice(_rounds(z, y, num_hidden, one), num_rounds - 1, None)) for one in seeds]
    return [
        FittedClassifier(classes, features.shape[1], _scores(network, scale, device), settings)
        for network in networks
    ]


def _check(labels: Int[np.ndarray, " n"], num_seeds: int, num_hidden: int) -> None:
    refuse(len(labels) < 2, "fit_mlps: batch normalisation needs at least 2 labelled rows, got 1; label more")
    refuse(
        num_seeds < 1 or num_hidden < 1,
        f"fit_mlps: num_seeds and num_hidden must be at least 1, got {num_seeds} and {num_hidden}",
    )


def _chosen(
    features: Float[np.ndarray, "n d"],
    y: Int[Tensor, " n"],
    parts: Sequence[Bool[np.ndarray, " n"]],
    num_hidden: int,
    seed: int,
) -> tuple[str, int]:
    """The scaling and the number of rounds with the smallest loss on the validation part."""
    if not parts:
        return "each", DEFAULT_NUM_ROUNDS
    losses = {
        (name, number): loss
        for name, scale in SCALINGS.items()
        for number, loss in _losses(scale(features)(features, y.device), y, parts[0], num_hidden, seed)
    }
    return min(losses, key=lambda choice: losses[choice])


def _scores(network: nn.Module, scale: Scaling, device: Device) -> Callable[[np.ndarray], Tensor]:
    return lambda rows: _logits(network, scale(rows, device))


def _losses(
    z: Float[Tensor, "n d"],
    y: Int[Tensor, " n"],
    held_out: Bool[np.ndarray, " n"],
    num_hidden: int,
    seed: int,
) -> list[tuple[int, float]]:
    """Cross-entropy on the held-out rows after one round of training on the others, after two, ….

    A held-out row counts if its class is among the others. The list ends five rounds after the smallest.
    """
    held = torch.from_numpy(held_out).to(y.device)
    others, other_targets = z[~held], y[~held]
    held &= torch.isin(y, other_targets)
    losses: list[float] = []
    for network in _rounds(others, other_targets, num_hidden, seed, num_classes=int(y.max()) + 1):
        losses.append(F.cross_entropy(_logits(network, z[held]), y[held]).item())
        if len(losses) - 1 - int(np.argmin(losses)) == PATIENCE:
            break
    return list(enumerate(losses, start=1))


def _rounds(
    z: Float[Tensor, "n d"],
    y: Int[Tensor, " n"],
    num_hidden: int,
    seed: int,
    num_classes: int | None = None,
) -> Iterator[nn.Module]:
    """The network after one round of training, after two, … up to 50; the same object each time."""
    with seeded(seed, 0, z.device):
        network = mlp_head(z.shape[1], num_hidden, num_classes or int(y.max()) + 1).to(z.device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=LR, weight_decay=WEIGHT_DECAY, fused=True)
    for number in range(1, MAX_NUM_ROUNDS + 1):
        with seeded(seed, number, z.device):
            for rows in islice(batches(len(y), BATCH_SIZE), _steps_per_round(len(y))):
                optimizer.zero_grad()
                rows = rows.to(z.device)
                F.cross_entropy(network(z[rows]), y[rows]).backward()
                optimizer.step()
        yield network


def _steps_per_round(n: int) -> int:
    return max(n // BATCH_SIZE, MIN_STEPS)


def _logits(network: nn.Module, z: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
    network.eval()
    with torch.no_grad():
        logits = torch.cat([network(rows) for rows in z.split(BLOCK)])
    network.train()
    return logits
