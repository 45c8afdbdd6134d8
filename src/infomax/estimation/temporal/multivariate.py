"""Multivariate transfer entropy: which series, at which lags, tell about a target beyond its own past.

The past that matters is chosen candidate by candidate (a non-uniform embedding), each a series at a lag:

1. *The target's past*. Add the candidate c with the largest I(c; Y_t | chosen so far), as long as this is
   larger than the largest over all candidates is by chance; lag 1 if none is.
2. *The sources' past*. The same, given the target's past.
3. *Pruning*. Drop the chosen source candidate with the least I(c; Y_t | all others), as long as this is not
   larger than its own permutations allow: an indirect path or a common cause may have let it in. (IDTxl
   compares it with the least of all permuted ones, which lets more stay.)
4. *All together*. I(chosen sources; Y_t | chosen target's past) is the transfer entropy, and is tested.
   Each link is tested against the largest of all links.

Chance is a permutation of the candidates' rows, which takes what is left of Y_t, given its own past, to have
no memory; too short a `max_lag` leaves some. Y_t's own noise within a row is not looked at: two series that
share noise at the same time are no link.

Cost: (candidates) · (permutations) conditional informations for each candidate chosen. With `Gaussian` they
are correlations, and five series with lags up to 5 take seconds; with `KSG` they take minutes.

Reference: Lizier and Rubinov (2012), Multivariate construction of effective computational networks from
observational data; Montalto, Faes and Marinazzo (2014), MuTE; Novelli, Wollstadt, Mediano, Wibral and Lizier
(2019), for the tests.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from infomax.errors import did_you_mean, refuse
from infomax.estimation.estimate import Estimate, Estimator
from infomax.estimation.lags import Aligned, equal_lengths
from infomax.estimation.resampling.replicates import check_seed
from infomax.estimation.samples import as_rows, check_whole, to_array
from infomax.estimation.temporal.candidates import Candidate, Past
from infomax.progress import Stages, stages

DEFAULT_NUM_PERMUTATIONS = 200


@dataclass(frozen=True)
class Link:
    """A series at a lag that tells about the target.

    Args:
        source: the name of the series.
        lag: how many rows before the target.
        estimate: I(source at this lag; target | all other chosen past).
        p_value: of the maximum statistic over all links.
    """

    source: str
    lag: int
    estimate: Estimate
    p_value: float


@dataclass(frozen=True)
class TransferLinks:
    """The links that were found to one target.

    Args:
        target: its name.
        target_lags: the lags of its own past that were chosen.
        links: of the sources, in the order of their names and lags; none if nothing was found.
        estimate: the transfer entropy I(all links; target | its past); None where there are no links.
        p_value: of it; None where there are no links.
        num_candidates: series at a lag that were looked at.
    """

    target: str
    target_lags: tuple[int, ...]
    links: tuple[Link, ...]
    estimate: Estimate | None
    p_value: float | None
    num_candidates: int

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the series with a link, each once."""
        return tuple(dict.fromkeys(link.source for link in self.links))


def multivariate_transfer_entropy(
    series: Any,
    target: str | int,
    max_lag: int,
    estimator: Estimator,
    *,
    min_lag: int = 1,
    groups: Any = None,
    level: float = 0.05,
    num_permutations: int = DEFAULT_NUM_PERMUTATIONS,
    seed: int = 0,
    num_workers: int = -1,
    progress: bool = False,
) -> TransferLinks:
    """Return the series and lags that tell about the target beyond its past, and how much together.

    Args:
        series: columns of numbers in order of time: a mapping from names, a frame, or an array [n, m], whose
            columns are named "0", "1", ….
        target: the name of one, or its number.
        max_lag: the longest lag, in rows, of sources and of the target itself.
        estimator: of conditional information: `Gaussian` for linear links, `KSG` for any.
        min_lag: the shortest lag of the sources.
        groups: labels [n] of the series that rows belong to (repetitions, animals); None for one series.
        level: at which each test finds something.
        num_permutations: of each test; more than 1 / level.
        seed: of the permutations.
        num_workers: threads, −1 for all cores.
        progress: show on stderr what is done.

    Raises:
        ValueError: an unknown target, fewer than two series, lags out of range, or too few permutations for
            the level.

    Example:
        >>> from infomax.estimation.gaussian import Gaussian
        >>> drive, other, noise = np.random.default_rng(0).standard_normal((3, 1000))
        >>> series = {"drive": drive, "other": other, "driven": np.roll(drive, 2) + noise}
        >>> found = multivariate_transfer_entropy(series, "driven", 3, Gaussian())
        >>> [(link.source, link.lag) for link in found.links]
        [('drive', 2)]
    """
    named = _named("multivariate_transfer_entropy", series)
    name = str(target)
    _check(named, name, min_lag, max_lag, level, num_permutations, seed)
    past = _past(named, name, min_lag, max_lag, estimator, groups, level, num_permutations, seed, num_workers)
    own = [one for one in past.columns if one.series == name]
    others = [one for one in past.columns if one.series != name]
    with stages(4, quiet=not progress) as shown:
        shown.begin(f"the past of {name}", len(own), "lags")
        chosen_own = _added(past, own, [], shown) or [Candidate(name, 1)]
        shown.begin("the past of the others", len(others), "candidates")
        chosen = _added(past, others, chosen_own, shown)
        shown.begin("links that others explain", len(chosen), "links")
        chosen = sorted(_pruned(past, chosen, chosen_own, shown))
        shown.begin("all links together")
        return _result(past, name, chosen_own, chosen)


