"""Neural estimation: train a critic on some of the samples, report a bound's value on the others.

    I(X;Y) ≥ value( f(x_i, y_j) ),  f learned on other rows than those (x_i, y_i)

Rows are split in three parts: to train by minibatches, to stop early, and to report. The reported value is
that of the trained critic. How far it lies below I(X;Y) is unknown; more samples, more steps and a better
critic raise it. Its standard error is for other test rows: the spread over random halves of them, each drawn
without replacement. (A bootstrap with replacement would score the copy of a row as its negative.) The
variance over halves is that of the whole, for sums over samples and for sums over pairs.

All randomness is a function of the seed and the step. Values are computed on the device of the critic.

References: Belghazi et al. (2018); van den Oord et al. (2018); Poole et al. (2019); Song and Ermon (2020);
Antal and Tillé (2014), A new resampling method: the doubled half bootstrap.
"""

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float

from infomax.errors import naming_extras, refuse
from infomax.estimation.bounds import infonce
from infomax.estimation.critics import CriticObjective, Separable, as_objective
from infomax.estimation.estimate import Estimate, Kind
from infomax.estimation.samples import as_rows
from infomax.fitting import TrainingCurve, ascend

with naming_extras("infomax.estimation.neural"):
    import torch
    from torch import Tensor, nn

PAIRS_AT_ONCE = 2**17
"""Pairs scored at a time without gradient: 128 MiB for each layer of 256 units of a `Concatenated` critic."""
MIN_HELD_OUT = 16
"""Rows that are needed to stop early, and as many to report on."""


