"""A stream: images of shards that are read, and decoded, again in every epoch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, final

import numpy as np
import pyarrow as pa
import xxhash
from jaxtyping import Float32, Int64, UInt8
from torch import Tensor

from infomax.errors import refuse
from infomax.learning.data.cache.folder import cache_folder
from infomax.learning.data.dataset import Dataset, Pairs, as_batch, fingerprint_of
from infomax.learning.data.gathering import Job, check_skipped, decode_block
from infomax.learning.data.images import image_decoder
from infomax.learning.data.labels.attaching import Things, attached
from infomax.learning.data.labels.choice import LabelChoice
from infomax.learning.data.labels.meaning import Labelled
from infomax.learning.data.pixels.ranges import AUTO, Pixels
from infomax.learning.data.reading import BROKEN, Reading
from infomax.learning.data.sources.source import Item
from infomax.learning.data.sources.splits import ALL, chosen
from infomax.learning.data.streaming.ahead import StreamedBatches, streamed
from infomax.learning.data.streaming.defaults import DEFAULT_WINDOW
from infomax.learning.data.streaming.schedule import Piece
from infomax.learning.data.streaming.shard import Shard, naming
from infomax.learning.data.streaming.shards import Shards, shards_at
from infomax.learning.data.targets import counted

NUM_EXAMPLES_FROM = 8
"""Shards that examples are taken from, at least; of small ones more, until there are as many."""


@final
@dataclass(frozen=True, eq=False, repr=False)
class Stream:
    """Images that are read from shards and decoded in each epoch; what a `Dataset` is to decoded ones.

    Attributes:
        shards: files of rows.
        counts: rows of each.
        job: how they are decoded.
        labels: of all rows, −1 for none, in the smallest integers that hold them.
        classes: label -> name.
        fingerprint: a hash of what the shards say of themselves, of labels and of the way of decoding.
        read: what was read, before anything was decoded.
        window: images that are put in a random order together.
        broken: what could not be decoded so far: its name, and why.
    """

    shards: Sequence[Shard]
    counts: Int64[np.ndarray, " s"]
    job: Job
    labels: np.ndarray
    classes: tuple[str, ...]
    fingerprint: str
    read: Reading
    window: int = DEFAULT_WINDOW
    broken: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.shape))
        return f"Stream({len(self)} of {shape} from {counted(len(self.shards), 'shard')})"

    @property
    def summary(self) -> str:
        """Return what is read of which source, in one line."""
        return str(self.reading)

    @property
    def parts(self) -> tuple["Stream"]:
        """The streams that a batch is made of: this one."""
        return (self,)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(c, h, w) of an image."""
        how = self.job.decoder.decode.keywords
        return how["channels"], *how["size"]

    @property
    def pixels(self) -> Pixels | None:
        """How values become stored pixels."""
        return self.job.decoder.pixels

    @property
    def reading(self) -> Reading:
        """Return what was read, and what of it could not be decoded so far."""
        return replace(self.read, left_out={BROKEN: self.skipped}) if self.broken else self.read

    @property
    def skipped(self) -> tuple[str, ...]:
        """``name: why`` for each image that could not be decoded so far; another one stood in for it."""
        return tuple(f"{name}: {why}" for name, why in sorted(self.broken.items()))

    def batches(self, batch_size: int, seed: int, *, order: Any = None, **share: Any) -> StreamedBatches:
        """Return batches with their labels, step after step without end; arguments as of `streamed`.

        `order`, which is of the rows of a `Dataset`, is not used: a stream has an order of its own.
        """
        return streamed(self, batch_size, seed, **share)

    def labels_at(self, rows: np.ndarray | slice) -> Int64[np.ndarray, " m"]:
        """Return the labels at `rows`."""
        return self.labels[rows].astype(np.int64)

    @cached_property
    def labelled(self) -> bool:
        """True where any row has a label."""
        return bool((self.labels >= 0).any())

    @property
    def num_classes(self) -> int:
        """The number of classes; 0 where no row has a label."""
        return len(self.classes) if self.labelled else 0

    @cached_property
    def _begins(self) -> Int64[np.ndarray, " s"]:
        return np.cumsum(self.counts) - self.counts

    def rows_of(self, piece: Piece) -> list[tuple[int, Item]]:
        """Return number and value of each row of a piece, not decoded.

        Raises:
            ValueError: the shard is damaged, or has fewer rows than it had.
        """
        shard, begin = self.shards[piece.shard], int(self._begins[piece.shard])
        with naming(shard):
            found = [*shard.rows(piece.first, piece.stop)]
        refuse(
            len(found) != piece.stop - piece.first,
            f"data: {shard.name} has changed while it was read: expected rows {piece.first:,} to "
            f"{piece.stop:,}, got {len(found):,} of them; start again",
        )
        numbered = enumerate(found, begin + piece.first)
        return [(number, Item(f"{shard.name}:{key}", value, None)) for number, (key, value) in numbered]

    def decoded(
        self, rows: Sequence[tuple[int, Item]], places: Sequence[int]
    ) -> tuple[np.ndarray, Int64[np.ndarray, " b"]]:
        """Return the images at some places among rows, and their numbers.

        For an image that cannot be decoded, the next one half of the rows further on stands in.

        Raises:
            ValueError: one cannot be decoded, unless such are skipped; none of the rows can.
        """
        values = decode_block([rows[place][1] for place in places], self.job)
        if not values.broken:
            return values.values, np.array([rows[place][0] for place in places], np.int64)
        each = [self._or_next(rows, place) for place in places]
        return np.concatenate([one for one, _ in each]), np.array([number for _, number in each], np.int64)

    def _or_next(self, rows: Sequence[tuple[int, Item]], place: int) -> tuple[np.ndarray, int]:
        """Return an image with its number, or what stands in for it."""
        half = len(rows) // 2
        for other in (place, *((place + half + step) % len(rows) for step in range(len(rows)))):
            number, item = rows[other]
            block = decode_block([item], self.job)
            if not block.broken:
                return block.values, number
            check_skipped(self.job, block.broken)
            self.broken[item.name] = block.broken[0].removeprefix(f"{item.name}: ")
        raise ValueError(
            f"stream: none of {counted(len(rows), 'image')} of {self.job.source.name} can be decoded, the "
            f"first is {rows[0][1].name}; expected {self.job.decoder.expected}; check the source"
        )

    def examples(self, num: int, seed: int) -> UInt8[Tensor, "b c h w"] | Float32[Tensor, "b c h w"]:
        """Return some images, from the beginnings of eight shards that the seed chooses, or more if small."""
        return next(self.example_batches(num, seed, num))

    def example_batches(self, num: int, seed: int, batch_size: int) -> Iterator[Tensor]:
        """Yield the `examples` in batches, of which one is decoded at a time."""
        order = np.random.default_rng(seed).permutation(np.flatnonzero(self.counts))
        enough = int(np.searchsorted(np.cumsum(self.counts[order]), num)) + 1
        some = order[: max(NUM_EXAMPLES_FROM, enough)]
        each = -(-num // len(some))
        if np.minimum(each, self.counts[some]).sum() < num:
            each = num
        pieces = [Piece(int(shard), 0, min(each, int(self.counts[shard]))) for shard in some]
        rows = [row for piece in pieces for row in self.rows_of(piece)][:num]
        for start in range(0, len(rows), batch_size):
            yield as_batch(self.decoded(rows, range(start, min(start + batch_size, len(rows))))[0])


Trainable = Dataset | Pairs | Stream
"""Everything that a recipe can be trained on."""


def stream_images(
    source: Any,
    *,
    split: str = "train",
    column: str | None = None,
    size: int | tuple[int, int] | None,
    channels: int = 3,
    range: str = AUTO,
    bits: int | None = None,
    pages: str = "first",
    labels: str | Path | None = None,
    skip_broken: bool = False,
    window: int = DEFAULT_WINDOW,
) -> Stream:
    """Return the images of shards, which training reads and decodes again in each epoch.

    Each shard is looked through once, without decoding, for the number of its rows and their labels; that is
    kept in the cache while name, size and time of the shard stay the same.

    Args:
        source: WebDataset (.tar) or Parquet files: one, a folder of them, a pattern such as
            ``photos-{00000..00127}.tar`` or ``photos/*.parquet``, or the address of any of these
            (``http://``, ``s3://``, ``gs://``, ``hf://datasets/owner/name``, … as fsspec reads them).
        split, column, size, channels, range, bits, pages, labels: as of `load_images`.
        skip_broken: let another image stand in for one that cannot be decoded, and list it in `.skipped`,
            instead of stopping there.
        window: images in sequence that are put in a random order together; two windows of files, not decoded,
            are in memory.

    Raises:
        FileNotFoundError: there is no such shard.
        ValueError: no such split or column; files of another kind; a damaged shard; an address that cannot
            be reached.
        MissingExtra: the package that reads such addresses is not installed.
    """
    refuse(
        not isinstance(source, str | Path),
        f"stream_images: received a {type(source).__name__}, expected a file, a folder, a pattern or an "
        "address of .tar or .parquet files; load_images takes other things",
    )
    refuse(window < 1, f"stream_images: window must be at least 1 image, got {window}")
    shards = shards_at(str(source), column)
    decoder = image_decoder(size, channels, Pixels(range, bits, pages))
    decoder = decoder.for_source(shards, column, cache_folder(True))
    return _stream(shards, Job(*chosen(shards, split), decoder, skip_broken, False), labels, window)


def _stream(shards: Shards, job: Job, labels: str | Path | None, window: int) -> Stream:
    """Return the stream of the splits that a job reads, with their labels."""
    splits = shards.splits if job.split == ALL else (job.split,)
    facts = [one for split in splits for one in shards.facts[split]]
    counts = np.array([one.num_rows for one in facts], np.int64)
    refuse(counts.sum() == 0, f"stream: {shards.name} holds no images; check the source")
    found, notes = _labels(job, pa.chunked_array([one.labels for one in facts], pa.string()), labels)
    each = {split: shards.count(split) for split in splits}
    how = f"streamed from {counted(len(facts), 'shard')}, {window:,} in a random order at a time"
    words = (*shards.notes, *notes, *job.decoder.findings, how)
    read = Reading(shards.name, job.decoder.files.noun, each, found.words, notes=words)
    of_values = xxhash.xxh3_128_hexdigest(repr([job.source.digest(job.split), _options(job)]).encode())
    known = fingerprint_of(of_values, (), found.labels, found.classes, None)
    every = [shard for split in splits for shard in shards.shards[split]]
    return Stream(every, counts, job, _compact(found.labels), found.classes, known, read, window)


def _options(job: Job) -> list[tuple[str, Any]]:
    return sorted(job.decoder.decode.keywords.items())


def _labels(job: Job, texts: pa.ChunkedArray, labels: str | Path | None) -> tuple[Labelled, tuple[str, ...]]:
    """Return the labels of all rows; the names of rows are looked up only where labels stand elsewhere."""
    choice = LabelChoice.parse(labels)
    own = choice.table is None and not choice.columns
    names = () if own else [name for name, _ in job.source.labels(job.split)]
    return attached(Things(job.source, job.split, names, texts), choice)


def _compact(labels: Int64[np.ndarray, " n"]) -> np.ndarray:
    """Return labels in the smallest integers that hold them; where no row has one, −1 without memory."""
    top = int(labels.max())
    if top < 0:
        return np.broadcast_to(np.int8(-1), labels.shape)
    return labels.astype(np.min_scalar_type(-1 - top))
