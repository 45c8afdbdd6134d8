"""Search: the images whose representations are nearest to those of a query, by cosine.

By FAISS where it is installed (extra `search`), else by `nearest_neighbors`; both are exact, and rank alike.
Use `similarity_of_run` to compare a query with the local features of images, and see where they are alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from jaxtyping import Float, Int, UInt8
from matplotlib.figure import Figure

from infomax.errors import refuse
from infomax.evaluation.embedding import embed
from infomax.evaluation.given import Given, row_of
from infomax.evaluation.grouping.features import features_of
from infomax.evaluation.grouping.groups import directions
from infomax.evaluation.in_parts.nearest import (
    Found,
    index_for,
    nearest_of_blocks,
    search_in_words,
    stored_for,
)
from infomax.evaluation.probes.neighbors import nearest_neighbors
from infomax.evaluation.probes.stored import Rows, StoredRows, blocks, taken
from infomax.evaluation.splits import told
from infomax.files import replacing
from infomax.learning.data.dataset import Dataset
from infomax.learning.data.reading import refuse_inside
from infomax.learning.data.sources.splits import ALL
from infomax.learning.encoders.saving import PretrainedEncoder, load_encoder
from infomax.learning.training.run import Run
from infomax.pages.figures import shortened
from infomax.progress import silence, stages

FORMATS = (".png", ".svg", ".pdf")
DEFAULT_NUM = 20
"""Images that are found for each query."""
MAX_DRAWN = 40
"""Images of a query in the picture; the table has all."""
MAX_TITLE = 18
"""Characters of a name that fit above a picture."""
_COLUMNS = 10


def nearest_rows(queries: Float[np.ndarray, "q d"], features: Float[np.ndarray, "n d"], num: int) -> Found:
    """Return the rows of features nearest to each query by cosine, nearest first, and the cosines.

    By FAISS (an exact index of inner products) where it is installed, else by `nearest_neighbors`.

    Args:
        queries: [q, d].
        features: [n, d].
        num: rows for each query, at most n.

    Example:
        >>> rows, cosines = nearest_rows(np.eye(2, dtype=np.float32), np.eye(2, dtype=np.float32), 1)
        >>> rows.tolist(), cosines.tolist()
        ([[0], [1]], [[1.0], [1.0]])
    """
    num = min(num, len(features))
    if find_spec("faiss") is None:
        return nearest_neighbors(queries, features, k=num)
    import faiss  # pyright: ignore[reportMissingImports]

    index = faiss.IndexFlatIP(features.shape[1])
    index.add(directions(features))
    cosines, rows = index.search(directions(queries), num)
    return rows, cosines


def search_of_run(
    run: Run,
    queries: Sequence[str],
    data: Given | Any,
    *,
    encoder: PretrainedEncoder | None = None,
    features: str | Path | None = None,
    num: int = DEFAULT_NUM,
    knn: str = "auto",
    out: str | Path = "search.png",
    overwrite: bool = False,
) -> dict[str, Any]:
    """Find the images nearest to each query by their features; draw them, and write them as CSV beside.

    All images are embedded anew at each call, unless a file with their features is given.

    Args:
        run: a finished run, or any folder with an encoder.
        queries: each a file, or the name or the number of an image of the data; then it is left out.
        data: a source of the images to search, or `Given`; all its splits unless one is chosen.
        encoder: that of the run, where it has been loaded in a way of its own; see `load_own_encoder`.
        features: a file by `embed_to_file`, or the parts by `embed_to_parts`, of the same data.
        num: images for each query.
        knn: how the nearest among more than 100,000 images are found: auto, exact or lists.
        out: picture, .png, .svg or .pdf; the table is the .csv beside it.
        overwrite: replace the picture and the table.

    Returns:
        The files, how the search was made, and for each query names and cosines, nearest first.

    Raises:
        ValueError: no such query; no images to search; a place within the data.
        FileExistsError: the picture or the table exists.
    """
    data, out = Given.of(data), Path(out)
    refuse(num < 1, f"search: at least 1 image must be found, got {num}")
    refuse(not queries, "search: give at least one query: a file, or the name or number of an image")
    _check_free(out, data.source, overwrite)
    encoder = encoder or load_encoder(run.folder)
    dataset = data.load(encoder.views, data.split or ALL)
    asked = [_Query.of(encoder, text, dataset) for text in queries]
    read = told(dataset.reading, out)
    with stages() as stage:
        rows = stored_for(knn, features_of(encoder, dataset, features, folder=out.parent, stage=stage))
        stage.begin("search")
        found, searched = _Found.of(encoder, asked, rows, num, knn)
    _write(out, encoder, dataset, found)
    return {
        "picture": str(out),
        "table": str(out.with_suffix(".csv")),
        "data": read,
        f"num_{encoder.views.noun}s": len(dataset),
        "by": searched,
        "queries": [one.summary(dataset) for one in found],
    }


def _check_free(out: Path, source: Any, overwrite: bool) -> None:
    refuse(
        out.suffix not in FORMATS,
        f"search: the suffix of {out} says no format; expected .png, .svg or .pdf",
    )
    refuse_inside("search", out, source)
    for path in (out, out.with_suffix(".csv")):
        if path.exists() and not overwrite:
            raise FileExistsError(f"search: {path} exists; give --overwrite to replace it, or another --out")
    if not out.parent.is_dir():
        raise FileNotFoundError(f"search: there is no folder {out.parent}; make it first")


@dataclass(frozen=True)
class _Query:
    """A thing that is searched for; row: its place in the data, None if it is another file."""

    name: str
    row: int | None
    other: Dataset | None

    @staticmethod
    def of(encoder: PretrainedEncoder, text: str, dataset: Dataset) -> "_Query":
        """Return the thing that a name, a number or a file means."""
        names = [*dataset.names]
        refuse(not names, "search: there is nothing to search in; give at least one image")
        row = row_of(text, dataset)
        if row is not None:
            return _Query(str(names[row]), row, None)
        refuse(
            not Path(text).is_file(),
            f"search: {text!r} is no file, and neither the name nor the number of one of {len(names):,} "
            f"{encoder.views.noun}s, such as {names[0]!r}",
        )
        with silence():
            return _Query(Path(text).name, None, encoder.views.load([Path(text)]))


@dataclass(frozen=True)
class _Found:
    """The rows of the data that are nearest to a query, with their cosines."""

    query: _Query
    rows: Int[np.ndarray, " k"]
    cosines: Float[np.ndarray, " k"]

    @staticmethod
    def of(
        encoder: PretrainedEncoder, asked: Sequence[_Query], features: Rows, num: int, knn: str
    ) -> "tuple[list[_Found], str]":
        """Search for each query, one that is of the data is not found itself; and say how it was done."""
        own = [
            taken(features, np.array([q.row])) if q.other is None else embed(encoder, q.other) for q in asked
        ]
        (rows, cosines), searched = _nearest(np.concatenate(own), features, num + 1, knn)
        found = []
        for query, near, values in zip(asked, rows, cosines, strict=True):
            kept = np.flatnonzero(near != (-1 if query.row is None else query.row))[:num]
            found.append(_Found(query, near[kept], values[kept]))
        return found, searched

    def summary(self, dataset: Dataset) -> dict[str, Any]:
        """Names and cosines, fit for JSON."""
        near = zip(self.rows, self.cosines, strict=True)
        return {
            "query": self.query.name,
            "found": [{"name": str(dataset.names[int(i)]), "cosine": float(value)} for i, value in near],
        }

    def pictures(self, encoder: PretrainedEncoder, dataset: Dataset) -> list[UInt8[np.ndarray, "h w c"]]:
        """The query, and what is drawn of the others."""
        rows = self.rows[:MAX_DRAWN]
        first = dataset.subset(np.array([self.query.row])) if self.query.other is None else self.query.other
        return [*encoder.views.thumbnails(first)[:1], *encoder.views.thumbnails(dataset.subset(rows))]


def _nearest(queries: Float[np.ndarray, "q d"], features: Rows, num: int, knn: str) -> tuple[Found, str]:
    """Return the rows of features nearest to each query, and how they were found."""
    make = index_for(len(queries), len(features), knn)
    if make is None or not isinstance(features, StoredRows):
        by = "FAISS, exact" if find_spec("faiss") else "exact search"
        return nearest_of_blocks(queries, blocks(features), num, nearest_rows), by
    index = make(features.mapped(directions))
    near = index(torch.from_numpy(directions(queries)), min(num, len(features)))
    return near, f"approximate, {search_in_words(index.settings)}"


def _write(out: Path, encoder: PretrainedEncoder, dataset: Dataset, found: Sequence[_Found]) -> None:
    near = [(one.query.name, rank, i, c) for one in found for rank, i, c in _ranked(one)]
    table = pl.DataFrame(
        {
            "query": [query for query, *_ in near],
            "rank": [rank for _, rank, *_ in near],
            "name": [str(dataset.names[i]) for *_, i, _ in near],
            "cosine": [value for *_, value in near],
        }
    )
    with replacing(out) as path:
        _drawn(encoder, dataset, found).savefig(path, dpi=110)
    with replacing(out.with_suffix(".csv")) as path:
        table.write_csv(path)


def _ranked(one: _Found) -> list[tuple[int, int, float]]:
    near = zip(one.rows, one.cosines, strict=True)
    return [(rank, int(i), float(value)) for rank, (i, value) in enumerate(near, 1)]


def _drawn(encoder: PretrainedEncoder, dataset: Dataset, found: Sequence[_Found]) -> Figure:
    """A block of rows for each query: the query alone in the first column, the others in the next ones."""
    deep = [max(1, -(-min(len(one.rows), MAX_DRAWN) // _COLUMNS)) for one in found]
    figure = Figure(figsize=(1.35 * (_COLUMNS + 1), 1.7 * sum(deep)))
    figure.subplots_adjust(0.005, 0.01, 0.995, 1 - 0.3 / (1.7 * sum(deep)), 0.06, 0.35)
    axes = figure.subplots(sum(deep), _COLUMNS + 1, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for one, top in zip(found, np.cumsum([0, *deep]), strict=False):
        first, *others = one.pictures(encoder, dataset)
        _show(axes[top, 0], first, one.query.name, bold=True)
        for number, picture in enumerate(others):
            row, column = divmod(number, _COLUMNS)
            name = shortened(str(dataset.names[int(one.rows[number])]), MAX_TITLE)
            _show(axes[top + row, column + 1], picture, f"{name}\n{one.cosines[number]:.3f}")
    return figure


def _show(axis: Any, picture: UInt8[np.ndarray, "h w c"], title: str, bold: bool = False) -> None:
    colour = picture if picture.shape[-1] == 3 else picture[..., :1].repeat(3, -1)
    axis.imshow(colour)
    text = f"query:\n{shortened(title, MAX_TITLE)}" if bold else title
    axis.set_title(text, fontsize=7, parse_math=False, fontweight="bold" if bold else "normal")
