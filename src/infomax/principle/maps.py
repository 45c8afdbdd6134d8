"""Ordered maps: a layer of cells with lateral interaction, and the weights that make it most informative.

Each input x selects one cell of the layer, with a probability that is larger the nearer the cell's weights wₖ
are to x. By lateral interaction a cell near by then fires:

    P(k|x) ∝ exp(−‖x − wₖ‖² / 2σ²),    P(j|x) = Σₖ P(k|x) G(k → j),    G(k → j) ∝ exp(−‖rₖ − rⱼ‖² / 2γ²)

σ is the width of the response, in units of the input, and γ the range of the interaction, in units of the
lattice on which cell j sits at rⱼ. Over inputs of probability q(x) that fires Q(j), and conveys

    R = I(L; M) = Σₓ q(x) Σⱼ P(j|x) log( P(j|x) / Q(j) )

exactly. Its gradient is a learning rule with three factors:

    ∂R/∂wₖ = Σₓ q(x) P(k|x) [ Dₖ(x) − Σₗ P(l|x) Dₗ(x) ] (x − wₖ) / σ²,
    Dₖ(x) = Σⱼ G(k → j) log( P(j|x) / Q(j) )

Input times firing is Hebb's rule. Cells cooperate, since Dₖ is what firing around k tells. They compete,
since only a cell that tells more than the mean cell comes nearer to the input.

Where rows are noisy copies of signals, P(j|L) is the mean over the copies of L, so that the layer tells of
the signal, not of the noise. Weights stay within the range of the inputs: if they were free, a few cells far
outside could divide the inputs sharply, and the layer would be a switch rather than a map.

Reference: Linsker (1989), How to generate ordered maps by maximizing the mutual information between input and
output signals, Neural Computation 1(3).
"""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

import numpy as np
from jaxtyping import Float
from scipy.optimize import OptimizeResult, minimize
from scipy.sparse import csr_array
from scipy.spatial.distance import cdist
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data
from threadpoolctl import threadpool_limits

from infomax.estimation.samples import as_codes
from infomax.information.measures import mutual_information
from infomax.information.tables import Number, in_base, safe_log
from infomax.ranges import Count, Positive, Range, check_numbers

START_SPREAD = 0.1
"""The spread of the first weights about the mean input, in units of the inputs' own spread."""


def lattice(shape: Sequence[int]) -> Float[np.ndarray, "m axes"]:
    """Return where cells sit: all points of whole coordinates below `shape`, the last axis fastest.

    Raises:
        ValueError: no axis, or one of fewer than one cell.
    Example:
        >>> lattice((2, 2)).tolist()
        [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
    """
    if len(shape) == 0 or min(shape) < 1:
        raise ValueError(
            f"lattice: shape must be one or more numbers of cells, got {tuple(shape)}; "
            "(20,) is a chain, (8, 8) a sheet"
        )
    return np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1).reshape(-1, len(shape)) * 1.0


@dataclass(frozen=True, eq=False)
class CellChannel:
    """P(j|x), the channel from inputs to cells on a lattice, for any weights.

    Args:
        positions: rⱼ [m, axes], as `lattice` gives them.
        response_width: σ, in units of the inputs.
        lateral_range: γ, in units of the lattice; much below 1 means no interaction.
    """

    positions: np.ndarray
    response_width: Number
    lateral_range: Number

    @cached_property
    def interaction(self) -> Float[np.ndarray, "m m"]:
        """G(k → j); each row sums to one."""
        squares = cdist(self.positions, self.positions, "sqeuclidean")
        return softmax(-squares / (2 * self.lateral_range**2), axis=1)

    def selection(self, x: np.ndarray, weights: np.ndarray) -> Float[np.ndarray, "n m"]:
        """Return P(k|x), the probability that the input selects cell k, before lateral interaction."""
        squares = cdist(x, weights, "sqeuclidean")
        return softmax(-squares / (2 * self.response_width**2), axis=1)

    def firing(self, x: np.ndarray, weights: np.ndarray) -> Float[np.ndarray, "n m"]:
        """Return P(j|x), the probability that cell j fires."""
        return self.selection(x, weights) @ self.interaction


