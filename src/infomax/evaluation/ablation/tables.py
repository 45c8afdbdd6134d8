"""Results of an ablation as rows, as a table and as a picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from infomax.evaluation.ablation.variants import WHOLE
from infomax.pages.figures import COLOURS

PROBE_NAMES = ("linear", "neighbours")
"""The probes, by the names that the files of an ablation use."""


@dataclass(frozen=True)
class Row:
    """One variant.

    Attributes:
        accuracies: by probe, one for each seed.
        costs: what is lost in comparison with the whole, seed by seed.
    """

    variant: str
    steps: Sequence[int]
    accuracies: Mapping[str, Sequence[float]]
    costs: Mapping[str, Sequence[float]]

    def verdict(self, probe: str) -> str:
        """Return whether the part helps or harms, by two standard errors of the mean cost."""
        if self.variant == WHOLE or len(self.costs[probe]) < 2:
            return ""
        mean, error = mean_and_error(self.costs[probe])
        if abs(mean) <= 2 * error:
            return "cannot be told"
        return "helps" if mean > 0 else "harms"


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean, and its standard error over seeds; NaN for a single seed, which has none.

    Example:
        >>> mean_and_error([0.5, 0.7])
        (0.6, 0.1)
    """
    error = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return float(np.mean(values).round(12)), float(np.round(error, 12))


def rows_of(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Row]:
    """Return what was measured of each variant, seed by seed, as rows."""
    return [
        Row(
            name,
            [run["steps"] for run in runs],
            {probe: _of_probe(runs, probe) for probe in PROBE_NAMES},
            {probe: _costs(found[WHOLE], runs, probe) for probe in PROBE_NAMES},
        )
        for name, runs in found.items()
        if runs
    ]


def _of_probe(runs: Sequence[Mapping[str, Any]], probe: str) -> list[float]:
    return [run["accuracies"][probe] for run in runs]


def _costs(whole: Sequence[Mapping[str, Any]], runs: Sequence[Mapping[str, Any]], probe: str) -> list[float]:
    pairs = zip(_of_probe(whole, probe), _of_probe(runs, probe), strict=False)
    return [with_it - without for with_it, without in pairs]


def as_mapping(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return rows for JSON."""
    return [
        {
            "variant": row.variant,
            "steps": list(row.steps),
            **{probe: list(accuracies) for probe, accuracies in row.accuracies.items()},
            **{f"{probe} verdict": row.verdict(probe) for probe in PROBE_NAMES if row.verdict(probe)},
        }
        for row in rows
    ]


def as_cells(rows: Sequence[Row]) -> tuple[list[tuple[str, ...]], tuple[str, ...]]:
    """Return cells and heads of a narrow table: accuracies, and cost and verdict by the first probe."""
    cells = [
        (
            row.variant,
            *(_plus_minus(row.accuracies[probe]) for probe in PROBE_NAMES),
            "" if row.variant == WHOLE else _plus_minus(row.costs[PROBE_NAMES[0]], sign="+"),
            row.verdict(PROBE_NAMES[0]),
        )
        for row in rows
    ]
    return cells, ("without", *PROBE_NAMES, f"cost, {PROBE_NAMES[0]}", "the part")


def as_markdown(rows: Sequence[Row]) -> str:
    """Return a table of accuracies, what it costs to leave the part out, and verdicts."""
    heads = [head for probe in PROBE_NAMES for head in (probe, f"cost, {probe}")]
    lines = [
        f"| variant | steps | {' | '.join(heads)} | the part |",
        "|---|--:|" + "--:|" * len(heads) + "---|",
    ]
    for row in rows:
        cells = [f"{np.mean(row.steps):,.0f}"]
        for probe in PROBE_NAMES:
            cells.append(_plus_minus(row.accuracies[probe]))
            cells.append("" if row.variant == WHOLE else _plus_minus(row.costs[probe], sign="+"))
        lines.append(f"| {row.variant} | {' | '.join(cells)} | {row.verdict('linear')} |")
    return "\n".join(lines) + "\n"


def draw(rows: Sequence[Row]) -> Figure:
    """Return a figure of the accuracies of each variant, one dot a seed, and their means."""
    figure = Figure(figsize=(7, 0.55 * len(rows) + 1.1), layout="constrained")
    axes = figure.subplots()
    for place, (probe, colour) in enumerate(zip(PROBE_NAMES, COLOURS, strict=False)):
        for at, row in enumerate(rows):
            y = at + 0.2 * (place - 0.5)
            values = row.accuracies[probe]
            axes.plot(values, [y] * len(values), ".", color=colour, alpha=0.6)
            axes.plot(
                [np.mean(values)], [y], "|", color=colour, ms=14, mew=2, label=probe if at == 0 else None
            )
    axes.set_yticks(range(len(rows)), [row.variant for row in rows])
    axes.invert_yaxis()
    axes.set_xlabel("accuracy on the test images; a dot a seed, a bar the mean")
    axes.grid(axis="x", alpha=0.3)
    axes.legend(loc="best")
    return figure


def _plus_minus(values: Sequence[float], sign: str = "") -> str:
    mean, error = mean_and_error(values)
    return f"{mean:{sign}.3f}" + ("" if np.isnan(error) else f" ± {error:.3f}")
