"""Groups, near-duplicates, outliers and neighbours of features in several files, without the data."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import torch
from jaxtyping import Float

from infomax.errors import refuse
from infomax.evaluation.grouping.features import kept
from infomax.evaluation.grouping.groups import Clustering, check_method, directions
from infomax.evaluation.grouping.looking import Looked, columns_of_groups, summary, tables_of_some
from infomax.evaluation.grouping.searching import nearest_rows
from infomax.evaluation.in_parts.files import Files, Rows, batches, files_of, tables
from infomax.evaluation.in_parts.nearest import Found, nearest_of_blocks
from infomax.evaluation.probes.neighbors import MakeIndex
from infomax.evaluation.probes.stored import StoredRows
from infomax.evaluation.results import write_json
from infomax.files import replacing
from infomax.progress import stages


def group_parts(
    features: Files,
    out: str | Path,
    *,
    num_groups: int | None = None,
    method: str | Clustering = "kmeans",
    same: float | None = None,
    knn: str = "auto",
    seed: int = 0,
) -> dict[str, Any]:
    """Find groups, near-duplicates and outliers in features of several files, as `groups_of_run` does.

    Features of up to 100,000 rows are held in memory. Those of more are kept in a temporary file in `out`,
    and a block is in memory at a time. For each file of features a file of the same name is written into the
    folder `out`, with what is found of each row; ``duplicates.parquet`` and ``outliers.parquet`` hold pairs
    and outliers, and ``groups.json`` what is returned.

    Args:
        features: Parquet files by `embed_to_parts`, or a pattern of such.
        out: folder, another than that of the features.
        num_groups, method, same, knn, seed: as of `groups_of_run`.

    Returns:
        What was found in numbers and words, and what of it is approximated.

    Raises:
        ValueError: no such files, features of different lengths, fewer than 2 rows, NaN or infinity.
    """
    files, folder = files_of("groups", features), Path(out)
    refuse(
        any(file.parent.resolve() == folder.resolve() for file in files),
        f"groups: {folder} holds the features; expected another folder, where files of the same names go",
    )
    check_method(method, num_groups)
    num_rows = sum(pq.read_metadata(file).num_rows for file in files)
    refuse(num_rows < 2, f"groups: expected at least 2 rows, got {num_rows}")
    folder.mkdir(parents=True, exist_ok=True)
    how: Any = {"num_groups": num_groups, "method": method, "threshold": same, "knn": knn, "seed": seed}
    with stages() as stage:
        rows = kept(batches("groups", files), num_rows, folder)
        looked = Looked.at(rows, np.full(num_rows, -1), noun="row", stage=stage, **how)
    for name, table in tables_of_some(looked, _write(files, folder, looked)).items():
        with replacing(folder / f"{name}.parquet") as path:
            table.write_parquet(path)
    found = {"seed": seed, **summary(looked, num_rows, "row")}
    write_json(folder / "groups.json", found)
    return found


def _write(files: Sequence[Path], folder: Path, looked: Looked) -> dict[int, str]:
    """Write what was found of each row, and return the names of near-duplicates and outliers."""
    wanted = np.unique(np.concatenate([looked.duplicates.pairs.ravel(), looked.outliers.rows]))
    names, first = {}, 0
    for file in files:
        known = pl.concat([*tables("groups", file, ("name", "split"))])
        rows = slice(first, first + pq.read_metadata(file).num_rows)
        for row in wanted[slice(*np.searchsorted(wanted, [rows.start, rows.stop]))].tolist():
            names[row] = known["name"][row - first] if "name" in known.columns else str(row)
        with replacing(folder / file.name) as path:
            pl.DataFrame({**known.to_dict(), **columns_of_groups(looked, rows)}).write_parquet(path)
        first = rows.stop
    return names


def nearest_in_parts(
    queries: Float[np.ndarray, "q d"], features: Files, num: int, *, index: MakeIndex | None = None
) -> Found:
    """Return the rows nearest to each query by cosine, as `nearest_rows` does, of features in several files.

    Each batch of rows is compared with the nearest so far, by FAISS where it is installed. This is exact.

    Args:
        queries: [q, d].
        features: Parquet files by `embed_to_parts`, or a pattern of such.
        num: rows for each query.
        index: makes of the directions of all rows, which are then kept in a temporary file, what finds the
            nearest of many queries sooner, such as `InvertedLists.of`.

    Returns:
        The numbers of the rows, counted through all files in their order, nearest first; and the cosines.

    Raises:
        ValueError: no such files, or features of another length.
    """
    each = _of_width(queries.shape[1], files_of("search", features))
    if index is None:
        return nearest_of_blocks(queries, each, num, nearest_rows)
    unit = StoredRows.of(map(directions, each))
    return index(unit)(torch.from_numpy(directions(queries)), min(num, len(unit)))


def _of_width(width: int, files: Sequence[Path]) -> Iterator[Rows]:
    """Yield the features of all files, of so many numbers each."""
    for batch in batches("search", files):
        refuse(
            batch.shape[1] != width,
            f"search: queries have {width} features, and the files {batch.shape[1]}; embed both by one "
            "encoder",
        )
        yield batch
