"""Total correlation, dual total correlation and O-information, from samples.

Each is a signed sum Σ c_S H(X_S) of entropies of sets S of the variables 1 … m:

    TC = Σᵢ H(Xᵢ) − H(X₁, …, X_m)
    DTC = Σᵢ H(all but Xᵢ) − (m − 1) H(X₁, …, X_m)
    Ω = TC − DTC

In each, every variable is in as many sets with + as with −, so that units of measurement cancel. An estimator
(`SumsOfNeighbors`, `SumsOfCovariances`, `SumsOfCounts`) takes any such sum; of two variables, TC is the
mutual information, and the three agree there with `KSG`, `Gaussian` and the counting estimators.

Reference: Watanabe (1960); Han (1978); Rosas, Mediano, Gastpar and Jensen (2019), for Ω.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

from infomax.errors import refuse
from infomax.estimation.estimate import Estimate
from infomax.estimation.samples import to_array

Terms: TypeAlias = Mapping[tuple[int, ...], int]
"""c_S of each set S of variables, counted from 0."""


@runtime_checkable
class SumEstimator(Protocol):
    """Anything that estimates signed sums of entropies in which every variable is balanced."""

    def estimate_sum(self, variables: Sequence[Any], terms: Terms) -> Estimate:
        """Return Σ c_S H(X_S) in nats, from the samples of each variable."""
        ...


def estimate_total_correlation(columns: Any, estimator: SumEstimator) -> Estimate:
    """Return TC = Σᵢ H(Xᵢ) − H(X₁, …, X_m), all dependence together, in nats.

    Args:
        columns: an array [n, m] or a frame, each column a variable; or a list or mapping of variables, each
            [n] or [n, d].
        estimator: `SumsOfNeighbors` or `SumsOfCovariances` for numbers, `SumsOfCounts` for labels,
            `SumsOfNeighbors(labels=…)` for both together.

    Raises:
        ValueError: fewer than two variables, or samples that the estimator does not take.

    Example:
        >>> import numpy as np
        >>> from infomax.estimation.many.covariances import SumsOfCovariances
        >>> rng = np.random.default_rng(0)
        >>> common = rng.standard_normal((5000, 1))
        >>> found = estimate_total_correlation(common + rng.standard_normal((5000, 3)), SumsOfCovariances())
        >>> abs(found.value - 0.3466) < 3 * found.standard_error  # ½ log 8 − ½ log 4
        True
    """
    variables = variables_of("estimate_total_correlation", columns, least=2)
    return estimator.estimate_sum(variables, total_correlation_terms(len(variables)))


def estimate_dual_total_correlation(columns: Any, estimator: SumEstimator) -> Estimate:
    """Return DTC = H(X₁, …, X_m) − Σᵢ H(Xᵢ | the others), what two or more share, in nats.

    Args:
        columns: as in `estimate_total_correlation`.
        estimator: likewise.

    Raises:
        ValueError: fewer than two variables, or samples that the estimator does not take.
    """
    variables = variables_of("estimate_dual_total_correlation", columns, least=2)
    return estimator.estimate_sum(variables, dual_total_correlation_terms(len(variables)))


def estimate_o_information(columns: Any, estimator: SumEstimator) -> Estimate:
    """Return Ω = TC − DTC in nats: above 0 where redundancy prevails, below 0 for synergy.

    Args:
        columns: as in `estimate_total_correlation`.
        estimator: likewise.

    Raises:
        ValueError: fewer than three variables, or samples that the estimator does not take.

    Example:
        >>> import numpy as np
        >>> from infomax.estimation.many.counting import SumsOfCounts
        >>> one, other = np.random.default_rng(0).integers(2, size=(2, 1000))
        >>> round(estimate_o_information([one, other, one ^ other], SumsOfCounts()).bits, 2)
        -1.0
    """
    variables = variables_of("estimate_o_information", columns, least=3)
    return estimator.estimate_sum(variables, o_information_terms(len(variables)))


def total_correlation_terms(num_variables: int) -> Terms:
    """Return c_S of TC.

    Example:
        >>> total_correlation_terms(2)
        {(0,): 1, (1,): 1, (0, 1): -1}
    """
    return {**{(i,): 1 for i in range(num_variables)}, tuple(range(num_variables)): -1}


def dual_total_correlation_terms(num_variables: int) -> Terms:
    """Return c_S of DTC."""
    every = range(num_variables)
    without_one = {tuple(j for j in every if j != i): 1 for i in every}
    return {**without_one, tuple(every): 1 - num_variables}


def o_information_terms(num_variables: int) -> Terms:
    """Return c_S of Ω = TC − DTC."""
    total, dual = total_correlation_terms(num_variables), dual_total_correlation_terms(num_variables)
    signed = {terms: total.get(terms, 0) - dual.get(terms, 0) for terms in {**total, **dual}}
    return {group: sign for group, sign in signed.items() if sign}


def variables_of(operation: str, columns: Any, *, least: int) -> list[Any]:
    """Return the variables of a list, a mapping, a frame, or an array whose columns they are.

    Raises:
        ValueError: fewer than `least`, an array of other than two axes, or columns of equal names.
    """
    if isinstance(columns, Mapping):
        found = list(columns.values())
    elif isinstance(columns, list | tuple):
        found = list(columns)
    elif hasattr(columns, "columns"):
        names = list(columns.columns)
        refuse(len({*names}) < len(names), f"{operation}: columns have equal names, got {names}; rename them")
        found = [columns[name] for name in names]
    else:
        array = to_array(columns)
        refuse(
            array.ndim != 2,
            f"{operation}: an array must be [n, variables], got {list(array.shape)}; a vector is one "
            "variable",
        )
        found = list(array.T)
    refuse(
        len(found) < least,
        f"{operation}: expected at least {least} variables, got {len(found)}; give an array whose columns "
        "they are, or a list of variables",
    )
    return found
