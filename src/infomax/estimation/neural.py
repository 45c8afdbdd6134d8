"""Neural estimation: train a critic on some of the samples, report a bound's value on the others.

    I(X;Y) ≥ value( f(x_i, y_j) ),  f learned on other rows than those (x_i, y_i)

Rows are split in three parts: to train by minibatches, to stop early, and to report. Where x and y have many
columns, a second critic is trained on the few directions in which they are correlated (`canonical`), and the
rows that stop early choose between the two. The critic is fixed before the third part is seen: with a bound
of kind "lower bound" the reported value is one, for any number of rows. How far it lies below I(X;Y) is
unknown; more samples, more steps and a better critic raise it. Its standard error is for other test rows: the
spread over random halves of them, each drawn without replacement. (A bootstrap with replacement would score
the copy of a row as its negative.) The variance over halves is that of the whole, for sums over samples and
for sums over pairs.

All randomness is a function of the seed and the step. Values are computed on the device of the critic.

References: Belghazi et al. (2018); van den Oord et al. (2018); Poole et al. (2019); Song and Ermon (2020);
Antal and Tillé (2014), A new resampling method: the doubled half bootstrap.
"""

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from jaxtyping import Float

from infomax.errors import naming_extras, refuse
from infomax.estimation.bounds import infonce
from infomax.estimation.canonical import Directions, NormalScores, canonical_directions
from infomax.estimation.critics import CriticObjective, Separable, as_objective
from infomax.estimation.estimate import Estimate
from infomax.estimation.samples import as_rows
from infomax.fitting import TrainingCurve, ascend
from infomax.ranges import Count, Range, Seed, check_ranges

with naming_extras("infomax.estimation.neural"):
    import torch
    from torch import Tensor, nn

PAIRS_AT_ONCE = 2**17
"""Pairs scored at a time without gradient: 128 MiB for each layer of 256 units of a `Concatenated` critic."""
_Part = Annotated[float, Range(above=0, below=1, remedy="0.2 is usual")]
MIN_HELD_OUT = 16
"""Rows that are needed to stop early, and as many to report on."""
SATURATION_MARGIN = 1.0
"""Nats below the ceiling from which on a value counts as saturated.

InfoNCE of 64 samples with log r as its critic gives, for Gaussians of 3.12, 4.16 and 5.20 nats, 2.59, 3.14
and 3.52 in 20 dimensions and 2.85, 3.50 and 3.87 in one; its ceiling is log 64 = 4.16. Within a nat of the
ceiling the best critic is low by .6 nats or more.
"""
HEAVY_TAILS = 15.0
"""Kurtosis of a column above which its normal scores are used: 3 is Gaussian, 9 exponential, 46 cubed
Gaussian."""
COLUMNS_A_DIRECTION = 4
"""Canonical directions are tried where x and y have at least this many columns together for each of them."""


class Model(nn.Module):
    """A critic, and the second network of its objective: (x, y) -> the value to train by, or to report."""

    def __init__(
        self, dim_x: int, dim_y: int, critic: Callable[[int, int], nn.Module], objective: CriticObjective
    ):
        super().__init__()
        self.critic: nn.Module = critic(dim_x, dim_y)
        self.network: nn.Module | None = (
            None if objective.network is None else objective.network(dim_x, dim_y)
        )
        self.objective = objective

    @property
    def name(self) -> str:
        """The objective, and the critic's class."""
        return f"{self.objective.name}, {type(self.critic).__name__}"

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
    _inputs: "tuple[_Input, _Input]" = field(repr=False)
    _device: torch.device = field(repr=False)

    def scores(self, x: Any, y: Any) -> Float[np.ndarray, "n n"]:
        """Return f(x_i, y_j) of new samples, [n, n]: the log ratio, up to what the bound leaves free."""
        return self.model.scores(*self.standardised(x, y)).cpu().numpy()

    def standardised(self, x: Any, y: Any) -> tuple[Tensor, Tensor]:
        """Return new samples as the critic takes them, prepared like the training rows, on its device."""
        rows = as_rows("FittedNeural", x=x, y=y)
        pairs = zip(rows, self._inputs, ("x", "y"), strict=True)
        prepared = [of.apply(name, values, self._device) for values, of, name in pairs]
        return prepared[0], prepared[1]


