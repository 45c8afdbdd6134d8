"""Embeddings as NumPy arrays, written in parts; they load without pickle."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from zipfile import ZipFile

import numpy as np

from infomax.evaluation.outputs.rows import Batches, has_classes, record_of
from infomax.learning.data.dataset import Dataset

_BLOCK = 8192  # texts written at a time


def write_npy(path: Path, dataset: Dataset, batches: Batches) -> None:
    """Write the features as one array [n, d], in the order of the dataset; nothing else."""
    target = None
    for rows, features in batches:
        if target is None:
            shape = (len(dataset), features.shape[1])
            target = np.lib.format.open_memmap(path, "w+", np.float32, shape)
        target[rows] = features


def write_npz(path: Path, dataset: Dataset, batches: Batches) -> None:
    """Write arrays by name: features, names, and what else is known.

    These are labels (−1: none) and classes, targets (NaN: missing) and target_names, splits, and infomax:
    what was read, as JSON.
    """
    with ZipFile(path, "w", allowZip64=True) as archive:
        _add(archive, "features", len(dataset), (features for _, features in batches))
        _add_texts(archive, "names", dataset.names)
        if dataset.splits is not None:
            _add_texts(archive, "splits", dataset.splits)
        if has_classes(dataset):
            _add(archive, "labels", len(dataset), [dataset.labels])
            _add_texts(archive, "classes", dataset.classes)
        if dataset.targets is not None:
            _add(archive, "targets", len(dataset), [dataset.targets.values])
            _add_texts(archive, "target_names", dataset.targets.names)
        for name, text in record_of(dataset).items():
            _add_texts(archive, name, [text])


def _add(archive: ZipFile, name: str, num_rows: int, parts: Iterable[np.ndarray]) -> None:
    """Add an array to an archive, row by row from parts."""
    with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
        for number, part in enumerate(parts):
            if number == 0:
                form = np.lib.format.header_data_from_array_1_0(part[:0])
                shape = (num_rows, *part.shape[1:])
                np.lib.format.write_array_header_2_0(file, {**form, "shape": shape, "fortran_order": False})
            file.write(np.ascontiguousarray(part).tobytes())


def _add_texts(archive: ZipFile, name: str, texts: Sequence[str]) -> None:
    """Add texts as an array of as many letters each as the longest has."""
    width = max(1, max(map(len, texts), default=1))
    _add(archive, name, len(texts), _blocks(texts, width))


def _blocks(texts: Sequence[str], width: int) -> Iterator[np.ndarray]:
    for start in range(0, max(1, len(texts)), _BLOCK):
        yield np.array(list(texts[start : start + _BLOCK]), dtype=f"<U{width}")
