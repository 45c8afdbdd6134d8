"""A permutation of 0 … n − 1 that is computed row by row, and so takes no memory however large n is.

The rows lie on a grid of a × b ≥ n cells, row x in the cell (i, j) with x = i + a j, where a = ⌈√n⌉ and
b = ⌈n/a⌉. A round turns each column by an amount of its own, and then each line of the grid::

    i ← (i + F(j)) mod a
    j ← (j + G(i)) mod b

Both steps can be undone, whatever F and G are: here hashes, keyed anew in each round. So the rounds permute
the cells. There are a b − n < a cells beyond the last row. A row that ends in one of them takes all rounds
again, until it ends in another one. It does: its cycle leads back to itself, and no two rows meet.

For a random key, the places of any two rows are within about b^−R of uniform after R rounds (total variation,
computed for n up to 20). It is an order to shuffle by, not a cipher.

Reference: Black, Rogaway (2002), "Ciphers with arbitrary finite domains". The hash is the one of Steele, Lea,
Flood (2014), "Fast splittable pseudorandom number generators".
"""

import math

import numpy as np
from jaxtyping import Int64, UInt64

from infomax.errors import refuse

NUM_ROUNDS = 8
"""Rounds of the permutation: the places of two rows are then within 0.0003 of uniform from 7 rows on."""


class Permutation:
    """The permutation π of 0 … n − 1 that follows from a key.

    ``order[rows]`` is π of these rows, as it is for an array that holds the permutation.

    Args:
        num: n.
        key: whole numbers, not negative.

    Raises:
        ValueError: n < 1; a row that is not one of 0 … n − 1.

    Example:
        >>> order = Permutation(10**9, 0, 1)
        >>> order[3:6], order[np.array([5])]
        (array([771923262, 733352653, 860533474]), array([860533474]))
    """

    def __init__(self, num: int, *key: int):
        refuse(num < 1, f"Permutation: expected at least 1 row, got {num}")
        self.num: int = num
        self.columns: int = math.isqrt(num - 1) + 1
        self.lines: int = -(-num // self.columns)
        self.keys: UInt64[np.ndarray, "r 2"] = (
            np.random.SeedSequence(key).generate_state(2 * NUM_ROUNDS, np.uint64).reshape(-1, 2)
        )

    def __len__(self) -> int:
        return self.num

    def __getitem__(self, rows: slice | Int64[np.ndarray, " m"]) -> Int64[np.ndarray, " m"]:
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(self.num))
        cells = np.asarray(rows).astype(np.uint64)  # a negative row becomes a large one
        refuse((cells >= self.num).any(), f"Permutation: expected rows from 0 to {self.num - 1}, got {rows}")
        places = self._moved(cells)
        while (outside := places >= self.num).any():
            places[outside] = self._moved(places[outside])
        return places.astype(np.int64)

    def _moved(self, cells: UInt64[np.ndarray, " m"]) -> UInt64[np.ndarray, " m"]:
        """Return where all rounds take cells of the grid."""
        a, b = np.uint64(self.columns), np.uint64(self.lines)
        j, i = np.divmod(cells, a)
        for key_i, key_j in self.keys:
            i = (i + mixed(j + key_i) % a) % a
            j = (j + mixed(i + key_j) % b) % b
        return i + a * j


def mixed(x: UInt64[np.ndarray, " m"]) -> UInt64[np.ndarray, " m"]:
    """Return a hash of 64 bits, the finaliser of SplitMix64: x multiplied and folded three times over."""
    x = x * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
