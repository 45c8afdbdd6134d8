"""A selector for scikit-learn: features one after the other, each for what it adds to those before."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.feature_selection import SelectorMixin
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted, validate_data

from infomax.errors import refuse
from infomax.estimation.selection.codes import (
    bias_corrected,
    binned,
    log_p_values,
    merged,
    suited_num_bins,
    tables_with,
)
from infomax.estimation.selection.criteria import cmim
from infomax.estimation.tables.columns import MAX_LABELS


class Terms:
    """Information of every candidate, and its p-value, kept up as features are selected.

    Args:
        features: codes of the candidates, [m, n].
        target: codes [n].

    Attributes:
        relevance: I(X;Y) of every candidate, [m].
        redundancy: I(X;X') of every selected feature X', [s, m].
        conditional: I(X;Y|X') of every selected feature, [s, m].
        log_p: log p-value of X ⟂ Y, or the largest of X ⟂ Y | X' once features are selected, [m].
    """

    def __init__(self, features: np.ndarray, target: np.ndarray):
        self.features: np.ndarray = features
        self.target: np.ndarray = target
        self.num_classes: int = int(target.max()) + 1
        tables = tables_with(features, target, self.num_classes)[..., None]  # [m, x, y, 1]
        self.relevance: np.ndarray = bias_corrected(tables)
        self.log_p: np.ndarray = log_p_values(tables)
        self.redundancy: np.ndarray = np.empty((0, len(features)))
        self.conditional: np.ndarray = np.empty((0, len(features)))

    def add(self, selected: int) -> None:
        """Take note that a candidate was selected."""
        given = self.features[selected]
        width = int(given.max()) + 1
        tables = tables_with(self.features, self.target * width + given, self.num_classes * width)
        tables = tables.reshape(*tables.shape[:2], self.num_classes, width)  # [m, x, y, x']
        log_p = log_p_values(tables)
        self.log_p = np.maximum(self.log_p, log_p) if len(self.conditional) else log_p
        self.redundancy = np.vstack([self.redundancy, bias_corrected(tables.sum(axis=2)[..., None])])
        self.conditional = np.vstack([self.conditional, bias_corrected(tables)])


def _is_discrete(y: np.ndarray) -> bool:
    """Return whether y holds labels: text, booleans, or few different numbers."""
    return not type_of_target(y).startswith("continuous") and (
        y.dtype.kind not in "iuf" or len(np.unique(y)) <= MAX_LABELS
    )


class InformativeFeatures(SelectorMixin, BaseEstimator):
    """Select features that tell something about the target which the features before them do not.

    The first feature has the largest I(X;Y). Each further one has the largest gain by the `criterion`, among
    those that still tell something about Y given each selected feature: I(X;Y|X') > 0 for every X', by a
    G-test at level `alpha`, adjusted for the number of candidates (Bonferroni). Selection stops where none is
    left, or at `num_features`. A feature that tells something only together with another, as in XOR, is not
    found, because neither is selected first; `rank_pairs` finds such pairs.

    Numbers are counted in bins of equal mass. The number of bins suits the number of rows (`notes_` says how
    many), and bins understate what a number tells. Missing values (NaN) are a bin of their own.

    Args:
        num_features: the most to select; None: as many as add information.
        criterion: `cmim`, `jmi`, `mrmr`, or a function of the same three arrays.
        alpha: the level of the tests; None: no tests, and `num_features` must say when to stop.
        num_bins: of numbers; None: as many as leave 5 rows in a cell of a table of two features and the
            target, from 2 to 16.
        categorical_features: indices, or a mask, of features that hold codes of categories, without order.
            The rarest share a label where there are more than `num_bins`.
        discrete_target: whether y holds labels; None: labels are text, booleans, and numbers with at most 20
            different values.

    Attributes:
        order_: indices of the selected features, in the order of their selection.
        gains_: the criterion of each selected feature when it was selected, in nats.
        p_values_: its adjusted p-value then; 1 without tests.
        information_: I(X;Y) of all features in nats, bias-corrected, as they were counted.
        notes_: what was decided for you, a line each.
        n_features_in_, feature_names_in_: as in scikit-learn.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> first, second, noise = rng.standard_normal((3, 2000))
        >>> X = np.column_stack([first, first + 0.1 * noise, second, noise])  # the second repeats the first
        >>> InformativeFeatures().fit(X, first + second > 0).get_support(indices=True)
        array([0, 2])

    Reference: see `criteria`.
    """

    def __init__(
        self,
        num_features: Any = None,
        *,
        criterion: Any = cmim,
        alpha: Any = 0.05,
        num_bins: Any = None,
        categorical_features: Any = None,
        discrete_target: Any = None,
    ):  # scikit-learn sets parameters without looking at them; `fit` checks them
        self.num_features = num_features
        self.criterion = criterion
        self.alpha = alpha
        self.num_bins = num_bins
        self.categorical_features = categorical_features
        self.discrete_target = discrete_target

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags: a target is required, and NaN is allowed."""
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.allow_nan = True
        return tags

    def fit(self, X: Any, y: Any) -> "InformativeFeatures":
        """Select features of X [n, m] by what they tell about y [n].

        Raises:
            ValueError: X or y of other shapes or types; a constant target; settings out of range.
        """
        checked: Any = validate_data(
            self, X, y, dtype="numeric", ensure_all_finite="allow-nan", ensure_min_samples=2
        )
        rows, labels = checked
        self._check()
        target, num_bins = self._target(labels)
        features = self._codes(rows.astype(np.float64), num_bins)
        self._select(features, target)
        return self

    def _check(self) -> None:
        refuse(
            not callable(self.criterion),
            f"InformativeFeatures: criterion must be a function such as cmim, got {self.criterion!r}",
        )
        refuse(
            self.num_features is not None and self.num_features < 1,
            f"InformativeFeatures: num_features must be at least 1, got {self.num_features}; None selects "
            "all that add information",
        )
        refuse(
            self.alpha is None and self.num_features is None,
            "InformativeFeatures: alpha=None leaves out the tests that stop the selection; give num_features",
        )
        refuse(
            self.alpha is not None and not 0 < self.alpha < 1,
            f"InformativeFeatures: alpha must be between 0 and 1, got {self.alpha}; 0.05 is usual",
        )
        refuse(
            self.num_bins is not None and self.num_bins < 2,
            f"InformativeFeatures: num_bins must be at least 2, got {self.num_bins}; one bin tells nothing",
        )

    def _target(self, y: np.ndarray) -> tuple[np.ndarray, int]:
        """Return the codes of the target, and the number of bins of features."""
        discrete = _is_discrete(y) if self.discrete_target is None else self.discrete_target
        classes, codes = np.unique(y, return_inverse=True)
        refuse(len(classes) < 2, "InformativeFeatures: y has one value, expected at least 2 different ones")
        num_bins = self.num_bins or suited_num_bins(len(y), len(classes) if discrete else None)
        if discrete:
            self.notes_: tuple[str, ...] = (
                f"target: {len(classes)} labels",
                f"numbers: {num_bins} bins of equal mass",
            )
            return codes, num_bins
        self.notes_ = (f"target and numbers: {num_bins} bins of equal mass",)
        return binned(y.astype(np.float64), num_bins), num_bins

    def _codes(self, X: np.ndarray, num_bins: int) -> np.ndarray:
        """Return every feature as codes: [m, n]."""
        categorical = np.zeros(X.shape[1], dtype=bool)
        if self.categorical_features is not None:
            categorical[np.asarray(self.categorical_features)] = True
        columns = zip(X.T, categorical, strict=True)
        return np.array([(merged if labels else binned)(column, num_bins) for column, labels in columns])

    def _select(self, features: np.ndarray, target: np.ndarray) -> None:
        """Add the best candidate until none adds information."""
        num_all = len(features)
        terms = Terms(features, target)
        self.information_: np.ndarray = terms.relevance
        order: list[int] = []
        gains: list[float] = []
        p_values: list[float] = []
        most = num_all if self.num_features is None else min(self.num_features, num_all)
        while len(order) < most:
            gain = self.criterion(terms.relevance, terms.redundancy, terms.conditional)
            p_value = np.minimum(np.exp(terms.log_p) * (num_all - len(order)), 1.0)
            open_ = np.ones(num_all, dtype=bool) if self.alpha is None else p_value <= self.alpha
            open_[order] = False
            if not open_.any():
                break
            best = int(np.where(open_, gain, -np.inf).argmax())
            order.append(best)
            gains.append(float(gain[best]))
            p_values.append(1.0 if self.alpha is None else float(p_value[best]))
            terms.add(best)
        self.order_: np.ndarray = np.array(order, dtype=np.intp)
        self.gains_: list[float] = gains
        self.p_values_: list[float] = p_values

    def _get_support_mask(self) -> np.ndarray:  # pyright: ignore[reportIncompatibleMethodOverride]
        check_is_fitted(self)
        mask = np.zeros(len(self.information_), dtype=bool)
        mask[self.order_] = True
        return mask
