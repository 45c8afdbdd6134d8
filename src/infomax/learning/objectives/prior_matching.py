"""Prior matching: features become distributed like a prior, in a game with a discriminator of the two.

    discriminator   maximises  V(D) = E_prior log D(v) + E log(1 − D(y)) − penalty
    encoder         maximises  E log D(y)

v is drawn from the prior, y are the features, D is the sigmoid of a score s. In every training step the
discriminator takes its own step first, on features without gradient. Then comes the encoder's term, through
weights that are kept fixed. At the best discriminator log 2 + V/2 is the Jensen–Shannon divergence of
features and prior. The encoder's term has the fixed point of the minimax game, and its gradient does not
vanish where D is sure.

In a group of processes the features are those of all ranks. Each rank draws as many samples of the prior as
it has images, the discriminator steps along the mean of their gradients, and stays the same on all of them.

References: Hjelm et al. (2018), eq. 7; Goodfellow et al. (2014), Generative adversarial nets; Mescheder et
al. (2018), Which training methods for GANs do actually converge?
"""

import copy
import math
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from infomax.errors import refuse
from infomax.fitting import perceptron
from infomax.learning.distributed.groups import all_of, at_least_float32, average_gradients
from infomax.learning.objectives.choices import PRIORS
from infomax.learning.objectives.prior_config import PriorConfig
from infomax.learning.objectives.priors import Prior


@dataclass(frozen=True)
class PriorMatch:
    """How well features match the prior, as scalars; all but the term are without gradient.

    term: E log D(y), for the encoder to maximise; −log 2 where D cannot tell features from the prior.
    divergence: `jensen_shannon_divergence` of features and prior, in nats, by the scores of the discriminator
    on a batch that it has not yet learned from. In expectation a lower bound, 0 where D cannot tell, at most
    log 2. The gradient penalty keeps D flat and this value low; it shows whether the encoder still gains.
    marginal_distance: the mean over coordinates of the Kolmogorov–Smirnov distance to the prior's marginal.
    For n features that match the prior perfectly it is about 0.87/√n.

    The first two are means over the features of a rank, whose mean over ranks is that of all features; the
    distance is of the features of all ranks.
    """

    term: Float[Tensor, ""]
    divergence: Float[Tensor, ""]
    marginal_distance: Float[Tensor, ""]


class PriorMatching(nn.Module):
    """A discriminator of features and prior, which learns in every call in training mode.

    Its weights have ``requires_grad`` false except during its own step; no other optimizer takes them for its
    own, and no gradient reaches them. The state of its Adam is in the state dict. It has no batch norm, for
    two reasons. The score of one vector would depend on the rest of the batch, whose statistics alone tell
    features from the prior; and the gradient penalty is defined for single vectors.

    Args:
        config: the prior, and the discriminator.
        dim: d, of the features.

    Raises:
        ValueError: d below what the prior needs: 1, or 2 for a spherical prior.
    """

    def __init__(self, config: PriorConfig, dim: int):
        super().__init__()
        self.config = config
        self.prior: Prior = PRIORS[config.kind]()
        refuse(
            dim < self.prior.min_dim,
            f"prior matching: a {config.kind} prior needs features of at least {self.prior.min_dim} "
            f"dimensions, got {dim}; widen the encoder's output",
        )
        self.discriminator: nn.Sequential = perceptron((dim, *config.hidden, 1)).requires_grad_(False)
        self.optimizer: torch.optim.Adam = torch.optim.Adam(
            self.discriminator.parameters(), lr=config.lr, betas=(0.5, 0.999)
        )

    def forward(self, y: Float[Tensor, "b d"]) -> PriorMatch:
        """Return how well features match; with gradients on in training, D takes its steps first.

        Args:
            y: features of this rank, with the encoder's gradient.

        Raises:
            ValueError: features where the prior has no mass.
        """
        with torch.autocast(y.device.type, enabled=False):
            y = at_least_float32(y)
            whole = all_of(y)
            self.prior.check(whole)  # every rank refuses, and none waits for another
            divergence = self._divergence(y.detach())
            if self.training and torch.is_grad_enabled():
                for _ in range(self.config.num_steps):
                    self._learn(y.detach())
            term = logsigmoid(self.discriminator(y)).mean()
            distance = marginal_distance(whole, self.prior)
        return PriorMatch(term, divergence, distance)

    def get_extra_state(self) -> dict[str, Any]:
        """Return the optimizer's state: tensors, numbers, and containers of them."""
        return self.optimizer.state_dict()

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Load a copy of the optimizer's state, because Adam writes into the tensors that it is given."""
        self.optimizer.load_state_dict(copy.deepcopy(state))

    @torch.no_grad()
    def _divergence(self, y: Float[Tensor, "b d"]) -> Float[Tensor, ""]:
        v = self.prior.sample(*y.shape, device=y.device).to(y.dtype)
        return jensen_shannon_divergence(self.discriminator(v), self.discriminator(y))

    def _learn(self, y: Float[Tensor, "b d"]) -> None:
        """Take one step of the discriminator up V(D)."""
        v = self.prior.sample(*y.shape, device=y.device).to(y.dtype)
        with _thawed(self.discriminator):
            vectors = torch.cat([v, y]).requires_grad_()
            scores = self.discriminator(vectors)
            of_prior, of_features = scores.split(len(y))
            penalty = gradient_penalty(scores, vectors)
            value = 2 * jensen_shannon_divergence(of_prior, of_features)  # V + 2 log 2
            loss = self.config.gradient_penalty * penalty - value
            loss.backward(inputs=[*self.discriminator.parameters()])
        average_gradients(self.discriminator.parameters())
        self._follow_the_weights()
        self.optimizer.step()
        self.optimizer.zero_grad()

    def _follow_the_weights(self) -> None:
        """Move the optimizer's state to the device of the weights, which may have moved since a load."""
        device = next(self.discriminator.parameters()).device
        if any(state["exp_avg"].device != device for state in self.optimizer.state.values()):
            self.optimizer.load_state_dict(self.optimizer.state_dict())


