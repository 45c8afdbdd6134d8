"""Strong dependence between continuous variables: nearest neighbours in coordinates that follow the rows.

Shifting Y by any function of X leaves h(Y|X) unchanged. With E = Y − g(X),

    I(X;Y) = h(Y) − h(E) + I(X;E)        for every g.

A good g removes the dependence that nearest neighbours cannot resolve, and moves it into h(Y) − h(E), the
entropies of two ordinary clouds of points. The rest, I(X;E), is small, and KSG estimates it. With g = 0 it is
KSG alone. Where neither variable is a function of the other plus noise, but the rows lie along a curve or on
several, ellipsoids that follow them give h(X,Y) in h(X) + h(Y) − h(X,Y).
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import digamma, ndtri

from infomax.errors import refuse
from infomax.estimation.estimate import Estimate
from infomax.estimation.neighbors.boxes import Boxes, Margin, saturation
from infomax.estimation.neighbors.ellipsoids import log_density
from infomax.estimation.neighbors.local_fits import ROWS_FOR_TERM, best_prediction
from infomax.estimation.neighbors.ranges import sample_of_rows, within
from infomax.estimation.neighbors.search import (
    Neighbors,
    NumNeighbors,
    NumWorkers,
    most_repeats,
    nearest,
)
from infomax.estimation.samples import as_rows
from infomax.ranges import check_ranges

TINY = np.finfo(float).tiny
MIN_SAMPLES = 20
MIN_SPREAD = 1e-12  # of rows; anything below is rounding
MIN_RESIDUAL = 1e-8  # of whitened rows; anything below is rounding in a fit
MIN_GAIN = 3.0  # standard errors by which a form must exceed one before it
MIN_GAIN_OF_SHIFTS = 0.05  # nats
MIN_GAIN_OF_ELLIPSOIDS = 0.1
BIAS_OF_ELLIPSOIDS = 0.05  # nats, their bias
BIAS_OF_COLUMNS = 0.4  # nats · √n for each column beyond two, the bias of h(Y) − h(E)
BIAS_OF_BOXES = 0.025  # of the part that KSG estimates, its bias
MAX_COLUMNS_OF_ELLIPSOIDS = 4
ROWS_FOR_COLUMN = 20  # around a row, for each column, in the metric of an ellipsoid
LARGER = 4  # times k, with which the estimate is compared
MIN_DRIFT = 0.05  # nats between k and the larger k that show a bias
MAX_DRIFT = 0.5  # nats between k and the larger k; log 4 = 1.39 where the rows lie on a curve


@dataclass(frozen=True)
class ResidualKSG:
    """I(X;Y) = h(Y) − h(E) + I(X;E), E = Y − g(X): for dependence so strong that `KSG` is too low.

    g predicts every row from other rows: a straight line through all of them, or polynomials in windows,
    whose width is the one that predicts best and grows with the number of rows. Entropies are Kozachenko and
    Leonenko's. Forms are compared: g = 0, which is `KSG`; Y from X; X from Y; each of these again with every
    column brought near a normal distribution; and, up to four columns, h(X) + h(Y) − h(X,Y) with ellipsoids.
    A wrong form blurs the joint distribution and finds less. The form that finds most counts, if it clearly
    finds more than g = 0.

    The standard error counts in the scatter, the spread of forms that find as much, a part of the change from
    k to 4k neighbours, the width of the window, and measured biases: 2.5 % of what is left to KSG, 0.05 nats
    of ellipsoids, and 0.4 (d − 2)/√n of entropies in d columns. Where windows or boxes cannot become
    narrower, the value is called saturated.

    Mean error and mean standard error at n = 10,000; the 95 % interval contained the truth in every draw:

    =================================  =======  =========  =====
    nats, distribution                 error    error bar  draws
    =================================  =======  =========  =====
    1.158, circle, noise 0.05          +0.023   0.032      4
    0.846, figure of eight, 0.05       +0.022   0.025      4
    2.334, Y = ±X, 0.05                +0.033   0.061      4
    6.215, Y = ±X, 0.001               +0.061   0.055      4
    0, lognormal, σ = 2                +0.001   0.015      4
    0, Pareto 1.5                      +0.001   0.012      4
    0, Cauchy                          +0.001   0.011      4
    0, two humps                       +0.000   0.014      4
    0, 1-D Gaussian                    +0.004   0.010      4
    0.4, 1-D Gaussian                  −0.002   0.016      4
    2, 1-D Gaussian                    +0.011   0.053      4
    5, 1-D Gaussian                    −0.005   0.024      4
    10, 1-D Gaussian                   +0.002   0.029      4
    10, its `wiggly` form              −0.049   0.075      4
    10, its `half_cube`                −0.007   0.034      4
    4.341, Student t of 2, ρ = 0.9999  +0.058   0.115      4
    2, 2-D Gaussian                    +0.014   0.064      5
    5, 2-D Gaussian                    +0.005   0.023      5
    10, 2-D Gaussian                   +0.000   0.030      5
    0.4, 3-D Gaussian                  −0.012   0.036      2
    2, 3-D Gaussian                    −0.002   0.026      2
    =================================  =======  =========  =====

    With fewer rows the error is larger: at n = 1,000, ten nats in the `wiggly` form are low by 0.27 (mean of
    10 draws), and said to be saturated. At n = 2,000 the interval contained 4.341 nats of Student's t in 94
    of 100 draws. A pair of one column each takes 0.8 s at n = 10,000 on one core, of three columns 4.4 s.

    Args:
        num_neighbors: k.
        num_workers: threads for the trees, −1 for all cores.

    Example:
        >>> from infomax.information.distributions import correlated_gaussians
        >>> pair = correlated_gaussians(np.sqrt(1 - np.exp(-20)))  # 10 nats
        >>> x, y = pair.sample(2000, np.random.default_rng(0))
        >>> from infomax.estimation.neighbors.ksg import KSG
        >>> abs(ResidualKSG().estimate(x, y).value - 10) < 0.1, abs(KSG().estimate(x, y).value - 10) > 3
        (True, True)

    Reference: the identity is theorem 8.6.3 of Cover and Thomas (2006), given X; the parts are Kraskov et al.
    (2004) and Kozachenko and Leonenko (1987). Gao, Ver Steeg and Galstyan (2015) show why nearest neighbours
    fail, and adapt boxes to the rows.
    """

    num_neighbors: NumNeighbors = 5
    num_workers: NumWorkers = -1

    def __post_init__(self) -> None:
        check_ranges(self, "ResidualKSG")

    def estimate(self, x: Any, y: Any, *, given: Any = None) -> Estimate:
        """Return I(X;Y), or I(X;Y|Z) = I(X,Z;Y) − I(Z;Y), in nats, from samples [n] or [n, d].

        Raises:
            ValueError: fewer than 20 samples; repeated values; constant, copied or collinear columns; one
                variable a linear function of the other, with which the information is infinite.
        """
        rows = as_rows("ResidualKSG", x=x, y=y, given=given)
        x, y, *condition = (columns / np.maximum(np.abs(columns).max(axis=0), TINY) for columns in rows)
        _check(self.num_neighbors, x, y, *condition)
        k, method = self.num_neighbors, f"ResidualKSG, k={self.num_neighbors}"
        if not condition:
            return _sum(method, [(1, self._of_pair(x, y))], k)
        z = condition[0]
        directions = [
            _sum(method, [(1, self._of_pair(np.hstack([one, z]), other)), (-1, self._of_pair(z, other))], k)
            for one, other in ((x, y), (y, x))
        ]
        return min(directions, key=lambda found: found.standard_error)

    def _of_pair(self, x: np.ndarray, y: np.ndarray) -> "_Form":
        """Return the form of I(X;Y) that finds most: g = 0, unless another finds clearly more.

        A wrong form blurs the joint distribution, and so finds less. Where a larger k shows that the best one
        is still blurred, the form with the smallest error is taken of those that find as much.
        """
        forms = self._forms(x, y)
        values = [form.local(self.num_neighbors) for form in forms]
        clear = [i for i, form in enumerate(forms) if i and _finds_more(values[i], values[0], form.min_gain)]
        best = max([0, *clear], key=lambda i: values[i].mean() - (forms[i].min_gain if i else 0.0))
        near = [i for i, found in enumerate(values) if not _finds_more(values[best], found)]
        spread = float(np.std([values[i].mean() for i in near]))
        if abs(_drift(forms[best], self.num_neighbors)) > MIN_DRIFT:
            best = min(near, key=lambda i: forms[i].error(self.num_neighbors))
        return replace(forms[best], spread=spread)

    def _forms(self, x: np.ndarray, y: np.ndarray) -> "list[_Form]":
        num_columns = x.shape[1] + y.shape[1]
        scores = _whiten(_normal_scores(x))[0], _whiten(_normal_scores(y))[0]
        x, y = _whiten(x)[0], _whiten(y)[0]
        forms: list[_Form] = []
        for one, other in ((x, y), scores):
            plain = _Shifted(one, other, self.num_workers)
            forms += [plain, self._shifted(one, other), self._shifted(other, one)]
        around = ROWS_FOR_COLUMN * num_columns
        if num_columns <= MAX_COLUMNS_OF_ELLIPSOIDS and LARGER * self.num_neighbors < around < len(x) // 2:
            forms.append(_Ellipsoids(x, y, around, self.num_workers))
        return forms

    def _shifted(self, x: np.ndarray, y: np.ndarray) -> "_Shifted":
        fit = best_prediction(x, y, self.num_workers)
        residual, log_scale = _whiten(y - fit.predicted, 1.0, MIN_RESIDUAL)
        usual = float(np.median(np.linalg.norm(y - fit.predicted, axis=1)))
        refuse(
            usual <= MIN_RESIDUAL,
            "ResidualKSG: the information is infinite where one variable is a function of the other: a fit "
            f"predicts half of the rows to {usual:.0e} standard deviations; leave one out",
        )
        bias, narrowest = y.shape[1] * fit.terms_per_row, fit.terms_per_row >= 1 / ROWS_FOR_TERM
        return _Shifted(x, residual, self.num_workers, y, log_scale, bias, narrowest)


# ------------------------------------------------------------------------------------- forms


@dataclass(frozen=True, eq=False)
class _Shifted:
    """I(X;Y) = h(Y) − h(E) + I(X;E); without y, g = 0 and I(X;E) is all.

    Args:
        x: [n, dx].
        residual: E, whitened: [n, dy].
        num_workers: threads for the trees.
        y: [n, dy], or None.
        log_scale: h(E) − h(whitened E).
        bias_of_fit: nats by which the errors of the fit widen E.
        narrowest: whether the window of the fit is the narrowest.
        min_gain: nats by which the value must exceed that of g = 0.
        spread: of the values of forms that find as much.
    """

    x: np.ndarray
    residual: np.ndarray
    num_workers: int
    y: np.ndarray | None = None
    log_scale: float = 0.0
    bias_of_fit: float = 0.0
    narrowest: bool = False
    min_gain: float = MIN_GAIN_OF_SHIFTS
    spread: float = 0.0

    def local(self, num_neighbors: int) -> np.ndarray:
        """Return pointwise values: [n]."""
        local = self._boxes(num_neighbors).local() - self.log_scale
        for sign, rows in self._entropies():
            local = local - sign * _in_cubes(rows, num_neighbors, self.num_workers)[0]
        return local

    def _influence(self, num_neighbors: int) -> np.ndarray:
        """Return how much rows, or a sample of them, move the mean of the values; see `boxes`."""
        boxes, shares = self._boxes(num_neighbors), np.full(len(self.x), 1 / num_neighbors)
        rows = sample_of_rows(len(self.x), *(margin.ranges for margin in boxes.margins))
        influence = (boxes.local() + boxes.neighbors.totals(shares))[rows]
        for margin in boxes.margins:
            influence = influence - margin.ranges.totals(1 / margin.counts, rows)
        for sign, points in self._entropies():
            log_density, neighbors = _in_cubes(points, num_neighbors, self.num_workers)
            influence = influence - sign * (log_density + neighbors.totals(shares))[rows]
        return influence

    def error(self, num_neighbors: int) -> float:
        """Return the size of the error: scatter, what a larger k shows, and the biases of the parts."""
        num_rows, num_columns = len(self.x), self.x.shape[1] + self.residual.shape[1]
        of_boxes = BIAS_OF_BOXES * float(self._boxes(num_neighbors).local().mean())
        of_entropies = 0.0 if self.y is None else BIAS_OF_COLUMNS * (num_columns - 2) / math.sqrt(num_rows)
        scatter = self._influence(num_neighbors).std(ddof=1) / math.sqrt(num_rows)
        drift = _share_of_drift(num_columns) * _drift(self, num_neighbors)
        return math.hypot(scatter, drift, of_boxes, of_entropies, self.bias_of_fit, self.spread)

    def cautions(self, num_neighbors: int) -> tuple[str, ...]:
        """Return the caution that boxes, or windows of the fit, cannot become smaller, if it is so."""
        if self.narrowest:
            return ("saturated: the narrowest window fits best, so that more samples would show more",)
        return saturation(self._boxes(num_neighbors), num_neighbors)

    def _boxes(self, num_neighbors: int) -> Boxes:
        neighbors = nearest(np.hstack([self.x, self.residual]), num_neighbors, num_workers=self.num_workers)
        ranges = [within(rows, neighbors.radii) for rows in (self.x, self.residual)]
        return Boxes(neighbors, neighbors.num, [Margin(-1, r, r.counts) for r in ranges], len(self.x))

    def _entropies(self) -> list[tuple[int, np.ndarray]]:
        """Return the signs of the entropies, and their rows."""
        return [] if self.y is None else [(1, self.y), (-1, self.residual)]


@dataclass(frozen=True, eq=False)
class _Ellipsoids:
    """I(X;Y) = h(X) + h(Y) − h(X,Y), the last from ellipsoids.

    Args:
        x: [n, dx].
        y: [n, dy].
        num_around: the rows that give each ellipsoid its shape.
        num_workers: threads for the trees.
        min_gain: nats by which the value must exceed that of g = 0.
        spread: of the values of forms that find as much.
    """

    x: np.ndarray
    y: np.ndarray
    num_around: int
    num_workers: int
    min_gain: float = MIN_GAIN_OF_ELLIPSOIDS
    spread: float = 0.0

    def local(self, num_neighbors: int) -> np.ndarray:
        """Return pointwise values: [n]."""
        joint = log_density(np.hstack([self.x, self.y]), num_neighbors, self.num_around, self.num_workers)
        for rows in (self.x, self.y):
            joint = joint - _in_cubes(rows, num_neighbors, self.num_workers)[0]
        return joint

    def error(self, num_neighbors: int) -> float:
        """Return the size of the error: scatter, what a larger k shows, and the bias of ellipsoids."""
        num_columns = self.x.shape[1] + self.y.shape[1]
        drift = _share_of_drift(num_columns) * _drift(self, num_neighbors)
        return math.hypot(_error(self.local(num_neighbors)), drift, BIAS_OF_ELLIPSOIDS, self.spread)

    def cautions(self, num_neighbors: int) -> tuple[str, ...]:
        """Return no caution: a larger k shows where ellipsoids are too large."""
        return ()


_Form = _Shifted | _Ellipsoids


def _in_cubes(rows: np.ndarray, num_neighbors: int, num_workers: int) -> tuple[np.ndarray, Neighbors]:
    """Return Kozachenko and Leonenko's log density at each row, and the neighbours behind it."""
    neighbors = nearest(rows, num_neighbors, num_workers=num_workers)
    log_volume = rows.shape[1] * np.log(2 * neighbors.radii)
    return digamma(num_neighbors) - digamma(len(rows)) - log_volume, neighbors


