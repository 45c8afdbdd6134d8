"""Priors: what features can be distributed like."""

from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from scipy.special import betainc
from torch import Tensor
from torch.nn.functional import normalize


@runtime_checkable
class Prior(Protocol):
    """A distribution of vectors whose coordinates are all distributed alike."""

    min_dim: ClassVar[int]
    """The fewest coordinates of a vector."""

    def sample(self, num_samples: int, dim: int, device: torch.device | None = None) -> Float[Tensor, "n d"]:
        """Return vectors, drawn from torch's global generator."""
        ...

    def marginal_cdf(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Return P(coordinate ≤ x) of each number."""
        ...

    def check(self, y: Float[Tensor, "n d"]) -> None:
        """Check that the prior has mass at all vectors.

        Raises:
            ValueError: a vector where it has none.
        """
        ...


@dataclass(frozen=True)
class UniformPrior:
    """Independent coordinates, uniform on [0, 1]."""

    min_dim: ClassVar[int] = 1

    def sample(self, num_samples: int, dim: int, device: torch.device | None = None) -> Float[Tensor, "n d"]:
        """Return vectors, drawn from torch's global generator."""
        return torch.rand(num_samples, dim, device=device)

    def marginal_cdf(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Return x, on [0, 1]."""
        return x.clamp(0, 1)

    def check(self, y: Float[Tensor, "n d"]) -> None:
        """Check that coordinates are from 0 to 1.

        Raises:
            ValueError: a coordinate outside, or one that is not a number.
        """
        low, high = float(y.min()), float(y.max())
        if not (low >= 0 and high <= 1):
            raise ValueError(
                f"prior matching: a uniform prior lives on [0, 1], got features from {low:.3g} to "
                f"{high:.3g}; end the encoder in a sigmoid (method.encoder.output: sigmoid)"
            )


@dataclass(frozen=True)
class GaussianPrior:
    """Independent coordinates, normal with mean 0 and variance 1."""

    min_dim: ClassVar[int] = 1

    def sample(self, num_samples: int, dim: int, device: torch.device | None = None) -> Float[Tensor, "n d"]:
        """Return vectors, drawn from torch's global generator."""
        return torch.randn(num_samples, dim, device=device)

    def marginal_cdf(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Return Φ(x)."""
        return torch.special.ndtr(x)

    def check(self, y: Float[Tensor, "n d"]) -> None:
        """Check that coordinates are finite.

        Raises:
            ValueError: a coordinate that is not.
        """
        if not bool(torch.isfinite(y).all()):
            raise ValueError(
                f"prior matching: {int((~torch.isfinite(y)).sum())} of {y.numel()} features are not finite; "
                "did training diverge? lower the learning rate"
            )


@dataclass(frozen=True)
class SphericalPrior:
    """Uniform on the unit sphere of d ≥ 2 dimensions."""

    min_dim: ClassVar[int] = 2

    def sample(self, num_samples: int, dim: int, device: torch.device | None = None) -> Float[Tensor, "n d"]:
        """Return vectors, drawn from torch's global generator."""
        return normalize(torch.randn(num_samples, dim, device=device), dim=1)

    def marginal_cdf(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Return the CDF of x, where (1 + x)/2 ~ Beta((d − 1)/2, (d − 1)/2); SciPy computes it on the CPU."""
        shape = (x.shape[1] - 1) / 2
        share = ((1 + x.double()) / 2).clamp(0, 1).cpu().numpy()
        return torch.as_tensor(betainc(shape, shape, share), dtype=x.dtype, device=x.device)

    def check(self, y: Float[Tensor, "n d"]) -> None:
        """Check that vectors are of length 1, to the accuracy of half-precision features.

        Raises:
            ValueError: a vector of another length.
        """
        lengths = y.norm(dim=1)
        low, high = float(lengths.min()), float(lengths.max())
        if not (low >= 0.98 and high <= 1.02):
            raise ValueError(
                "prior matching: a spherical prior lives on vectors of length 1, got features of lengths "
                f"from {low:.3g} to {high:.3g}; end the encoder in a division by the length "
                "(method.encoder.output: unit)"
            )
