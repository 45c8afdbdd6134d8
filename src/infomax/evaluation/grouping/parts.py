"""Groups and neighbours of features in several files, in memory that does not grow with their number.

    features in parts → rows of length 1 → incremental principal components, at most 20 → mini-batch k-means

The parts are read three times: for the components, for the centres, and for the group of each row, which is
written into a file for each part. Three things are approximations, said and recorded: the components, which
batches update; the centres, which one pass of batches moves from those of drawn rows; and the number of
groups, which is chosen on drawn rows. Near-duplicates and outliers, which need neighbours of every row among
all, are not found. Neighbours of some queries are exact.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq
from jaxtyping import Float, Int
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.decomposition import IncrementalPCA

from infomax.errors import refuse
from infomax.evaluation.grouping.groups import MAX_FULL_BATCH, NUM_COMPONENTS, STARTS, directions
from infomax.evaluation.grouping.number import chosen_number
from infomax.evaluation.grouping.searching import nearest_rows
from infomax.evaluation.in_parts.files import (
    ROWS_AT_ONCE,
    Files,
    Rows,
    batches,
    features_in,
    files_of,
    tables,
)
from infomax.evaluation.in_parts.nearest import nearest_of_blocks
from infomax.files import replacing
from infomax.progress import Stages, stages


def group_parts(
    features: Files,
    out: str | Path,
    *,
    num_groups: int | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Find groups of rows that lie close together, as `grouped` does, in features larger than memory.

    For each file of features a file of the same name is written into the folder `out`: names, the group from
    1, and the distance to its centre. Group 1 has most of the drawn rows. ``groups.json`` holds what is
    returned.

    Args:
        features: Parquet files by `embed_to_parts`, or a pattern of such.
        out: folder, another than that of the features.
        num_groups: for k-means; None chooses it by `chosen_number`, on drawn rows.
        seed: of drawn rows and first centres.

    Returns:
        Sizes of the groups, number of rows, and what is approximated.

    Raises:
        ValueError: no such files, features of different lengths, fewer than 2 rows, NaN or infinity.
    """
    files, folder = files_of("groups", features), Path(out)
    refuse(
        any(file.parent.resolve() == folder.resolve() for file in files),
        f"groups: {folder} holds the features; expected another folder, where files of the same names go",
    )
    refuse(num_groups is not None and num_groups < 1, f"groups: expected at least 1 group, got {num_groups}")
    num_rows = sum(pq.read_metadata(file).num_rows for file in files)
    refuse(num_rows < 2, f"groups: expected at least 2 rows, got {num_rows}")
    folder.mkdir(parents=True, exist_ok=True)
    with stages() as stage:
        components, drawn = _components(files, num_rows, seed, stage)
        places = components.transform(drawn)
        criterion = None if num_groups else chosen_number(places, seed=seed)
        number = num_groups or (criterion.number if criterion else 1)
        clusters = _centers(files, components, places, number, seed, stage)
        sizes = _write(files, folder, components, clusters, places, stage)
    found = {
        "num_rows": num_rows,
        "sizes": sizes,
        "seed": seed,
        "number": "as asked for" if criterion is None else criterion.words,
        "approximated": _approximated(len(drawn), num_rows),
    }
    with replacing(folder / "groups.json") as path:
        path.write_text(json.dumps(found, indent=1))
    return found


def nearest_in_parts(
    queries: Float[np.ndarray, "q d"], features: Files, num: int
) -> tuple[Int[np.ndarray, "q k"], Float[np.ndarray, "q k"]]:
    """Return the rows nearest to each query by cosine, as `nearest_rows` does, of features in several files.

    They are exact: each batch of rows is compared with the nearest so far, by FAISS where it is installed.

    Args:
        queries: [q, d].
        features: Parquet files by `embed_to_parts`, or a pattern of such.
        num: rows for each query.

    Returns:
        The numbers of the rows, counted through all files in their order, nearest first; and the cosines.

    Raises:
        ValueError: no such files, or features of another length.
    """
    files, width = files_of("search", features), queries.shape[1]
    return nearest_of_blocks(queries, _of_width(width, files), num, nearest_rows)


