"""Labels as codes, and pairs of codes counted, batch by batch.

Memory grows with the different labels and pairs, not with the rows.
"""

import numpy as np
import polars as pl
from jaxtyping import Int

MAX_CELLS = 1 << 20
"""Most different labels of a column, and different pairs of two columns, that are counted."""
MAX_DENSE = 1 << 18
"""Most cells of a table that is counted at once, empty ones included; larger ones are sorted."""
_SHIFT = 32

Ints = Int[np.ndarray, " m"]


class Codes:
    """Codes 0, 1, … of a column's labels, in the order in which batches bring them.

    Args:
        most: different labels.
    """

    def __init__(self, most: int = MAX_CELLS) -> None:
        self.most = most
        self._labels: list[pl.Series] = []
        self._keys = np.zeros(0, np.int64)  # physical values, sorted
        self._codes = np.zeros(0, np.int32)  # of these

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def labels(self) -> pl.Series:
        """The labels, in the order of their codes."""
        return pl.concat(self._labels) if self._labels else pl.Series(dtype=pl.Null)

    def of(self, series: pl.Series) -> Ints | None:
        """Return the codes of a batch, −1 where a value is missing; None if there are more than `most`."""
        distinct = series.drop_nulls().unique(maintain_order=True)  # the same codes in each call
        keys = _physical(distinct)
        new = ~np.isin(keys, self._keys)
        if len(self) + np.count_nonzero(new) > self.most:
            return None
        self._extend(distinct.filter(pl.Series(new)), keys[new])
        if not len(self):
            return np.full(len(series), -1, np.int32)
        present = series.is_not_null().to_numpy()
        values = _physical(series.fill_null(distinct[0]) if len(distinct) else series)
        places = np.searchsorted(self._keys, values) if present.any() else np.zeros(len(series), np.intp)
        return np.where(present, self._codes[places], -1).astype(np.int32)

    def _extend(self, labels: pl.Series, keys: np.ndarray) -> None:
        if not len(keys):
            return
        codes = np.append(self._codes, np.arange(len(self), len(self) + len(keys), dtype=np.int32))
        keys = np.append(self._keys, keys) if len(self) else keys
        order = np.argsort(keys, kind="stable")
        self._keys, self._codes = keys[order], codes[order]
        self._labels.append(labels.cast(pl.String) if isinstance(labels.dtype, pl.Categorical) else labels)


def _physical(series: pl.Series) -> np.ndarray:
    """Return the numbers by which values are stored, which are equal where values are."""
    if series.dtype == pl.Boolean or series.dtype.is_decimal():
        series = series.cast(pl.Float64)
    return series.to_physical().to_numpy()


class Tally:
    """How often pairs of codes occurred, −1 for a missing value among them."""

    def __init__(self) -> None:
        self._frame = pl.DataFrame(schema={"key": pl.Int64, "count": pl.Int64})
        self._waiting: list[pl.DataFrame] = []

    def add(self, x: Ints, y: Ints) -> None:
        """Count the pairs of a batch."""
        keys, counts = _counted(x.astype(np.int64) + 1, y.astype(np.int64) + 1)
        self._waiting.append(pl.DataFrame({"key": keys, "count": counts}))
        if sum(map(len, self._waiting)) > len(self._frame) + MAX_DENSE:
            self._merge()

    def cells(self) -> tuple[Ints, Ints, Ints]:
        """Return the codes x and y of the pairs that occurred, in their order, and the counts of these."""
        self._merge()
        frame = self._frame.sort("key")
        keys, counts = frame["key"].to_numpy(), frame["count"].to_numpy()
        return (keys >> _SHIFT) - 1, (keys & ((1 << _SHIFT) - 1)) - 1, counts

    def __len__(self) -> int:
        return len(self._frame)

    def _merge(self) -> None:
        """Sum the counts of equal pairs."""
        whole = pl.concat([self._frame, *self._waiting])
        self._frame = whole.group_by("key").agg(pl.col("count").sum())
        self._waiting = []


def _counted(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the different keys x · 2³² + y, and their counts."""
    width = int(y.max(initial=0)) + 1
    if (int(x.max(initial=0)) + 1) * width > MAX_DENSE:
        return np.unique((x << _SHIFT) | y, return_counts=True)
    counts = np.bincount(x * width + y)
    cells = np.flatnonzero(counts)
    return ((cells // width) << _SHIFT) | (cells % width), counts[cells]
