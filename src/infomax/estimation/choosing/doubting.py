"""Other values that are as credible as the one that is reported; the confidence interval takes them in.

Three doubts are known beyond scatter: an estimator of another family finds another value; neighbours are
biased, by an amount that more neighbours show; a classifier has not learned all, as half of the rows show.
`ExtrapolatedCritic` brings the last one along.
"""

import math
from dataclasses import replace

import numpy as np

from infomax.estimation.choosing.rule import HELD_OUT, SETTINGS, Seen, run
from infomax.estimation.estimate import Estimate

CLEAR = 2.0
"""Standard errors of both by which two values must differ to be clearly different."""
MIN_ROWS_TO_HALVE = 100
"""Rows of which half still teach a classifier."""


def alternatives(picked: str, first: Estimate, second: Estimate | None, seen: Seen) -> tuple[Estimate, ...]:
    """Return estimates that are as credible as the first.

    Args:
        picked: the name of the estimator that is reported.
        first: what it finds.
        second: what the other one finds, if there is one.
        seen: the samples.
    """
    found: list[Estimate] = []
    if second is not None and is_credible(picked, first, second):
        found.append(second)
    if picked == "ksg" and not first.has_caution("saturated"):
        found += _of_no_neighbors(first, seen)
    if picked == "from-classifier" and seen.num_rows >= MIN_ROWS_TO_HALVE:
        found += _of_all_rows(first, seen)
    return tuple(found)


def is_credible(picked: str, first: Estimate, second: Estimate) -> bool:
    """Return whether the second value may be true: it is higher, or clearly lower and not refuted.

    A lower value is refuted where the first rests on a lower bound. One with a known bias says nothing.
    """
    if second.value > first.value:
        return not second.has_caution("biased")
    return picked not in HELD_OUT and not second.cautions and clearly_more(first, second)


def clearly_more(one: Estimate, other: Estimate) -> bool:
    """Return whether one estimate exceeds another by more than two errors of both, without a known bias."""
    errors = math.hypot(one.standard_error, other.standard_error)
    return one.value - other.value > CLEAR * errors and not one.has_caution("biased")


def _of_no_neighbors(first: Estimate, seen: Seen) -> list[Estimate]:
    """Return I(0) = I(k) + (I(k) − I(2k)) / (√2 − 1), if it is more: the value with boxes of no width.

    Where densities have edges, √(k/n) of the boxes are cut, and the bias grows likewise; where they are
    smooth, faster. The slower law is taken, by which the difference means more.
    """
    k = SETTINGS["ksg"]["num_neighbors"]
    lost = first.value - run("ksg", seen, num_neighbors=2 * k).value if seen.num_rows > 4 * k else 0.0
    return [replace(first, value=first.value + lost / (math.sqrt(2) - 1), local=None)] if lost > 0 else []


def _of_all_rows(first: Estimate, seen: Seen) -> list[Estimate]:
    """Return I(∞) = I(n) + (I(n) − I(n/2)) / (√2 − 1), if it is more: what more rows would teach.

    What is not learned falls about as 1/√n, or faster; the slower law is taken.
    """
    rows = np.random.default_rng(0).permutation(seen.num_rows)[: seen.num_rows // 2]
    learned = first.value - run("from-classifier", seen.of_rows(rows)).value
    if learned <= 0:
        return []
    return [replace(first, value=first.value + learned / (math.sqrt(2) - 1), local=None)]