# ------------------------------------------------------------------------------------- value and error


def _sum(method: str, terms: "list[tuple[int, _Form]]", num_neighbors: int) -> Estimate:
    """Return the sum of signed terms; its error counts in the scatter, and the bias that can be seen."""
    num_rows = len(terms[0][1].x)
    local = np.sum([sign * form.local(num_neighbors) for sign, form in terms], axis=0)
    drifts = [_drift(form, num_neighbors) for _, form in terms]
    cautions = [caution for _, form in terms for caution in form.cautions(num_neighbors)]
    if max(drifts) > MAX_DRIFT:
        cautions.append(
            f"saturated: {LARGER * num_neighbors} neighbours give {max(drifts):.2f} nats less than "
            f"{num_neighbors}, so that fewer neighbours, or more samples, would give more"
        )
    error = math.hypot(*(form.error(num_neighbors) for _, form in terms))
    return Estimate(
        float(local.mean()), error, num_rows, method=method, local=local, cautions=tuple(cautions[:1])
    )


def _drift(form: "_Form", num_neighbors: int) -> float:
    """Return how much more k neighbours find than a larger number, beyond scatter; it goes as the bias."""
    larger = min(LARGER * num_neighbors, len(form.x) // 4)
    if larger <= num_neighbors:
        return 0.0
    change = form.local(num_neighbors) - form.local(larger)
    size = math.sqrt(max(change.mean() ** 2 - _error(change) ** 2, 0.0))
    return math.copysign(size, change.mean())


def _share_of_drift(num_columns: int) -> float:
    """Return the bias at k as a share of the drift, since it goes as (k/n)^(2/d) in d columns."""
    return 1 / (LARGER ** (2 / num_columns) - 1)


def _finds_more(values: np.ndarray, others: np.ndarray, min_gain: float = MIN_GAIN_OF_SHIFTS) -> bool:
    gain = values - others
    return bool(gain.mean() > min_gain + MIN_GAIN * _error(gain))


def _error(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / math.sqrt(len(values)))


# ------------------------------------------------------------------------------------- rows


def _check(num_neighbors: int, *variables: np.ndarray) -> None:
    num_samples, fewest = len(variables[0]), max(MIN_SAMPLES, num_neighbors + 1)
    refuse(
        num_samples < fewest,
        f"ResidualKSG: regression and {num_neighbors} neighbours need at least {fewest} samples, got "
        f"{num_samples}; use KSG",
    )
    for name, rows in zip(("x", "y", "given"), variables, strict=False):
        _whiten(rows)
        most = most_repeats(rows, num_neighbors)
        refuse(
            most > num_neighbors,
            f"ResidualKSG: {name} must be continuous, but one of its values occurs {most} times, more than "
            f"num_neighbors = {num_neighbors}; use MixedKSG, which allows ties, or Ross if one variable is "
            "a label",
        )


def _whiten(
    rows: np.ndarray, size: float | None = None, min_spread: float = MIN_SPREAD
) -> tuple[np.ndarray, float]:
    """Return the rows with the identity as covariance, near their own columns, and log |det| of the map back.

    Args:
        rows: [n, d].
        size: of the rows, with which rounding errors are compared; by default that of these rows.
        min_spread: of the narrowest direction, in units of the size.
    """
    size = float(max(np.abs(rows).max() * 1e-3, rows.std())) if size is None else size
    centred = rows - rows.mean(axis=0)
    _, spread, axes = np.linalg.svd(centred / np.sqrt(len(rows) - 1), full_matrices=False)
    refuse(
        len(spread) < rows.shape[1] or spread[-1] <= min_spread * size,
        "ResidualKSG: every column must vary, and not be determined by others: one is constant, a "
        "combination of others, or a function of the other variable; leave it out",
    )
    return centred @ axes.T / spread @ axes, float(np.log(spread).sum())


def _normal_scores(rows: np.ndarray) -> np.ndarray:
    """Return a monotone map of each column, nearly to a normal distribution: [n, d].

    It is linear between about √n quantiles, and therefore keeps the distances of near neighbours, which ranks
    would make equal. Towards the ends the quantiles lie denser.
    """
    num_rows = len(rows)
    step = math.isqrt(num_rows)
    tail = np.append(0, 2 ** np.arange(int(math.log2(step)) + 1))
    places = np.unique(np.concatenate([tail, np.arange(step, num_rows - step, step), num_rows - 1 - tail]))
    heights = ndtri((places + 0.5) / num_rows)
    scores = np.empty_like(rows)
    for column, values in enumerate(rows.T):
        quantiles, first = np.unique(np.sort(values)[places], return_index=True)
        scores[:, column] = np.interp(values, quantiles, heights[first])
    return scores
