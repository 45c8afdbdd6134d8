"""Latent estimation: learn few columns that keep what x and y share, then estimate on other rows.

    I(X;Y) ≥ I(g(X); h(Y))          (data processing)

g and h are embeddings of a critic trained on some rows; the information of the embeddings of the other rows
is left to any estimator, such as nearest neighbours, that is good in few dimensions and poor in many.

Reference: Gowri, Lun, Klein and Yin (2024), Approximating mutual information of high-dimensional variables
using learned representations. Their embeddings are learned by predicting x from y and back; these by InfoNCE.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from infomax.estimation.critics import Distance
from infomax.estimation.estimate import Estimate, Estimator, Kind
from infomax.estimation.neighbors.ksg import KSG
from infomax.estimation.neural import FittedNeural, Neural
from infomax.estimation.samples import as_rows


@dataclass(frozen=True)
class Latent:
    """I(g(X); h(Y)) on held-out rows, g and h learned, `dim` columns each. For many columns.

    A lower bound on I(X;Y), up to the error of `estimator`. Not limited to the logarithm of a batch, as
    InfoNCE is; low where `dim` is less than the number of directions that matter, or where
    they were not learned.
    Its standard error is that of the estimator; it knows nothing of the learning.

    Args:
        estimator: whatever estimates I from rows; `MixedKSG` where x or y has few values.
        dim: columns of each embedding.
        neural: how to learn; its critic must have `embed_x` and `embed_y`. None: `Neural` with a `Distance`
            critic of `dim` columns and one hidden layer of 128, half of the rows held out.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> common = rng.standard_normal((2000, 1))
        >>> x, y = (common + rng.standard_normal((2, 2000, 30))) @ np.eye(30)  # each column: ρ = ½
        >>> estimate = Latent().estimate(x, y)  # the means over columns tell 1.38 nats: −½ log(1 − (30/31)²)
        >>> estimate.kind, 1.0 < estimate.value < 1.5
        ('lower bound', True)
    """

    estimator: Estimator = KSG()  # noqa: RUF009  frozen
    dim: int = 2
    neural: Neural | None = None

    def __post_init__(self) -> None:
        if self.dim < 1:
            raise ValueError(f"Latent: dim must be at least 1, got {self.dim}; 1 to 8 is usual")

    def estimate(self, x: Any, y: Any, *, given: Any = None) -> Estimate:
        """I(g(X); h(Y)) in nats, from samples [n] or [n, d].

        Raises:
            ValueError: a condition, which is not supported; what `Neural` and the estimator refuse.
        """
        if given is not None:
            raise ValueError(
                "Latent: conditional information is not supported, as embeddings may drop what depends on "
                "the condition; use Neural, or KSG on all columns"
            )
        x, y = as_rows("Latent", x=x, y=y)
        found = self.estimator.estimate(*self.embed(self.fit(x, y), x, y))
        kind: Kind = "lower bound" if found.kind in ("estimate", "lower bound") else "neither"
        method = f"Latent, {self.dim} columns, {found.method}"
        return Estimate(
            found.value, found.standard_error, found.num_samples, kind=kind, method=method, local=found.local
        )

    def fit(self, x: Any, y: Any) -> FittedNeural:
        """The trained critic, from samples [n] or [n, d]."""
        neural = self.neural or Neural(
            critic=partial(Distance, hidden=(128,), embedding=self.dim),
            validation_fraction=0.1,
            test_fraction=0.5,
        )
        return neural.fit(x, y)

    def embed(self, fitted: FittedNeural, x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
        """g(x) and h(y) of the rows that the critic was not trained on, [n, dim] each."""
        x, y = as_rows("Latent", x=x, y=y)
        critic = fitted.model.critic
        if not (hasattr(critic, "embed_x") and hasattr(critic, "embed_y")):
            raise ValueError(
                f"Latent: the critic needs embeddings embed_x and embed_y, got {type(critic).__name__}; use "
                "Distance or Separable"
            )
        embed_x: Any = critic.embed_x
        embed_y: Any = critic.embed_y
        rows_x, rows_y = fitted.standardised(x[fitted.test_rows], y[fitted.test_rows])
        return embed_x(rows_x).cpu().numpy(), embed_y(rows_y).cpu().numpy()
