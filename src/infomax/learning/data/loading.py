"""Any source -> a dataset of pictures or of signals, decoded once."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from infomax.learning.data.cache.decoding import cached
from infomax.learning.data.cache.folder import cache_folder
from infomax.learning.data.dataset import Dataset, Names
from infomax.learning.data.decoder import Decoder
from infomax.learning.data.gathering import Job
from infomax.learning.data.images import image_decoder
from infomax.learning.data.labels.attaching import Things, attached
from infomax.learning.data.labels.choice import LabelChoice
from infomax.learning.data.pixels.ranges import AUTO, Pixels
from infomax.learning.data.reading import BROKEN, Reading
from infomax.learning.data.signals import signal_decoder
from infomax.learning.data.sources.files import IMAGE_FILES, SIGNAL_FILES
from infomax.learning.data.sources.opening import open_source
from infomax.learning.data.sources.splits import chosen
from infomax.learning.data.spool import default_memory_limit, gathered


def load_images(
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
    cache: str | Path | bool | None = True,
    memory_limit: int | None = None,
    progress: bool = True,
) -> Dataset:
    """Return the images of `source`, decoded once, scaled to cover `size` and cropped in the centre.

    Scaling is bicubic and antialiased; an image that already has the size keeps its pixels bit for bit.
    Orientation tags are applied, transparency is laid on white, colour profiles are ignored. Images of 8 bits
    keep their values. For deeper images and floats, one range for the whole set becomes the stored values; it
    is kept in `.pixels`.

    Args:
        source: ``"digits"``, ``"photographs"`` or a scene (built in); a folder of image files with or without
            class folders, perhaps below train/, test/, ... (splits only where all folders on top are called
            like splits); likewise a folder of .npy or .npz files [h, w, c]; Parquet, Arrow or WebDataset
            (.tar) files or a folder of them; .npy [n, h, w, c]; .npz with arrays such as train_images and
            train_labels;
            ``hf:owner/name[:configuration][@revision]``; a sequence of images, of (image, label) pairs or of
            {"image": ..., "label": ...}; {split: sequence}; a Hugging Face dataset.
        split: one of `available_splits(source)`, or ``all`` of them.
        column: of a table or of mappings, the column that holds the images (WebDataset: the field, such as
            ``left.png``); by default the first that has the type or a usual name of an image.
        size: side in pixels, or (height, width). None for 32 where half of some images (up to 32 of each
            split) have a shorter side of at most 48, else 96.
        channels: 3 (colour), 1 (grey), or any other number, of images with exactly so many channels.
        range: pixel values that become the smallest and the largest stored value. ``LOW:HIGH`` gives them,
            one pair for each channel with commas between; ``full`` is the range of each data type;
            ``percentile`` is 0.1 to 99.9 of the set. ``auto`` is ``full`` for 8-bit images. For others it is
            the smallest of 8, 10, 12, 14, 16 bits (floats: 0 to 1) that holds all values, if they fill four
            fifths of it, else the smallest and the largest value. Up to 500 images of all splits decide.
        bits: bits of a stored value, 8 or 16; None gives 16 if a channel would keep few grey levels in 8
            bits.
        pages: of a file with several pages: ``first``, a number that counts from 1, ``channels`` (all pages,
            as channels), or numbers such as ``1,3``, which become channels. Axes that OME or ImageJ calls
            channels are channels.
        labels: source of the labels: ``none``; ``folders``; a column of the source, or of ``metadata.csv`` in
            the folder; a table, ``FILE.csv[:column]`` (also .tsv, .xlsx, .parquet, .jsonl), joined by path,
            file name or stem. Several columns have commas between. The ending ``=classes``, ``=numbers`` or
            ``=tags`` gives their kind. By default, text means classes; text with ; or | and lists mean tags;
            whole numbers are classes if they are dense or few, others are numbers. None takes
            ``metadata.csv``, the usual column, or folders, if all images lie in folders, equally deep, whose
            names are not dates. The choice is in `.reading`; numbers and tags are in `.targets`.
        skip_broken: leave out images that cannot be decoded and list them in `.skipped`, instead of stopping.
        cache: place for decoded images: True for $INFOMAX_CACHE or ~/.cache/infomax, a folder, or None for no
            cache. They are memory-mapped, and used again while names, sizes and times of all files stay the
            same. Python sequences are decoded each time.
        memory_limit: bytes of values to hold in memory if there is no cache; beyond it they are mapped from a
            temporary file. None for 40 % of the available memory.
        progress: show a bar on stderr.

    Returns:
        values uint8 (or uint16) [n, h, w, c]. A label means the same class in every split.

    Raises:
        FileNotFoundError: there is no such source, or no image in it.
        ValueError: no such split or column, a broken image (named), an impossible size or range.
        MissingExtra: all images need a package that is not installed.
        OSError: the cache cannot be written.

    Example:
        >>> digits = load_images("digits", split="test", size=32, channels=1, progress=False)
        >>> digits.values.shape, digits.classes[digits.labels[0]]
        ((450, 32, 32, 1), '1')
    """
    decoder = image_decoder(size, channels, Pixels(range, bits, pages))
    return _load(source, decoder, split, column, labels, skip_broken, cache, memory_limit, progress)


def load_signals(
    source: Any,
    *,
    split: str = "train",
    column: str | None = None,
    length: int,
    channels: int = 1,
    labels: str | Path | None = None,
    skip_broken: bool = False,
    cache: str | Path | bool | None = True,
    memory_limit: int | None = None,
    progress: bool = True,
) -> Dataset:
    """Return the signals of `source`: the `length` samples in the middle of each.

    PCM of .wav files is scaled to [−1, 1], other numbers stay as they are; sampling rates are ignored.

    Args:
        source: .npy [n, t] or [n, t, c]; a folder of .wav or .npy files with or without class folders,
            perhaps below train/, test/, ...; Parquet, Arrow or WebDataset (.tar) files or a folder of them,
            a name on the Hugging Face hub (``hf:owner/name``) or built in, with a `column` of lists of
            numbers, of arrays or of the bytes of .wav files; a sequence of signals, of (signal, label) pairs
            or of mappings; {split: sequence}; a Hugging Face dataset.
        split: one of `available_signal_splits(source, column)`, or ``all`` of them.
        column: of a table or of mappings, the column that holds the signals.
        length: samples of each signal; the middle of longer ones is kept, shorter ones are refused.
        channels: number of channels of each signal, [t] or [t, c].
        skip_broken: leave out what is no such signal and list it in `.skipped`, instead of stopping.
        labels, cache, memory_limit, progress: as of `load_images`.

    Returns:
        values float32 [n, c, t]. A label means the same class in every split.

    Raises:
        FileNotFoundError: there is no such source, or no signal in it.
        ValueError: no such split or column; a signal (named) that is too short, has other channels, holds
            text, gaps or NaN; nothing left.
        OSError: the cache cannot be written.

    Example:
        >>> import numpy as np
        >>> ramps = [(np.arange(20.0), "up"), (np.arange(30.0)[::-1], "down")]
        >>> signals = load_signals(ramps, length=20, progress=False)
        >>> signals.values.shape, signals.classes, float(signals.values[1, 0, 0])
        ((2, 1, 20), ('down', 'up'), 24.0)
    """
    decoder = signal_decoder(length, channels)
    return _load(source, decoder, split, column, labels, skip_broken, cache, memory_limit, progress)


def _load(
    source: Any,
    decoder: Decoder,
    split: str,
    column: str | None,
    labels: str | Path | None,
    skip_broken: bool,
    cache: str | Path | bool | None,
    memory_limit: int | None,
    progress: bool,
) -> Dataset:
    choice = LabelChoice.parse(labels)
    opened, folder = open_source(source, column, decoder.files, choice.word), cache_folder(cache)
    decoder = decoder.for_source(opened, column, folder)
    job = Job(*chosen(opened, split), decoder, skip_broken, progress)
    limit = default_memory_limit() if memory_limit is None else memory_limit
    found = (folder and cached(folder, job, column, limit)) or gathered(job, limit)
    things = Things(
        job.source, job.split, Names(found.index["name"]), found.index["label"], found.summary.lost
    )
    known, notes = attached(things, choice)
    dataset = replace(found.labelled(known), pixels=decoder.pixels)
    return replace(dataset, reading=_reading(job, dataset, (known.words, *notes)))


def _reading(job: Job, dataset: Dataset, words: Sequence[str]) -> Reading:
    """Return what was read: what labels were taken for stands first among the words."""
    source = job.source
    broken = {BROKEN: dataset.skipped} if dataset.skipped else {}
    splits = Counter(dataset.splits or ())
    notes = (*source.notes, *words[1:], *job.decoder.findings)
    left_out = {**source.left_out, **broken}
    return Reading(source.name, job.decoder.files.noun, splits, words[0], left_out, notes, source.root)


def available_splits(
    source: Any, column: str | None = None, labels: str | Path | None = None
) -> tuple[str, ...]:
    """Return the names of the splits of a source of images, train first.

    Args:
        source, column, labels: as of `load_images`.

    Example:
        >>> available_splits("digits")
        ('train', 'test')
    """
    return open_source(source, column, IMAGE_FILES, LabelChoice.parse(labels).word).splits


def available_signal_splits(
    source: Any, column: str | None = None, labels: str | Path | None = None
) -> tuple[str, ...]:
    """Return the names of the splits of a source of signals, train first.

    Args:
        source, column, labels: as of `load_signals`.
    """
    return open_source(source, column, SIGNAL_FILES, LabelChoice.parse(labels).word).splits
