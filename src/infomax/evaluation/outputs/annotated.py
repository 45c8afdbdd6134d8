"""Embeddings as AnnData, the file of single-cell biology: features with what is known of rows and columns."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from infomax.evaluation.outputs.rows import Batches, columns_of, feature_names, record_of
from infomax.learning.data.dataset import Dataset

CATEGORIES = ("split", "label")
"""Columns of obs that are categorical."""
EMPTY = ("layers", "obsm", "obsp", "varm", "varp")
"""Parts of the file that embeddings leave empty."""


def write_h5ad(path: Path, dataset: Dataset, batches: Batches) -> None:
    """Write AnnData: features as X, what is known of each row as obs, what was read as uns["infomax"].

    The names of obs are those of the rows, with a number added where one occurs again. Features are written
    in parts; what is known of the rows is held in memory. "/", which HDF5 keeps for itself, is "|" in the
    names of columns.
    """
    import h5py
    from anndata.io import write_elem

    rows, features = next(batches)
    with h5py.File(path, "w") as file:
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        target = file.create_dataset("X", (len(dataset), features.shape[1]), np.float32)
        target.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
        target[rows] = features
        for place, more in batches:
            target[place] = more
        write_elem(file, "obs", _known(dataset))
        write_elem(file, "var", _frame({}, feature_names(features.shape[1])))
        for name, of in {**{name: {} for name in EMPTY}, "uns": record_of(dataset)}.items():
            write_elem(file, name, of)


def _known(dataset: Dataset) -> Any:
    """Return what is known of the rows, as a frame whose index holds each name once."""
    import pandas as pd
    from anndata.utils import make_index_unique

    columns = columns_of(dataset, slice(None))
    index = pd.Index(columns["name"].to_pylist(), dtype=object)
    index = index if index.is_unique else make_index_unique(index)
    return _frame({name.replace("/", "|"): _values(name, of) for name, of in columns.items()}, index)


def _frame(columns: dict[str, Any], index: Any) -> Any:
    """Return a frame for pandas whose texts are objects, which every version of AnnData writes."""
    import pandas as pd

    frame = pd.DataFrame(columns, index=range(len(index)))
    frame.index = pd.Index(index, dtype=object)
    return frame


def _values(name: str, column: pa.Array) -> Any:
    import pandas as pd

    if name not in CATEGORIES:
        text = pa.types.is_string(column.type)
        return pd.Series(column.to_numpy(zero_copy_only=False), dtype=object if text else None)
    kinds = pd.Index(column.drop_null().unique().sort().to_pylist(), dtype=object)
    return pd.Categorical(column.to_pylist(), categories=kinds)
