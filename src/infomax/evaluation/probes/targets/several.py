"""Several targets of one kind: which of them can be probed, and the means of what was measured of each."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from infomax.evaluation.probes.targets.numbers import unfit_number
from infomax.evaluation.probes.targets.tags import unfit_tag
from infomax.evaluation.probes.targets.target import Measured, TargetResult

UNFIT: Mapping[str, Callable[[np.ndarray, np.ndarray], str]] = {"number": unfit_number, "tag": unfit_tag}
"""Why a target cannot be probed, in words, by its kind."""


def probeable(
    kind: str,
    names: Sequence[str],
    train_values: Float[np.ndarray, "n t"],
    test_values: Float[np.ndarray, "m t"],
) -> tuple[list[int], list[str]]:
    """Return the columns that can be probed, and for each of the others its name and the reason.

    Example:
        >>> values = np.stack([np.arange(20.0), np.ones(20)], axis=1)
        >>> probeable("number", ("age", "site"), values, values)
        ([0], ['number site is not probed: all 20 training values are 1'])
    """
    reasons = [UNFIT[kind](train_values[:, i], test_values[:, i]) for i in range(len(names))]
    named = zip(names, reasons, strict=True)
    why = [f"{kind} {name} is not probed: {reason}" for name, reason in named if reason]
    return [i for i, reason in enumerate(reasons) if not reason], why


def mean_result(results: Iterable[TargetResult]) -> TargetResult:
    """Return the means over targets of what one probe measured of each; the target is "".

    A measure that is not defined for some target is left out of its mean. Means have no interval.
    """
    results = [*results]
    measures = {name: _mean([result.measures[name] for result in results]) for name in results[0].measures}
    settings = {"targets": [result.target for result in results]}
    return replace(results[0], target="", measures=measures, settings=settings)


def _mean(measured: Sequence[Measured]) -> Measured:
    values = [one.value for one in measured if one.value is not None]
    constant = float(np.mean([one.constant for one in measured]))
    return Measured(float(np.mean(values)) if values else None, None, constant)
