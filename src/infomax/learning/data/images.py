"""Any source of images -> uint8 pixels in memory or memory-mapped, decoded once.

Three small ideas in a row: a source gives a stream of undecoded items (`image_sources`), the decoder turns
one item into uint8 [h, w, c], and the store gathers them: in memory, or on disk under a key made of content.
"""

import io
import itertools
import json
import os
import shutil
import tempfile
import time
import uuid
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple, overload

import numpy as np
import pyarrow as pa
import torch
import xxhash
from filelock import FileLock
from jaxtyping import Int64, UInt8
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from infomax.learning.data.sources import Item, Source, choose_split, label_index, open_source, unpacked

FORMAT_VERSION = 1  # of the decoder and of the cache; a change leaves older entries unused


@dataclass(frozen=True, eq=False, repr=False)
class Images:
    """Decoded images: uint8 pixels [n, h, w, c], in memory or memory-mapped, with names and (maybe) labels.

    Attributes:
        pixels: uint8 [n, h, w, c]; read-only when memory-mapped.
        labels: int64 [n], indices into `classes`; -1 = no label.
        names: one id an image: its path relative to the folder, or ``file.parquet:row``.
        classes: label index -> name; () when unlabelled.
        skipped: ``name: why`` of the broken images left out.

    Example:
        >>> import numpy as np
        >>> images = Images(np.zeros((2, 4, 4, 3), np.uint8), np.array([0, -1]), ["a", "b"], ("cat",))
        >>> images, tuple(images.batch(slice(0, 1)).shape)
        (Images(2 x 4 x 4 x 3, 1 labelled in 1 classes), (1, 3, 4, 4))
    """

    pixels: UInt8[np.ndarray, "n h w c"]
    labels: Int64[np.ndarray, " n"]
    names: Sequence[str]
    classes: tuple[str, ...]
    skipped: tuple[str, ...] = ()
    known_fingerprint: str | None = None

    def __post_init__(self):
        if not len(self.pixels) == len(self.labels) == len(self.names):
            raise ValueError(
                f"Images: received {len(self.pixels)} images, {len(self.labels)} labels, {len(self.names)} "
                "names; expected as many of each (label -1: none)"
            )

    def __len__(self) -> int:
        return len(self.pixels)

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.pixels.shape))
        return f"Images({shape}, {(self.labels >= 0).sum()} labelled in {len(self.classes)} classes)"

    def batch(self, indices: np.ndarray | slice) -> UInt8[Tensor, "b c h w"]:
        """The images at `indices` as a tensor of its own, in channels_last memory format."""
        pixels = np.asarray(self.pixels)[indices]
        own = pixels.copy() if isinstance(indices, slice) else pixels
        return torch.from_numpy(own).permute(0, 3, 1, 2)

    def subset(self, indices: np.ndarray | slice) -> "Images":
        """The images at `indices`: a view for a slice, a copy in memory otherwise."""
        where = np.arange(len(self))[indices]
        names = (
            self.names.take(where) if isinstance(self.names, Names) else [self.names[int(i)] for i in where]
        )
        return Images(self.pixels[indices], self.labels[indices], names, self.classes)

    @property
    def labelled(self) -> bool:
        """Whether any image has a label."""
        return bool((self.labels >= 0).any())

    @cached_property
    def fingerprint(self) -> str:
        """A hash of pixels, labels and classes, the same however the images are stored."""
        if self.known_fingerprint is not None:
            return self.known_fingerprint
        hasher = _Fingerprint()
        for start in range(0, len(self), 4096):
            hasher.update(self.pixels[start : start + 4096], self.labels[start : start + 4096])
        return hasher.hexdigest(self.classes)


class Names(Sequence[str]):
    """Names in an Arrow column, which may be memory-mapped: a million cost no Python objects."""

    def __init__(self, column: pa.ChunkedArray):
        self._column = column

    def __len__(self) -> int:
        return len(self._column)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index):
        if isinstance(index, slice):
            return self.take(np.arange(len(self))[index])
        return self._column[int(index)].as_py()

    def __iter__(self) -> Iterator[str]:
        for chunk in self._column.iterchunks():
            yield from chunk.to_pylist()

    def take(self, indices: np.ndarray) -> "Names":
        """The names at `indices`."""
        return Names(self._column.take(pa.array(indices)))


