"""Redundancy, unique information and synergy of what several columns of labels tell about another one.

The relative frequencies of all joint labels make a table, which is decomposed exactly. Its atoms are biased:
chance makes sources tell something together, above all as synergy. A bootstrap of m tables of n samples each,
drawn from the table of the samples, says by how much, to first order, and how far the atoms scatter:

    value = 2 Π̂ − ⟨Π*⟩,     standard error = √( Var Π* + (⟨Π*⟩ − Π̂)² )

The second term is the correction, which may be off by as much where an atom is near 0. Atoms may be below 0
by chance; they sum to the information, corrected likewise.

Reference: Efron and Tibshirani (1993), chapter 10, for the correction.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from infomax.errors import refuse
from infomax.estimation.estimate import Estimate
from infomax.estimation.many.quantities import variables_of
from infomax.estimation.resampling.replicates import check_number, check_seed
from infomax.estimation.samples import as_codes
from infomax.information.decomposition.broja import broja_decomposition
from infomax.information.decomposition.lattice import Decomposition

MIN_SAMPLES_A_CELL = 10
"""Least number of samples for each possible joint label of sources and target, on average."""


@dataclass(frozen=True)
class EstimatedDecomposition:
    """The atoms of I(X₁, …, X_m; Y) from samples.

    Args:
        atoms: by name, as in `Decomposition`.
        information: their sum.
        measure: how redundancy is measured.
    """

    atoms: Mapping[str, Estimate]
    information: Estimate
    measure: str


def decompose_columns(
    sources: Any,
    target: Any,
    *,
    measure: Callable[[np.ndarray], Decomposition] = broja_decomposition,
    num_resamples: int = 200,
    seed: int = 0,
) -> EstimatedDecomposition:
    """Return the atoms of what columns of labels tell about another one, in nats, with their errors.

    `kind` is "estimate". Small tables only: few labels, many samples. Cut numbers into a few labels first;
    the atoms are then those of the labels.

    Cost: `num_resamples` decompositions, each some milliseconds for labels of two or three values.

    Args:
        sources: a list or mapping of columns of labels [n], a frame, or an array [n, sources].
        target: labels [n].
        measure: `broja_decomposition` for two sources, or `williams_beer_decomposition` for two to four.
        num_resamples: m.
        seed: of the resamples.

    Raises:
        ValueError: fewer than ten samples for each possible joint label; fewer than two sources, or more
            than the measure takes; missing labels; fewer than 2 resamples.

    Example:
        >>> one, other = np.random.default_rng(0).integers(2, size=(2, 2000))
        >>> found = decompose_columns({"one": one, "other": other}, one & other)
        >>> {name: round(abs(atom.bits), 1) for name, atom in found.atoms.items()}
        {'{1}{2}': 0.3, '{1}': 0.0, '{2}': 0.0, '{12}': 0.5}
    """
    check_number("decompose_columns", "num_resamples", num_resamples)
    check_seed("decompose_columns", seed)
    variables = variables_of("decompose_columns", sources, least=2)
    named = {f"source {k + 1}": column for k, column in enumerate(variables)}
    counts = _counts(as_codes("decompose_columns", **named, target=target))
    n, p = int(counts.sum()), counts.ravel() / counts.sum()
    found = measure(counts / n)
    rng = np.random.default_rng(seed)
    drawn = [measure(rng.multinomial(n, p).reshape(counts.shape) / n) for _ in range(num_resamples)]
    method = f"{found.measure}, bias-corrected bootstrap"
    atoms = {
        name: _corrected(value, np.array([one.atoms[name] for one in drawn]), n, method, found.error)
        for name, value in found.atoms.items()
    }
    totals = np.array([one.information for one in drawn])
    information = _corrected(found.information, totals, n, "plug-in, bias-corrected bootstrap", 0.0)
    return EstimatedDecomposition(atoms, information, found.measure)


def _counts(codes: list[np.ndarray]) -> np.ndarray:
    """Return how often each joint label occurs, [x₁, …, x_m, y].

    Raises:
        ValueError: there are too many of them for these samples.
    """
    shape, n = tuple(int(code.max()) + 1 for code in codes), len(codes[0])
    num_cells = math.prod(shape)
    refuse(
        n < MIN_SAMPLES_A_CELL * num_cells,
        f"decompose_columns: {' × '.join(map(str, shape))} labels of the sources and the target are "
        f"{num_cells:,} joint labels, which need {MIN_SAMPLES_A_CELL * num_cells:,} samples, got {n:,}; "
        "merge labels, cut numbers into fewer parts, or give more samples",
    )
    return np.bincount(np.ravel_multi_index(codes, shape), minlength=num_cells).reshape(shape)


def _corrected(value: float, drawn: np.ndarray, num_samples: int, method: str, error: float) -> Estimate:
    """Return 2 Π̂ − ⟨Π*⟩ with its standard error."""
    bias = float(drawn.mean()) - value
    total = math.hypot(float(drawn.std(ddof=1)), bias, error)
    return Estimate(value - bias, total, num_samples, method=method)
