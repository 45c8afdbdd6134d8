"""Information of two columns together about a third, also where neither tells much alone.

    interaction = I(X1,X2;Y) − I(X1;Y) − I(X2;Y)

It is positive where the two tell more together (synergy: y = x1 xor x2 has log 2), and negative where they
tell the same (redundancy: −I(X;Y) for X twice). All three terms are measured on the rows where X1, X2 and Y
have values.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, ClassVar

import numpy as np
import polars as pl
from joblib import delayed

from infomax.errors import refuse
from infomax.estimation.estimate import Estimate, Estimator
from infomax.estimation.tables.columns import Column
from infomax.estimation.tables.measuring import Measuring, measured_row, refused_row
from infomax.estimation.tables.preparing import How, in_memory, prepared, with_target
from infomax.estimation.tables.rank import check_target, entropy_left, with_share
from infomax.estimation.tables.results.result import TableResult, in_order
from infomax.estimation.tables.results.show import in_bits
from infomax.estimation.tables.running import announce, measure_all, task


@dataclass(frozen=True, eq=False, repr=False)
class JointRanking(TableResult):
    """The result of `rank_pairs`; ``pairs["a", "b"]`` is the row of a pair, in either order.

    Args:
        frame: one row for each pair x1, x2, from the highest interaction to the lowest; value is I(X1,X2;Y),
            interaction and interaction_error are in nats.
        about: kinds of columns, guesses and settings.
        target: Y.
        target_entropy: H(Y) in nats, where the target holds labels.
    """

    target: str = ""
    target_entropy: Estimate | None = None
    keys: ClassVar[tuple[str, ...]] = ("x1", "x2")

    @property
    def title(self) -> str:
        """The title of the printed table."""
        return f"Information of pairs of columns about {self.target}"

    def scale(self) -> str:
        """Return what the interaction is, and the entropy of the target."""
        entropy = self.target_entropy
        share = "" if entropy is None else f"; share: of the {in_bits(entropy)} of {self.target}"
        return f"interaction: bits above those of both columns alone{share}"

    def shown(self) -> pl.DataFrame:
        """Return the rows in order."""
        return self.frame

    def to_mapping(self) -> dict[str, Any]:
        """Return everything in bits, as values for JSON."""
        entropy = None if self.target_entropy is None else self.target_entropy.bits
        return {"target": self.target, "target_entropy": entropy, **super().to_mapping()}

    def _named(self) -> dict[Any, int]:
        pairs = list(zip(self.frame["x1"], self.frame["x2"], strict=True))
        return {name: place for place, (x, y) in enumerate(pairs) for name in ((x, y), (y, x))}


def rank_pairs(
    table: Any,
    target: Any,
    estimator: Estimator | None = None,
    *,
    estimators: Mapping[str, Estimator] | None = None,
    kinds: Mapping[str, str] | None = None,
    weights: str | None = None,
    seed: int = 0,
    num_workers: int = -1,
    progress: bool = False,
) -> JointRanking:
    """Return I(X1,X2;Y) of all pairs of columns, in descending order of their interaction.

    Labels are counted together, numbers are neighbours in two columns. There are no p-values: the error bar
    of the interaction says how far it is from 0, and of d columns there are d (d − 1) / 2 pairs.

    Args:
        table: as in `rank_columns`.
        target: Y: the name of a column, its place, or its values.
        estimator: as in `pairwise`; it must take samples [n, 2].
        estimators: as in `pairwise`.
        kinds: as in `pairwise`.
        weights: as in `pairwise`.
        seed: of the order of ties.
        num_workers: cores, −1 for all.
        progress: as in `pairwise`.

    Raises:
        ValueError: as `rank_columns`; fewer than 2 columns beside the target.
        Interrupted: Ctrl-C was pressed; the exception's `result` holds what was measured until then.

    Example:
        >>> a, b, c = np.random.default_rng(0).integers(2, size=(3, 1000))
        >>> found = rank_pairs({"a": a, "b": b, "c": c, "xor": a ^ b}, "xor")
        >>> found[0]["x1"], found[0]["x2"], round(found[0]["interaction"], 2)  # log 2 = 0.69
        ('a', 'b', 0.69)

    Reference: McGill (1954), for the interaction; its sign is the one with synergy positive.
    """
    table, name = with_target("rank_pairs", table, target)
    how = How(estimator, estimators, kinds, weights=weights, seed=seed)
    ready = prepared("rank_pairs", in_memory(table, seed), how)
    y = ready.named("rank_pairs", name)
    check_target("rank_pairs", y)
    others = [column for column in ready.columns if column.name != name]
    refuse(
        len(others) < 2,
        f"rank_pairs: expected at least 2 columns beside {name}, got {len(others)}; "
        "for one column there is rank_columns",
    )
    pairs = [*combinations(others, 2)]
    announce([pair for pair in pairs for _ in range(3)], (), ready.measuring, num_workers, progress)
    measured = measure_all(
        "rank_pairs",
        _tasks(ready.measuring, pairs, y),
        len(pairs),
        ready.measuring,
        num_rows=ready.num_tested,
        num_workers=num_workers,
        progress=progress,
    )
    entropy = entropy_left(ready.measuring, y)
    frame = in_order(with_share(measured.frame, entropy), "interaction")
    found = JointRanking(frame, ready.about_what_was(measured), target=name, target_entropy=entropy)
    return measured.finish(found)


def _tasks(measuring: Measuring, pairs: Sequence[tuple[Column, Column]], y: Column) -> Iterator[Any]:
    for x1, x2 in pairs:
        yield delayed(task)(_joint_row, {"x1": x1.name, "x2": x2.name}, measuring, x1, x2, y)


def _joint_row(measuring: Measuring, x1: Column, x2: Column, y: Column) -> dict[str, Any]:
    """Return the joint information and the interaction of two columns as a row of the result."""
    rows = x1.present & x2.present & y.present
    try:
        together = measuring.joint([x1, x2], y, rows)
        alone = [measuring.joint([x], y, rows) for x in (x1, x2)]
    except ValueError as error:
        nothing: dict[str, Any] = {"interaction": None, "interaction_error": None}
        return {**nothing, **refused_row(int(rows.sum()), error)}
    value = together.value - sum(one.value for one in alone)
    return {
        "interaction": value,
        "interaction_error": _error_of_difference(together, alone),
        **measured_row(together),
    }


def _error_of_difference(together: Estimate, alone: Sequence[Estimate]) -> float:
    """Return the standard error of a difference of means of local values, or of independent estimates."""
    local = [one.local for one in (together, *alone)]
    if any(one is None for one in local):
        return float(np.sqrt(sum(one.standard_error**2 for one in (together, *alone))))
    difference = np.asarray(local[0]) - sum(np.asarray(one) for one in local[1:])
    return float(difference.std(ddof=1) / np.sqrt(len(difference)))