class _Fingerprint:
    """xxh3 of images that arrive in blocks; independent of how they are cut into blocks."""

    def __init__(self):
        self._pixels, self._labels, self._shape = xxhash.xxh3_128(), xxhash.xxh3_128(), ()

    def update(self, pixels: np.ndarray, labels: np.ndarray) -> None:
        self._pixels.update(np.ascontiguousarray(pixels).data)
        self._labels.update(np.ascontiguousarray(labels).data)
        self._shape = pixels.shape[1:]

    def hexdigest(self, classes: tuple[str, ...]) -> str:
        parts = [self._pixels.hexdigest(), self._labels.hexdigest(), list(self._shape), list(classes)]
        return xxhash.xxh3_128_hexdigest(json.dumps(parts).encode())


# --- the public functions ---------------------------------------------------------------------------------


def available_splits(source: Any, column: str | None = None) -> tuple[str, ...]:
    """Names of the splits of `source`, train first.

    Args:
        source, column: as of `load_images`.

    >>> available_splits("digits")
    ('train', 'test')
    """
    return open_source(source, column).splits


def load_images(
    source: Any,
    *,
    split: str = "train",
    column: str | None = None,
    size: int | tuple[int, int],
    channels: int = 3,
    skip_broken: bool = False,
    cache: str | Path | bool | None = True,
    memory_limit: int | None = None,
    progress: bool = True,
) -> Images:
    """Images of `source`, decoded once, scaled to cover `size` (antialiased bicubic), cropped in the centre.

    An image that already has the size keeps its pixels bit for bit. Orientation tags are applied,
    transparency is laid on white, 16-bit grey is divided by 257, of an animation the first frame is taken,
    colour profiles are ignored.

    Args:
        source: ``"digits"`` or ``"photographs"`` (built in); a folder of image files with or without class
            folders, perhaps below train/, test/, ...; likewise a folder of .npy files [h, w, c]; Parquet,
            Arrow or WebDataset (.tar) files or a folder of them; .npy [n, h, w, c];
            ``hf:owner/name[:configuration][@revision]``; a sequence of images, of (image, label) pairs or of
            {"image": ..., "label": ...}; {split: sequence}; a Hugging Face dataset.
        split: one of `available_splits(source)`.
        column: of a table or of mappings, the column that holds the images (WebDataset: the field, such as
            ``left.png``); by default the first that has the type or a usual name of an image.
        size: side in pixels, or (height, width).
        channels: 3 (colour), 1 (grey), or any other number: of arrays [h, w, c] with exactly so many
            channels, each scaled by itself; picture files are an error then.
        skip_broken: leave out images that cannot be decoded and list them in `.skipped`, instead of stopping.
        cache: where decoded images are kept, memory-mapped and found again by their content: True for
            $INFOMAX_CACHE or ~/.cache/infomax, a folder, or None for nowhere. Python sequences have no
            content key and are decoded each time.
        memory_limit: bytes of pixels to hold in memory if there is no cache; beyond it they are mapped from a
            temporary file. By default 40 % of the available memory.
        progress: show a bar on stderr.

    Returns:
        Images. The same class has the same id in every split.

    Raises:
        FileNotFoundError: there is no such source, or no image in it.
        ValueError: no such split or column, a broken image (named), an impossible size.
        OSError: the cache cannot be written.

    Example:
        >>> digits = load_images("digits", split="test", size=32, channels=1, progress=False)
        >>> digits.pixels.shape, digits.classes[digits.labels[0]]
        ((450, 32, 32, 1), '1')
    """
    decode = partial(decode_image, size=_height_width(size), channels=_checked_channels(channels))
    opened = open_source(source, column)
    job = _Job(opened, choose_split(opened, split), decode, skip_broken, progress)
    limit = _default_memory_limit() if memory_limit is None else memory_limit
    folder = _cache_folder(cache)
    digest = opened.digest(job.split) if folder else None
    if folder is None or digest is None:
        return _gather_temporarily(job, limit)
    key = [FORMAT_VERSION, digest, job.split, opened.classes, _height_width(size), channels]
    key += [] if column is None else [column]
    return _cached(folder / xxhash.xxh3_128_hexdigest(json.dumps(key).encode()), job, limit)


