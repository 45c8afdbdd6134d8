"""Prior matching: features distributed like a prior, by a game against a discriminator of the two.

    discriminator   maximises  V(D) = E_prior log D(v) + E log(1 − D(y)) − penalty
    encoder         maximises  E log D(y)

v is drawn from the prior, y are the features, D = sigmoid of a score s. In every training step the
discriminator takes its own step first, on features without gradient; then comes the encoder's term, through
weights that stand still. At the best discriminator log 2 + V/2 is the Jensen–Shannon divergence of features
and prior. The encoder's term has the fixed point of the minimax game, and a gradient that does not vanish
where D is sure.

References: Hjelm et al. (2018), eq. 7; Goodfellow et al. (2014), Generative adversarial nets; Mescheder et
al. (2018), Which training methods for GANs do actually converge?
"""

import copy
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from scipy.special import betainc
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, normalize

# ------------------------------------------------------------------------------------- priors


@runtime_checkable
class Prior(Protocol):
    """A distribution of vectors whose coordinates are all distributed alike."""

    def sample(self, num_samples: int, dim: int, device: torch.device | None = None) -> Float[Tensor, "n d"]:
        """Vectors, from torch's global generator."""
        ...

    def marginal_cdf(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """P(coordinate ≤ x), of each."""
        ...

    def check(self, y: Float[Tensor, "n d"]) -> None:
        """ValueError where the prior has no mass."""
        ...


@dataclass(frozen=True)
class UniformPrior:
    """Independent coordinates, uniform on [0, 1]."""

    def sample(self, num_samples: int, dim: int, device: torch.device | None = None) -> Float[Tensor, "n d"]:
        """Vectors, from torch's global generator."""
        return torch.rand(num_samples, dim, device=device)

    def marginal_cdf(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """x, on [0, 1]."""
        return x.clamp(0, 1)

    def check(self, y: Float[Tensor, "n d"]) -> None:
        """ValueError outside [0, 1]."""
        low, high = float(y.min()), float(y.max())
        if not (low >= 0 and high <= 1):
            raise ValueError(
                f"prior matching: a uniform prior lives on [0, 1], got features from {low:.3g} to "
                f"{high:.3g}; end the encoder in a sigmoid (method.encoder.output: sigmoid)"
            )


@dataclass(frozen=True)
class GaussianPrior:
    """Independent coordinates, normal of mean 0 and variance 1."""

    def sample(self, num_samples: int, dim: int, device: torch.device | None = None) -> Float[Tensor, "n d"]:
        """Vectors, from torch's global generator."""
        return torch.randn(num_samples, dim, device=device)

    def marginal_cdf(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Φ(x)."""
        return torch.special.ndtr(x)

    def check(self, y: Float[Tensor, "n d"]) -> None:
        """ValueError where not finite; all else is possible."""
        if not bool(torch.isfinite(y).all()):
            raise ValueError(
                f"prior matching: {int((~torch.isfinite(y)).sum())} of {y.numel()} features are not finite; "
                "did training diverge? lower the learning rate"
            )


@dataclass(frozen=True)
class SphericalPrior:
    """Uniform on the unit sphere of d ≥ 2 dimensions."""

    def sample(self, num_samples: int, dim: int, device: torch.device | None = None) -> Float[Tensor, "n d"]:
        """Vectors, from torch's global generator."""
        return normalize(torch.randn(num_samples, dim, device=device), dim=1)

    def marginal_cdf(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """(1 + x)/2 ~ Beta((d − 1)/2, (d − 1)/2); on the CPU, by SciPy."""
        shape = (x.shape[1] - 1) / 2
        share = ((1 + x.double()) / 2).clamp(0, 1).cpu().numpy()
        return torch.as_tensor(betainc(shape, shape, share), dtype=x.dtype, device=x.device)

    def check(self, y: Float[Tensor, "n d"]) -> None:
        """ValueError for lengths other than 1, to the accuracy of half-precision features."""
        lengths = y.norm(dim=1)
        low, high = float(lengths.min()), float(lengths.max())
        if not (low >= 0.98 and high <= 1.02):
            raise ValueError(
                "prior matching: a spherical prior lives on vectors of length 1, got features of lengths "
                f"from {low:.3g} to {high:.3g}; end the encoder in a division by the length "
                "(method.encoder.output: unit)"
            )


PRIORS: Mapping[str, Prior] = {
    "uniform": UniformPrior(),
    "gaussian": GaussianPrior(),
    "spherical": SphericalPrior(),
}
"""By the names of configurations."""


# ------------------------------------------------------------------------------------- the game


@dataclass(frozen=True)
class PriorConfig:
    """What the global feature is to be distributed as, and how hard that is tried.

    weight: γ of the encoder's term; 0 is no prior. kind: ``uniform`` on [0, 1] each, standard ``gaussian``,
    or ``spherical``, uniform on vectors of length 1. hidden: widths of the discriminator's layers. lr: of its
    Adam. gradient_penalty: weight of the mean squared gradient of its score. num_steps: of the discriminator
    for each of the encoder.
    """

    weight: float = 0.0
    kind: Literal["uniform", "gaussian", "spherical"] = "uniform"
    hidden: tuple[int, ...] = (1000, 200)
    lr: float = 1e-4
    gradient_penalty: float = 1.0
    num_steps: int = 1

    def __post_init__(self) -> None:
        if not (self.weight >= 0 and self.gradient_penalty >= 0 and self.lr > 0):
            raise ValueError(
                "prior matching: weight and gradient_penalty must be at least 0, and lr above it, got "
                f"{self.weight}, {self.gradient_penalty} and {self.lr}; the defaults are 0, 1 and 1e-4"
            )
        if min(self.num_steps, *self.hidden, 1) < 1:
            raise ValueError(
                "prior matching: num_steps and the widths in hidden must be at least 1, got "
                f"{self.num_steps} and {self.hidden}; 1 and (1000, 200) are usual"
            )


@dataclass(frozen=True)
class PriorMatch:
    """How well features match the prior; scalars.

    term: E log D(y), for the encoder to maximise; −log 2 where D cannot tell. divergence: in nats, what the
    discriminator shows of the Jensen–Shannon divergence of features and prior, on a batch that it has not
    yet learned from; a lower bound but for the batch's scatter, 0 where D cannot tell, at most log 2. The
    gradient penalty keeps D flat, and so this low: what it says is whether the encoder still gains.
    marginal_distance: the mean over coordinates of the Kolmogorov–Smirnov distance to the prior's marginal;
    n features that match it perfectly still have 0.87/√n, about. All but the term are without gradient.
    """

    term: Float[Tensor, ""]
    divergence: Float[Tensor, ""]
    marginal_distance: Float[Tensor, ""]


class PriorMatching(nn.Module):
    """A discriminator of features and prior, which learns whenever it is asked in training mode.

    Its weights have ``requires_grad`` false but for the moment of its own step, so that no other optimizer
    takes them for its own and no gradient reaches them. Its Adam travels in the state dict. It has no batch
    norm: the score of one vector would depend on the rest of the batch, whose statistics alone give features
    away, and the gradient penalty is one of single vectors.

    Args:
        config: the prior, and the discriminator.
        dim: d, of the features.

    Raises:
        ValueError: d below 1, or below 2 for a spherical prior.
    """

    def __init__(self, config: PriorConfig, dim: int):
        super().__init__()
        least = 2 if config.kind == "spherical" else 1
        if dim < least:
            raise ValueError(
                f"prior matching: a {config.kind} prior needs features of at least {least} dimensions, "
                f"got {dim}; widen the encoder's output"
            )
        self.config = config
        self.prior = PRIORS[config.kind]
        self.discriminator = _discriminator((dim, *config.hidden)).requires_grad_(False)
        self.optimizer = torch.optim.Adam(self.discriminator.parameters(), lr=config.lr, betas=(0.5, 0.999))

    def forward(self, y: Float[Tensor, "b d"]) -> PriorMatch:
        """Steps of the discriminator, if in training and gradients are on; then the encoder's term; float32.

        Args:
            y: features, with the encoder's gradient.

        Raises:
            ValueError: features where the prior has no mass.
        """
        with torch.autocast(y.device.type, enabled=False):
            y = y.float()
            self.prior.check(y.detach())
            divergence = self._divergence(y.detach())
            if self.training and torch.is_grad_enabled():
                for _ in range(self.config.num_steps):
                    self._learn(y.detach())
            term = logsigmoid(self.discriminator(y)).mean()
            distance = marginal_distance(y.detach(), self.prior)
        return PriorMatch(term, divergence, distance)

    def get_extra_state(self) -> dict[str, Any]:
        """The optimizer's state: tensors, numbers, and containers of them."""
        return self.optimizer.state_dict()

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Put a copy of it back: Adam would go on writing into the tensors it is given."""
        self.optimizer.load_state_dict(copy.deepcopy(state))

    @torch.no_grad()
    def _divergence(self, y: Float[Tensor, "b d"]) -> Float[Tensor, ""]:
        v = self.prior.sample(*y.shape, device=y.device)
        return jensen_shannon_divergence(self.discriminator(v), self.discriminator(y))

    def _learn(self, y: Float[Tensor, "b d"]) -> None:
        """One step up V(D) − penalty."""
        v = self.prior.sample(*y.shape, device=y.device)
        with _thawed(self.discriminator):
            vectors = torch.cat([v, y]).requires_grad_()
            scores = self.discriminator(vectors)
            of_prior, of_features = scores.split(len(y))
            penalty = gradient_penalty(scores, vectors)
            value = 2 * jensen_shannon_divergence(of_prior, of_features)  # V + 2 log 2
            loss = self.config.gradient_penalty * penalty - value
            loss.backward(inputs=[*self.discriminator.parameters()])
        self._follow_the_weights()
        self.optimizer.step()
        self.optimizer.zero_grad()

    def _follow_the_weights(self) -> None:
        """Move the optimizer's state to the weights, which may have moved since a checkpoint was read."""
        device = next(self.discriminator.parameters()).device
        if any(state["exp_avg"].device != device for state in self.optimizer.state.values()):
            self.optimizer.load_state_dict(self.optimizer.state_dict())


# ------------------------------------------------------------------------------------- formulas


def jensen_shannon_divergence(
    of_prior: Float[Tensor, "n 1"], of_features: Float[Tensor, "n 1"]
) -> Float[Tensor, ""]:
    """log 2 + ½ (E_prior log D(v) + E log(1 − D(y))), D = sigmoid of the scores.

    A lower bound on the Jensen–Shannon divergence of the two distributions, tight when the score is the log
    of the ratio of their densities, prior over features. For pairs, `bounds.jensen_shannon` is twice this.

    Args:
        of_prior: scores of samples of the prior.
        of_features: scores of features.

    Returns:
        Scalar, nats, at most log 2; below 0 where the discriminator does worse than not to answer.

    Example:
        >>> abs(jensen_shannon_divergence(torch.zeros(4, 1), torch.zeros(4, 1)).item()) < 1e-6
        True
    """
    return math.log(2) + (logsigmoid(of_prior).mean() + logsigmoid(-of_features).mean()) / 2


def gradient_penalty(scores: Float[Tensor, "m 1"], vectors: Float[Tensor, "m d"]) -> Float[Tensor, ""]:
    """½ (E_prior ‖∇s(v)‖² + E ‖∇s(y)‖²), for a batch with as many of the one as of the other.

    Both of the penalties of Mescheder et al. (2018), eq. 9 and 10 (there called R₁ and R₂): at a match the
    best score is flat, and a discriminator held flat there lets the game settle where it would circle.

    Args:
        scores: s of each of `vectors`.
        vectors: samples of the prior, and features, which require a gradient.
    """
    (gradient,) = torch.autograd.grad(scores.sum(), vectors, create_graph=True)
    return gradient.square().sum(1).mean()


def marginal_distance(y: Float[Tensor, "n d"], prior: Prior) -> Float[Tensor, ""]:
    """Mean over coordinates of sup |F_n − F|, the Kolmogorov–Smirnov distance to the marginal, 0 to 1.

    Example:
        >>> round(marginal_distance(torch.tensor([[0.25], [0.75]]), UniformPrior()).item(), 6)
        0.25
    """
    n = len(y)
    expected = prior.marginal_cdf(y).sort(dim=0).values
    steps = torch.arange(n, device=y.device, dtype=y.dtype)[:, None]
    above, below = (steps + 1) / n - expected, expected - steps / n
    return torch.maximum(above, below).amax(0).mean()


def _discriminator(widths: tuple[int, ...]) -> nn.Sequential:
    hidden = [layer for i, o in pairwise(widths) for layer in (nn.Linear(i, o), nn.ReLU())]
    return nn.Sequential(*hidden, nn.Linear(widths[-1], 1))


@contextmanager
def _thawed(module: nn.Module) -> Iterator[None]:
    module.requires_grad_(True)
    try:
        yield
    finally:
        module.requires_grad_(False)
