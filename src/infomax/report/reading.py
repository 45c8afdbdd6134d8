"""Read the files of a run folder; a file that is not there is None, one that cannot be read an error."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import polars as pl
from jaxtyping import Float

from infomax.errors import refuse
from infomax.evaluation.results import RESULT
from infomax.files import load_arrays, most_bytes, read_json, reading
from infomax.learning.training.run import ENVIRONMENT

T = TypeVar("T")

OPERATION, REMEDY = "report", "move it away, and make it again"


def read(path: Path, as_what: Callable[[Path], T]) -> T | None:
    """Return what `as_what` makes of a file; None if there is no such file.

    Raises:
        Unreadable: the file cannot be read.
    """
    if not path.exists():
        return None
    with reading(OPERATION, path, REMEDY, most_bytes()):
        return as_what(path)


def json_file(path: Path) -> dict[str, Any]:
    """Return the object that a JSON file holds."""
    return read_json(path, OPERATION, REMEDY)


def environment_file(path: Path) -> dict[str, Any]:
    """Return what ``environment.json`` of a run holds."""
    return read_json(path, OPERATION, REMEDY, ENVIRONMENT)


def result_file(path: Path) -> dict[str, Any]:
    """Return the result that a file of an evaluation or of fine-tuning holds."""
    return read_json(path, OPERATION, REMEDY, RESULT)


def metrics_file(path: Path) -> dict[str, Float[np.ndarray, " rows"]] | None:
    """Return the columns of metrics.csv by name, NaN in empty cells; None if there is no row yet."""
    table = pl.read_csv(path, infer_schema=False).cast(pl.Float64)
    refuse("step" not in table.columns, "it has no column step")
    if len(table) == 0:
        return None
    return {name: table[name].fill_null(math.nan).to_numpy() for name in table.columns}


def arrays_file(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of an .npz file by name."""
    with load_arrays(path) as arrays:
        return dict(arrays)