def _height_width(size: int | tuple[int, int]) -> tuple[int, int]:
    height, width = size if isinstance(size, tuple) else (size, size)
    if height < 1 or width < 1:
        raise ValueError(
            f"load_images: size must be at least 1 pixel, got {size}; give a side or (height, width)"
        )
    return height, width


def _checked_channels(channels: int) -> int:
    if channels < 1:
        raise ValueError(
            f"load_images: channels must be at least 1, got {channels}; give 3 (colour), 1 (grey), or as "
            "many as your arrays have"
        )
    return channels


# --- the decoder: one image -> uint8 [h, w, c] --------------------------------------------------------------


def decode_image(image: Any, *, size: tuple[int, int], channels: int = 3) -> UInt8[np.ndarray, "h w c"]:
    """One image (a file or its bytes, PIL image, array [h, w(, c)], tensor [c, h, w]) as uint8 [h, w, c].

    >>> decode_image(np.full((8, 8), 7, np.uint8), size=(2, 2), channels=1)[..., 0].tolist()
    [[7, 7], [7, 7]]
    """
    height, width = size
    if channels not in (1, 3):
        planes = [_fit(Image.fromarray(plane), size) for plane in _planes(image, channels)]
        return np.stack(planes, axis=-1)
    upright = ImageOps.exif_transpose(_open(image, at_least=3 * max(size)))
    converted = _convert(upright, "RGB" if channels == 3 else "L")
    return _fit(converted, size).reshape(height, width, channels)


def _fit(image: Image.Image, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(ImageOps.fit(image, (size[1], size[0]), Image.Resampling.BICUBIC))


def _planes(image: Any, channels: int) -> UInt8[np.ndarray, "c h w"]:
    """The channels of an array, one by one: what takes no pictures, which have 1 or 3."""
    given = _given(image)
    if isinstance(given, bytes | Image.Image):
        raise ValueError(
            f"received a picture, which has 1 or 3 channels, expected an array [h, w, {channels}]; "
            "load pictures as colour (3 channels) or grey (1)"
        )
    array = _channels_last(given, (channels,))
    if array.ndim != 3 or array.shape[-1] != channels:
        raise ValueError(
            f"received an array {list(array.shape)}, expected [h, w, {channels}] or [{channels}, h, w]"
        )
    return np.ascontiguousarray(np.moveaxis(_to_uint8(array), -1, 0))


def _open(image: Any, at_least: int) -> Image.Image:
    match _given(image):
        case bytes() as data:
            return _open_bytes(data, at_least)
        case Image.Image() as opened:
            return opened
        case array:
            return _from_array(_channels_last(array, (1, 3, 4)))


def _given(image: Any) -> bytes | Image.Image | Tensor | np.ndarray:
    """What an item holds, files read: the bytes of a picture, a picture, or an array."""
    match image:
        case Exception():
            raise image
        case None:
            raise ValueError("there is no image (null)")
        case dict():
            return _given(image["path"] if image.get("bytes") is None else image["bytes"])
        case str() | Path():
            return _given(Path(image).read_bytes())
        case bytes():
            return unpacked(image)
        case Image.Image() | Tensor():
            return image
        case _:
            return np.asarray(image)


def _channels_last(array: Tensor | np.ndarray, counts: tuple[int, ...]) -> np.ndarray:
    """[h, w, c] of an array [h, w, c] or [c, h, w], c one of `counts`; of tensors first the latter."""
    axes = (0, -1) if isinstance(array, Tensor) else (-1, 0)
    pixels = array.detach().cpu().numpy() if isinstance(array, Tensor) else array
    if pixels.ndim != 3:
        return pixels
    return np.moveaxis(pixels, next((axis for axis in axes if pixels.shape[axis] in counts), -1), -1)


def _open_bytes(data: bytes, at_least: int) -> Image.Image:
    if not data:
        raise ValueError("the file is empty (0 bytes)")
    try:
        image = Image.open(io.BytesIO(data), formats=_formats())
    except UnidentifiedImageError:
        raise ValueError("it is not an image in a format that Pillow reads") from None
    image.draft(None, (at_least, at_least))  # decode a large JPEG at 1/2, 1/4 or 1/8, still 3 times too large
    return image


@cache
def _formats() -> list[str]:
    Image.init()
    return [name for name in Image.OPEN if name != "EPS"]  # EPS would run Ghostscript


def _from_array(array: np.ndarray) -> Image.Image:
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[-1] not in (1, 3, 4)):
        raise ValueError(
            f"received an array {list(array.shape)}, expected [h, w], [h, w, c] or [c, h, w]; c = 1, 3, 4"
        )
    pixels = _to_uint8(array)
    return Image.fromarray(pixels[..., 0] if pixels.ndim == 3 and pixels.shape[-1] == 1 else pixels)