class Model(nn.Module):
    """A critic, and the second network of its objective: (x, y) -> the value to train by, or to report."""

    def __init__(
        self, dim_x: int, dim_y: int, critic: Callable[[int, int], nn.Module], objective: CriticObjective
    ):
        super().__init__()
        self.critic = critic(dim_x, dim_y)
        self.network = None if objective.network is None else objective.network(dim_x, dim_y)
        self.objective = objective

    def forward(self, x: Float[Tensor, "n dim_x"], y: Float[Tensor, "n dim_y"]) -> Tensor:
        """Return the value that training maximises, of one batch."""
        return self._of(self.objective.train, self.critic(x, y), x, y)

    @torch.no_grad()
    def held_out(
        self, function: Callable[..., Tensor], x: Tensor, y: Tensor, scores: Tensor | None = None
    ) -> float:
        """Return a function of the objective on rows that are not trained on."""
        was_training = self.training
        self.eval()
        value = self._of(function, self.scores(x, y) if scores is None else scores, x, y)
        self.train(was_training)
        return value.item()

    @torch.no_grad()
    def scores(self, x: Float[Tensor, "m dim_x"], y: Float[Tensor, "n dim_y"]) -> Float[Tensor, "m n"]:
        """Return the scores of all pairs, computed for some rows at a time."""
        rows = max(1, PAIRS_AT_ONCE // len(y))
        return torch.cat([self.critic(some, y) for some in x.split(rows)])

    def _of(self, function: Callable[..., Tensor], scores: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return function(scores) if self.network is None else function(scores, self.network(x, y, scores))


@dataclass(frozen=True, eq=False)
class FittedNeural:
    """A trained critic and its estimate.

    estimate: the value on the test rows.
    curve: the course of training.
    model: critic and second network, in evaluation mode, for standardised rows.
    test_rows: numbers of the rows that are reported on.
    replicates: values of random halves of the test rows, [blocks, resamples].
    sizes: rows in each block.
    """

    estimate: Estimate
    curve: TrainingCurve
    model: Model
    test_rows: np.ndarray
    replicates: np.ndarray = field(repr=False)
    sizes: np.ndarray = field(repr=False)
    _scalings: "tuple[_Scaling, _Scaling]" = field(repr=False)
    _device: torch.device = field(repr=False)

    def scores(self, x: Any, y: Any) -> np.ndarray:
        """Return f(x_i, y_j) of new samples, [n, n]: the log ratio, up to what the bound leaves free."""
        return self.model.scores(*self.standardised(x, y)).cpu().numpy()

    def standardised(self, x: Any, y: Any) -> tuple[Tensor, Tensor]:
        """Return new samples scaled like the training rows, on the critic's device."""
        rows = as_rows("FittedNeural", x=x, y=y)
        pairs = zip(rows, self._scalings, ("x", "y"), strict=True)
        scaled = [scaling.apply(name, values, self._device) for values, scaling, name in pairs]
        return scaled[0], scaled[1]


@dataclass(frozen=True)
class Neural:
    """A learned critic's bound on I(X;Y), on held-out rows. For many columns and unknown dependence.

    With the default, InfoNCE, a lower bound: too low where the critic has too few rows or steps to learn
    from, and at most log `evaluation_size`. Other bounds have no such limit, but scatter like e^I; none is
    good above about 6 nats with usual numbers of samples. Columns are standardised. Transform those with
    heavy tails first (logarithms, ranks), which does not change the information.

    The interval is for the trained critic's bound, not for I. With 300 test rows and log r as the critic, the
    95 % interval contained the bound's mean over test sets in 0.94 of 300 cases at 0.5 nats (InfoNCE, NWJ and
    Donsker–Varadhan alike), and in 0.93, 0.96 and 0.96 at 4.1 nats in 8 dimensions.

    Args:
        critic: (dim_x, dim_y) to a module (x, y) -> scores; `Separable`, `Concatenated`, a `partial` of them,
            or your own.
        bound: a function of `bounds`, or your own `CriticObjective`. `critics.OBJECTIVES` says which function
            trains the critic and which one is reported: with `jensen_shannon`, NWJ(s + 1) is reported. The
            value of a function that is not in that table is of kind "neither".
        batch_size: rows in a step; the negatives of a row are the others.
        max_steps: training stops here at the latest.
        evaluate_every: steps between evaluations of the validation rows.
        patience: evaluations without a new best value before training stops.
        lr: Adam's learning rate.
        validation_fraction: share of the rows that stop training early.
        test_fraction: share of the rows that are reported on.
        evaluation_size: held-out rows that are scored at a time; more of them are split into blocks.
        num_resamples: random halves of the test rows, for the standard error.
        seed: of the split, the first weights and the batches.
        device: where to compute; None for a GPU where there is one.

    Example:
        >>> from infomax.information.distributions import correlated_gaussians
        >>> x, y = correlated_gaussians(0.8).sample(2000, np.random.default_rng(0))  # 0.511 nats
        >>> estimate = Neural(max_steps=200).estimate(x, y)
        >>> estimate.kind, 0.3 < estimate.value < 0.7
        ('lower bound', True)
    """

    critic: Callable[[int, int], nn.Module] = Separable
    bound: CriticObjective | Callable[..., Any] = infonce
    batch_size: int = 128
    max_steps: int = 5000
    evaluate_every: int = 50
    patience: int = 10
    lr: float = 5e-4
    validation_fraction: float = 0.2
    test_fraction: float = 0.2
    evaluation_size: int = 1024
    num_resamples: int = 200
    seed: int = 0
    device: str | torch.device | None = None

    def __post_init__(self) -> None:
        _check_settings(self)

    def estimate(self, x: Any, y: Any, *, given: Any = None) -> Estimate:
        """Return I(X;Y), or I(X;Y|given), in nats, from samples [n] or [n, d], reported on held-out rows.

        With a condition it is the difference I(X;Y,Z) − I(X;Z) of two lower bounds, and therefore of kind
        "neither". Both are reported on the same rows, and the standard error is that of the difference.

        Raises:
            ValueError: as `fit`.
        """
        if given is None:
            return self.fit(x, y).estimate
        x, y, given = as_rows("Neural", x=x, y=y, given=given)
        whole, part = self.fit(x, np.hstack([y, given])), self.fit(x, given)
        return Estimate(
            whole.estimate.value - part.estimate.value,
            _standard_error(whole.replicates - part.replicates, whole.sizes),
            whole.estimate.num_samples,
            kind="neither",
            method=f"{whole.estimate.method}, I(X;Y,Z) − I(X;Z)",
        )

    def fit(self, x: Any, y: Any) -> FittedNeural:
        """Train a critic on samples [n] or [n, d], and report its bound's value on held-out ones.

        Raises:
            ValueError: too few rows for three parts and a batch; values that are no longer finite.
        """
        rows = as_rows("Neural", x=x, y=y)
        train, validation, test = self._split(len(rows[0]))
        device = _device(self.device)
        scalings = _Scaling.of(rows[0][train]), _Scaling.of(rows[1][train])
        data = [s.apply(n, r, device) for s, n, r in zip(scalings, ("x", "y"), rows, strict=True)]
        model = initial_model(rows[0].shape[1], rows[1].shape[1], self.critic, self.bound, self.seed).to(
            device
        )
        curve = self._train(model, [d[train] for d in data], [d[validation] for d in data])
        estimate, replicates, sizes = self._report(model, *(d[test] for d in data))
        return FittedNeural(estimate, curve, model, test, replicates, sizes, scalings, device)

    def _split(self, num_rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the row numbers to train, to validate and to test on."""
        num_test, num_validation = (
            round(f * num_rows) for f in (self.test_fraction, self.validation_fraction)
        )
        num_train = num_rows - num_test - num_validation
        refuse(
            num_train < self.batch_size or min(num_test, num_validation) < MIN_HELD_OUT,
            f"Neural: {num_rows} rows leave {num_train} to train, {num_validation} to validate and "
            f"{num_test} to test; needed are batch_size = {self.batch_size}, {MIN_HELD_OUT} and "
            f"{MIN_HELD_OUT}: give more rows, or a smaller batch_size",
        )
        rows = np.random.default_rng(self.seed).permutation(num_rows)
        return rows[num_test + num_validation :], rows[num_test : num_test + num_validation], rows[:num_test]

    def _train(self, model: Model, train: list[Tensor], validation: list[Tensor]) -> TrainingCurve:
        """Maximise by Adam while the validation value rises; leave the best weights in the model, frozen."""
        batches = self._batches(train)
        curve = ascend(
            "Neural",
            model,
            torch.optim.Adam(model.parameters(), lr=self.lr, maximize=True),
            lambda: model(*next(batches)),
            lambda: self._mean(model, model.objective.train, *validation),
            max_steps=self.max_steps,
            evaluate_every=self.evaluate_every,
            patience=self.patience,
            remedy="use a lower lr, or a bound that does not average e^score, as infonce",
        )
        model.requires_grad_(False)
        return curve

    def _batches(self, data: list[Tensor]) -> Iterator[list[Tensor]]:
        """Yield batches of different rows, each row at most once an epoch: a function of seed and step."""
        for epoch in itertools.count():
            order = np.random.default_rng((self.seed, epoch)).permutation(len(data[0]))
            rows = torch.from_numpy(order).to(data[0].device)
            for batch in rows.split(self.batch_size)[: len(rows) // self.batch_size]:
                yield [values[batch] for values in data]

    def _report(self, model: Model, x: Tensor, y: Tensor) -> tuple[Estimate, np.ndarray, np.ndarray]:
        """Return the estimate, the values of random halves [blocks, resamples], and the rows a block."""
        blocks = self._blocks(x, y)
        num_resamples = max(8, math.ceil(self.num_resamples / len(blocks)))
        rng = np.random.default_rng((self.seed, 1))
        replicates = np.array([_halves(model, *block, num_resamples, rng) for block in blocks])
        sizes = np.array([len(block[0]) for block in blocks])
        value = self._mean(model, model.objective.value, x, y)
        method = f"Neural, {model.objective.name}, {type(model.critic).__name__}"
        kind: Kind = model.objective.kind
        error = _standard_error(replicates, sizes)
        return Estimate(value, error, int(sizes.sum()), kind=kind, method=method), replicates, sizes

    def _blocks(self, x: Tensor, y: Tensor) -> list[tuple[Tensor, Tensor]]:
        num_blocks = math.ceil(len(x) / self.evaluation_size)
        return list(zip(x.tensor_split(num_blocks), y.tensor_split(num_blocks), strict=True))

    def _mean(self, model: Model, function: Callable[..., Tensor], x: Tensor, y: Tensor) -> float:
        blocks = self._blocks(x, y)
        values = [model.held_out(function, *block) for block in blocks]
        return float(np.average(values, weights=[len(block[0]) for block in blocks]))


def initial_model(
    dim_x: int,
    dim_y: int,
    critic: Callable[[int, int], nn.Module],
    bound: CriticObjective | Callable[..., Any],
    seed: int,
) -> Model:
    """Return a model whose first weights are a function of the seed; the global generator is not used."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return Model(dim_x, dim_y, critic, as_objective(bound))


@dataclass(frozen=True, eq=False)
class _Scaling:
    """(rows − mean) / scale of each column; a constant column has scale 1."""

    mean: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, rows: np.ndarray) -> "_Scaling":
        spread = rows.std(axis=0)
        return cls(rows.mean(axis=0), np.where(spread > 0, spread, 1.0))

    def apply(self, name: str, rows: np.ndarray, device: torch.device) -> Tensor:
        refuse(
            rows.shape[1] != len(self.mean),
            f"FittedNeural: {name} must have the {len(self.mean)} columns of the fitted samples, got "
            f"{rows.shape[1]}",
        )
        return torch.from_numpy((rows - self.mean) / self.scale).to(device, torch.float32)


def _halves(model: Model, x: Tensor, y: Tensor, num_resamples: int, rng: np.random.Generator) -> list[float]:
    """Return the values of random halves of one block, drawn without replacement."""
    scores = model.scores(x, y)
    values = []
    for _ in range(num_resamples):
        half = torch.from_numpy(rng.permutation(len(x))[: len(x) // 2]).to(x.device)
        part = scores[half][:, half]
        values.append(model.held_out(model.objective.value, x[half], y[half], part))
    return values


def _standard_error(replicates: np.ndarray, sizes: np.ndarray) -> float:
    """Return √Σ_b w_b² Var_b: w_b is the share of the rows in block b, Var_b the variance of its halves."""
    weights = sizes / sizes.sum()
    return float(np.sqrt(np.sum(weights**2 * replicates.var(axis=1, ddof=1))))


def _device(device: str | torch.device | None) -> torch.device:
    return torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))


def _check_settings(settings: Neural) -> None:
    as_objective(settings.bound)
    least = {
        "batch_size": 2,
        "max_steps": 1,
        "evaluate_every": 1,
        "patience": 1,
        "evaluation_size": MIN_HELD_OUT,
        "num_resamples": 2,
        "seed": 0,
    }
    for name, smallest in least.items():
        if getattr(settings, name) < smallest:
            raise ValueError(f"Neural: {name} must be at least {smallest}, got {getattr(settings, name)}")
    refuse(not settings.lr > 0, f"Neural: lr must be above 0, got {settings.lr}; 5e-4 is usual")
    shares = settings.validation_fraction, settings.test_fraction
    if not (min(shares) > 0 and sum(shares) < 1):
        raise ValueError(
            f"Neural: validation_fraction and test_fraction must be above 0 and together below 1, got "
            f"{shares[0]} and {shares[1]}; 0.2 and 0.2 are usual"
        )
