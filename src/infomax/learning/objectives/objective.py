"""The value of an objective, which training maximises, and its parts, which people watch."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Objective:
    """An objective and its parts, as scalars.

    value: what training maximises. terms: its parts by name, before their weights. bounds: by name, lower
    bounds in nats on the mutual information between a source and a target at a random location, at most
    `ceiling` = log n (see `bounds.infonce_by_image`); without gradient. watched: further scalars to watch.
    """

    value: Float[Tensor, ""]
    terms: Mapping[str, Float[Tensor, ""]]
    bounds: Mapping[str, Float[Tensor, ""]]
    ceiling: float
    watched: Mapping[str, Float[Tensor, ""]] = field(default_factory=dict)