@dataclass(frozen=True)
class Neural:
    """A learned critic's bound on I(X;Y), on held-out rows. For many columns and unknown dependence.

    With the default, InfoNCE, the value is a lower bound. It is too low if the critic has too few rows or
    steps, and at most log `evaluation_size`. Other bounds have no such limit, but scatter like e^I; no bound
    is good above about 6 nats with usual numbers of samples. Columns are standardised. Columns with heavy
    tails are replaced by the normal scores of their ranks, which does not change the information.

    A value within a nat of its ceiling has the caution "saturated". Values of bounds without a ceiling have
    the caution "biased" above log n, for n rows scored at a time: the mean of e^score then depends on pairs
    outside these rows.

    The interval is for the trained critic's bound, not for I. With 300 test rows and log r as the critic, the
    95 % interval contained the bound's mean over test sets in 0.94 of 300 cases at 0.5 nats (InfoNCE, NWJ and
    Donsker–Varadhan alike), and in 0.93, 0.96 and 0.96 at 4.1 nats in 8 dimensions.

    Args:
        critic: (dim_x, dim_y) to a module (x, y) -> scores; `Separable`, `Concatenated`, a `partial` of them,
            or your own.
        bound: a function from `bounds`, or your own `CriticObjective`. `critics.OBJECTIVES` says which
            function trains the critic and which function is reported: with `jensen_shannon`, NWJ(s + 1) is
            reported. A function outside of this table gives a value of kind "neither".
        batch_size: rows in a step; the negatives of a row are the others.
        max_steps: training stops here at the latest.
        evaluate_every: steps between evaluations of the validation rows.
        patience: evaluations without a new best value before training stops.
        lr: Adam's learning rate.
        validation_fraction: share of the rows that stop training early.
        test_fraction: share of the rows that are reported on.
        evaluation_size: held-out rows that are scored at a time; more of them are split into blocks.
        num_resamples: random halves of the test rows, for the standard error.
        canonical: also train a critic on the directions of `canonical_directions`, if they are few compared
            with the columns, and keep it if the validation rows prefer it. Use False for a critic that needs
            all columns, such as a critic of images.
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
    batch_size: Annotated[int, Range(2)] = 128
    max_steps: Count = 5000
    evaluate_every: Count = 50
    patience: Count = 10
    lr: Annotated[float, Range(above=0, remedy="5e-4 is usual")] = 5e-4
    validation_fraction: _Part = 0.2
    test_fraction: _Part = 0.2
    evaluation_size: Annotated[int, Range(MIN_HELD_OUT)] = 1024
    num_resamples: Annotated[int, Range(2)] = 200
    canonical: bool = True
    seed: Seed = 0
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
        return self._fit(rows, self._split(len(rows[0])))

    def cross_fit(self, x: Any, y: Any) -> Estimate:
        """Return the mean of values on 1/`test_fraction` parts of the rows, each with a critic of the others.

        Every row is reported on once, by a critic that has not seen it. Of the kind of the bound, and less
        scattered than `estimate`, in as many times the time. The standard error takes the parts to be
        independent; what their critics have in common it leaves out.

        Raises:
            ValueError: as `fit`; a `test_fraction` above one half.
        """
        refuse(
            self.test_fraction > 0.5,
            f"Neural: cross_fit needs a test_fraction of at most 0.5, got {self.test_fraction}; 0.2 is usual",
        )
        rows = as_rows("Neural", x=x, y=y)
        num_folds = self._num_folds
        fits = [self._fit(rows, self._split(len(rows[0]), fold)) for fold in range(num_folds)]
        model, sizes = fits[0].model, np.concatenate([fit.sizes for fit in fits])
        value = float(np.average([f.estimate.value for f in fits], weights=[len(f.test_rows) for f in fits]))
        return Estimate(
            value,
            _standard_error([row for fit in fits for row in fit.replicates], sizes),
            int(sizes.sum()),
            kind=model.objective.kind,
            method=f"Neural, {num_folds} parts, {model.name}",
            cautions=cautions_of(model.objective, value, int(sizes.max())),
        )

    def _fit(self, rows: list[np.ndarray], parts: tuple[np.ndarray, ...]) -> FittedNeural:
        """Train a critic on each kind of input; report on the one that the validation rows prefer."""
        train, validation, test = parts
        device = _device(self.device)
        candidates = []
        for inputs in self._ways_to_prepare(*(values[train] for values in rows)):
            data = [of.apply(n, r, device) for of, n, r in zip(inputs, ("x", "y"), rows, strict=True)]
            dim_x, dim_y = (values.shape[1] for values in data)
            model = initial_model(dim_x, dim_y, self.critic, self.bound, self.seed).to(device)
            curve = self._train(model, [d[train] for d in data], [d[validation] for d in data])
            candidates.append((curve.validation.max(), curve, model, inputs, [d[test] for d in data]))
        _, curve, model, inputs, tested = max(candidates, key=lambda candidate: candidate[0])
        estimate, replicates, sizes = self._report(model, *tested, about=inputs[0].about)
        return FittedNeural(estimate, curve, model, test, replicates, sizes, inputs, device)

    def _ways_to_prepare(self, x: np.ndarray, y: np.ndarray) -> "list[tuple[_Input, _Input]]":
        """Return what critics are trained on: all columns, and canonical directions where these are few."""
        inputs: list[tuple[_Input, _Input]] = [(_Columns.of(x), _Columns.of(y))]
        num_columns = x.shape[1] + y.shape[1]
        if self.canonical and num_columns >= COLUMNS_A_DIRECTION:
            found = canonical_directions(x, y, self.seed)
            if found and num_columns >= COLUMNS_A_DIRECTION * found[0].matrix.shape[1]:
                inputs.append((_Canonical(found[0]), _Canonical(found[1])))
        return inputs

    def _split(self, num_rows: int, fold: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the row numbers to train, to validate and to test on."""
        num_test, num_validation = (
            round(f * num_rows) for f in (self.test_fraction, self.validation_fraction)
        )
        rows = np.random.default_rng(self.seed).permutation(num_rows)
        begin = fold * num_test
        end = num_rows if fold == self._num_folds - 1 > 0 else begin + num_test
        others = np.concatenate([rows[:begin], rows[end:]])
        num_train = len(others) - num_validation
        refuse(
            num_train < self.batch_size or min(end - begin, num_validation) < MIN_HELD_OUT,
            f"Neural: {num_rows} rows leave {num_train} to train, {num_validation} to validate and "
            f"{end - begin} to test; needed are batch_size = {self.batch_size}, {MIN_HELD_OUT} and "
            f"{MIN_HELD_OUT}: give more rows, or a smaller batch_size",
        )
        return others[num_validation:], others[:num_validation], rows[begin:end]

    @property
    def _num_folds(self) -> int:
        return round(1 / self.test_fraction)

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

    def _report(
        self, model: Model, x: Tensor, y: Tensor, about: str
    ) -> tuple[Estimate, np.ndarray, np.ndarray]:
        """Return the estimate, the values of random halves [blocks, resamples], and the rows a block."""
        blocks = self._blocks(x, y)
        num_resamples = max(8, math.ceil(self.num_resamples / len(blocks)))
        rng = np.random.default_rng((self.seed, 1))
        replicates = np.array([_halves(model, *block, num_resamples, rng) for block in blocks])
        sizes = np.array([len(block[0]) for block in blocks])
        value = self._mean(model, model.objective.value, x, y)
        estimate = Estimate(
            value,
            _standard_error(replicates, sizes),
            int(sizes.sum()),
            kind=model.objective.kind,
            method=f"Neural, {model.name}{about}",
            cautions=cautions_of(model.objective, value, int(sizes.max())),
        )
        return estimate, replicates, sizes

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


