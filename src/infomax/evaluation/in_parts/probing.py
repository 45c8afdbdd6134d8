"""Probes of features in parts: the same probes as of features in memory, in memory that does not grow.

    parts → labels and splits → training rows and test rows, stored → probes, a block at a time

Two things grow with the number of rows: labels and what follows from them, in memory, and temporary files,
up to three times the size of the features. There is no random encoder and no raw data to compare with: only
the features are known.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, final

import numpy as np
import polars as pl
import pyarrow as pa
from jaxtyping import Bool, Float

from infomax.errors import refuse
from infomax.evaluation.clean import rows_of, tasks_of
from infomax.evaluation.given import Given
from infomax.evaluation.in_parts.files import batches, parts_in, record_of_part, tables
from infomax.evaluation.in_parts.nearest import index_for, search_in_words
from infomax.evaluation.options import CleanOptions
from infomax.evaluation.outputs.parts import weights_hash
from infomax.evaluation.probes import PROBES
from infomax.evaluation.probes.stored import StoredRows
from infomax.evaluation.protocols import Protocol
from infomax.evaluation.results import Assessment
from infomax.evaluation.splits import Split, labelled_split, split_by
from infomax.files import read_json
from infomax.learning.data.dataset import Dataset, Names
from infomax.learning.data.labels.choice import LabelChoice
from infomax.learning.data.labels.meaning import Asked, Labelled, meaning_of
from infomax.learning.data.labels.tables import joined, read_table
from infomax.learning.data.reading import Reading
from infomax.learning.data.sources.splits import ALL
from infomax.learning.distributed.groups import num_ranks
from infomax.learning.encoders.saving import PretrainedEncoder
from infomax.progress import stages

Mask = Bool[np.ndarray, " n"]

DEFAULT_PROBES = ("linear", "knn")
"""Probes of features in parts: those that do not hold all of them in memory."""


@final
@dataclass(frozen=True, eq=False)
class FeaturesInParts:
    """Features in parts, divided into training rows and test rows.

    Attributes:
        split: labels of both; nothing is seen in their rows.
        train, test: features.
    """

    split: Split
    train: StoredRows
    test: StoredRows

    @staticmethod
    def read(files: Sequence[Path], given: Given, noun: str, folder: str | Path) -> "FeaturesInParts":
        """Return what parts hold, with the labels that they have or that a table gives.

        Args:
            files: parts, all of them.
            given: the source, a split, labels.
            noun: one of the things that were embedded.
            folder: of the temporary files.

        Raises:
            ValueError: no labels, or such that are no classes; no such split; nothing is left to test on.
        """
        known, splits = _known(files, LabelChoice.parse(given.labels))
        whole = _rows(known, splits, f"{given.source}", noun, len(files))

        def load(split: str) -> Dataset:
            return whole if split == ALL else whole.subset(splits[split])

        split = split_by(given, _chosen(given, [*splits]), load)
        train, test = (
            _stored(files, _places(part, len(whole)), folder) for part in (split.train, split.test)
        )
        return FeaturesInParts(split, train, test)

    def evaluate(self, options: CleanOptions, *, name: str = "AMDIM") -> Assessment:
        """Return the accuracy of every probe, with all labels and with few.

        Raises:
            ValueError: nothing can be probed.
        """
        some = replace(options, probes=self._probes(options))
        tasks, notes = tasks_of(self.split, some)
        found = []
        with stages(len(tasks)) as stage:
            for task in tasks:
                stage.begin(task.name)
                found += [(name, labels, one) for labels, one in task.results(self.train, self.test).items()]
        rows = rows_of(found)
        return Assessment(
            rows, np.zeros((0, self.test.shape[1]), np.float32), notes=[*notes, *_searches(rows)]
        )

    def _probes(self, options: CleanOptions) -> Mapping[str, Any]:
        """Return the probes; neighbours among many rows are found by `InvertedLists`, if that can be."""
        probes = dict(options.chosen_probes)
        index = index_for(len(self.test), len(self.train), seed=options.seed)
        if index is not None and probes.get("knn") is PROBES["knn"]:
            settings = {"index": index}
            probes["knn"] = replace(PROBES["knn"], settings=settings, settings_of_draws={"index": None})
        return probes


def _searches(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return how neighbours were found where that is not exact, in lines."""
    return [
        f"neighbours are approximate: {search_in_words(row['settings'])}"
        for row in rows
        if "search" in row["settings"]
    ]