def _of_width(width: int, files: Sequence[Path]) -> Iterator[Rows]:
    """Yield the features of all files, of so many numbers each."""
    for batch in batches("search", files):
        refuse(
            batch.shape[1] != width,
            f"search: queries have {width} features, and the files {batch.shape[1]}; embed both by one "
            "encoder",
        )
        yield batch


def _components(
    files: Sequence[Path], num_rows: int, seed: int, stage: Stages
) -> tuple[IncrementalPCA, Rows]:
    """Return the principal components of the directions of all rows, and the directions of drawn rows."""
    stage.begin("components", num_rows, "rows")
    num_drawn = min(num_rows, MAX_FULL_BATCH)
    drawn = np.sort(np.random.default_rng(seed).choice(num_rows, num_drawn, replace=False, shuffle=False))
    model, kept, first, waiting = IncrementalPCA(), [], 0, np.zeros((0, 0), np.float32)
    for batch in batches("groups", files):
        rows = directions(batch)
        low, high = np.searchsorted(drawn, [first, first + len(rows)])
        kept.append(rows[drawn[low:high] - first])
        first += len(rows)
        model.n_components = min(NUM_COMPONENTS, rows.shape[1], num_rows)
        waiting = np.vstack([waiting, rows]) if len(waiting) else rows
        if len(waiting) >= model.n_components and first < num_rows:
            model.partial_fit(waiting)
            waiting = waiting[:0]
        stage.reach(first)
    if len(waiting):
        model.partial_fit(waiting)
    return model, np.concatenate(kept)


def _centers(
    files: Sequence[Path], components: IncrementalPCA, drawn: Rows, number: int, seed: int, stage: Stages
) -> MiniBatchKMeans:
    """Return k-means whose centres begin at those of drawn rows, and are moved by all rows in one pass."""
    stage.begin("centres", None, "rows")
    begun = KMeans(number, n_init=STARTS, random_state=seed).fit(drawn)
    how: Any = {"init": begun.cluster_centers_, "n_init": 1}
    model = MiniBatchKMeans(number, random_state=seed, **how)
    for batch in batches("groups", files):
        model.partial_fit(components.transform(directions(batch)))
        stage.advance(len(batch))
    return model


def _write(
    files: Sequence[Path],
    folder: Path,
    components: IncrementalPCA,
    model: MiniBatchKMeans,
    drawn: Rows,
    stage: Stages,
) -> list[int]:
    """Write the group of each row, those of most drawn rows first, and return the sizes of the groups."""
    stage.begin("groups", None, "rows")
    counts = np.bincount(model.predict(drawn), minlength=model.n_clusters)
    number = np.argsort(np.argsort(-counts, kind="stable"))
    sizes = np.zeros(model.n_clusters, np.int64)
    for file in files:
        found = []
        for table in tables("groups", file):
            places = components.transform(directions(features_in("groups", file, table)))
            near = np.asarray(model.predict(places))
            far = np.linalg.norm(places - model.cluster_centers_[near], axis=1)
            known = table.select(name for name in ("name", "split") if name in table.columns)
            found.append(known.with_columns(group=pl.Series(number[near] + 1), distance=pl.Series(far)))
            sizes += np.bincount(number[near], minlength=len(sizes))
            stage.advance(len(table))
        with replacing(folder / file.name) as beside:
            pl.concat(found).write_parquet(beside)
    return sizes.tolist()


def _approximated(num_drawn: int, num_rows: int) -> list[str]:
    """Return what is not what `grouped` computes from rows in memory, in a line each."""
    return [
        f"principal components: incremental, in batches of {ROWS_AT_ONCE:,} rows",
        f"centres: those of {num_drawn:,} of {num_rows:,} rows, moved by mini-batch k-means, one pass",
        f"number and order of groups: from the {num_drawn:,} drawn rows, unless a number was asked for",
    ]
