"""Information about a label from a classifier: how much better it predicts the label than its frequency does.

    I(X;Y) = H(X) − H(X|Y) ≈ ⟨log q(x|y) − log q(x)⟩

q(x|y) are the probabilities of a classifier on rows that it has not seen, q(x) the frequencies of the labels
among those it has. The first term is too low by the divergence of the classifier from the truth, on average;
the second is too high by about (number of labels − 1)/2n.

In each fold the best of some classifiers is taken, by their likelihood on rows of their own: Gaussian
densities with one covariance or with one for each label (where each label has more rows than columns);
logistic regression on the columns, and on Gaussian functions of the distance to 500 of the rows (Nyström's).
The regressions are penalised much or little.

Cost: seven classifiers a fold; grows with labels times columns. Assumes nothing of the columns.

Reference: McAllester and Stratos (2020), section 6; Williams and Seeger (2001), for Nyström's method.
"""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import numpy as np
from jaxtyping import Float, Int
from scipy.special import logsumexp

from infomax.errors import refuse
from infomax.estimation.canonical import NormalScores
from infomax.estimation.estimate import Estimate, mean_estimate
from infomax.estimation.samples import as_codes, as_rows, check_lengths
from infomax.ranges import Range, Seed, check_ranges

NUM_CENTRES = 500
"""Rows whose distances Nyström's method takes."""
KINDS = (
    ("one covariance", 0.0),
    ("a covariance for each label", 0.1),
    ("columns", 0.1),
    ("columns", 10.0),
    ("distances", 10.0),
    ("distances", 100.0),
)
"""Choices that are compared. The number of densities is the share of a sphere in each covariance, that of
regressions the inverse of their penalty."""
CHOOSING_FRACTION = 0.2
"""Share of the training rows that choose between the classifiers."""


@dataclass(frozen=True)
class FromClassifier:
    """I(X;Y) = ⟨log q(x|y) − log q(x)⟩ for a label and numbers. For many columns: images, spectra, counts.

    Of kind "neither": apart from an excess of about (labels − 1)/2n it is a lower bound, and a better
    classifier gives a higher value. The standard error is the scatter over rows, and does not include what
    was not learned.

    Args:
        labels: which argument of `estimate` holds the labels, "x" or "y".
        num_folds: parts of the rows; each is predicted by classifiers of the others.
        seed: of the folds and of the centres.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> label = rng.choice(["low", "high"], 600)
        >>> values = rng.standard_normal((600, 30)) + 2 * (label == "high")[:, None]  # log 2 = 0.693
        >>> abs(FromClassifier().estimate(label, values).value - 0.693) < 0.03
        True
    """

    labels: str = "x"
    num_folds: Annotated[int, Range(2)] = 5
    seed: Seed = 0

    def __post_init__(self) -> None:
        refuse(
            self.labels not in ("x", "y"),
            f"FromClassifier: labels must be 'x' or 'y', got {self.labels!r}; which argument has them?",
        )
        check_ranges(self, "FromClassifier")

    def estimate(self, x: Any, y: Any, *, given: Any = None) -> Estimate:
        """Return I(X;Y) in nats, from labels [n] and numbers [n] or [n, d].

        Raises:
            ValueError: a condition; fewer than two rows a fold; one label alone.
        """
        refuse(given is not None, "FromClassifier: a condition is not supported; use MixedKSG, or Ross")
        label, values = (x, y) if self.labels == "x" else (y, x)
        (codes,) = as_codes("FromClassifier", **{self.labels: label})
        (rows,) = as_rows("FromClassifier", values=values)
        check_lengths("FromClassifier", {"labels": codes, "values": rows})
        num_labels = int(codes.max()) + 1
        refuse(num_labels < 2, "FromClassifier: needs at least 2 labels, got 1; there is nothing to predict")
        refuse(
            len(rows) < 2 * self.num_folds,
            f"FromClassifier: {self.num_folds} folds need {2 * self.num_folds} rows, got {len(rows)}; "
            "give more rows, or a smaller num_folds",
        )
        local = np.empty(len(rows))
        order = np.random.default_rng(self.seed).permutation(len(rows))
        for part in np.array_split(order, self.num_folds):
            others = order[~np.isin(order, part)]
            local[part] = self._log_ratios(rows, codes, others, part, num_labels)
        return mean_estimate("FromClassifier", local, kind="neither")

    def _log_ratios(
        self,
        rows: Float[np.ndarray, "n d"],
        codes: Int[np.ndarray, " n"],
        train: np.ndarray,
        part: np.ndarray,
        num_labels: int,
    ) -> np.ndarray:
        """Return log q(x|y) − log q(x) of the rows of one part."""
        frequency = np.bincount(codes[train], minlength=num_labels) + 0.5
        frequency = frequency / frequency.sum()
        scores = NormalScores.of(rows[train]).apply(rows)
        choosing = train[: int(CHOOSING_FRACTION * len(train))]
        fitting = train[len(choosing) :]
        log_probability = partial(_log_probabilities, scores, codes, frequency=frequency, seed=self.seed)
        trials = {
            kind: log_probability(kind, fitting, choosing).mean()
            for kind in _kinds(codes, fitting, train, rows.shape[1])
        }
        log_q = log_probability(max(trials, key=lambda kind: trials[kind]), train, part)
        return log_q - np.log(frequency[codes[part]])


def _kinds(
    codes: np.ndarray, fitting: np.ndarray, train: np.ndarray, num_columns: int
) -> list[tuple[str, float]]:
    """Return the kinds that these rows allow: a covariance of a label needs more rows than columns.

    Labels of the training rows that none of the rows to fit has allow no covariance.
    """
    counts = np.bincount(codes[fitting], minlength=codes.max() + 1)
    fewest = counts[np.unique(codes[train])].min()
    needed = {"one covariance": 1, "a covariance for each label": num_columns}
    return [kind for kind in KINDS if fewest > needed.get(kind[0], -1)]


def _log_probabilities(
    rows: np.ndarray,
    codes: np.ndarray,
    kind: tuple[str, float],
    train: np.ndarray,
    part: np.ndarray,
    *,
    frequency: np.ndarray,
    seed: int,
) -> np.ndarray:
    """Return log q(x|y) of the rows of a part; a share of 1/n is left to the labels' frequencies."""
    if len(np.unique(codes[train])) < 2:
        return np.log(frequency[codes[part]])
    classifier = _classifier(kind, rows[train], seed).fit(rows[train], codes[train])
    found = np.full((len(part), len(frequency)), -np.inf)
    found[:, classifier.classes_] = classifier.predict_log_proba(rows[part])
    label = codes[part]
    share = 1 / len(train)
    mixed = [found[np.arange(len(part)), label] + np.log1p(-share), np.log(share * frequency[label])]
    return np.asarray(logsumexp(mixed, axis=0))


def _classifier(kind: tuple[str, float], rows: np.ndarray, seed: int) -> Any:
    """Return a classifier of this kind, to be fitted to these rows."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
    from sklearn.kernel_approximation import Nystroem
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    name, setting = kind
    if name == "one covariance":  # the share of a sphere is that of Ledoit and Wolf
        return LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    if name == "a covariance for each label":
        return QuadraticDiscriminantAnalysis(reg_param=setting)
    regression = LogisticRegression(C=setting, max_iter=300)
    if name == "columns":
        return make_pipeline(StandardScaler(), regression)
    width = 1 / (2 * max(float(rows.var(axis=0).sum()), 1e-12))
    centres = Nystroem(gamma=width, n_components=min(NUM_CENTRES, len(rows)), random_state=seed)
    return make_pipeline(centres, regression)
