"""The columns that say what is known of each row of a dataset, beside its features."""

import json
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from infomax.learning.data.dataset import Dataset

Batches = Iterator[tuple[slice, Float[np.ndarray, "b d"]]]
"""Features of consecutive rows, with the place of the rows."""


def columns_of(dataset: Dataset, rows: slice) -> dict[str, pa.Array]:
    """Return what is known of some rows, missing values as null: name, split, label, ``target NAME``, ….

    A column of which nothing is known in the whole dataset is left out.
    """
    columns = {"name": pa.array(list(dataset.names[rows]), pa.string())}
    if dataset.splits is not None:
        columns["split"] = pa.array(list(dataset.splits[rows]), pa.string())
    if has_classes(dataset):
        columns["label"] = pa.array(_label_names(dataset, rows), pa.string())
    if dataset.targets is not None:
        named = zip(dataset.targets.names, dataset.targets.values[rows].T, strict=True)
        columns |= {f"target {name}": pa.array(known, from_pandas=True) for name, known in named}
    return columns


def without_idle_classes(dataset: Dataset) -> Dataset:
    """Return a dataset that names classes only if a row has one, so that its parts know what others have."""
    return dataset if dataset.labelled else replace(dataset, classes=())


def has_classes(dataset: Dataset) -> bool:
    """Return whether a column holds classes: of this dataset, or of others that it is a part with."""
    return dataset.labelled or bool(dataset.classes)


def feature_names(num: int) -> list[str]:
    """Return the names of columns with a feature each: feature_0, feature_1, …."""
    return [f"feature_{number}" for number in range(num)]


def record_of(dataset: Dataset) -> dict[str, str]:
    """Return what was read, as JSON, under the name ``infomax``; {} where it is not known."""
    return {} if dataset.reading is None else {"infomax": json.dumps(dataset.reading.record)}


def _label_names(dataset: Dataset, rows: slice) -> list[str | None]:
    labels = dataset.labels[rows]
    names = dataset.class_names(labels)
    return [None if label < 0 else name for label, name in zip(labels, names, strict=True)]