def cautions_of(objective: CriticObjective, value: float, num_rows: int) -> tuple[str, ...]:
    """Return what is doubtful about a value of this many rows, scored at a time: near log n, or beyond it."""
    most = math.log(num_rows)
    shown = f"log {num_rows} = {most:.2f} nats"
    if objective.capped and value > most - SATURATION_MARGIN:
        return (f"saturated: within {most - value:.2f} of the ceiling {shown}",)
    if objective.capped is False and value > most:
        return (f"biased: {num_rows} rows cannot certify more than {shown}; e^score rests on pairs not seen",)
    return ()


@dataclass(frozen=True, eq=False)
class _Columns:
    """(rows − mean) / scale of each column, where `ranks` has no scores for it; a constant has scale 1."""

    mean: np.ndarray
    scale: np.ndarray
    heavy: np.ndarray
    ranks: NormalScores
    about: str = ""

    @classmethod
    def of(cls, rows: np.ndarray) -> "_Columns":
        mean, spread = rows.mean(axis=0), rows.std(axis=0)
        scale = np.where(spread > 0, spread, 1.0)
        heavy = (((rows - mean) / scale) ** 4).mean(axis=0) > HEAVY_TAILS
        return cls(mean, scale, heavy, NormalScores.of(rows[:, heavy]))

    def apply(self, name: str, rows: np.ndarray, device: torch.device) -> Tensor:
        refuse(
            rows.shape[1] != len(self.mean),
            f"FittedNeural: {name} must have the {len(self.mean)} columns of the fitted samples, got "
            f"{rows.shape[1]}",
        )
        scaled = (rows - self.mean) / self.scale
        if self.heavy.any():
            scaled[:, self.heavy] = self.ranks.apply(rows[:, self.heavy])
        return torch.from_numpy(scaled).to(device, torch.float32)


