"""Features of a dataset, made or read from a file, and the nearest others of every row."""

import re
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float, Int

from infomax.errors import refuse
from infomax.estimation.tables.reading.columnar import read_parquet
from infomax.evaluation.embedding import DEFAULT_BATCH_SIZE, embed
from infomax.evaluation.grouping.groups import directions
from infomax.evaluation.probes.neighbors import nearest_neighbors
from infomax.files import load_arrays, most_bytes, reading
from infomax.learning.data.dataset import Dataset
from infomax.learning.distributed.launching import own_device
from infomax.learning.encoders.saving import PretrainedEncoder
from infomax.progress import Stages

NUM_NEIGHBORS = 20
"""Nearest others of each row that are looked at."""
NUM_CHECKED = 8
"""Rows whose features are made again, to see that those of a file are the encoder's."""
NUM_CHECKED_WITHOUT_NAMES = 256
"""Rows of these, where the file holds no names, so that only the features tell their order."""
MAX_DIFFERENCE = 0.03
"""Distance by which their directions may differ: other devices and precisions round otherwise."""
_BLOCK = 2048

Rows = Float[np.ndarray, "n d"]


def features_of(
    encoder: PretrainedEncoder, dataset: Dataset, file: str | Path | None = None, *, stage: Stages
) -> Rows:
    """Return the representations of a dataset, or those of it that a file holds.

    Args:
        encoder: makes them, in blocks, where no file is given.
        dataset: what is looked at.
        file: written by `embed_to_file` of the same encoder: .parquet, .csv or .npz with names, or .npy with
            a row for each of the dataset; or a pattern of such files, by `embed_to_parts`. Some rows are
            embedded again, and must agree; without names more of them.
        stage: is told how far the work is.

    Raises:
        ValueError: the file has no features, or not those of every image; they are of another encoder, or
            in another order.
    """
    if file is not None:
        rows = _read(Path(file), dataset)
        _check_same(encoder, dataset, rows, Path(file))
        return rows
    encoder, found = encoder.to(own_device()), []
    stage.begin("features", len(dataset), f"{encoder.views.noun}s")
    for start in range(0, len(dataset), DEFAULT_BATCH_SIZE):
        stop = min(start + DEFAULT_BATCH_SIZE, len(dataset))
        found.append(embed(encoder, dataset.subset(slice(start, stop))))
        stage.reach(stop)
    return np.concatenate(found)


def nearest_others(
    features: Rows, *, stage: Stages
) -> tuple[Int[np.ndarray, "n k"], Float[np.ndarray, "n k"]]:
    """Return the 20 rows nearest to each by cosine, but itself, and the cosines; exact, in blocks."""
    n = len(features)
    k = min(NUM_NEIGHBORS, n - 1)
    stage.begin("neighbours", n, "rows")
    nearest, cosines = np.zeros((n, k), np.int64), np.zeros((n, k), np.float32)
    for rows in _blocks(n):
        found, values = nearest_neighbors(features[rows], features, k=k + 1)
        itself = found == rows[:, None]
        itself[~itself.any(1), -1] = True  # more equal rows than are looked at: leave out the last
        nearest[rows] = found[~itself].reshape(len(rows), k)
        cosines[rows] = values[~itself].reshape(len(rows), k)
        stage.advance(len(rows))
    return nearest, cosines


def same_values(dataset: Dataset) -> Int[np.ndarray, " n"]:
    """Return a number for each row, equal for rows of equal values; −1 for a row that is the only one."""
    _, which, counts = np.unique(dataset.hashes, return_inverse=True, return_counts=True)
    return np.where(counts[which] > 1, which, -1)


def _blocks(n: int) -> Iterator[Int[np.ndarray, " b"]]:
    for start in range(0, n, _BLOCK):
        yield np.arange(start, min(start + _BLOCK, n))


def _check_same(encoder: PretrainedEncoder, dataset: Dataset, features: Rows, path: Path) -> None:
    """Check that features of some rows, spread over the dataset, are those that the encoder makes of them."""
    num = NUM_CHECKED_WITHOUT_NAMES if path.suffix == ".npy" else NUM_CHECKED
    some = np.unique(np.linspace(0, len(dataset) - 1, num).astype(np.intp))
    own, theirs = embed(encoder, dataset.subset(some)), features[some]
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


def _read(path: Path, dataset: Dataset) -> Rows:
    readers = {
        ".npy": load_arrays,
        ".parquet": read_parquet,
        ".csv": partial(pl.read_csv, infer_schema=False),
        ".npz": _arrays,
    }
    paths = [path] if path.exists() else sorted(path.parent.glob(path.name)) or [path]
    refuse(
        paths[0].exists() and path.suffix not in readers,
        f"features: {path} is none of {', '.join(readers)}; write it by `infomax embed --out`",
    )
    found: list[Any] = []
    for one in paths:
        with reading("features", one, "make it by `infomax embed`", most_bytes()):
            found.append(readers[path.suffix](one))
    if isinstance(found[0], pl.DataFrame):
        return _joined(path, pl.concat(found, how="diagonal_relaxed"), dataset)
    read = np.concatenate(found)
    refuse(
        read.ndim != 2 or len(read) != len(dataset),
        f"features: {path} has the shape {list(read.shape)}, but there are {len(dataset):,} images; "
        "expected a row for each: embed the same data, with the same --split",
    )
    return read.astype(np.float32)


def _arrays(path: Path) -> pl.DataFrame:
    """The features of an archive of arrays, with names and splits, as a table."""
    with load_arrays(path) as found:
        refuse(
            not {"names", "features"} <= {*found}, "it holds no names and features by `infomax embed --out`"
        )
        splits = {"split": found["splits"]} if "splits" in found else {}
        return pl.DataFrame({"name": found["names"], **splits, "embedding": found["features"]})


def _joined(path: Path, table: pl.DataFrame, dataset: Dataset) -> Rows:
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


def _values(path: Path, table: pl.DataFrame) -> Rows:
    if "embedding" in table.columns:
        return np.stack(table["embedding"].to_list()).astype(np.float32)
    columns = [name for name in table.columns if re.fullmatch(r"feature_\d+", name)]
    refuse(not columns, f"features: {path} has no column embedding and no feature_0, feature_1, …")
    return table.select(pl.col(columns).cast(pl.Float32)).to_numpy()