# ------------------------------------------------------------------------------------- formulas


def jensen_shannon_divergence(
    of_prior: Float[Tensor, "n 1"], of_features: Float[Tensor, "n 1"]
) -> Float[Tensor, ""]:
    """Return log 2 + ½ (E_prior log D(v) + E log(1 − D(y))), D = sigmoid of the scores.

    A lower bound on the Jensen–Shannon divergence of the two distributions, tight when the score is the log
    of the ratio of their densities, prior over features. `bounds.jensen_shannon` is twice this, for pairs.

    Args:
        of_prior: scores of samples of the prior.
        of_features: scores of features.

    Returns:
        Scalar, nats, at most log 2; below 0 where the discriminator does worse than equal scores.

    Example:
        >>> abs(jensen_shannon_divergence(torch.zeros(4, 1), torch.zeros(4, 1)).item()) < 1e-6
        True
    """
    return math.log(2) + (logsigmoid(of_prior).mean() + logsigmoid(-of_features).mean()) / 2


def gradient_penalty(scores: Float[Tensor, "m 1"], vectors: Float[Tensor, "m d"]) -> Float[Tensor, ""]:
    """Return ½ (E_prior ‖∇s(v)‖² + E ‖∇s(y)‖²), for as many samples of the prior as features.

    The sum of both penalties of Mescheder et al. (2018), eq. 9 and 10 (there called R₁ and R₂). Where
    features match the prior the best score is flat; a discriminator that is kept flat there lets the game
    converge, where it would circle otherwise.

    Args:
        scores: s of each of `vectors`.
        vectors: samples of the prior and features, in one tensor that requires a gradient.
    """
    (gradient,) = torch.autograd.grad(scores.sum(), vectors, create_graph=True)
    return gradient.square().sum(1).mean()


def marginal_distance(y: Float[Tensor, "n d"], prior: Prior) -> Float[Tensor, ""]:
    """Return the mean over coordinates of sup |F_n − F|, the Kolmogorov–Smirnov distance to the marginal.

    Returns:
        Scalar, from 0 to 1.

    Example:
        >>> from infomax.learning.objectives.priors import UniformPrior
        >>> round(marginal_distance(torch.tensor([[0.25], [0.75]]), UniformPrior()).item(), 6)
        0.25
    """
    n = len(y)
    expected = prior.marginal_cdf(y).sort(dim=0).values
    steps = torch.arange(n, device=y.device, dtype=y.dtype)[:, None]
    above, below = (steps + 1) / n - expected, expected - steps / n
    return torch.maximum(above, below).amax(0).mean()


@contextmanager
def _thawed(module: nn.Module) -> Generator[None]:
    module.requires_grad_(True)
    try:
        yield
    finally:
        module.requires_grad_(False)
