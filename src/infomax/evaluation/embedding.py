"""Datasets to embeddings: global features, streamed in memory that does not grow with the number of rows.

Several processes (`num_ranks`) share the work: each of them calls these functions, and gets everything.
"""

import json
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from jaxtyping import Float
from torch import Tensor, nn

from infomax.errors import refuse
from infomax.files import replacing
from infomax.learning.data.dataset import Dataset
from infomax.learning.distributed.groups import block_of, num_ranks, rank, wait_for_all
from infomax.learning.encoders.features import Features
from infomax.learning.encoders.saving import PretrainedEncoder

DEFAULT_BATCH_SIZE = 512

Batches = Iterator[tuple[slice, Float[np.ndarray, "b d"]]]


def embed(
    encoder: PretrainedEncoder, dataset: Dataset, *, batch_size: int = DEFAULT_BATCH_SIZE
) -> Float[np.ndarray, "n d"]:
    """Return the global features of a dataset, float32, in memory."""
    return np.concatenate([features for _, features in _batches(encoder, dataset, batch_size)])


def embed_layers(
    encoder: PretrainedEncoder, dataset: Dataset, *, batch_size: int = DEFAULT_BATCH_SIZE
) -> dict[str, Float[np.ndarray, "n _"]]:
    """Return the outputs of inner layers by name, flattened, and last the global feature, "Y"; in memory."""
    blocks: dict[str, list[np.ndarray]] = {}
    for _, outputs in _outputs(encoder, dataset, batch_size, lambda f: {**f.layers, "Y": f.global_}):
        for name, output in outputs.items():
            blocks.setdefault(name, []).append(output)
    return {name: np.concatenate(parts) for name, parts in blocks.items()}


def new_file(out: str | Path) -> Path:
    """Return the path of a file for embeddings that does not exist yet.

    Raises:
        ValueError: its suffix is another than .parquet or .npy.
        FileExistsError: it exists.
    """
    out = Path(out)
    refuse(
        out.suffix not in (".parquet", ".npy"),
        f"embed: the suffix of {out} says no format; expected .parquet or .npy",
    )
    if out.exists():
        raise FileExistsError(f"embed: {out} exists; choose another file or move it away")
    return out


def embed_to_file(
    encoder: PretrainedEncoder, dataset: Dataset, out: str | Path, *, batch_size: int = DEFAULT_BATCH_SIZE
) -> Path:
    """Write global features to ``.parquet`` (name, embedding, split, label) or ``.npy`` ([n, d]), streamed.

    The first of several processes writes the file.

    Raises:
        ValueError: `out` has another suffix or lies in the folder of the data; the dataset is empty.
        FileExistsError: `out` exists.
    """
    out = new_file(out)
    if dataset.reading is not None:
        dataset.reading.refuse_inside("embed", out)
    refuse(not len(dataset), "embed: the dataset is empty; give at least one row")
    wait_for_all()  # until every process has looked for the file
    batches = _batches(encoder, dataset, batch_size)
    if rank() > 0:
        deque(batches, maxlen=0)  # takes part, and writes nothing
        return out
    with replacing(out) as path:
        write = _write_parquet if out.suffix == ".parquet" else _write_npy
        write(path, dataset, batches)
    return out


def _batches(encoder: PretrainedEncoder, dataset: Dataset, batch_size: int) -> Batches:
    for rows, outputs in _outputs(encoder, dataset, batch_size, lambda f: {"Y": f.global_}):
        yield rows, outputs["Y"]


def _outputs(
    encoder: PretrainedEncoder,
    dataset: Dataset,
    batch_size: int,
    wanted: Callable[[Features], dict[str, Tensor]],
) -> Iterator[tuple[slice, dict[str, Float[np.ndarray, "b _"]]]]:
    """Yield the wanted outputs of each batch, flattened, in the order of the dataset; on every rank.

    Rank r of R embeds the batches r, r + R, r + 2R, …. They are the batches of a single process, so the
    result is the same to the last bit. A rank holds its own batch and the one that arrives. A rank that is
    left without a batch in the end embeds the last one too; nobody uses that.
    """
    starts = range(0, len(dataset), batch_size)
    batches = [slice(start, min(start + batch_size, len(dataset))) for start in starts]
    for first in range(0, len(batches), num_ranks()):
        at_once = batches[first : first + num_ranks()]
        own = wanted(_embedded(encoder, dataset, at_once[min(rank(), len(at_once) - 1)]))
        own = {name: x.float().flatten(1) for name, x in own.items()}
        for owner, rows in enumerate(at_once):
            size = rows.stop - rows.start
            yield rows, {name: block_of(owner, x, size).cpu().numpy() for name, x in own.items()}


def _embedded(encoder: PretrainedEncoder, dataset: Dataset, rows: slice) -> Features:
    return encoder(dataset.batch(rows).to(device_of(encoder)))


def device_of(encoder: nn.Module) -> torch.device:
    """Return the device on which an encoder's parameters are."""
    return next(encoder.parameters()).device


def _write_parquet(path: Path, dataset: Dataset, batches: Batches) -> None:
    writer = None
    try:
        for rows, features in batches:
            values = pa.FixedSizeListArray.from_arrays(pa.array(features.ravel()), features.shape[1])
            columns = {"name": pa.array(list(dataset.names[rows]), pa.string()), "embedding": values}
            if dataset.splits is not None:
                columns["split"] = pa.array(list(dataset.splits[rows]), pa.string())
            if dataset.labelled:
                columns["label"] = pa.array(_label_names(dataset, rows), pa.string())
            if dataset.targets is not None:
                named = zip(dataset.targets.names, dataset.targets.values[rows].T, strict=True)
                columns |= {f"target {name}": pa.array(known, from_pandas=True) for name, known in named}
            table = pa.table(columns, metadata=_metadata(dataset))
            writer = writer or pq.ParquetWriter(path, table.schema)
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()


def _metadata(dataset: Dataset) -> dict[str, str]:
    """Return what was read, for the metadata of a file."""
    return {} if dataset.reading is None else {"infomax": json.dumps(dataset.reading.record)}


def _write_npy(path: Path, dataset: Dataset, batches: Batches) -> None:
    target = None
    for rows, features in batches:
        if target is None:
            shape = (len(dataset), features.shape[1])
            target = np.lib.format.open_memmap(path, "w+", np.float32, shape)
        target[rows] = features


def _label_names(dataset: Dataset, rows: slice) -> list[str | None]:
    labels = dataset.labels[rows]
    names = dataset.class_names(labels)
    return [None if label < 0 else name for label, name in zip(labels, names, strict=True)]