def _added(
    past: Past, candidates: Sequence[Candidate], given: Sequence[Candidate], shown: Stages
) -> list[Candidate]:
    """Return candidates added one by one by the largest information, as long as it is no chance."""
    left, chosen = list(candidates), []
    while left:
        known = [*given, *chosen]
        values = past.informations(left, known)
        copy = left[int(values.argmax())]
        refuse(
            np.isposinf(values.max()),
            f"multivariate_transfer_entropy: {copy.series} {copy.lag} rows before determines the target, so "
            "that the information is infinite; is it a copy? Leave it out",
        )

        def largest(order: np.ndarray, left: Any = tuple(left), known: Any = tuple(known)) -> float:
            return float(past.informations(left, known, order).max())

        if past.p_value(float(values.max()), largest) > past.level:
            break
        chosen.append(left.pop(int(values.argmax())))
        shown.advance()
    return chosen


def _pruned(
    past: Past, candidates: Sequence[Candidate], given: Sequence[Candidate], shown: Stages
) -> list[Candidate]:
    """Return candidates without those that tell nothing beyond all others, the least one dropped first."""
    left = list(candidates)
    while left:
        values = _beyond_others(past, left, given)
        least = left[int(values.argmin())]
        others = [*given, *(one for one in left if one != least)]

        def permuted(order: np.ndarray, least: Any = least, others: Any = tuple(others)) -> float:
            return float(past.informations([least], others, order)[0])

        if past.p_value(float(values.min()), permuted) <= past.level:
            break
        left.remove(least)
        shown.advance()
    return left


def _beyond_others(
    past: Past, candidates: Sequence[Candidate], given: Sequence[Candidate], order: Any = slice(None)
) -> np.ndarray:
    """Return I(c; y | given and all other candidates) of each."""
    parts = [
        past.informations([one], [*given, *(other for other in candidates if other != one)], order)
        for one in candidates
    ]
    return np.concatenate(parts)


def _result(past: Past, target: str, own: Sequence[Candidate], chosen: Sequence[Candidate]) -> TransferLinks:
    target_lags = tuple(sorted(one.lag for one in own))
    num_candidates = len(past.columns)
    if not chosen:
        return TransferLinks(target, target_lags, (), None, None, num_candidates)
    links: list[Link] = []

    def largest(order: np.ndarray) -> float:
        return float(_beyond_others(past, chosen, own, order).max())

    for one, value in zip(chosen, _beyond_others(past, chosen, own), strict=True):
        found = past.estimate([one], [*own, *(other for other in chosen if other != one)])
        links.append(Link(one.series, one.lag, found, past.p_value(float(value), largest)))
    together = past.estimate(chosen, own)

    def permuted(order: np.ndarray) -> float:
        rows, given = past.rows(chosen), past.rows(own)
        assert rows is not None
        return past.estimator.estimate(rows[order], past.y, given=given).value

    p_value = past.p_value(together.value, permuted)
    return TransferLinks(target, target_lags, tuple(links), together, p_value, num_candidates)


def _named(operation: str, series: Any) -> dict[str, np.ndarray]:
    """Return each series as numbers [n] of mean 0 and variance 1, by name."""
    if isinstance(series, Mapping):
        columns = {str(name): series[name] for name in series}
    elif hasattr(series, "columns"):
        columns = {str(name): series[name] for name in series.columns}
    else:
        columns = {str(k): column for k, column in enumerate(np.atleast_2d(to_array(series)).T)}
    equal_lengths(operation, **columns)
    rows = {name: as_rows(operation, **{name: column})[0] for name, column in columns.items()}
    wide = [name for name, one in rows.items() if one.shape[1] > 1]
    refuse(wide, f"{operation}: each series must be one column, got several in {', '.join(wide)}; name each")
    constant = [name for name, one in rows.items() if np.ptp(one) == 0]
    refuse(constant, f"{operation}: {', '.join(constant)} never changes, and tells nothing; leave it out")
    return {name: (one[:, 0] - one.mean()) / one.std() for name, one in rows.items()}


def _check(
    named: Mapping[str, Any],
    target: str,
    min_lag: int,
    max_lag: int,
    level: float,
    num_permutations: int,
    seed: int,
) -> None:
    operation = "multivariate_transfer_entropy"
    refuse(len(named) < 2, f"{operation}: expected at least 2 series, got {len(named)}; add possible sources")
    refuse(target not in named, f"{operation}: no series is called {target!r}; {did_you_mean(target, named)}")
    check_whole(operation, "min_lag", min_lag, least=1, remedy="1 is usual")
    check_whole(operation, "max_lag", max_lag, least=min_lag, remedy="it counts rows, from min_lag on")
    check_whole(operation, "num_permutations", num_permutations, least=1, remedy="200 is usual")
    check_seed(operation, seed)
    refuse(not 0 < level < 1, f"{operation}: level must be between 0 and 1, got {level}; 0.05 is usual")
    refuse(
        level * (1 + num_permutations) < 1,
        f"{operation}: {num_permutations} permutations allow no p-value of {level}; "
        f"give at least {int(np.ceil(1 / level)) - 1}",
    )


def _past(
    named: Mapping[str, np.ndarray],
    target: str,
    min_lag: int,
    max_lag: int,
    estimator: Estimator,
    groups: Any,
    *settings: Any,
) -> Past:
    n = len(named[target])
    refuse(
        max_lag >= n,
        f"multivariate_transfer_entropy: a lag of {max_lag} needs more than {max_lag} rows, got {n}; "
        "lower max_lag",
    )
    aligned = Aligned("multivariate_transfer_entropy", max_lag, n, groups)
    lags = {name: range(1 if name == target else min_lag, max_lag + 1) for name in named}
    columns = {
        Candidate(name, lag): aligned.rows(named[name], [lag])[:, 0] for name in named for lag in lags[name]
    }
    return Past(aligned.rows(named[target], [0]), columns, estimator, *settings)
