"""Joint distributions that can be sampled, and whose mutual information is known: to test estimators.

    >>> pair = correlated_gaussians(0.75)
    >>> x, y = pair.sample(1000, np.random.default_rng(0))
    >>> x.shape, y.shape, round(pair.mutual_information, 4)
    ((1000, 1), (1000, 1), 0.4133)

Every value is computed from a closed form, in nats. Discrete variables are sampled as integers.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from infomax.information.channels.channel import Channel
from infomax.information.gaussian import gaussian_mutual_information
from infomax.information.measures import mutual_information
from infomax.information.tables import Array, Number, as_probabilities, to_numpy
from infomax.ranges import Count, Positive, Range, Weight, check_numbers

SamplePair = tuple[np.ndarray, np.ndarray]  # x and y


class Distribution(ABC):
    """A joint distribution of X and Y."""

    @abstractmethod
    def sample(self, num_samples: int, rng: np.random.Generator) -> SamplePair:
        """Return independent draws, x [n, dim_x] and y [n, dim_y]; they depend on `rng` only."""

    @property
    @abstractmethod
    def mutual_information(self) -> float:
        """I(X;Y) in nats."""


# ------------------------------------------------------------------------------------- Gaussian and Student


@dataclass(frozen=True, eq=False)
class JointGaussian(Distribution):
    """Jointly Gaussian X and Y of mean zero: I = −½ Σ log(1 − ρᵢ²).

    Args:
        covariance: of (X, Y) together, X in the first `dim_x` coordinates.
        dim_x: how many coordinates X has.
    Raises:
        ValueError: no covariance, not positive definite, or a dim_x that leaves X or Y empty.
    """

    covariance: Array
    dim_x: int

    def __post_init__(self) -> None:
        gaussian_mutual_information(self.covariance, self.dim_x)  # checks them

    def sample(self, num_samples: int, rng: np.random.Generator) -> SamplePair:
        """Return independent draws."""
        factor = np.linalg.cholesky(to_numpy(self.covariance))
        return _split(rng.standard_normal((num_samples, len(factor))) @ factor.T, self.dim_x)

    @property
    def mutual_information(self) -> float:
        """I(X;Y) in nats."""
        return float(gaussian_mutual_information(to_numpy(self.covariance), self.dim_x))


@dataclass(frozen=True, eq=False)
class StudentT(Distribution):
    """Multivariate Student t: X and Y are dependent even where the dispersion is diagonal.

    I is that of Gaussians with the dispersion as covariance, plus a function of the dimensions and `dof`.

    Args:
        dispersion: of (X, Y) together, X in the first `dim_x` coordinates.
        dim_x: how many coordinates X has.
        dof: degrees of freedom.
    Raises:
        ValueError: no covariance, not positive definite, or `dof` not positive and finite.

    Reference: Arellano-Valle, Contreras-Reyes and Genton (2013), equation 7.
    """

    dispersion: Array
    dim_x: int
    dof: Number

    def __post_init__(self) -> None:
        gaussian_mutual_information(self.dispersion, self.dim_x)
        check_numbers("StudentT", Annotated[float, Range(above=0, remedy="inf: JointGaussian")], dof=self.dof)

    def sample(self, num_samples: int, rng: np.random.Generator) -> SamplePair:
        """Return independent draws: Gaussians, divided by the root of χ²/dof."""
        factor = np.linalg.cholesky(to_numpy(self.dispersion))
        gaussian = rng.standard_normal((num_samples, len(factor))) @ factor.T
        shrink = np.sqrt(rng.chisquare(self.dof, (num_samples, 1)) / self.dof)
        return _split(gaussian / shrink, self.dim_x)

    @property
    def mutual_information(self) -> float:
        """I(X;Y) in nats."""
        dim = len(to_numpy(self.dispersion))
        parts = (_student_entropy(d, self.dof) for d in (self.dim_x, dim - self.dim_x, dim))
        h_x, h_y, h_xy = parts
        gaussian = float(gaussian_mutual_information(to_numpy(self.dispersion), self.dim_x))
        return gaussian + h_x + h_y - h_xy


def _student_entropy(dim: int, dof: Number) -> float:
    """The entropy of the t distribution with unit dispersion."""
    from scipy.special import digamma, gammaln

    half = (dof + dim) / 2
    log_normaliser = gammaln(dof / 2) - gammaln(half) + dim / 2 * math.log(dof * math.pi)
    return float(log_normaliser + half * (digamma(half) - digamma(dof / 2)))


def _split(xy: np.ndarray, dim_x: int) -> SamplePair:
    return xy[:, :dim_x], xy[:, dim_x:]


def correlated_gaussians(correlation: Number, *, dim: int = 1) -> JointGaussian:
    """Return `dim` independent pairs (xᵢ, yᵢ) of one correlation: I = −dim/2 · log(1 − ρ²).

    Raises:
        ValueError: a correlation outside of (−1, 1), or fewer than one pair.
    """
    check_numbers("correlated_gaussians", Annotated[float, Range(above=-1, below=1)], correlation=correlation)
    check_numbers("correlated_gaussians", Count, dim=dim)
    cross = correlation * np.eye(dim)
    return JointGaussian(np.block([[np.eye(dim), cross], [cross, np.eye(dim)]]), dim)


def staircase(information: Number = 2.0, *, dim: int = 20, cubic: bool = False) -> Distribution:
    """Return `dim` Gaussian pairs with ρ = √(1 − e^(−2I/dim)), the usual test of neural estimators.

    It is usual to take I = 2, 4, 6, 8 and 10 nats.

    Args:
        information: I in nats, of all pairs together.
        dim: how many pairs.
        cubic: whether Y is replaced by Y³, which does not change the information.
    Raises:
        ValueError: information below 0, or so much that ρ rounds to 1; fewer than one pair.
    Example:
        >>> round(staircase(6.0).mutual_information, 12)
        6.0

    Reference: Poole et al. (2019), section 4; Belghazi et al. (2018).
    """
    check_numbers("staircase", Weight, information=information)
    check_numbers("staircase", Count, dim=dim)
    pairs = correlated_gaussians(math.sqrt(-math.expm1(-2 * information / dim)), dim=dim)
    return Transformed(pairs, y=lambda y: y**3) if cubic else pairs


# ------------------------------------------------------------------------------------- discrete and mixed


@dataclass(frozen=True, eq=False)
class Discrete(Distribution):
    """X and Y are the indices of a table of probabilities p(x, y).

    Raises:
        ValueError: not probabilities, or a batch of tables.
    """

    table: Array

    def __post_init__(self) -> None:
        table = as_probabilities("Discrete", self.table, axis=(-2, -1), num_axes=2)
        if table.ndim > 2:
            raise ValueError(f"Discrete: expected one table [x, y], got shape {tuple(table.shape)}")

    def sample(self, num_samples: int, rng: np.random.Generator) -> SamplePair:
        """Return independent draws, integers."""
        table = to_numpy(self.table)
        flat = rng.choice(table.size, num_samples, p=table.ravel() / table.sum())
        x, y = np.unravel_index(flat, table.shape)
        return x[:, None], y[:, None]

    @property
    def mutual_information(self) -> float:
        """I(X;Y) in nats."""
        return float(mutual_information(to_numpy(as_probabilities("Discrete", self.table, axis=(-2, -1)))))


def through_channel(p_x: Array, channel: Channel) -> Discrete:
    """Return the joint distribution of a source and of the output of a channel."""
    return Discrete(channel.joint(p_x).table)


@dataclass(frozen=True)
class UniformMixture(Distribution):
    """X uniform on {0, …, m−1}, discrete; Y uniform on [X, X+2], continuous: I = log m − (m−1) log 2 / m.

    Raises:
        ValueError: no values.

    Reference: Gao, Kannan, Oh and Viswanath (2017), section 5.
    """

    num_values: int = 5

    def __post_init__(self) -> None:
        check_numbers("UniformMixture", Count, num_values=self.num_values)

    def sample(self, num_samples: int, rng: np.random.Generator) -> SamplePair:
        """Return independent draws; x are integers."""
        x = rng.integers(self.num_values, size=(num_samples, 1))
        return x, x + 2 * rng.random((num_samples, 1))

    @property
    def mutual_information(self) -> float:
        """I(X;Y) in nats."""
        m = self.num_values
        return math.log(m) - (m - 1) * math.log(2) / m


@dataclass(frozen=True)
class ZeroInflatedPoisson(Distribution):
    """X exponential of mean 1; Y = 0 with probability p, else Poisson of mean X.

    Without inflation I₀ = 2 log 2 − γ − Σₖ 2⁻ᵏ log k = 0.3012. The often quoted (1 − p) I₀ holds for a
    receiver who sees which zeros are inflated, and is too large for one who sees only Y; the value here is
    exact for the latter.

    Raises:
        ValueError: an inflation outside 0 … 1.

    Reference: Gao, Kannan, Oh and Viswanath (2017), section 5, for the distribution.
    """

    inflation: Number = 0.15

    def __post_init__(self) -> None:
        check_numbers("ZeroInflatedPoisson", Annotated[float, Range(0, below=1)], inflation=self.inflation)

    def sample(self, num_samples: int, rng: np.random.Generator) -> SamplePair:
        """Return independent draws; y are integers."""
        x = rng.exponential(size=(num_samples, 1))
        return x, rng.poisson(x) * (rng.random((num_samples, 1)) >= self.inflation)

    @property
    def mutual_information(self) -> float:
        """I(X;Y) in nats."""
        p, k = self.inflation, np.arange(1, 200)
        uninflated = 2 * math.log(2) - np.euler_gamma - np.sum(np.log(k) * 0.5**k)
        counts_above_zero = uninflated - math.log(2) / 2 + 1 / 4  # what y ≥ 1 contributes to I₀
        p_zero = (1 + p) / 2
        # E a(X) log a(X), a(x) = p + (1−p) e^−x the chance of y = 0, is ∫ₚ¹ v log v dv / (1−p)
        zero_given_x = (p**2 / 4 - 1 / 4 - (p**2 / 2 * math.log(p) if p > 0 else 0)) / (1 - p)
        return float((1 - p) * counts_above_zero + zero_given_x - p_zero * math.log(p_zero))


@dataclass(frozen=True)
class AdditiveUniform(Distribution):
    """X uniform on (0, 1), Y = X + uniform noise on (−ε, ε): I = ε − log 2ε for ε ≤ ½, else 1/4ε.

    Raises:
        ValueError: ε not positive.
    """

    epsilon: Number

    def __post_init__(self) -> None:
        check_numbers("AdditiveUniform", Positive, epsilon=self.epsilon)

    def sample(self, num_samples: int, rng: np.random.Generator) -> SamplePair:
        """Return independent draws."""
        x = rng.random((num_samples, 1))
        return x, x + rng.uniform(-self.epsilon, self.epsilon, (num_samples, 1))

    @property
    def mutual_information(self) -> float:
        """I(X;Y) in nats."""
        e = self.epsilon
        return float(e - math.log(2 * e) if e <= 1 / 2 else 1 / (4 * e))


# ------------------------------------------------------------------------------------- from others


def unchanged(values: np.ndarray) -> np.ndarray:
    """Return `values`."""
    return values


@dataclass(frozen=True, eq=False)
class Transformed(Distribution):
    """x(X) and y(Y) for injective functions x, y of rows, which do not change the information."""

    base: Distribution
    x: Callable[[np.ndarray], np.ndarray] = unchanged
    y: Callable[[np.ndarray], np.ndarray] = unchanged

    def sample(self, num_samples: int, rng: np.random.Generator) -> SamplePair:
        """Return independent draws of the base, transformed."""
        x, y = self.base.sample(num_samples, rng)
        return self.x(x), self.y(y)

    @property
    def mutual_information(self) -> float:
        """I(X;Y) in nats, that of the base."""
        return self.base.mutual_information


@dataclass(frozen=True, eq=False)
class Independent(Distribution):
    """Several independent joints side by side: X has all their X, Y all their Y, and I is the sum."""

    parts: Sequence[Distribution]

    def sample(self, num_samples: int, rng: np.random.Generator) -> SamplePair:
        """Return independent draws of every part, side by side."""
        xs, ys = zip(*(part.sample(num_samples, rng) for part in self.parts), strict=True)
        return np.concatenate(xs, axis=1), np.concatenate(ys, axis=1)

    @property
    def mutual_information(self) -> float:
        """I(X;Y) in nats."""
        return sum((part.mutual_information for part in self.parts), 0.0)
