"""Groups of a run's images: everything that is found in them without labels, and the files that hold it."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Int

from infomax.errors import refuse
from infomax.evaluation.given import Given
from infomax.evaluation.grouping.duplicates import Duplicates, Neighbors, near_duplicates
from infomax.evaluation.grouping.features import features_of, nearest_others, same_values
from infomax.evaluation.grouping.groups import Clustering, Groups, check_method, directions, grouped
from infomax.evaluation.grouping.outliers import Outliers, outliers
from infomax.evaluation.grouping.streaming import approximated, grouped_in_blocks
from infomax.evaluation.in_parts.nearest import index_for, search_in_words, stored_for
from infomax.evaluation.probes.stored import Rows, StoredRows, mapped
from infomax.evaluation.results import write_json
from infomax.evaluation.splits import told
from infomax.files import replacing
from infomax.hashes import remove
from infomax.learning.data.dataset import Dataset
from infomax.learning.data.reading import refuse_inside
from infomax.learning.data.sources.splits import ALL
from infomax.learning.encoders.saving import PretrainedEncoder, load_encoder
from infomax.learning.training.run import Run
from infomax.progress import Stages, stages

FORMATS: dict[str, Callable[[pl.DataFrame, Path], Any]] = {
    "csv": lambda table, path: table.write_csv(path),
    "parquet": lambda table, path: table.write_parquet(path),
}
"""How tables are written, by the suffix of the file."""
PAGE = "groups.html"
"""The page, which the report writes."""
NO_LABELS = "Labels of the data, where it has any, were not used."


@dataclass(frozen=True)
class Looked:
    """Groups, near-duplicates and outliers among features, found without labels.

    Attributes:
        groups, duplicates, outliers: of the rows.
        approximated: what was not computed as it is from few rows in memory, in lines.
    """

    groups: Groups
    duplicates: Duplicates
    outliers: Outliers
    approximated: Sequence[str]

    @staticmethod
    def at(
        features: Rows,
        same: Int[np.ndarray, " n"],
        *,
        num_groups: int | None = None,
        method: str | Clustering = "kmeans",
        threshold: float | None = None,
        knn: str = "auto",
        seed: int = 0,
        noun: str = "image",
        stage: Stages,
    ) -> "Looked":
        """Return what is found in rows, a block at a time if they are stored.

        Args:
            features: of all rows.
            same: as `same_values`.
            num_groups, method, seed: as of `grouped`.
            threshold: as of `near_duplicates`.
            knn: one of `WAYS_OF_KNN`, how neighbours of stored rows are found; "lists" stores all rows.
            noun: one of the things.
            stage: is told how far the work is.
        """
        unit: Any = mapped(stored_for(knn, features), directions)
        neighbors, searched = _neighbors(unit, knn, seed, stage)
        near = near_duplicates(neighbors, same, threshold=threshold, noun=noun)
        odd = outliers(neighbors, near.sets, noun=noun)
        stage.begin("groups")
        how: Any = {"num_groups": num_groups, "method": method, "seed": seed}
        if not isinstance(unit, StoredRows):
            return Looked(grouped(np.asarray(features), **how), near, odd, ())
        said = [f"neighbours of {len(unit):,} {noun}s: {searched}", *approximated(len(unit), str(method))]
        return Looked(grouped_in_blocks(unit, stage=stage, **how), near, odd, said)


def _neighbors(unit: Rows, knn: str, seed: int, stage: Stages) -> tuple[Neighbors, str]:
    """Return the nearest others of every row, and how they were found."""
    make = index_for(len(unit), len(unit), knn, seed=seed)
    if make is None or not isinstance(unit, StoredRows):
        return nearest_others(unit, stage=stage), "exact"
    stage.begin("lists")
    index = make(unit)
    return nearest_others(unit, index, stage=stage), f"approximate, {search_in_words(index.settings)}"


@dataclass(frozen=True)
class Grouping:
    """The groups, near-duplicates and outliers of a dataset, found without labels.

    Attributes:
        folder: of the files.
        encoder: whose features they are.
        dataset, features: what was looked at.
        groups, duplicates, outliers: what was found.
        found: the same in words and numbers, as ``groups.json`` holds it.
    """

    folder: Path
    encoder: PretrainedEncoder
    dataset: Dataset
    features: Rows
    groups: Groups
    duplicates: Duplicates
    outliers: Outliers
    found: dict[str, Any]


def groups_of_run(
    run: Run,
    data: Given | Any,
    *,
    encoder: PretrainedEncoder | None = None,
    features: str | Path | None = None,
    num_groups: int | None = None,
    method: str | Clustering = "kmeans",
    same: float | None = None,
    knn: str = "auto",
    seed: int = 0,
    out: str | Path | None = None,
    file_format: str = "csv",
    overwrite: bool = False,
) -> Grouping:
    """Find groups, near-duplicates and outliers in images or signals without labels; write them as tables.

    The files are ``groups`` (a row for each image, in the order of the data), ``duplicates`` (a row for each
    pair), ``outliers``, and ``groups.json``. `infomax.report.write_groups` adds a page.

    Args:
        run: a finished run, or any folder with an encoder.
        data: a source, or `Given`; all its splits unless one is chosen. Labels are not used.
        encoder: that of the run, where it has been loaded in a way of its own; see `load_own_encoder`.
        features: a file by `embed_to_file`, or the parts by `embed_to_parts`, of the same data, instead of
            embedding it again.
        num_groups, method, seed: as of `grouped`.
        same: cosine from which images are near-duplicates; None for `near_duplicates`' own.
        knn: how the nearest of each of more than 100,000 images are found: auto, exact or lists.
        out: folder; None for ``groups`` in the run folder, or ``groups-NAME`` of data that the run did not
            learn from.
        file_format: csv or parquet.
        overwrite: replace files of an earlier call.

    Raises:
        ValueError: fewer than 2 images; as `grouped`; a folder within that of the data.
        FileExistsError: the folder has groups.
    """
    data = Given.of(data)
    refuse(file_format not in FORMATS, f"groups: the format must be csv or parquet, got {file_format}")
    check_method(method, num_groups)
    refuse(
        same is not None and not 0 < same <= 1,
        f"groups: same must be a cosine above 0, at most 1, got {same}",
    )
    folder = Path(out) if out is not None else default_folder(run, data)
    check_free(folder, data.source, overwrite)
    encoder = encoder or load_encoder(run.folder)
    dataset = data.load(encoder.views, data.split or ALL)
    noun = encoder.views.noun
    refuse(
        len(dataset) < 2,
        f"groups: {data.source} has {len(dataset)} {noun}; expected at least 2 to compare",
    )
    folder.mkdir(parents=True, exist_ok=True)
    read = told(dataset.reading, folder / "groups")
    with stages() as stage:
        rows = features_of(encoder, dataset, features, folder=folder, stage=stage)
        how: Any = {"num_groups": num_groups, "method": method, "threshold": same, "knn": knn, "seed": seed}
        looked = Looked.at(rows, same_values(dataset), noun=noun, stage=stage, **how)
    found = {"data": read, "seed": seed, **summary(looked, len(dataset), noun)}
    made = Grouping(folder, encoder, dataset, rows, looked.groups, looked.duplicates, looked.outliers, found)
    _write(made, file_format)
    return made


def default_folder(run: Run, data: Given) -> Path:
    """Return where groups go: ``groups`` in the run folder for the data of the run, else ``groups-NAME``."""
    known = (run.pretraining or {}).get("source")
    if known is None or str(known) == data.name:
        return run.folder / "groups"
    name = re.sub(r"[^\w.-]+", "-", Path(data.name).name).strip("-.") or "data"
    return run.folder / f"groups-{name}"


def check_free(folder: Path, source: Any, overwrite: bool) -> None:
    """Check that groups may be written into a folder.

    Raises:
        ValueError: it lies within the data.
        FileExistsError: it has groups.
    """
    refuse_inside("groups", folder, source)
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"groups: {folder} is a file; choose a folder with --out")
    there = [path for path in folder.glob("*") if not path.name.startswith(".")]
    if there and not (overwrite and (folder / "groups.json").is_file()):
        raise FileExistsError(
            f"groups: {folder} is not empty; give --overwrite to replace groups in it, or choose another "
            "folder with --out"
        )


def summary(looked: Looked, num: int, noun: str) -> dict[str, Any]:
    """Return what was found in words and numbers, fit for JSON."""
    groups, near, odd, chosen = looked.groups, looked.duplicates, looked.outliers, looked.groups.criterion
    return {
        f"num_{noun}s": num,
        "groups": {
            "num_groups": groups.num_groups,
            "sizes": groups.sizes.tolist(),
            "num_without": groups.num_without,
            "method": groups.method,
            "silhouettes": {str(k): value for k, value in (chosen.values if chosen else {}).items()},
            "words": f"{groups.words} {NO_LABELS}",
        },
        "duplicates": {
            "num_sets": near.num_sets,
            "num_pairs": len(near.pairs),
            "num_equal_pairs": int(near.equal.sum()),
            "cosine": near.threshold,
            "words": near.words,
        },
        "outliers": {"num": len(odd.rows), "distance": odd.threshold, "words": odd.words},
        "approximated": [*looked.approximated],
    }


def tables(made: Grouping) -> dict[str, pl.DataFrame]:
    """Return the tables by name; groups and sets count from 1, and none is null."""
    names = [*made.dataset.names]
    splits = {} if made.dataset.splits is None else {"split": [*made.dataset.splits]}
    looked = Looked(made.groups, made.duplicates, made.outliers, ())
    found = pl.DataFrame({"name": names, **splits, **columns_of_groups(looked)})
    return {"groups": found, **tables_of_some(looked, dict(enumerate(names)))}


def columns_of_groups(looked: Looked, rows: slice = slice(None)) -> dict[str, Any]:
    """Return what is found of each of some rows, as columns."""
    groups, near, odd = looked.groups, looked.duplicates, looked.outliers
    flagged = np.zeros(len(groups.group), bool)
    flagged[odd.rows] = True
    return {
        "group": _from_one(groups.group[rows]),
        "distance_to_center": pl.Series(groups.distance[rows], nan_to_null=True),
        "nearest_other_group": _from_one(groups.nearest_other[rows]),
        "duplicate_set": _from_one(near.sets[rows]),
        "neighbor_distance": odd.distance[rows],
        "outlier": flagged[rows],
    }


def tables_of_some(looked: Looked, names: Mapping[int, str]) -> dict[str, pl.DataFrame]:
    """Return the tables of near-duplicates and of outliers, with the names of their rows."""
    near, odd = looked.duplicates, looked.outliers.rows
    return {
        "duplicates": pl.DataFrame(
            {
                "set": _from_one(near.sets[near.pairs[:, 0]]),
                "name": [names[i] for i in near.pairs[:, 0].tolist()],
                "other": [names[i] for i in near.pairs[:, 1].tolist()],
                "cosine": near.cosines,
                "equal": near.equal,
            }
        ),
        "outliers": pl.DataFrame(
            {
                "name": [names[i] for i in odd.tolist()],
                "neighbor_distance": looked.outliers.distance[odd],
                "group": _from_one(looked.groups.group[odd]),
            }
        ),
    }


def _from_one(numbers: np.ndarray) -> pl.Series:
    return pl.Series(numbers + 1, dtype=pl.Int64).replace(0, None)


def _write(made: Grouping, file_format: str) -> None:
    for name, table in tables(made).items():
        for other in FORMATS.keys() - {file_format}:
            remove(made.folder / f"{name}.{other}")  # of an earlier call
        with replacing(made.folder / f"{name}.{file_format}") as path:
            FORMATS[file_format](table, path)
    made.found["files"] = [str(made.folder / f"{name}.{file_format}") for name in tables(made)]
    write_json(made.folder / "groups.json", json.loads(json.dumps(made.found)))
