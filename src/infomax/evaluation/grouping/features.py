"""Features of a dataset, made or read from files, and the nearest others of every row.

Features of more than `MAX_IN_MEMORY` rows are kept in a temporary file, and so are the nearest others of
every row. What is computed from either takes a block at a time.
"""

import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float, Int

from infomax.errors import refuse
from infomax.estimation.tables.reading.columnar import read_parquet
from infomax.evaluation.embedding import DEFAULT_BATCH_SIZE, embed
from infomax.evaluation.grouping.duplicates import Neighbors
from infomax.evaluation.grouping.groups import MAX_FULL_BATCH, directions
from infomax.evaluation.in_parts.files import features_in, parts_in, tables
from infomax.evaluation.in_parts.nearest import Found, found_among
from infomax.evaluation.probes.neighbors import Index
from infomax.evaluation.probes.stored import Rows, StoredRows, blocks, taken
from infomax.files import load_arrays, most_bytes, reading
from infomax.learning.data.dataset import Dataset
from infomax.learning.distributed.launching import own_device
from infomax.learning.encoders.saving import PretrainedEncoder
from infomax.progress import Stages

MAX_IN_MEMORY = MAX_FULL_BATCH
"""Rows whose features are held in memory, at most."""
NUM_NEIGHBORS = 20
"""Nearest others of each row that are looked at."""
NUM_CHECKED = 8
"""Rows whose features are made again, to see that those of a file are the encoder's."""
NUM_CHECKED_WITHOUT_NAMES = 256
"""Rows of these, where the file holds no names, so that only the features tell their order."""
MAX_DIFFERENCE = 0.03
"""Distance by which their directions may differ: other devices and precisions round otherwise."""
_BLOCK = 2048


def kept(some: Iterable[Float[np.ndarray, "b d"]], num_rows: int, folder: str | Path | None = None) -> Rows:
    """Return blocks of rows as one array, or in a temporary file in a folder if they are many."""
    return StoredRows.of(some, folder) if num_rows > MAX_IN_MEMORY else np.concatenate([*some])


def features_of(
    encoder: PretrainedEncoder,
    dataset: Dataset,
    file: str | Path | None = None,
    *,
    folder: str | Path | None = None,
    stage: Stages,
) -> Rows:
    """Return the representations of a dataset, or those of it that a file holds.

    Args:
        encoder: makes them, in blocks, where no file is given.
        dataset: what is looked at.
        file: written by `embed_to_file` of the same encoder: .parquet, .csv or .npz with names, or .npy with
            a row for each of the dataset; or the parts by `embed_to_parts`, in a folder or by a pattern. Some
            rows are embedded again, and must agree; without names more of them.
        folder: of a temporary file, for many rows.
        stage: is told how far the work is.

    Raises:
        ValueError: the file has no features, or not those of every image; they are of another encoder, or
            in another order.
    """
    if file is not None:
        rows = _read(Path(file), dataset, folder)
        _check_same(encoder, dataset, rows, Path(file))
        return rows
    encoder = encoder.to(own_device())
    stage.begin("features", len(dataset), f"{encoder.views.noun}s")

    def some() -> Iterator[Float[np.ndarray, "b d"]]:
        for start in range(0, len(dataset), DEFAULT_BATCH_SIZE):
            stop = min(start + DEFAULT_BATCH_SIZE, len(dataset))
            yield embed(encoder, dataset.subset(slice(start, stop)))
            stage.reach(stop)

    return kept(some(), len(dataset), folder)


def nearest_others(unit: Rows, index: Index | None = None, *, stage: Stages) -> Neighbors:
    """Return the 20 rows nearest to each by cosine, but itself, and the cosines, block by block.

    Args:
        unit: the directions of rows.
        index: of them, which finds the nearest perhaps not exactly; None compares every row with every other.
        stage: is told how far the work is.
    """
    k = min(NUM_NEIGHBORS, len(unit) - 1)
    stage.begin("neighbours", len(unit), "rows")

    def others() -> Iterator[Found]:
        first = 0
        for rows in blocks(unit) if isinstance(unit, StoredRows) else _pieces(unit):
            some = found_among(rows, unit, k + 1, index)
            yield _without_itself(np.arange(first, first + len(rows)), *some)
            first += len(rows)
            stage.reach(first)

    return _StoredNeighbors(others(), unit.folder) if isinstance(unit, StoredRows) else [*others()]


def _pieces(rows: Float[np.ndarray, "n d"]) -> Iterator[Float[np.ndarray, "b d"]]:
    yield from (rows[start : start + _BLOCK] for start in range(0, len(rows), _BLOCK))


def _without_itself(
    rows: Int[np.ndarray, " b"], found: Int[np.ndarray, "b k"], cosines: Float[np.ndarray, "b k"]
) -> Found:
    """Leave out each row among those that were found for it; the last of more equal rows than were found."""
    itself = found == rows[:, None]
    itself[~itself.any(1), -1] = True
    return found[~itself].reshape(len(rows), -1), cosines[~itself].reshape(len(rows), -1)


class _StoredNeighbors:
    """The nearest others of rows that are too many for memory, in a temporary file."""

    def __init__(self, some: Iterable[Found], folder: str | Path | None):
        self._file: Any = TemporaryFile(dir=folder)  # noqa: SIM115 closed when nobody holds it any more
        self._num = 0
        for block in some:
            for array in block:
                np.save(self._file, array)
            self._num += 1

    def __iter__(self) -> Iterator[Found]:
        self._file.seek(0)
        for _ in range(self._num):
            yield np.load(self._file), np.load(self._file)