@dataclass(frozen=True, eq=False)
class Inputs:
    """Inputs to learn from.

    Args:
        x: rows [n, d].
        probabilities: q [n], of each row.
        signals: codes 0, 1, … [n], of which signal each row is a copy.
    """

    x: np.ndarray
    probabilities: np.ndarray
    signals: np.ndarray

    @cached_property
    def members(self) -> csr_array:
        """A matrix [number of signals, n] with q(x) where row x is a copy of the signal."""
        n = len(self.x)
        return csr_array(
            (self.probabilities, (self.signals, np.arange(n))), shape=(self.signals.max() + 1, n)
        )

    @property
    def mean(self) -> Float[np.ndarray, " d"]:
        """Σ q(x) x."""
        return self.probabilities @ self.x

    @property
    def spread(self) -> float:
        """The root of the mean squared distance from the mean."""
        return math.sqrt(self.probabilities @ np.square(self.x - self.mean).sum(axis=1))

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """The smallest and the largest input, column by column."""
        return self.x.min(axis=0), self.x.max(axis=0)


def information_and_gradient(
    channel: CellChannel, inputs: Inputs, weights: np.ndarray
) -> tuple[float, Float[np.ndarray, "m d"]]:
    """Return R = I(L; M) in nats, and ∂R/∂w."""
    selection = channel.selection(inputs.x, weights)
    joint = inputs.members @ (selection @ channel.interaction)  # [signals, m]
    p_signal, p_cell = np.sum(joint, axis=1, keepdims=True), np.sum(joint, axis=0)
    told = safe_log(joint) - safe_log(p_signal) - safe_log(p_cell)
    worth = (told @ channel.interaction.T)[inputs.signals]  # D, [n, m]
    worth -= (selection * worth).sum(axis=1, keepdims=True)
    pull = inputs.probabilities[:, None] * selection * worth / channel.response_width**2
    return float((joint * told).sum()), pull.T @ inputs.x - pull.sum(axis=0)[:, None] * weights