def _known(files: Sequence[Path], choice: LabelChoice) -> tuple[Labelled, dict[str, Mask]]:
    """Return the labels of all rows, and the rows of each split, train first."""
    refuse(
        choice.word or choice.columns,
        "evaluate: labels of features in parts come from their column label, or from a table: expected "
        f"--labels FILE.csv[:column], got {choice.word or ','.join(choice.columns)}",
    )
    wanted = ("name" if choice.table else "label", "split")
    some = [table for file in files for table in tables("evaluate", file, wanted)]
    column, splits = (_texts(some, name) for name in wanted)
    if choice.table is None:
        texts = _as_json(column)
        meaning = meaning_of(texts, Asked("column label", "FILE.csv", form=choice.form or "classes"))
    else:
        names = Names(_in_arrow(column))
        found = joined(read_table(choice.table), names, every=names, columns=choice.columns, form=choice.form)
        texts, meaning = found.texts, meaning_of(found.everywhere, found.asked)
    known = meaning.read(texts)
    refuse(
        not (known.labels >= 0).any(),
        f"evaluate: features in parts need classes, got {known.words}; give a table of them by --labels "
        "FILE.csv[:column], or evaluate numbers and tags on the data",
    )
    there = sorted(splits.unique().drop_nulls(), key=lambda name: (name != "train", name))
    return known, {name: splits.eq_missing(name).to_numpy() for name in there}


def _texts(some: Sequence[pl.DataFrame], column: str) -> pl.Series:
    """Return a column of all batches; null where there is none."""
    none = pl.lit(None, pl.String).alias(column)
    each = [(one if column in one.columns else one.with_columns(none))[column] for one in some]
    return pl.concat([one.cast(pl.String) for one in each])


def _in_arrow(texts: pl.Series) -> pa.ChunkedArray:
    return pa.chunked_array([texts.to_arrow().cast(pa.string())])


def _as_json(names: pl.Series) -> pa.ChunkedArray:
    """Return names of classes as labels are kept: as JSON."""
    there = names.unique().drop_nulls()
    texts = [json.dumps(one, ensure_ascii=False) for one in there]
    return _in_arrow(names.replace_strict(there, pl.Series(texts, dtype=pl.String)))


def _rows(known: Labelled, splits: Mapping[str, Mask], source: str, noun: str, num_parts: int) -> Dataset:
    """Return rows of which only the labels are known; the name of each is its number."""
    n = len(known.labels)
    names = Names(pa.chunked_array([pa.array(np.arange(n)).cast(pa.string())]))
    each = {name: int(mask.sum()) for name, mask in splits.items()} or {ALL: n}
    reading = Reading(source, noun, each, known.words, notes=(f"features in {num_parts} parts",))
    nothing = np.empty((n, 0, 0), np.float32)
    return Dataset(nothing, known.labels, names, known.classes, reading=reading)


def _chosen(given: Given, names: Sequence[str]) -> tuple[str, ...]:
    """Return the splits to take: the one that was asked for, else those that there are, train first."""
    if given.split is None:
        return tuple(names) if "train" in names else (ALL,)
    refuse(
        given.split not in (*names, ALL),
        f"evaluate: {given.source} has no split {given.split}; expected {', '.join([*names, ALL])}",
    )
    return (given.split,)


def _places(part: Dataset, num_rows: int) -> Mask:
    """Return where the rows of a part are among all."""
    assert isinstance(part.names, Names)
    places = np.zeros(num_rows, bool)
    places[np.asarray(part.names.column.cast(pa.int64()))] = True
    return places


def _stored(files: Sequence[Path], mask: Mask, folder: str | Path) -> StoredRows:
    """Return the features of the rows of a mask."""

    def some() -> Iterator[Float[np.ndarray, "b d"]]:
        first = 0
        for batch in batches("evaluate", files):
            yield batch[mask[first : first + len(batch)]]
            first += len(batch)

    return StoredRows.of(some(), folder)


def prepared(
    given: Given, encoder: PretrainedEncoder, protocol: Protocol, folder: str | Path
) -> tuple[Split, Callable[..., Assessment]]:
    """Return the training and test part of data, and what evaluates an encoder on them.

    Args:
        given: data, or features of the encoder in parts (`parts_in`).
        encoder: what is evaluated.
        protocol: how.
        folder: of temporary files.

    Raises:
        ValueError: as `labelled_split`; parts of another encoder; a protocol that needs the data themselves.
    """
    files = parts_in(given.source)
    if not files:
        split = labelled_split(given, encoder.views)
        return split, partial(protocol.evaluate, encoder, split)
    refuse(
        protocol.name != "clean",
        f"evaluate: the {protocol.name} protocol needs the data, got features in parts; use clean",
    )
    refuse(given.groups, "evaluate: --groups is for the data themselves, got features in parts; leave it out")
    refuse(num_ranks() > 1, f"evaluate: features in parts are probed by one process, got {num_ranks()}")
    _check_encoder(files[0], encoder)
    features = FeaturesInParts.read(files, given, encoder.views.noun, folder)
    return features.split, features.evaluate


def _check_encoder(part: Path, encoder: PretrainedEncoder) -> None:
    """Check that parts are by this encoder, which their record tells."""
    record = read_json(record_of_part(part), "evaluate", "embed anew by `infomax embed --parts`")
    refuse(
        record.get("encoder") != weights_hash(encoder),
        f"evaluate: {part.parent} holds features by another encoder; expected those by "
        "`infomax embed --parts` of this run",
    )
