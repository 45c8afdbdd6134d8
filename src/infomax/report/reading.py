"""Read the files of a run folder; a file that is not there is None, one that cannot be read an error."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import polars as pl
from jaxtyping import Float

T = TypeVar("T")


def read(path: Path, as_what: Callable[[Path], T]) -> T | None:
    """Return what `as_what` makes of a file; None if there is no such file.

    Raises:
        ValueError: the file cannot be read.
    """
    if not path.is_file():
        return None
    try:
        return as_what(path)
    except Exception as error:
        raise ValueError(f"report: cannot read {path}: {error}; move it away, and make it again") from error


def json_file(path: Path) -> Any:
    """Return what a JSON file holds."""
    return json.loads(path.read_text())


def metrics_file(path: Path) -> dict[str, Float[np.ndarray, " rows"]] | None:
    """Return the columns of metrics.csv by name, NaN in empty cells; None if there is no row yet."""
    table = pl.read_csv(path, infer_schema=False).cast(pl.Float64)
    if len(table) == 0:
        return None
    return {name: table[name].fill_null(math.nan).to_numpy() for name in table.columns}


def arrays_file(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of an .npz file by name."""
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)