class TopographicMap(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """A layer of cells whose weights maximise I(L; M), so that neighbouring inputs fire neighbouring cells.

    A scikit-learn transformer: `transform` gives the mean place on the lattice at which an input fires. The
    first weights are random, near the mean input. Then `num_steps` steps of gradient ascent follow. Meanwhile
    the response narrows from the width of the inputs to its final width, and the interaction from half the
    layer. L-BFGS then climbs to a maximum, a local one: breaks in a map cost little information, and the wide
    interaction at first avoids them.

    Args:
        shape: cells along each axis of the layer: (20,) is a chain, (8, 8) a sheet.
        response_width: σ, in units of the input; by default 1.5 times the spread of the inputs, divided by
            the cells along the longest axis.
        lateral_range: γ, in cells.
        num_steps: steps while widths narrow.
        learning_rate: of those steps, in units of mσ², which makes it independent of the inputs' scale.
        n_init: random starts; the most informative result is kept.
        max_iter: iterations of the final ascent, by L-BFGS within the range of the inputs.
        tol: the final ascent ends when an iteration gains less, in nats.
        random_state: of the first weights.
    Attributes:
        weights_: w [m, d].
        positions_: r [m, axes], of the cells on the lattice.
        centers_: E[x | cell j fires] [m, d], what each cell stands for.
        information_: I(L; M) in nats, of the inputs it was fitted to.
        response_width_: σ.
        n_iter_: iterations of the final ascent.
        n_features_in_: d.
    Example:
        >>> x = np.linspace(0, 1, 200)[:, None]
        >>> places = TopographicMap((10,), random_state=0).fit_transform(x)[:, 0]
        >>> steps = np.diff(places)
        >>> bool((steps > 0).all() or (steps < 0).all())  # in order, one way or the other
        True

    Reference: Linsker (1989).
    """

    def __init__(
        self,
        shape: Sequence[int] = (8, 8),
        *,
        response_width: Number | None = None,
        lateral_range: Number = 1.0,
        num_steps: int = 200,
        learning_rate: Number = 0.3,
        n_init: int = 1,
        max_iter: int = 500,
        tol: Number = 1e-9,
        random_state: Any = None,
    ) -> None:
        self.shape = shape
        self.response_width = response_width
        self.lateral_range = lateral_range
        self.num_steps = num_steps
        self.learning_rate = learning_rate
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def fit(
        self, X: Any, y: Any = None, *, sample_weight: Any = None, signals: Any = None
    ) -> "TopographicMap":
        """Find the weights.

        Args:
            X: inputs [n, d].
            y: not used.
            sample_weight: [n], in proportion to the probability of each input; by default all equal.
            signals: [n] labels; rows of equal labels are noisy copies of one signal, and the layer learns to
                tell of the signal. By default each row is its own.
        Raises:
            ValueError: fewer inputs than cells, inputs that are all the same or not finite, or a width, rate
                or number out of range.
        """
        inputs = self._inputs(X, sample_weight, signals)
        self.positions_: np.ndarray = lattice(self.shape)
        self._check(inputs)
        self.response_width_: Number = self.response_width or 1.5 * inputs.spread / max(self.shape)
        rng = check_random_state(self.random_state)
        starts = [self._first_weights(inputs, rng) for _ in range(self.n_init)]
        with threadpool_limits(1, user_api="blas"):  # small products, for which threads are slower
            best = min((self._climb(inputs, weights) for weights in starts), key=lambda result: result.fun)
        self._warn_unless_converged(best)
        self.weights_: np.ndarray = best.x.reshape(starts[0].shape)
        self.information_: float = -float(best.fun)
        self.n_iter_: int = int(best.nit)
        self.centers_: np.ndarray = _centers(inputs, self._channel().firing(inputs.x, self.weights_))
        return self

    def firing_probabilities(self, X: Any) -> Float[np.ndarray, "n m"]:
        """Return P(j|x), the matrix of the channel from inputs to cells; its rows sum to one."""
        check_is_fitted(self)
        return self._channel().firing(self._rows(X, reset=False), self.weights_)

    def transform(self, X: Any) -> Float[np.ndarray, "n axes"]:
        """Return Σⱼ P(j|x) rⱼ, the mean place on the lattice."""
        return self.firing_probabilities(X) @ self.positions_

    def information(
        self, X: Any, *, sample_weight: Any = None, signals: Any = None, base: Number = math.e
    ) -> float:
        """Return I(L; M) over these inputs, or I(label; M): what the firing cell tells of input or label.

        Args:
            X: inputs [n, d].
            sample_weight: [n], as for `fit`.
            signals: [n] labels. By default each row is its own.
            base: 2 for bits.
        """
        check_is_fitted(self)
        inputs = self._inputs(X, sample_weight, signals, reset=False)
        joint = inputs.members @ self._channel().firing(inputs.x, self.weights_)
        return float(in_base(mutual_information(joint), base))

    @property
    def _n_features_out(self) -> int:
        return self.positions_.shape[1]

    def _channel(self) -> CellChannel:
        return CellChannel(self.positions_, self.response_width_, self.lateral_range)

    def _rows(self, X: Any, *, reset: bool) -> Float[np.ndarray, "n d"]:
        return np.asarray(validate_data(self, X, reset=reset, dtype=np.float64))

    def _inputs(self, X: Any, sample_weight: Any, signals: Any, *, reset: bool = True) -> Inputs:
        x = self._rows(X, reset=reset)
        q = _probabilities(len(x), sample_weight)
        codes = np.arange(len(x)) if signals is None else as_codes("TopographicMap", signals=signals)[0]
        if len(codes) != len(x):
            raise ValueError(f"TopographicMap: signals must label the {len(x)} inputs, got {len(codes)}")
        occurs = q > 0
        return Inputs(x[occurs], q[occurs], np.unique(codes[occurs], return_inverse=True)[1])

    def _check(self, inputs: Inputs) -> None:
        num_inputs, num_cells = len(inputs.x), len(self.positions_)
        if num_inputs < num_cells:
            raise ValueError(
                f"TopographicMap: {num_cells} cells need at least as many samples, got n_samples = "
                f"{num_inputs}; give more, or a smaller shape"
            )
        if inputs.spread == 0:
            raise ValueError(
                "TopographicMap: all inputs are the same, so there is nothing to tell; expected two or more"
            )
        check_numbers("TopographicMap", Positive | None, response_width=self.response_width)
        positive = ("lateral_range", "learning_rate", "tol")
        check_numbers("TopographicMap", Positive, **{name: getattr(self, name) for name in positive})
        check_numbers("TopographicMap", Annotated[int, Range(0)], num_steps=self.num_steps)
        check_numbers("TopographicMap", Count, n_init=self.n_init, max_iter=self.max_iter)

    def _warn_unless_converged(self, best: OptimizeResult) -> None:
        if best.status == 1:  # L-BFGS is out of iterations
            warnings.warn(
                f"TopographicMap: the ascent has not reached a maximum after {best.nit} iterations; raise "
                f"max_iter={self.max_iter} or tol={self.tol:g}",
                ConvergenceWarning,
                stacklevel=3,
            )

    def _first_weights(self, inputs: Inputs, rng: np.random.RandomState) -> Float[np.ndarray, "m d"]:
        noise = rng.standard_normal((len(self.positions_), inputs.x.shape[1]))
        return np.clip(inputs.mean + START_SPREAD * inputs.spread * noise, *inputs.bounds)

    def _climb(self, inputs: Inputs, weights: np.ndarray) -> OptimizeResult:
        return _ascend(self._channel(), inputs, self._narrow(inputs, weights), self.max_iter, float(self.tol))

    def _narrow(self, inputs: Inputs, weights: np.ndarray) -> Float[np.ndarray, "m d"]:
        """Step up the gradient, while the widths fall by a factor a step."""
        widest = max(inputs.spread, self.response_width_), max(max(self.shape) / 2, self.lateral_range)
        for left in np.linspace(1, 0, self.num_steps):
            width = widest[0] ** left * self.response_width_ ** (1 - left)
            reach = widest[1] ** left * self.lateral_range ** (1 - left)
            _, gradient = information_and_gradient(
                CellChannel(self.positions_, width, reach), inputs, weights
            )
            step = self.learning_rate * len(weights) * width**2 * gradient
            weights = np.clip(weights + step, *inputs.bounds)
        return weights


def _ascend(
    channel: CellChannel, inputs: Inputs, weights: np.ndarray, max_iter: int, tol: float
) -> OptimizeResult:
    """Ascend R by L-BFGS, the weights staying within the range of the inputs."""
    low, high = (np.tile(bound, len(weights)) for bound in inputs.bounds)

    def negative(flat: np.ndarray) -> tuple[float, np.ndarray]:
        rate, gradient = information_and_gradient(channel, inputs, flat.reshape(weights.shape))
        return -rate, -gradient.ravel()

    options = {"maxiter": max_iter, "ftol": tol, "gtol": 1e-9}
    return minimize(
        negative,
        weights.ravel(),
        jac=True,
        method="L-BFGS-B",
        bounds=list(zip(low, high, strict=True)),
        options=options,
    )


def _centers(inputs: Inputs, firing: np.ndarray) -> Float[np.ndarray, "m d"]:
    """The mean input at which each cell fires."""
    joint = inputs.probabilities[:, None] * firing
    return joint.T @ inputs.x / joint.sum(axis=0)[:, None]


def _probabilities(num_inputs: int, sample_weight: Any) -> Float[np.ndarray, " n"]:
    if sample_weight is None:
        return np.full(num_inputs, 1 / num_inputs)
    q = np.broadcast_to(np.asarray(sample_weight, dtype=np.float64), (num_inputs,))
    if not (np.isfinite(q).all() and (q >= 0).all() and q.sum() > 0):
        raise ValueError(
            "TopographicMap: sample_weight must be finite, at least zero, and not zero for all inputs; "
            f"got weights from {q.min():.3g} to {q.max():.3g}"
        )
    return q / q.sum()
