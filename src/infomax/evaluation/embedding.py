"""Images or signals to embeddings: global features, streamed in memory that does not grow with n."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float
from torch import Tensor

from infomax.files import replacing
from infomax.learning.distributed.groups import block_of, num_ranks, rank, wait_for_all
from infomax.learning.encoders.amdim import Features
from infomax.learning.encoders.saving import PretrainedEncoder
from infomax.learning.views.pairing import Seen


def embed(encoder: PretrainedEncoder, images: Seen, *, batch_size: int = 512) -> Float[np.ndarray, "n d"]:
    """Global features of all images, float32, in memory.

    Of several processes (`distributed.num_ranks`) each calls this, and gets all; so for the functions below.
    """
    return np.concatenate([features for _, features in _batches(encoder, images, batch_size)])


def embed_layers(
    encoder: PretrainedEncoder, images: Seen, *, batch_size: int = 512
) -> dict[str, Float[np.ndarray, "n _"]]:
    """Outputs of the layers between, by name and flattened, and last the global feature, "Y"; in memory."""
    blocks: dict[str, list[np.ndarray]] = {}
    for _, outputs in _outputs(encoder, images, batch_size, lambda f: {**f.layers, "Y": f.global_}):
        for name, output in outputs.items():
            blocks.setdefault(name, []).append(output)
    return {name: np.concatenate(parts) for name, parts in blocks.items()}


def embed_to_file(
    encoder: PretrainedEncoder, images: Seen, out: str | Path, *, batch_size: int = 512
) -> Path:
    """Write global features to ``.parquet`` (columns name, label, embedding) or ``.npy`` ([n, d]), streamed.

    Of several processes, the first writes the file.

    Raises:
        ValueError: another suffix, or no images.
        FileExistsError: `out` exists.
    """
    out = Path(out)
    writers = {".parquet": _write_parquet, ".npy": _write_npy}
    if out.suffix not in writers:
        raise ValueError(f"embed: the suffix of {out} says no format; expected .parquet or .npy")
    if out.exists():
        raise FileExistsError(f"embed: {out} exists; choose another file or move it away")
    if not len(images):
        raise ValueError("embed: no images")
    wait_for_all()  # to have looked, before one writes
    batches = _batches(encoder, images, batch_size)
    if rank() > 0:
        deque(batches, maxlen=0)  # takes part, and writes nothing
        return out
    with replacing(out) as path:
        writers[out.suffix](path, images, batches)
    return out


Batches = Iterator[tuple[slice, Float[np.ndarray, "b d"]]]


def _batches(encoder: PretrainedEncoder, images: Seen, batch_size: int) -> Batches:
    for rows, outputs in _outputs(encoder, images, batch_size, lambda f: {"Y": f.global_}):
        yield rows, outputs["Y"]


def _outputs(
    encoder: PretrainedEncoder,
    images: Seen,
    batch_size: int,
    wanted: Callable[[Features], dict[str, Tensor]],
) -> Iterator[tuple[slice, dict[str, Float[np.ndarray, "b _"]]]]:
    """What is wanted of each batch, flattened, in the order of the images; on every rank.

    Of R ranks, r embeds the batches r, r + R, r + 2R, …, which are those of one process, so that the result
    is the same to the last bit; each holds its own batch and the one that arrives. A rank that is left
    without a batch in the end embeds the last one too, which nobody sees.
    """
    starts = range(0, len(images), batch_size)
    batches = [slice(start, min(start + batch_size, len(images))) for start in starts]
    for first in range(0, len(batches), num_ranks()):
        at_once = batches[first : first + num_ranks()]
        own = wanted(_embedded(encoder, images, at_once[min(rank(), len(at_once) - 1)]))
        own = {name: x.float().flatten(1) for name, x in own.items()}
        for owner, rows in enumerate(at_once):
            size = rows.stop - rows.start
            yield rows, {name: block_of(owner, x, size).cpu().numpy() for name, x in own.items()}


def _embedded(encoder: PretrainedEncoder, images: Seen, rows: slice) -> Features:
    return encoder(images.batch(rows).to(next(encoder.parameters()).device))


def _write_parquet(path: Path, images: Seen, batches: Batches) -> None:
    writer = None
    try:
        for rows, features in batches:
            values = pa.FixedSizeListArray.from_arrays(pa.array(features.ravel()), features.shape[1])
            columns = {"name": pa.array(list(images.names[rows]), pa.string()), "embedding": values}
            if images.labelled:
                columns["label"] = pa.array(_label_names(images, rows), pa.string())
            table = pa.table(columns)
            writer = writer or pq.ParquetWriter(path, table.schema)
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()


def _write_npy(path: Path, images: Seen, batches: Batches) -> None:
    target = None
    for rows, features in batches:
        if target is None:
            shape = (len(images), features.shape[1])
            target = np.lib.format.open_memmap(path, "w+", np.float32, shape)
        target[rows] = features


def _label_names(images: Seen, rows: slice) -> Sequence[str | None]:
    return [
        None if label < 0 else images.classes[label] if images.classes else str(label)
        for label in images.labels[rows]
    ]