@dataclass(frozen=True, eq=False)
class _Canonical:
    """Canonical variables of the rows."""

    directions: Directions

    @property
    def about(self) -> str:
        return f", canonical directions: {self.directions.matrix.shape[1]}"

    def apply(self, name: str, rows: np.ndarray, device: torch.device) -> Tensor:
        return torch.from_numpy(self.directions.apply(rows)).to(device, torch.float32)


_Input = _Columns | _Canonical


def _halves(model: Model, x: Tensor, y: Tensor, num_resamples: int, rng: np.random.Generator) -> list[float]:
    """Return the values of random halves of one block, drawn without replacement."""
    scores = model.scores(x, y)
    values = []
    for _ in range(num_resamples):
        half = torch.from_numpy(rng.permutation(len(x))[: len(x) // 2]).to(x.device)
        part = scores[half][:, half]
        values.append(model.held_out(model.objective.value, x[half], y[half], part))
    return values


def _standard_error(replicates: np.ndarray | list[np.ndarray], sizes: np.ndarray) -> float:
    """Return √Σ_b w_b² Var_b: w_b is the share of the rows in block b, Var_b the variance of its halves."""
    weights = sizes / sizes.sum()
    return float(np.sqrt(np.sum(weights**2 * np.array([values.var(ddof=1) for values in replicates]))))


def _device(device: str | torch.device | None) -> torch.device:
    return torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))


def _check_settings(settings: Neural) -> None:
    as_objective(settings.bound)
    check_ranges(settings, "Neural")
    shares = settings.validation_fraction, settings.test_fraction
    if sum(shares) >= 1:
        raise ValueError(
            f"Neural: validation_fraction and test_fraction must be together below 1, got "
            f"{shares[0]} and {shares[1]}; 0.2 and 0.2 are usual"
        )
