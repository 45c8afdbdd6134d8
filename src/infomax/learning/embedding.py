"""Images or signals to embeddings: global features, streamed in memory that does not grow with n."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from jaxtyping import Float

from infomax.files import replacing
from infomax.learning.encoders import Features
from infomax.learning.pairing import Seen
from infomax.learning.pretrained import PretrainedEncoder


def embed(encoder: PretrainedEncoder, images: Seen, *, batch_size: int = 512) -> Float[np.ndarray, "n d"]:
    """Global features of all images, float32, in memory."""
    return np.concatenate([features for _, features in _batches(encoder, images, batch_size)])


def embed_layers(
    encoder: PretrainedEncoder, images: Seen, *, batch_size: int = 512
) -> dict[str, Float[np.ndarray, "n _"]]:
    """Outputs of the layers between, by name and flattened, and last the global feature, "Y"; in memory."""
    blocks: dict[str, list[np.ndarray]] = {}
    for _, features in _features(encoder, images, batch_size):
        for name, output in {**features.layers, "Y": features.global_}.items():
            blocks.setdefault(name, []).append(output.float().flatten(1).cpu().numpy())
    return {name: np.concatenate(parts) for name, parts in blocks.items()}


def embed_to_file(
    encoder: PretrainedEncoder, images: Seen, out: str | Path, *, batch_size: int = 512
) -> Path:
    """Write global features to ``.parquet`` (columns name, label, embedding) or ``.npy`` ([n, d]), streamed.

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
    with replacing(out) as path:
        writers[out.suffix](path, images, _batches(encoder, images, batch_size))
    return out


Batches = Iterator[tuple[slice, Float[np.ndarray, "b d"]]]


def _batches(encoder: PretrainedEncoder, images: Seen, batch_size: int) -> Batches:
    for rows, features in _features(encoder, images, batch_size):
        yield rows, features.global_.float().cpu().numpy()


def _features(encoder: PretrainedEncoder, images: Seen, batch_size: int) -> Iterator[tuple[slice, Features]]:
    device = next(encoder.parameters()).device
    with torch.inference_mode():
        for start in range(0, len(images), batch_size):
            rows = slice(start, min(start + batch_size, len(images)))
            yield rows, encoder(images.batch(rows).to(device))


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
