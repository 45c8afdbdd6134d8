"""Latent estimation: learn few columns that keep the information of x and y, then estimate it on other rows.

    I(X;Y) ≥ I(g(X); h(Y))          (data processing)

An estimate of the right side converges to at most the truth; for a number of rows it may lie above it, and is
of kind "neither", unless its estimator gives a lower bound.

g and h are embeddings of a critic that is trained on some rows. The information between the embeddings of the
other rows is measured by any estimator that is good in few dimensions and poor in many, such as nearest
neighbours.

Reference: Gowri, Lun, Klein and Yin (2024), Approximating mutual information of high-dimensional variables
using learned representations. They learn embeddings by predicting x from y and back; here they are learned by
InfoNCE.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any

import numpy as np

from infomax.errors import refuse
from infomax.estimation.critics import Distance
from infomax.estimation.estimate import Estimate, Estimator, Kind
from infomax.estimation.neighbors.ksg import KSG
from infomax.estimation.neural import FittedNeural, Neural
from infomax.estimation.samples import as_rows
from infomax.ranges import Range, check_ranges


@dataclass(frozen=True)
class Latent:
    """I(g(X); h(Y)) on held-out rows, with learned g and h of `dim` columns each. For many columns.

    At most I(X;Y), up to the error of `estimator`: of kind "neither" where that error may have either sign,
    as for KSG, and a lower bound where `estimator` gives one. Unlike InfoNCE it is not limited to the
    logarithm of a batch. Too low where `dim` is less than the number of directions that matter, or where they
    were not learned. The standard error is that of the estimator, and does not include the learning.

    Args:
        estimator: any estimator of I from rows; `MixedKSG` where x or y has few different values.
        dim: columns of each embedding.
        neural: how to learn; its critic must have `embed_x` and `embed_y`. None: `Neural` with a `Distance`
            critic of `dim` columns and one hidden layer of 128, half of the rows held out.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> common = rng.standard_normal((2000, 1))
        >>> x, y = (common + rng.standard_normal((2, 2000, 30))) @ np.eye(30)  # each column: ρ = ½
        >>> estimate = Latent().estimate(x, y)  # means over columns have 1.38 nats: −½ log(1 − (30/31)²)
        >>> estimate.kind, 1.0 < estimate.value < 1.5
        ('neither', True)
    """

    estimator: Estimator = KSG()  # noqa: RUF009  frozen
    dim: Annotated[int, Range(1, remedy="1 to 8 is usual")] = 2
    neural: Neural | None = None

    def __post_init__(self) -> None:
        check_ranges(self, "Latent")

    def estimate(self, x: Any, y: Any, *, given: Any = None) -> Estimate:
        """Return I(g(X); h(Y)) in nats, from samples [n] or [n, d].

        Raises:
            ValueError: a condition, which is not supported; anything that `Neural` or the estimator refuses.
        """
        refuse(
            given is not None,
            "Latent: conditional information is not supported, because embeddings may lose what depends on "
            "the condition; use Neural, or KSG on all columns",
        )
        x, y = as_rows("Latent", x=x, y=y)
        found = self.estimator.estimate(*self.embed(self.fit(x, y), x, y))
        kind: Kind = "lower bound" if found.kind == "lower bound" else "neither"
        return replace(found, kind=kind, method=f"Latent, {self.dim} columns, {found.method}")

    def fit(self, x: Any, y: Any) -> FittedNeural:
        """Return the trained critic, from samples [n] or [n, d]."""
        neural = self.neural or Neural(
            critic=partial(Distance, hidden=(128,), embedding=self.dim),
            canonical=False,
            validation_fraction=0.1,
            test_fraction=0.5,
        )
        return neural.fit(x, y)

    def embed(self, fitted: FittedNeural, x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return g(x) and h(y) of the rows that the critic was not trained on, [n, dim] each."""
        x, y = as_rows("Latent", x=x, y=y)
        critic = fitted.model.critic
        refuse(
            not (hasattr(critic, "embed_x") and hasattr(critic, "embed_y")),
            f"Latent: the critic needs embeddings embed_x and embed_y, got {type(critic).__name__}; use "
            "Distance or Separable",
        )
        embed_x: Any = critic.embed_x
        embed_y: Any = critic.embed_y
        rows_x, rows_y = fitted.standardised(x[fitted.test_rows], y[fitted.test_rows])
        return embed_x(rows_x).cpu().numpy(), embed_y(rows_y).cpu().numpy()
