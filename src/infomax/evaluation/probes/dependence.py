"""How much features depend on each other, in nats: a lower bound on their total correlation.

    D(p(z) ‖ Π_k p(z_k)) ≥ 1 + E_p f(z) − E_shuffled e^f     f a network trained on other rows

The right side is a lower bound in expectation, for any number of rows n, though columns are shuffled among
the same n rows. Some entries of a shuffled row may then come from one row; for each way in which they do, the
shuffled row has a distribution that keeps the dependence within those groups, and the divergence from it is
at most the total correlation. The divergence is convex, so that this holds for their mixture.

Reference: Hjelm et al. (2018), section 4.1 and appendix A.4.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from infomax.errors import refuse
from infomax.estimation.bounds import jensen_shannon
from infomax.estimation.critics import CriticObjective, as_objective
from infomax.estimation.estimate import Estimate
from infomax.evaluation.probes.rows import Array, Device, as_features, scale_each
from infomax.fitting import ascend, batches, perceptron, seeded

MIN_ROWS = 40
"""Rows that `neural_dependence` needs: 24 to train on, 8 to stop early by, 8 to report on."""
NUM_REPLICATES = 100
"""Random halves of the last fifth whose spread is the standard error."""


def neural_dependence(
    features: Array,
    *,
    bound: CriticObjective | Callable[..., Any] = jensen_shannon,
    hidden: Sequence[int] = (256, 256),
    batch_size: int = 256,
    max_steps: int = 2000,
    evaluate_every: int = 50,
    patience: int = 5,
    lr: float = 5e-4,
    seed: int = 0,
    device: Device = "cpu",
) -> Estimate:
    """Return a lower bound on the total correlation D(p(z) ‖ Π_k p(z_k)), 0 for independent features.

    A network tells rows from shuffled rows, in which each column is permuted over the batch by itself. It is
    trained on three fifths of the rows and stopped by a fifth; its value is that of the last fifth. Features
    are standardised. The value is low where the network has too few rows or steps.

    The default trains by the Jensen–Shannon divergence and reads NWJ, a lower bound in expectation for any
    number of rows. The paper's Donsker–Varadhan is not: the logarithm of a mean of few e^f is low on average,
    and nothing stops it where features depend strongly. For 64 Gaussian features with 2.3, 9.7 and 49 nats,
    and 5000 rows, it found 2.0, 103 and 70,000; the default found 1.3, 4.9 and 20. No m shuffled rows can
    certify more than log m nats (McAllester and Stratos 2020): a value above that says "much", not how much,
    and its standard error does not know of the rows that were not seen.

    Args:
        features: [n, d], NumPy or torch.
        bound: of `infomax.estimation.bounds`, one that averages positives and negatives separately:
            `jensen_shannon` (read by NWJ), `nwj`, or `donsker_varadhan`, the paper's.
        hidden: widths of the network's hidden layers.
        batch_size: rows a step.
        max_steps: of training.
        evaluate_every: steps between evaluations of the rows that stop it.
        patience: evaluations without a new best value before training stops.
        lr: of Adam.
        seed: of the split, the first weights, the batches and the shuffling.
        device: where the network is trained.

    Returns:
        Of the bound's kind, "lower bound" by default. Above log m, for the m = 2n/5 shuffled rows of the last
        fifth, "neither", with the caution "biased". The standard error is the spread over random halves of
        the last fifth, each shuffled anew.

    Raises:
        ValueError: features are not [n, d] and finite; there is a single feature; there are fewer than 40
            rows; the bound needs a network of its own, or compares rows with each other; values are no longer
            finite.

    Example:
        >>> z = np.random.default_rng(0).standard_normal((1000, 3))
        >>> abs(neural_dependence(z, max_steps=100).value) < 0.1
        True

    Reference: Hjelm et al. (2018), appendix A.4, the neural dependency measure.
    """
    features = as_features("neural_dependence", "features", features)
    objective = _checked(features, bound)
    order = np.random.default_rng(seed).permutation(len(features))
    train, stop, report = np.split(order, [len(order) * 3 // 5, len(order) * 4 // 5])
    scaling = scale_each(features[train])
    z, z_stop, z_report = (scaling(features[rows], device) for rows in (train, stop, report))
    with seeded(seed, 0, z.device):
        network = perceptron([z.shape[1], *hidden, 1]).to(z.device)
        rows = batches(len(z), batch_size)
        ascend(
            "neural_dependence",
            network,
            torch.optim.Adam(network.parameters(), lr=lr, maximize=True),
            lambda: objective.train(_scores(network, z[next(rows).to(z.device)])),
            lambda: _replicates(network, z_stop, objective.train, seed=1, num=4).mean(),
            max_steps=max_steps,
            evaluate_every=evaluate_every,
            patience=patience,
        )
    return _dependence(network, z_report, objective)


def _checked(
    features: Float[np.ndarray, "n d"], bound: CriticObjective | Callable[..., Any]
) -> CriticObjective:
    n, d = features.shape
    refuse(
        n < MIN_ROWS or d < 2,
        f"neural_dependence: needs at least {MIN_ROWS} rows of at least 2 features, got [{n}, {d}]",
    )
    objective = as_objective(bound)
    refuse(
        objective.network is not None,
        f"neural_dependence: {objective.name} needs a network beside the critic; use donsker_varadhan, "
        "nwj or jensen_shannon",
    )
    refuse(
        objective.capped,
        f"neural_dependence: {objective.name} compares each row with the shuffled ones, which share entries "
        "with it; use nwj or jensen_shannon",
    )
    return objective


def _dependence(network: nn.Module, z: Float[Tensor, "n d"], objective: CriticObjective) -> Estimate:
    """The value on all rows, averaged over shufflings; its spread over random halves."""
    values = _replicates(network, z, objective.value, seed=2, num=16)
    halves = _replicates(network, z, objective.value, seed=3, num=NUM_REPLICATES, share=0.5)
    value, num_shuffled = float(values.mean()), 2 * len(z)
    most = math.log(num_shuffled)
    shown = f"log {num_shuffled} = {most:.2f} nats"
    beyond = f"biased: {num_shuffled} shuffled rows cannot certify more than {shown}"
    return Estimate(
        value,
        float(halves.std(ddof=1)),
        len(z),
        kind="neither" if value > most else objective.kind,
        method=f"neural dependence, {objective.name}",
        cautions=(beyond,) if value > most else (),
    )


@torch.no_grad()
def _replicates(
    network: nn.Module,
    z: Float[Tensor, "n d"],
    function: Callable[[Tensor], Tensor],
    *,
    seed: int,
    num: int,
    share: float = 1.0,
) -> Float[np.ndarray, " num"]:
    """Values of random parts of the rows, each shuffled anew."""
    with seeded(seed, 1, z.device):
        size = round(share * len(z))
        parts = [z[torch.randperm(len(z))[:size].to(z.device)] for _ in range(num)]
        return np.array([function(_scores(network, part)).item() for part in parts])


def _scores(network: nn.Module, z: Float[Tensor, "n d"]) -> Float[Tensor, "2 2 n"]:
    """f of rows on the diagonal, twice, and f of shuffled rows beside it, where any bound looks for them."""
    n = len(z)
    of_rows, first, second = network(torch.cat([z, _shuffled(z), _shuffled(z)])).squeeze(1).split(n)
    return torch.stack([torch.stack([of_rows, first]), torch.stack([second, of_rows])])


def _shuffled(z: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """Each column permuted by itself."""
    return z.gather(0, torch.rand(z.shape).argsort(0).to(z.device))