def same_values(dataset: Dataset) -> Int[np.ndarray, " n"]:
    """Return a number for each row, equal for rows of equal values; −1 for a row that is the only one."""
    _, which, counts = np.unique(dataset.hashes, return_inverse=True, return_counts=True)
    return np.where(counts[which] > 1, which, -1)


def _check_same(encoder: PretrainedEncoder, dataset: Dataset, features: Rows, path: Path) -> None:
    """Check that features of some rows, spread over the dataset, are those that the encoder makes of them."""
    num = NUM_CHECKED_WITHOUT_NAMES if path.suffix == ".npy" else NUM_CHECKED
    some = np.unique(np.linspace(0, len(dataset) - 1, num).astype(np.intp))
    own, theirs = embed(encoder, dataset.subset(some)), taken(features, some)
    alike = own.shape == theirs.shape
    refuse(
        not alike or np.linalg.norm(directions(own) - directions(theirs), axis=1).max() > MAX_DIFFERENCE,
        f"features: {path} holds features of another encoder, or of other images or in another order; "
        "expected those by `infomax embed` of this run and this data; leave --features out to make them",
    )
    if path.suffix == ".npy" and len(some) < len(dataset):
        warnings.warn(
            f"features: {path} holds no names: {len(some)} of {len(dataset):,} rows were embedded again and "
            "agree, the order of the others cannot be seen; .npz and .parquet hold names",
            stacklevel=3,
        )


def _read(path: Path, dataset: Dataset, folder: str | Path | None) -> Rows:
    readers = {
        ".npy": load_arrays,
        ".parquet": read_parquet,
        ".csv": partial(pl.read_csv, infer_schema=False),
        ".npz": _arrays,
    }
    parts = parts_in(path) or ([path] if path.exists() else sorted(path.parent.glob(path.name)))
    paths = parts or [path]
    suffix = paths[0].suffix
    refuse(
        paths[0].exists() and suffix not in readers,
        f"features: {path} is none of {', '.join(readers)}; write it by `infomax embed --out`",
    )
    if suffix == ".parquet" and len(dataset) > MAX_IN_MEMORY:
        return StoredRows.of(_in_order(paths, dataset), folder)
    found: list[Any] = []
    for one in paths:
        with reading("features", one, "make it by `infomax embed`", most_bytes()):
            found.append(readers[suffix](one))
    if isinstance(found[0], pl.DataFrame):
        return _joined(path, pl.concat(found, how="diagonal_relaxed"), dataset)
    read = np.concatenate(found)
    refuse(
        read.ndim != 2 or len(read) != len(dataset),
        f"features: {path} has the shape {list(read.shape)}, but there are {len(dataset):,} images; "
        "expected a row for each: embed the same data, with the same --split",
    )
    return read.astype(np.float32)


def _in_order(files: Sequence[Path], dataset: Dataset) -> Iterator[Float[np.ndarray, "b d"]]:
    """Yield the features of files, whose names must be those of a dataset in the same order."""
    first = 0
    for file in files:
        for table in tables("features", file, ("name", "embedding")):
            names = [str(name) for name in dataset.names[first : first + len(table)]]
            refuse(
                "name" not in table.columns or table["name"].to_list() != names,
                f"features: {file} holds other names than row {first:,} of the data and the next ones; of "
                f"more than {MAX_IN_MEMORY:,} rows, expected those of the same data in its order: embed it "
                "with the same --split",
            )
            first += len(table)
            yield features_in("features", file, table)
    refuse(
        first < len(dataset),
        f"features: {len(files)} files hold {first:,} rows, and the data has {len(dataset):,}; embed the "
        "same data, with the same --split",
    )


def _arrays(path: Path) -> pl.DataFrame:
    """The features of an archive of arrays, with names and splits, as a table."""
    with load_arrays(path) as found:
        refuse(
            not {"names", "features"} <= {*found}, "it holds no names and features by `infomax embed --out`"
        )
        splits = {"split": found["splits"]} if "splits" in found else {}
        return pl.DataFrame({"name": found["names"], **splits, "embedding": found["features"]})


def _joined(path: Path, table: pl.DataFrame, dataset: Dataset) -> Float[np.ndarray, "n d"]:
    """The features of a table in the order of a dataset, by name and, where both have it, by split."""
    refuse(
        "name" not in table.columns,
        f"features: {path} has no column name; expected a file by `infomax embed`",
    )
    names, keys = [(str(name),) for name in dataset.names], ["name"]
    if "split" in table.columns and dataset.splits is not None:
        keys = ["name", "split"]
        names = [(*name, split) for name, split in zip(names, dataset.splits, strict=True)]
    values = _values(path, table)
    places = {tuple(key): row for row, key in enumerate(table.select(keys).rows())}
    rows = [places.get(key, -1) for key in names]
    lost = [name for name, row in zip(dataset.names, rows, strict=True) if row < 0]
    refuse(
        lost,
        f"features: {path} has none of {len(lost):,} of {len(dataset):,} images, such as {lost[:1]}; "
        "embed the same data, with the same --split",
    )
    refuse(
        len(places) < len(table) and [tuple(key) for key in table.select(keys).rows()] != names,
        f"features: names repeat in {path}; expected one row for each image, in the order of the data",
    )
    return values if len(places) < len(table) else values[rows]


def _values(path: Path, table: pl.DataFrame) -> Float[np.ndarray, "n d"]:
    if "embedding" in table.columns:
        return np.stack(table["embedding"].to_list()).astype(np.float32)
    columns = [name for name in table.columns if re.fullmatch(r"feature_\d+", name)]
    refuse(not columns, f"features: {path} has no column embedding and no feature_0, feature_1, …")
    return table.select(pl.col(columns).cast(pl.Float32)).to_numpy()