def _to_uint8(array: np.ndarray) -> np.ndarray:
    """uint8 as it is; booleans and floats from [0, 1], uint16 from [0, 65535]; other integers must fit."""
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    top = 65535 if array.dtype == np.uint16 else 255 if array.dtype.kind in "iu" else 1
    if not (array.min() >= 0 and array.max() <= top):
        raise ValueError(
            f"received {array.dtype} values from {array.min()} to {array.max()}, expected 0 to {top}; "
            "give the pixels before normalisation"
        )
    return np.round(array.astype(np.float64) * (255 / top)).astype(np.uint8)


def _convert(image: Image.Image, mode: str) -> Image.Image:
    """`image` in `mode` (L or RGB): transparency on white, 16-bit scaled rather than clipped."""
    if image.mode == "I":
        image = Image.fromarray(_to_uint8(_as_uint16(np.asarray(image))))
    elif image.mode == "F" or image.mode.startswith("I;16"):
        image = Image.fromarray(_to_uint8(np.asarray(image)))
    elif image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    if image.mode not in ("1", "L", "RGB"):
        image = image.convert("RGB")
    return image.convert(mode)


def _as_uint16(array: np.ndarray) -> np.ndarray:
    if array.min() < 0 or array.max() > 65535:
        raise ValueError(
            f"received 32-bit values from {array.min()} to {array.max()}, expected 0 to 65535; rescale it"
        )
    return array.astype(np.uint16)


# --- decoding a stream ------------------------------------------------------------------------------------


class _Job(NamedTuple):
    """What is to be decoded, and how."""

    source: Source
    split: str
    decode: Callable[[Any], np.ndarray]
    skip_broken: bool
    progress: bool


class _Block(NamedTuple):
    """Some decoded images, and the ones among them that could not be decoded."""

    names: list[str]
    pixels: np.ndarray
    labels: np.ndarray
    broken: list[str]


_BLOCK = 32  # images decoded by one task
_SLOW = 2e-3  # seconds an image; below it threads only contend for the interpreter


def _decode_block(items: Sequence[Item], job: _Job) -> _Block:
    names, pixels, labels, broken = [], [], [], []
    for item in items:
        label = label_index(item, job.source.classes)
        try:
            pixels.append(job.decode(item.image))
        except (
            Exception
        ) as error:  # Pillow raises nearly anything; the caller reports it with the item's name
            broken.append(f"{item.name}: {' '.join(str(error).split()) or type(error).__name__}")
        else:
            names.append(item.name)
            labels.append(label)
    return _Block(names, np.array(pixels, np.uint8), np.array(labels, np.int64), broken)


def _decoded(job: _Job) -> Iterator[_Block]:
    """Blocks in the order of the source: one by one until one is slow, from then on by threads."""
    items = job.source.items(job.split)
    blocks = iter(lambda: list(itertools.islice(items, _BLOCK)), [])
    for block in blocks:
        start = time.perf_counter()
        decoded = _decode_block(block, job)
        is_slow = time.perf_counter() - start > _SLOW * _BLOCK
        yield decoded
        if is_slow:
            yield from _decoded_by_threads(blocks, job, os.cpu_count() or 1)


