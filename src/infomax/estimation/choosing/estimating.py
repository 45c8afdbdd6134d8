"""One call for mutual information: look at the samples, pick an estimator, check it by another family's."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from infomax.errors import refuse
from infomax.estimation.choosing.doubting import CLEAR, alternatives, clearly_more
from infomax.estimation.choosing.rule import STRONG, Case, Seen, case_of, run
from infomax.estimation.choosing.seeing import variables
from infomax.estimation.estimate import Estimate
from infomax.estimation.gaussian import MAX_HIDDEN
from infomax.estimation.samples import num_copies
from infomax.estimation.tables.reading.cells import counted

MIN_ROWS = 10
"""Rows below which nothing is answered."""
FEW_ROWS = 50
"""Rows below which an answer has the caution that they are few; or ten for each column of numbers."""
NEAR_CEILING = 1.0
"""Nats below log n from which on a value counts as near its ceiling."""
WITH_CEILING = ("suited-counting", "ross", "mixed-ksg", "ksg", "from-classifier", "extrapolated-critic")
"""Estimators that can find at most about log n."""


def estimate(
    x: Any, y: Any, given: Any = None, *, kinds: Mapping[str, str] | None = None, seed: int = 0
) -> Estimate:
    """Return I(X;Y), or I(X;Y|given), in nats, by an estimator that suits the samples.

    The rule is `choosing.rule.RULE`: it looks at kinds, columns and the number of rows. A second estimator
    from another family checks the first. If the second value is clearly higher, it is reported, because
    estimators that fail are mostly too low. The confidence interval also reaches to values that are as
    credible (`choosing.doubting`): to a higher second value, and to a clearly lower one, unless the first
    value rests on rows that were not trained on. Values that clearly differ have the caution "disputed".
    ``explain()`` says what was picked and why.

    Args:
        x: numbers or labels, [n] or [n, d]: an array, tensor, Series, frame or list.
        y: likewise.
        given: the variable that is already known; likewise.
        kinds: "labels" or "numbers" for an argument, if the guess would be wrong: ``{"x": "labels"}``.
        seed: of the order of equal numbers.

    Raises:
        ValueError: fewer than 10 rows; missing values; labels most of which occur once; what both estimators
            refuse.

    Example:
        >>> import numpy as np
        >>> x = np.random.default_rng(0).standard_normal(1000)
        >>> found = estimate(x, x + np.random.default_rng(1).standard_normal(1000))
        >>> abs(found.value - 0.347) < 0.07, found.method  # ½ log 2
        (True, 'KSG, k=5')
        >>> print(found.explain().splitlines()[1])
        picked: ksg, for one column of numbers each: hardly biased in two columns, whatever the dependence
    """
    seen = Seen(*variables(x, y, given, kinds or {}, seed))
    refuse(
        seen.num_rows < MIN_ROWS,
        f"estimate: needs at least {MIN_ROWS} rows, got {seen.num_rows}; give more rows",
    )
    case = case_of(seen)
    picked, first, second, reasons = _picked(case, seen)
    cautions = (*first.cautions, *_cautions(picked, first, second, seen), *_of_samples(picked, seen))
    return replace(
        first,
        cautions=tuple(dict.fromkeys(cautions)),
        second=second,
        alternatives=(*first.alternatives, *alternatives(picked, first, second, seen)),
        reasons=(*_described(seen), *reasons),
    )


def _picked(case: Case, seen: Seen) -> tuple[str, Estimate, Estimate | None, list[str]]:
    """Return the name of what is reported, its estimate, that of the other one, and the reasons."""
    reasons = [f"picked: {case.first}, for {case.words}: {case.why}"]
    names, found = [case.first], [run(case.first, seen)]
    if case.second is not None:
        try:
            found.append(run(case.second, seen))
            names.append(case.second)
        except ValueError as error:
            reasons.append(f"not checked: {error}")
    else:
        reasons.append("not checked: no estimator of another family takes these kinds")
    if _is_strong(names, found, seen):
        try:
            found.insert(0, run(STRONG, seen))
            names.insert(0, STRONG)
            reasons.append(f"picked instead: {STRONG}, because dependence is strong for this many rows")
        except ValueError as error:
            reasons.append(f"{STRONG} does not take these samples: {error}")
    if len(found) > 1 and clearly_more(found[1], found[0]):
        found[:2], names[:2] = found[1::-1], names[1::-1]
        reasons.append(f"picked instead: {names[0]}, because it clearly finds more")
    return names[0], found[0], found[1] if len(found) > 1 else None, reasons


def _is_strong(names: list[str], found: list[Estimate], seen: Seen) -> bool:
    """Return whether dependence is too strong for neighbours or for a critic."""
    if seen.num_labels or (seen.given is not None and seen.given.kind == "labels"):
        return False
    saturated = [one.has_caution("saturated") for one in found]
    return saturated[0] or (names[-1] == "extrapolated-critic" and saturated[-1])


def _cautions(picked: str, first: Estimate, second: Estimate | None, seen: Seen) -> list[str]:
    """Return what is doubtful: few rows, the ceiling log n, an estimator of another family that disagrees."""
    cautions: list[str] = []
    n = seen.num_rows
    if n < max(FEW_ROWS, 10 * seen.num_columns):
        cautions.append(f"undersampled: {n} rows are few for {max(seen.num_columns, 1)} columns")
    room = math.log(n) - first.value
    if picked in WITH_CEILING and room < NEAR_CEILING and not first.has_caution("saturated"):
        cautions.append(f"saturated: within {room:.2f} of the ceiling log n = {math.log(n):.2f} nats")
    if second is not None and not second.cautions:
        errors = math.hypot(first.standard_error, second.standard_error)
        if abs(first.value - second.value) > CLEAR * errors:
            cautions.append(f"disputed: {second.method} finds {second.value:.3g} nats")
    return cautions


def _of_samples(picked: str, seen: Seen) -> Iterator[str]:
    """Yield what is doubtful because of the samples: labels taken as numbers, ties, copied rows."""
    parts = [part for part in (seen.x, seen.y, seen.given) if part is not None]
    unordered, hidden = sum(part.num_unordered for part in parts), max(part.hidden for part in parts)
    if unordered:
        yield (
            f"biased: labels without order in {counted(unordered, 'column')} are taken as numbers, in the "
            "order of their names; give labels alone, or a column of 0 and 1 for each label"
        )
    if picked == "gaussian-copula" and hidden > MAX_HIDDEN:
        yield (
            f"biased: the random order of equal numbers is {hidden:.0%} of the ranks of a column, and hides "
            "dependence from a Gaussian copula"
        )
    numbers = [part.numbers for part in parts if part.numbers is not None and part.tied > 0]
    copies = num_copies(np.hstack(numbers).T) if len(numbers) == len(parts) else 0
    if copies:
        yield (
            f"undersampled: {copies} of {seen.num_rows} rows repeat others in all columns; if they are "
            f"copies, {seen.num_rows - copies} samples are independent"
        )


def _described(seen: Seen) -> list[str]:
    parts = [part.description for part in (seen.x, seen.y, seen.given) if part is not None]
    return [f"{'; '.join(parts)}; {seen.num_rows} rows"]
