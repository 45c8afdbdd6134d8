"""The orders of epochs that runs know, by the name under which a run records its own."""

from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int64

from infomax.errors import refuse
from infomax.learning.data.order.permutation import Permutation


@runtime_checkable
class Order(Protocol):
    """A permutation of rows, of which slices are read."""

    def __getitem__(self, rows: slice, /) -> Int64[np.ndarray, " m"]:
        """Return the rows that are seen at these places of the epoch."""
        ...


MakeOrder = Callable[[int, int, int], Order]
"""A function of number of rows, seed and epoch to the order of the epoch."""


def keyed(num: int, seed: int, epoch: int) -> Order:
    """Return the order of an epoch, computed row by row: no memory, and no time before the first row."""
    return Permutation(num, seed, epoch)


def drawn(num: int, seed: int, epoch: int) -> Order:
    """Return the order of an epoch as earlier versions did: drawn whole, 8 bytes a row."""
    return np.random.default_rng([seed, epoch]).permutation(num)


ORDERS: Mapping[str, MakeOrder] = {"keyed": keyed, "drawn": drawn}
"""Orders by the names that runs record. A run goes on in the order that it began with."""
DEFAULT_ORDER = "keyed"
"""The order of new runs."""
FIRST_ORDER = "drawn"
"""The order of runs that recorded none."""


def order_named(name: str) -> MakeOrder:
    """Return an order by its name.

    Raises:
        ValueError: no order of this name.
    """
    refuse(
        name not in ORDERS,
        f"resume: the run sees its images in an order named {name!r}, expected one of {', '.join(ORDERS)}; "
        "resume it with the version of infomax that began it",
    )
    return ORDERS[name]