def _decoded_by_threads(blocks: Iterable[list[Item]], job: _Job, num_threads: int) -> Iterator[_Block]:
    with ThreadPoolExecutor(num_threads) as pool:
        pending = deque()
        for block in blocks:
            pending.append(pool.submit(_decode_block, block, job))
            if len(pending) > num_threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


# --- the store: a stream -> Images ------------------------------------------------------------------------


class _Summary(NamedTuple):
    """What is known about gathered images once all of them have passed."""

    shape: tuple[int, ...]
    classes: tuple[str, ...]
    fingerprint: str
    skipped: tuple[str, ...]


_INDEX = pa.schema([("name", pa.string()), ("label", pa.int64())])


def _gather(
    job: _Job, write_pixels: Callable[[Any], Any], write_index: Callable[[pa.RecordBatch], Any]
) -> _Summary:
    """Decode everything once, passing on each block; memory does not grow with the number of images."""
    hasher, count, top_label, shape, skipped = _Fingerprint(), 0, -1, (), []
    for block in _with_progress(job):
        skipped += block.broken
        if skipped and not job.skip_broken:
            raise _cannot_decode(job.source.name, skipped[0])
        if block.names:
            write_pixels(block.pixels.data)
            write_index(
                pa.record_batch([pa.array(block.names, pa.string()), pa.array(block.labels)], schema=_INDEX)
            )
            hasher.update(block.pixels, block.labels)
            count, shape = count + len(block.names), block.pixels.shape[1:]
            top_label = max(top_label, int(block.labels.max()))
    if count == 0:
        raise _nothing_left(job, skipped)
    known = job.source.classes
    classes = tuple(map(str, range(top_label + 1))) if known is None else known
    return _Summary((count, *shape), classes, hasher.hexdigest(classes), tuple(skipped))


def _cannot_decode(source: str, broken: str) -> ValueError:
    return ValueError(
        f"load_images: cannot decode an image of {source}: {broken}; expected a whole image in a format that "
        "Pillow reads; repair or remove it, or leave broken images out with --skip-broken (skip_broken=True)"
    )


def _nothing_left(job: _Job, skipped: Sequence[str]) -> ValueError:
    why = f"all {len(skipped)} images are broken (first: {skipped[0]})" if skipped else "it is empty"
    return ValueError(
        f"load_images: nothing to load from split {job.split} of {job.source.name}: {why}; "
        "expected at least one image; check the source"
    )


def _with_progress(job: _Job) -> Iterator[_Block]:
    if not job.progress:
        yield from _decoded(job)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(
            f"decoding {Path(job.source.name).name} ({job.split})", total=job.source.count(job.split)
        )
        for block in _decoded(job):
            bar.advance(task, len(block.names) + len(block.broken))
            yield block


# without a cache: in memory, or in a temporary file that vanishes with the process


class _Spool:
    """A growing run of bytes: in memory up to `limit`, then in an unnamed temporary file."""

    def __init__(self, limit: int):
        self._limit, self._memory, self._file = limit, bytearray(), None

    def write(self, data: memoryview) -> None:
        if self._file is None and len(self._memory) + data.nbytes > self._limit:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the mapping
            self._file.write(self._memory)
            self._memory = bytearray()
        if self._file is None:
            self._memory += data
        else:
            self._file.write(data)

    def array(self, shape: tuple[int, ...]) -> np.ndarray:
        """What was written, read-only."""
        if self._file is not None:
            self._file.flush()
            return np.memmap(self._file, np.uint8, "r", shape=shape)
        array = np.frombuffer(self._memory, np.uint8).reshape(shape)
        array.flags.writeable = False
        return array


def _gather_temporarily(job: _Job, memory_limit: int) -> Images:
    spool, batches = _Spool(memory_limit), []
    summary = _gather(job, spool.write, batches.append)
    return _images(spool.array(summary.shape), pa.Table.from_batches(batches, _INDEX), summary)


