"""Datasets to embeddings: a representation of each row, streamed in memory that does not grow with rows.

Several processes (`num_ranks`) share the work: each of them calls these functions, and gets everything.

The features of an image depend on the size of its batch and on the number of threads in rounding only:
products are summed in another order. Tests allow a difference of `MAX_ROUNDING` of the largest feature, in
float32. Embedded again in the same way, they are the same.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from infomax.errors import refuse
from infomax.evaluation.outputs.formats import format_of
from infomax.evaluation.outputs.parts import (
    begin_or_go_on,
    check_num_parts,
    part_path,
    rows_of_part,
    weights_hash,
)
from infomax.evaluation.outputs.rows import Batches, without_idle_classes
from infomax.files import replacing
from infomax.learning.data.dataset import Dataset
from infomax.learning.distributed.groups import block_of, num_ranks, rank, wait_for_all
from infomax.learning.encoders.features import Features, features_of_rows
from infomax.learning.encoders.saving import PretrainedEncoder
from infomax.progress import Stages, stages

DEFAULT_BATCH_SIZE = 512
MAX_ROUNDING = 1e-5
"""Difference between features of the same image from other batches or threads, as a share of the largest."""


def embed(
    encoder: PretrainedEncoder, dataset: Dataset, *, batch_size: int = DEFAULT_BATCH_SIZE
) -> Float[np.ndarray, "n d"]:
    """Return the representation of each row of a dataset, float32, in memory."""
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


def new_file(out: str | Path, columns: bool = False) -> Path:
    """Return the path of a file for embeddings that does not exist yet; arguments are those of `format_of`.

    Raises:
        ValueError: no kind of file has its suffix.
        FileExistsError: it exists.
    """
    format_of(out, columns)
    out = Path(out)
    if out.exists():
        raise FileExistsError(f"embed: {out} exists; choose another file or move it away")
    return out


def embed_to_file(
    encoder: PretrainedEncoder,
    dataset: Dataset,
    out: str | Path,
    *,
    batch_size: int = DEFAULT_BATCH_SIZE,
    columns: bool = False,
) -> Path:
    """Write representations with names, labels, targets and splits to a file, streamed.

    The suffix says how: ``.parquet`` (name, embedding, split, label, …), ``.csv``, ``.csv.gz`` or ``.tsv`` (a
    column for each feature), ``.npy`` ([n, d] and nothing else), ``.npz`` (features, names, labels, …) or
    ``.h5ad`` (AnnData). What was read is recorded where the format can hold it. The first of several
    processes writes the file.

    Args:
        encoder: gives the features.
        dataset: what is seen.
        out: the file.
        batch_size: rows embedded at a time.
        columns: in Parquet, a column for each feature, too.

    Raises:
        ValueError: `out` has another suffix or lies in the folder of the data; the dataset is empty.
        FileExistsError: `out` exists.
    """
    out = new_file(out, columns)
    if dataset.reading is not None:
        dataset.reading.refuse_inside("embed", out)
    refuse(not len(dataset), "embed: the dataset is empty; give at least one row")
    dataset = without_idle_classes(dataset)
    wait_for_all()  # until every process has looked for the file
    batches = _batches(encoder, dataset, batch_size)
    if rank() > 0:
        deque(batches, maxlen=0)  # takes part, and writes nothing
        return out
    with stages() as progress, replacing(out) as path:
        progress.begin("embedding", len(dataset), "rows")
        format_of(out).chosen(columns)(path, dataset, _counted(batches, progress))
    return out


def embed_to_parts(
    encoder: PretrainedEncoder,
    dataset: Dataset,
    out: str | Path,
    num_parts: int,
    *,
    batch_size: int = DEFAULT_BATCH_SIZE,
    columns: bool = False,
) -> list[Path]:
    """Write what `embed_to_file` writes into several files, ``features-00007-of-00064.parquet``.

    Each part is written beside its place and renamed when it is whole. A call that was stopped goes on with
    the parts that are missing, if encoder, data and settings are the same. Of several processes each writes
    parts of its own, and sends nothing to the others. Memory does not grow with rows or parts.

    Args:
        encoder: gives the features.
        dataset: what is seen.
        out: the name without the number of the part, such as features.parquet; the suffix says the format.
        num_parts: files, of about equally many rows each.
        batch_size: rows embedded at a time.
        columns: in Parquet, a column for each feature, too.

    Returns:
        The files of all parts, in the order of the dataset.

    Raises:
        ValueError: as `embed_to_file`; more parts than rows; parts of another encoder or of other data.
    """
    writing = format_of(out, columns).chosen(columns)
    begin_parts(encoder, dataset, out, num_parts, batch_size=batch_size, columns=columns)
    dataset = without_idle_classes(dataset)
    paths = [part_path(out, number, num_parts) for number in range(num_parts)]
    own = [number for number in range(rank(), num_parts, num_ranks()) if not paths[number].exists()]
    with stages() if rank() == 0 else nullcontext() as progress:
        if progress is not None:
            progress.begin("embedding", len(own), "parts")
        for done, number in enumerate(own, 1):
            part = dataset.subset(rows_of_part(len(dataset), number, num_parts))
            with replacing(paths[number]) as beside:
                writing(beside, part, _own_batches(encoder, part, batch_size))
            if progress is not None:
                progress.reach(done)
    wait_for_all()
    return paths


def begin_parts(
    encoder: PretrainedEncoder,
    dataset: Dataset,
    out: str | Path,
    num_parts: int,
    *,
    batch_size: int = DEFAULT_BATCH_SIZE,
    columns: bool = False,
) -> None:
    """Begin the parts, or check that those that are there can be gone on with; as `embed_to_parts` does.

    The first of several processes looks, and the others wait for it.
    """
    if dataset.reading is not None:
        dataset.reading.refuse_inside("embed", out)
    check_num_parts(num_parts, len(dataset))
    if rank() == 0:
        made_of = {"encoder": weights_hash(encoder), "data": dataset.fingerprint, "num_rows": len(dataset)}
        begin_or_go_on(out, num_parts, {**made_of, "batch_size": batch_size, "columns": columns})
    wait_for_all()


def _own_batches(encoder: PretrainedEncoder, dataset: Dataset, batch_size: int) -> Batches:
    """Yield the features of each batch, embedded by this process alone."""
    for start in range(0, len(dataset), batch_size):
        rows = slice(start, min(start + batch_size, len(dataset)))
        yield rows, features_of_rows(encoder, dataset, rows).representation.float().flatten(1).cpu().numpy()


def _counted(batches: Batches, progress: Stages) -> Batches:
    for rows, features in batches:
        yield rows, features
        progress.reach(rows.stop)


def _batches(encoder: PretrainedEncoder, dataset: Dataset, batch_size: int) -> Batches:
    for rows, outputs in _outputs(encoder, dataset, batch_size, lambda f: {"Y": f.representation}):
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
        own = wanted(features_of_rows(encoder, dataset, at_once[min(rank(), len(at_once) - 1)]))
        own = {name: x.float().flatten(1) for name, x in own.items()}
        for owner, rows in enumerate(at_once):
            size = rows.stop - rows.start
            yield rows, {name: block_of(owner, x, size).cpu().numpy() for name, x in own.items()}


def device_of(encoder: nn.Module) -> torch.device:
    """Return the device on which an encoder's parameters are."""
    return next(encoder.parameters()).device
