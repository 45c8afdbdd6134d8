"""InfoMax ICA: linear maps whose outputs, through sigmoids, have the greatest entropy.

    y = W K (x − μ),   log p(x) = log |det W K| + Σᵢ log pᵢ(yᵢ)

K makes x white; sigmoids gᵢ map each output to (0, 1). Without noise I(X; g(Y)) is, up to a constant, the
entropy of g(Y), which is H(X) plus the mean of the right side above with pᵢ = gᵢ′. The map that conveys most
is therefore the one under which x is likeliest, as a mixture of independent sources: independent component
analysis.

Reference: Bell and Sejnowski (1995), An information-maximization approach to blind separation and blind
deconvolution; Cardoso (1997), Infomax and maximum likelihood for blind source separation; Lee, Girolami and
Sejnowski (1999), for extended InfoMax.
"""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Tags, check_array, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from infomax.principle.unmixing.ascent import Unmixing, maximize_likelihood
from infomax.principle.unmixing.densities import SUPER_AND_SUB
from infomax.principle.unmixing.likelihood import WhiteSamples, threads
from infomax.principle.unmixing.rules import NaturalGradient, QuasiNewton

_NUM_ROWS = 2**12  # of X at a time
_DTYPES = [np.float64, np.float32]


class InfoMaxICA(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Independent components by InfoMax: max over W of log |det W| + Σᵢ E log pᵢ(yᵢ), y = W x.

    It is used like scikit-learn's `FastICA`, but the components maximise the likelihood, and are not forced
    to be uncorrelated in the sample. They have near unit variance, and come in the order of the variance they
    account for, with the sign that makes the largest entry of their column of `mixing_` positive.

    Float32 input is worked on in float32, in about half the time and memory. Memory holds one white copy of
    X. As many threads work as BLAS may use; results do not depend on how many.

    Args:
        n_components: how many; None for as many as X has columns. Fewer are found among the leading principal
            components.
        densities: what a source may be distributed like, functions like those of
            `infomax.principle.unmixing.densities`; each source takes the likeliest that is stable. The
            default is extended InfoMax, for sources with heavier and lighter tails than a Gaussian;
            ``(logistic,)`` is the original, for heavier tails only.
        quasi_newton: a fixed point of rotations, then preconditioned L-BFGS. If false, plain natural gradient
            ascent, which needs many more steps.
        whiten: make X white first. If false, the ascent starts from the columns as they are.
        max_iter: the most steps.
        tol: on the largest |E[ψᵢ(yᵢ) yⱼ] − δᵢⱼ|, which is 0 at the optimum. The default is less than its
            sampling error n^−½ for up to a million samples.
        random_state: of the order in which samples are taken; the ascent begins with few of them.

    Attributes:
        components_: [n_components, n_features], W K. mixing_: its pseudo-inverse. mean_: μ.
        whitening_: [n_components, n_features], K, if `whiten`.
        densities_: the density of each component. n_iter_: the number of steps. n_features_in_.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> sources = np.stack([rng.laplace(size=5000), rng.uniform(size=5000)], axis=1)
        >>> mixing = np.array([[1.0, 0.5], [0.5, 1.0]])
        >>> ica = InfoMaxICA().fit(sources @ mixing.T)
        >>> amari_distance(ica.components_ @ mixing) < 0.03
        True

    Reference: Bell and Sejnowski (1995); Lee, Girolami and Sejnowski (1999).
    """

    def __init__(
        self,
        n_components: Any = None,
        *,
        densities: Any = SUPER_AND_SUB,
        quasi_newton: Any = True,
        whiten: Any = True,
        max_iter: Any = 500,
        tol: Any = 1e-3,
        random_state: Any = 0,
    ) -> None:  # whatever it is: `fit` checks, as scikit-learn wants it
        self.n_components = n_components
        self.densities = densities
        self.quasi_newton = quasi_newton
        self.whiten = whiten
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> "InfoMaxICA":
        """Find the components of X, [n_samples, n_features].

        Raises:
            ValueError: too few samples, constant columns, more components than the rank of X; NaN, infinity.
        """
        rows: Any = validate_data(self, X, dtype=_DTYPES, ensure_min_samples=2)
        self._check_parameters(rows.shape[1])
        self._check_samples(rows)
        mean, covariance = _mean_and_covariance(rows)
        inward = self._whitening(covariance)
        order = check_random_state(self.random_state).permutation(len(rows))
        rule = QuasiNewton() if self.quasi_newton else NaturalGradient()
        with threads() as map_shares:
            samples = WhiteSamples(_white(rows, order, mean, inward), self.densities, map_shares)
            found = maximize_likelihood(samples, rule, tolerance=self.tol, max_steps=self.max_iter)
        self._warn_unless_converged(found)
        self._keep(found, mean, inward, rows.dtype)
        return self

    def _check_parameters(self, num_features: int) -> None:
        k = self._num_components(num_features)
        if not isinstance(k, int | np.integer) or not 1 <= k <= num_features:
            raise ValueError(
                f"InfoMaxICA: n_components must be None or from 1 to {num_features}, "
                f"the number of columns, got {k!r}"
            )
        if k < num_features and not self.whiten:
            raise ValueError(
                f"InfoMaxICA: whiten=False keeps all {num_features} columns, got n_components={k}; "
                "let it whiten, or leave n_components out"
            )
        if isinstance(self.densities, Callable) or not self.densities:
            raise ValueError(
                f"InfoMaxICA: densities must be one function or more in a tuple, got {self.densities!r}; "
                "for a single one write densities=(logistic,)"
            )
        if not (self.max_iter >= 1 and self.tol > 0):
            raise ValueError(
                f"InfoMaxICA: max_iter must be at least 1 and tol positive, got {self.max_iter}, {self.tol}"
            )

    def _check_samples(self, X: Float[np.ndarray, "n p"]) -> None:
        num_samples, k = len(X), self._num_components(X.shape[1])
        if num_samples <= k:
            raise ValueError(
                f"InfoMaxICA: {k} components need more than {k} samples, got {num_samples}; "
                "lower n_components or give more samples"
            )
        constant = np.flatnonzero(np.ptp(X, axis=0) == 0)
        if len(constant):
            raise ValueError(
                f"InfoMaxICA: constant columns {constant.tolist()} belong to no component; drop them"
            )

    def _num_components(self, num_features: int) -> Any:
        return num_features if self.n_components is None else self.n_components

    def _whitening(self, covariance: Float[np.ndarray, "p p"]) -> Float[np.ndarray, "k p"]:
        """K = Λ^−½ Vᵀ of the leading principal axes; without `whiten`, the same of each column by itself."""
        variances, axes = np.linalg.eigh(covariance)
        rank = int(np.sum(variances > variances[-1] * len(covariance) * np.finfo(float).eps))
        k = self._num_components(len(covariance))
        if k > rank:
            raise ValueError(
                f"InfoMaxICA: cannot find {k} components in columns of rank {rank}; set n_components={rank} "
                "or less (or give columns of very different size the same standard deviation)"
            )
        if not self.whiten:
            return np.diag(np.diag(covariance) ** -0.5)
        leading = slice(None, -k - 1, -1)
        return (axes[:, leading] / np.sqrt(variances[leading])).T

    def _warn_unless_converged(self, found: Unmixing) -> None:
        if found.steepest >= self.tol:
            warnings.warn(
                f"InfoMaxICA: after {found.num_steps} steps the largest |E[ψ(y) y] − δ| is "
                f"{found.steepest:.2g}, and tol={self.tol:g}; raise max_iter={self.max_iter} or tol",
                ConvergenceWarning,
                stacklevel=3,
            )

    def _keep(
        self, found: Unmixing, mean: Float[np.ndarray, " p"], inward: Float[np.ndarray, "k p"], dtype: Any
    ) -> None:
        """Components in the order of the variance they account for, signs from their columns of `mixing_`."""
        components = found.matrix @ inward
        mixing = np.linalg.pinv(components)
        order = np.argsort(-found.power * np.sum(mixing**2, axis=0), kind="stable")
        signs = np.sign(mixing[np.abs(mixing).argmax(axis=0), np.arange(len(components))])[order]
        self.components_: np.ndarray = (components[order] * signs[:, None]).astype(dtype)
        self.mixing_: np.ndarray = (mixing[:, order] * signs).astype(dtype)
        self.mean_: np.ndarray = mean.astype(dtype)
        self.densities_: list[Any] = [self.densities[k] for k in found.chosen[order]]
        self.n_iter_: int = found.num_steps
        if self.whiten:
            self.whitening_: np.ndarray = inward.astype(dtype)

    def transform(self, X: Any) -> Float[np.ndarray, "n k"]:
        """Return the sources, (X − μ) components_ᵀ."""
        check_is_fitted(self)
        rows: Any = validate_data(self, X, dtype=_DTYPES, reset=False)
        return (rows - self.mean_) @ self.components_.T

    def inverse_transform(self, X: Any) -> Float[np.ndarray, "n p"]:
        """Return sources [n, n_components] mixed again: X mixing_ᵀ + μ.

        Raises:
            ValueError: another number of columns than there are components.
        """
        check_is_fitted(self)
        rows: Any = check_array(X, dtype=_DTYPES)  # pyright: ignore[reportArgumentType]
        if rows.shape[1] != len(self.components_):
            raise ValueError(
                f"InfoMaxICA.inverse_transform: X has {rows.shape[1]} columns, expected the "
                f"{len(self.components_)} components that transform returns"
            )
        return rows @ self.mixing_.T + self.mean_

    def score_samples(self, X: Any) -> Float[np.ndarray, " n"]:
        """Return log p(x) of each sample, nats: log |det components_| + Σᵢ log pᵢ(yᵢ).

        With fewer components than columns, it is the density of the projection of x on the space they span.
        """
        sources = self.transform(X).astype(float)
        volume = np.log(np.linalg.svd(self.components_.astype(float), compute_uv=False)).sum()
        return volume + sum(density(s)[0] for density, s in zip(self.densities_, sources.T, strict=True))

    def score(self, X: Any, y: Any = None) -> float:
        """Return the mean of log p(x), nats."""
        return float(self.score_samples(X).mean())

    @property
    def _n_features_out(self) -> int:
        return len(self.components_)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def amari_distance(gains: Any) -> float:
    """Return how far `gains`, components_ · mixing, is from a scaled permutation: 0 if it is one, at most 1.

        ( Σᵢ (Σⱼ |pᵢⱼ| / maxⱼ |pᵢⱼ| − 1) + Σⱼ (Σᵢ |pᵢⱼ| / maxᵢ |pᵢⱼ| − 1) ) / 2d(d − 1)

    Args:
        gains: P [d, d], what each found source takes from each true one.
    Raises:
        ValueError: not square, smaller than 2×2, or with a row or column of zeros.
    Example:
        >>> amari_distance([[0, 3], [-1, 0]]), amari_distance([[1, 1], [1, 1]])
        (0.0, 1.0)

    Reference: Amari, Cichocki and Yang (1996), equation 24, here divided by its maximum.
    """
    p = np.abs(np.asarray(gains, dtype=float))
    if p.ndim != 2 or p.shape[0] != p.shape[1] or len(p) < 2:
        raise ValueError(
            f"amari_distance: gains must be square, at least 2×2, got shape {list(p.shape)}; "
            "they are components_ @ mixing, with as many components as sources"
        )
    rows, columns = p.max(axis=1, keepdims=True), p.max(axis=0)
    if not (np.all(rows > 0) and np.all(columns > 0)):
        raise ValueError(
            "amari_distance: gains have a row or column of zeros (or NaN), in which no source is found; "
            "leave it out"
        )
    return float((np.sum(p / rows) + np.sum(p / columns) - 2 * len(p)) / (2 * len(p) * (len(p) - 1)))


# ------------------------------------------------------------------------------------- blocks of rows


def _mean_and_covariance(
    X: Float[np.ndarray, "n p"],
) -> tuple[Float[np.ndarray, " p"], Float[np.ndarray, "p p"]]:
    mean = X.mean(axis=0, dtype=float)
    covariance = np.zeros((len(mean), len(mean)))
    for rows in _blocks(len(X)):
        centred = X[rows] - mean
        covariance += centred.T @ centred / len(X)
    return mean, covariance


def _white(
    X: Float[np.ndarray, "n p"],
    order: Int[np.ndarray, " n"],
    mean: Float[np.ndarray, " p"],
    inward: Float[np.ndarray, "k p"],
) -> Float[np.ndarray, "n k"]:
    """(X − μ) Kᵀ, the rows in another order."""
    white = np.empty((len(X), len(inward)), X.dtype)
    for rows in _blocks(len(X)):
        white[rows] = (X[order[rows]] - mean) @ inward.T
    return white


def _blocks(num_rows: int) -> Iterator[slice]:
    return (slice(start, start + _NUM_ROWS) for start in range(0, num_rows, _NUM_ROWS))