def _images(pixels: np.ndarray, index: pa.Table, summary: _Summary) -> Images:
    labels = index["label"].to_numpy().astype(np.int64)
    return Images(pixels, labels, Names(index["name"]), summary.classes, summary.skipped, summary.fingerprint)


def _default_memory_limit() -> int:
    """40 % of the memory that is available now (where the system does not tell: of all memory)."""
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        fields = dict(line.split(":") for line in meminfo.read_text().splitlines())
        return int(0.4 * 1024 * int(fields["MemAvailable"].split()[0]))
    return int(0.4 * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


# with a cache: one folder a key, complete as soon as it has its name


class _Corrupt(Exception):
    """A cache entry that does not hold what it says."""


def _cache_folder(cache: str | Path | bool | None) -> Path | None:
    if cache is True:
        return Path(os.environ.get("INFOMAX_CACHE") or "~/.cache/infomax").expanduser() / "images"
    return Path(cache).expanduser() if cache else None


def _cached(entry: Path, job: _Job, memory_limit: int) -> Images:
    """The entry opened, or built first; of several processes that want it, one builds and the others wait."""
    images = _open_sound(entry, memory_limit)
    if images is None:
        with _cache_errors(entry.parent):
            entry.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{entry}.lock"):
                images = _open_sound(entry, memory_limit) or _build(entry, job)
    if images.skipped and not job.skip_broken:
        raise _cannot_decode(job.source.name, images.skipped[0])
    return images


@contextmanager
def _cache_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OSError(
            f"load_images: cannot write the cache of decoded images in {folder}: {error}; expected a "
            "writable folder with enough space; set INFOMAX_CACHE to one, or switch the cache off "
            "(in Python: cache=None)"
        ) from error


def _open_sound(entry: Path, memory_limit: int) -> Images | None:
    """The entry, or None if there is none or, with a warning, if it is damaged."""
    if not entry.exists():
        return None
    try:
        return _open_entry(entry, verify_up_to=memory_limit)
    except (_Corrupt, OSError, ValueError, LookupError, TypeError, pa.ArrowException) as error:
        warnings.warn(
            f"load_images: the cache entry {entry} is damaged ({error}); decoding again", stacklevel=2
        )
        return None


def _open_entry(entry: Path, verify_up_to: int) -> Images:
    """The entry, memory-mapped; checked byte by byte if its pixels are not larger than `verify_up_to`."""
    meta = json.loads((entry / "meta.json").read_text())
    summary = _Summary(tuple(meta[0]), tuple(meta[1]), meta[2], tuple(meta[3]))
    size = (entry / "pixels.u8").stat().st_size
    if size != np.prod(summary.shape):
        raise _Corrupt(f"pixels.u8 has {size} bytes, not {np.prod(summary.shape)}")
    with pa.memory_map(str(entry / "index.arrow")) as file:
        index = pa.ipc.open_file(file).read_all()
    images = _images(np.memmap(entry / "pixels.u8", np.uint8, "r", shape=summary.shape), index, summary)
    if size <= verify_up_to and replace(images, known_fingerprint=None).fingerprint != summary.fingerprint:
        raise _Corrupt("its pixels or labels have changed")
    return images


def _build(entry: Path, job: _Job) -> Images:
    """Write the entry beside its place and rename it: it is there whole or not at all. Needs its lock."""
    for leftover in (*entry.parent.glob(f"{entry.name}.partial-*"), *entry.parent.glob(entry.name)):
        shutil.rmtree(leftover)  # of a process that was killed, or damaged
    unfinished = entry.with_name(f"{entry.name}.partial-{uuid.uuid4().hex}")
    unfinished.mkdir()
    try:
        _write_entry(unfinished, job)
        unfinished.rename(entry)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return _open_entry(entry, verify_up_to=0)


def _write_entry(folder: Path, job: _Job) -> None:
    with (folder / "pixels.u8").open("wb") as pixels, pa.OSFile(str(folder / "index.arrow"), "wb") as index:
        with pa.ipc.new_file(index, _INDEX) as writer:
            summary = _gather(job, pixels.write, writer.write)
        pixels.flush()
        os.fsync(pixels.fileno())
    (folder / "meta.json").write_text(json.dumps(summary))
