"""Where images come from: any source -> a stream of items (name, undecoded image, label).

A `Source` knows its splits, the class names that all of them share, and a digest of a split's content.
There are three: `Folder` (image files), `Tables` (rows of Parquet, Arrow, WebDataset or hub data, read by
Hugging Face `datasets`) and `Objects` (Python sequences). Where there are columns, `select` chooses the one
that holds the images, or anything else: a spectrum, a list of numbers. Nothing is decoded here.
"""

import difflib
import io
import itertools
import json
import os
import re
import tarfile
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np
import xxhash

IMAGE_SUFFIXES = frozenset({
    ".avif", ".bmp", ".dib", ".gif", ".heic", ".heif", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg",
    ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp",
})  # fmt: skip
_TABLE_SUFFIXES = frozenset({".parquet", ".arrow", ".tar"})
_IMAGE_COLUMNS = ("image", "img", "jpg", "jpeg", "png", "webp", "picture", "photo", "pixels", "bytes")
_LABEL_COLUMNS = ("label", "labels", "cls", "class", "target", "fine_label", "category", "y")
_SPLIT_NAMES = {
    "train": "train", "training": "train",
    "test": "test", "testing": "test",
    "validation": "validation", "val": "validation", "valid": "validation", "dev": "validation",
    "unlabeled": "unlabeled", "unlabelled": "unlabeled", "unsupervised": "unlabeled",
}  # fmt: skip


class Item(NamedTuple):
    """One image on its way to the decoder: bytes, a path, a PIL image, an array, or why there is none.

    Of a column that was chosen by name, the value as it stands there.
    """

    name: str
    image: Any
    label: Any  # int, str or None


class Source(ABC):
    """A named collection of images in one or more splits; class ids mean the same in every split."""

    name: str
    splits: tuple[str, ...]

    @property
    @abstractmethod
    def classes(self) -> tuple[str, ...] | None:
        """Names of the classes over all splits, `()` when unlabelled, None when labels are bare integers."""

    @abstractmethod
    def items(self, split: str) -> Iterator[Item]:
        """The images of `split`, undecoded, always in the same order."""

    @abstractmethod
    def count(self, split: str) -> int | None:
        """How many items `split` has, if that is known beforehand."""

    @abstractmethod
    def digest(self, split: str) -> str | None:
        """A hash of everything the items of `split` depend on; None when only reading them all would tell."""

    @abstractmethod
    def select(self, column: str) -> "Source":
        """The same source, its images from the column of that name."""


def canonical_split(name: Any) -> str:
    """The usual name of a split: ``val`` and ``dev`` are ``validation``.

    >>> canonical_split("Val"), canonical_split("extra")
    ('validation', 'extra')
    """
    return _SPLIT_NAMES.get(str(name).lower(), str(name))


def choose_split(source: Source, split: str) -> str:
    """`split` by its usual name, or an error that lists the splits there are."""
    if canonical_split(split) in source.splits:
        return canonical_split(split)
    raise ValueError(
        f"load_images: {source.name} has no split {split!r}; expected one of: {', '.join(source.splits)}"
    )


def label_index(item: Item, classes: tuple[str, ...] | None) -> int:
    """The class id of an item's label: none -> -1, a name -> its place in `classes`, an integer -> itself.

    >>> [label_index(Item("a", None, label), ("cat", "dog")) for label in ("dog", None, 0)]
    [1, -1, 0]
    """
    label = item.label
    if label is None or (isinstance(label, float) and np.isnan(label)):
        return -1
    if isinstance(label, str) and classes and label in classes:
        return classes.index(label)
    limit = np.inf if classes is None else len(classes)
    if not isinstance(label, str) and label == int(label) and -1 <= label < limit:
        return int(label)
    expected = (
        "an integer >= 0" if classes is None else f"a name or number of {len(classes)} classes {classes}"
    )
    raise ValueError(
        f"load_images: {item.name} has the label {label!r}, expected {expected} (-1 or null: no label); "
        "correct or remove the label"
    )


# --- files ------------------------------------------------------------------------------------------------


def _is_visible(name: str) -> bool:
    return not name.startswith((".", "__"))


def _is_loop(folder: str, subfolder: str) -> bool:
    """Whether `subfolder` is a link back to a folder that we came through."""
    path = Path(folder, subfolder)
    return path.is_symlink() and any(parent.samefile(path) for parent in path.parents if parent.exists())


def _raise(error: OSError) -> None:
    raise error


def _walk(root: Path) -> list[str]:
    """Visible files below `root`, links followed, as sorted posix paths relative to it."""
    files: list[str] = []
    for folder, subfolders, names in os.walk(root, followlinks=True, onerror=_raise):
        subfolders[:] = [name for name in subfolders if _is_visible(name) and not _is_loop(folder, name)]
        prefix = Path(folder).relative_to(root).as_posix()
        files += (name if prefix == "." else f"{prefix}/{name}" for name in names if _is_visible(name))
    return sorted(files)


def _suffix(path: str) -> str:
    return os.path.splitext(path)[1].lower()  # noqa: PTH122 - a million Path objects are slow


def _hash_files(root: Path, paths: Sequence[str]) -> str:
    """xxh3 of the names and bytes of `paths`."""

    def hash_file(path: str) -> bytes:
        hasher = xxhash.xxh3_128(path.encode(errors="surrogateescape") + b"\0")
        with (root / path).open("rb") as file:
            while block := file.read(1 << 20):
                hasher.update(block)
        return hasher.digest()

    whole = xxhash.xxh3_128()
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(paths), 10_000):
            for digest in pool.map(hash_file, paths[start : start + 10_000]):
                whole.update(digest)
    return whole.hexdigest()


@final
class Folder(Source):
    """A folder of image files, or of arrays: ``[split/][class/]...file``.

    Subfolders called train, test, val, ... are splits; without them everything is ``train``. The subfolders
    below that are the classes, sorted by name over all splits, if there are at least two of them.
    """

    def __init__(self, root: Path, files: Sequence[str]):
        self.name, self._root = str(root), root
        known = {*IMAGE_SUFFIXES, ".npy", ".wav"}
        self._files = _split_folders([file for file in files if _suffix(file) in known])
        self.splits = _in_order(self._files)

    def _class_name(self, split: str, file: str) -> str | None:
        parts = file.split("/")[1 if self._files[split].inside else 0 : -1]
        return parts[0] if parts else None

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Names of the class folders of all splits."""
        names = {self._class_name(split, file) for split in self.splits for file in self._files[split].files}
        named = sorted(name for name in names if name is not None)
        return tuple(named) if len(named) > 1 else ()

    def items(self, split: str) -> Iterator[Item]:
        """The files, sorted by path."""
        for file in self._files[split].files:
            yield Item(
                _printable(file), self._root / file, self._class_name(split, file) if self.classes else None
            )

    def count(self, split: str) -> int:
        """The number of files."""
        return len(self._files[split].files)

    def digest(self, split: str) -> str:
        """A hash of the paths and bytes of the files."""
        return _hash_files(self._root, self._files[split].files)

    def select(self, column: str) -> Source:
        """An error: image files have no columns."""
        raise _no_columns(self.name, column, "is a folder of image files")


def _no_columns(source: str, column: str, what: str) -> ValueError:
    return ValueError(
        f"load_images: {source} {what} and has no columns, got column {column!r}, expected none; leave it out"
    )


class _UnknownColumn(ValueError):
    """A column that is not there, of a source that reads."""

    def __init__(self, source: str, column: str, columns: Iterable[str]):
        known = list(dict.fromkeys(columns))
        near = difflib.get_close_matches(column, known, n=1)
        remedy = f"did you mean {near[0]!r}?" if near else "choose one of them"
        super().__init__(
            f"load_images: {source} has no column {column!r}, expected one of: {', '.join(known)}; {remedy}"
        )


def _printable(path: str) -> str:
    """`path` with bytes that are not UTF-8 written as escapes."""
    return path.encode(errors="surrogateescape").decode(errors="backslashreplace")


class _SplitFiles(NamedTuple):
    files: list[str]
    inside: bool  # whether the first folder of each path is the split itself


def _split_folders(files: list[str]) -> dict[str, _SplitFiles]:
    tops = {file.split("/")[0] for file in files if "/" in file}
    known = {top for top in tops if top.lower() in _SPLIT_NAMES}
    if not known or not (known == tops or any(canonical_split(top) == "train" for top in known)):
        return {"train": _SplitFiles(files, inside=False)}
    splits: dict[str, _SplitFiles] = defaultdict(lambda: _SplitFiles([], inside=True))
    for file in files:
        if (top := file.split("/")[0]) in known:
            splits[canonical_split(top)].files.append(file)
    return dict(splits)


def _in_order(splits: Iterable[str]) -> tuple[str, ...]:
    usual = list(dict.fromkeys(_SPLIT_NAMES.values()))
    return tuple(sorted(splits, key=lambda name: (usual.index(name) if name in usual else len(usual), name)))


# --- tables -----------------------------------------------------------------------------------------------


class Part(NamedTuple):
    """A piece of a split: how to open its rows (a Hugging Face dataset), and their number if known.

    `open` takes the column that is wanted, if one was chosen by name: an archive offers its fields so.
    """

    name: str
    open: Callable[[str | None], Any]
    num_rows: int | None


class _Columns(NamedTuple):
    """The columns of a table that matter here."""

    features: dict[str, Any]
    image: str
    label: str | None

    def undecoded(self, dataset: Any) -> Iterable[dict[str, Any]]:
        wanted = [name for name in (self.image, self.label, "__key__") if name in self.features]
        rows = dataset.select_columns(wanted)
        kind = type(self.features[self.image])
        is_decodable = kind.__name__ in ("Image", "Audio")
        return rows.cast_column(self.image, kind(decode=False)) if is_decodable else rows


@final
class Tables(Source):
    """Rows with an image column and perhaps a label column, read one by one with Hugging Face `datasets`."""

    def __init__(
        self,
        name: str,
        parts: Mapping[str, Sequence[Part]],
        digest: Callable[[str], str | None],
        column: str | None = None,
    ):
        self.name, self._parts, self._digest, self._column = name, parts, digest, column
        self.splits = _in_order(parts)

    @cached_property
    def _columns(self) -> dict[str, _Columns]:
        return {split: self._columns_of(split) for split in self.splits}

    def _columns_of(self, split: str) -> _Columns:
        part = self._parts[split][0]
        with _naming(part):
            rows = part.open(self._column)
            features = dict(rows.features or rows._resolve_features().features)
        image = _image_column(part.name, features, self._column)
        return _Columns(features, image, _label_column(features, image))

    @cached_property
    def classes(self) -> tuple[str, ...] | None:
        """From the type of the label column; from all its values if they are strings."""
        labels = {
            split: columns.features[columns.label]
            for split, columns in self._columns.items()
            if columns.label
        }
        names = {split: tuple(kind.names) for split, kind in labels.items() if hasattr(kind, "names")}
        if names:
            return _agreed(self.name, names)
        is_text = {split: "string" in str(getattr(kind, "dtype", "")) for split, kind in labels.items()}
        if any(is_text.values()):
            return self._label_names(is_text)
        return None if labels else ()

    def _label_names(self, is_text: Mapping[str, bool]) -> tuple[str, ...]:
        if not all(is_text.values()):
            raise ValueError(
                f"load_images: the labels of {self.name} are text in some splits and numbers in others "
                f"({', '.join(is_text)}), expected one kind; write them again as text"
            )
        labels: set[Any] = set()
        for split in is_text:
            column = self._columns[split].label
            for part in self._parts[split]:
                with _naming(part):
                    rows = part.open(self._column).select_columns([column])
                    labels.update(row[column] for row in rows)
        return tuple(sorted(labels - {None}))

    def items(self, split: str) -> Iterator[Item]:
        """The rows of one part after the other, named ``file:row`` (WebDataset: ``file:key``)."""
        columns = self._columns[split]
        for part in self._parts[split]:
            with _naming(part):
                for number, row in enumerate(columns.undecoded(part.open(self._column))):
                    name = f"{part.name}:{row.get('__key__', number)}"
                    label = row[columns.label] if columns.label else None
                    yield Item(name, unpacked(row[columns.image]), label)

    def count(self, split: str) -> int | None:
        """The number of rows, where the format tells it."""
        counts = [part.num_rows for part in self._parts[split]]
        return None if None in counts else sum(filter(None, counts))

    def digest(self, split: str) -> str | None:
        """A hash of the files; None if their rows hold only the paths of images."""
        first = next(self.items(split), None)
        return None if first is None or _is_path(first.image) else self._digest(split)

    def select(self, column: str) -> Source:
        """The same rows, their images from `column`."""
        selected = Tables(self.name, self._parts, self._digest, column)
        selected._columns_of(self.splits[0])  # say at once if there is none
        return selected


def unpacked(value: Any) -> Any:
    """The array in the bytes of a .npy file; any other value as it is."""
    if isinstance(value, bytes) and value.startswith(b"\x93NUMPY"):
        return np.load(io.BytesIO(value), allow_pickle=False)
    return value


@contextmanager
def _naming(part: Part) -> Iterator[None]:
    """Tell errors of a reader with the name of what it was reading."""
    try:
        yield
    except _UnknownColumn:
        raise
    except Exception as error:
        why = " ".join(str(error).split()) or "it has no images"
        raise ValueError(
            f"load_images: cannot read {part.name}: {why}; "
            "expected a whole Parquet, Arrow or WebDataset file; copy or download it again"
        ) from error


def _agreed(source: str, names: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The class names, if every split has the same ones in the same order."""
    if len(set(names.values())) > 1:
        listing = "; ".join(f"{split}: {', '.join(classes[:10])}" for split, classes in names.items())
        raise ValueError(
            f"load_images: the splits of {source} name their classes differently ({listing}), expected the "
            "same names in the same order; write them again with one list of names, or as strings"
        )
    return next(iter(names.values()))


def _is_path(image: Any) -> bool:
    return isinstance(image, str | Path) or (isinstance(image, dict) and image.get("bytes") is None)


def _is_image(feature: Any) -> bool:
    return type(feature).__name__ == "Image"


def _image_column(source: str, features: Mapping[str, Any], chosen: str | None = None) -> str:
    if chosen is not None:
        if chosen not in features:
            raise _UnknownColumn(source, chosen, features)
        return chosen
    typed = [name for name, feature in features.items() if _is_image(feature)]
    named = [name for name in _IMAGE_COLUMNS if name in (typed or features)]
    if found := named or typed:
        return found[0]
    raise ValueError(
        f"load_images: {source} has no image column, it has: {', '.join(features)}; "
        f"expected one of type Image or called {', '.join(_IMAGE_COLUMNS[:5])}, ...; "
        'rename the column, or choose one by --column (column="...")'
    )


def _label_column(features: Mapping[str, Any], image: str | None = None) -> str | None:
    typed = [name for name, feature in features.items() if hasattr(feature, "names") and name != image]
    named = [name for name in _LABEL_COLUMNS if name in (typed or features) and name != image]
    return next(iter(named or typed), None)


def _open_table(path: Path, column: str | None) -> Any:
    from datasets import IterableDataset, load_dataset

    if _suffix(path.name) == ".tar":
        return IterableDataset.from_generator(_tar_rows, gen_kwargs={"path": path, "column": column})
    files: dict[str, Any] = {"data_files": {"train": [str(path)]}, "split": "train", "streaming": True}
    if _suffix(path.name) == ".arrow":
        return load_dataset("arrow", **files)
    # row group by row group, in small batches: memory for one row group rather than for the file
    return load_dataset("parquet", **files, batch_size=256).reshard()


def _tar_rows(path: Path, column: str | None) -> Iterator[dict[str, Any]]:
    """The samples of a WebDataset archive that have an image, or the field `column`.

    (The loader of `datasets` refuses archives that mix image formats.)
    """
    seen, found = {}, False
    for key, fields in _tar_samples(path):
        images = [field for field in fields if _suffix(f"image.{field}") in IMAGE_SUFFIXES]
        field = min(images, key=len, default=None) if column is None else column.lower()
        seen.update(dict.fromkeys(fields))
        if field in fields:
            found = True
            yield {"__key__": key, column or "image": fields[field], "label": _tar_label(fields)}
    if column is not None and not found:
        raise _UnknownColumn(path.name, column, seen)


def _tar_samples(path: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Key and fields of each sample: members that share a name up to its first dot."""
    with tarfile.open(path) as archive:
        members = (member for member in archive if member.isfile() and _is_visible(Path(member.name).name))
        for key, sample in itertools.groupby(members, lambda member: re.sub(r"\.[^/]*$", "", member.name)):
            yield (
                key,
                {member.name[len(key) + 1 :].lower(): _read_member(archive, member) for member in sample},
            )


def _read_member(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    return b"" if file is None else file.read()


def _tar_label(fields: Mapping[str, bytes]) -> int | str | None:
    if "cls" in fields:
        text = fields["cls"].decode().strip()
        return int(text) if re.fullmatch(r"-?\d+", text) else text
    described = json.loads(fields.get("json", b"{}"))
    column = _label_column(described) if isinstance(described, dict) else None
    return None if column is None else described[column]


def _num_rows(path: Path) -> int | None:
    from pyarrow import parquet

    return parquet.read_metadata(path).num_rows if _suffix(path.name) == ".parquet" else None


def _split_of_file(path: str) -> str:
    """The split a data file belongs to: by its folders, by the words of its name, by its shard name.

    >>> [_split_of_file(path) for path in ("val/00.tar", "a-test-0.parquet", "extra-00000-of-00002.parquet")]
    ['validation', 'test', 'extra']
    """
    *folders, name = path.split("/")
    stem = name.rsplit(".", 1)[0]
    for word in (*folders, *re.split(r"[-_. ]", stem)):
        if word.lower() in _SPLIT_NAMES:
            return canonical_split(word)
    shard = re.fullmatch(r"(\w+)-\d{5}-of-\d{5}", stem)
    return shard[1] if shard and shard[1] != "data" else "train"


def _table_files(name: str, root: Path, files: Sequence[str]) -> Tables:
    splits: dict[str, list[str]] = defaultdict(list)
    for file in files:
        splits[_split_of_file(file)].append(file)
    parts = {split: [_file_part(root, file) for file in paths] for split, paths in splits.items()}
    return Tables(name, parts, lambda split: _hash_files(root, splits[split]))


def _file_part(root: Path, file: str) -> Part:
    part = Part(file, partial(_open_table, root / file), None)
    with _naming(part):
        return part._replace(num_rows=_num_rows(root / file))


# --- the hub ----------------------------------------------------------------------------------------------

_HUB_NAME = re.compile(
    r"(?:hf:)?(?P<repo>[\w.-]+(?:/[\w.-]+)?)(?::(?P<config>[\w.-]+))?(?:@(?P<revision>[\w./-]+))?"
)


def _hub(source: str) -> Tables:
    """``hf:owner/name[:configuration][@revision]``, streamed from the Hugging Face hub."""
    import huggingface_hub
    from datasets import load_dataset

    name = _HUB_NAME.fullmatch(source)
    if name is None:
        raise ValueError(
            f"load_images: received {source!r}, expected hf:owner/name[:configuration][@revision]"
        )
    try:
        commit = huggingface_hub.dataset_info(name["repo"], revision=name["revision"]).sha
        splits: Any = load_dataset(name["repo"], name["config"], revision=commit, streaming=True)
    except Exception as error:
        raise ValueError(
            f"load_images: cannot open {source} on the Hugging Face hub: {' '.join(str(error).split())}; "
            "expected the name of a dataset there and a network connection, or the path of local images"
        ) from error
    parts = {canonical_split(split): [_hub_part(name["repo"], split, splits[split])] for split in splits}
    return Tables(source, parts, lambda split: f"{source}/{commit}/{split}")


def _hub_part(repo: str, split: str, dataset: Any) -> Part:
    sizes = dataset.info.splits or {}
    return Part(
        f"{repo}/{split}", lambda _: dataset, sizes[split].num_examples or None if split in sizes else None
    )


# --- Python objects ---------------------------------------------------------------------------------------


@final
class Objects(Source):
    """Python sequences, one a split, of images, (image, label) pairs or {"image": ..., "label": ...}.

    Items are named by their index, or by the ``__key__`` of a mapping.
    """

    def __init__(
        self,
        name: str,
        splits: Mapping[str, Any],
        classes: Sequence[str] | None = None,
        column: str | None = None,
    ):
        self.name, self._column = name, column
        self._objects = {canonical_split(split): data for split, data in splits.items()}
        self.splits, self._classes = _in_order(self._objects), classes

    @cached_property
    def classes(self) -> tuple[str, ...] | None:
        """Those given, the objects' own `.classes`, or the labels themselves if they are strings."""
        if self._classes is not None:
            return tuple(self._classes)
        own = {split: getattr(data, "classes", None) for split, data in self._objects.items()}
        names = {
            split: tuple(map(str, each)) for split, each in own.items() if isinstance(each, list | tuple)
        }
        if names:
            return _agreed(self.name, names)
        labels = self._labels() if any(isinstance(label, str) for label in self._first_labels()) else None
        return None if labels is None else tuple(sorted(labels))

    def _first_labels(self) -> list[Any]:
        return [item.label for split in self.splits for item in itertools.islice(self.items(split), 100)]

    def _labels(self) -> set[str]:
        labels = {item.label for split in self.splits for item in self.items(split)}
        return {label for label in labels if isinstance(label, str)}

    def items(self, split: str) -> Iterator[Item]:
        """Every object by its index; one that cannot be fetched passes on why."""
        data = self._objects[split]
        name = self.name if len(self.splits) == 1 else f"{self.name}/{split}"
        for index in range(len(data)):
            value = None
            try:
                value = data[index]
                image, label = _image_and_label(value, self._column)
            except Exception as error:
                image, label = error, None
            yield Item(_key(value, image) or f"{name}:{index}", image, label)

    def count(self, split: str) -> int:
        """The length of the sequence."""
        return len(self._objects[split])

    def digest(self, split: str) -> None:
        """None: only fetching everything would tell."""

    def select(self, column: str) -> Source:
        """The same objects, which must be mappings: their images are the values under `column`."""
        for data in self._objects.values():
            first = data[0] if len(data) else {column: None}
            if not isinstance(first, Mapping):
                raise _no_columns(self.name, column, f"holds {type(first).__name__} items, not mappings,")
            _image_column(self.name, first, column)
        return Objects(self.name, self._objects, self._classes, column)


def _key(value: Any, image: Any) -> str | None:
    """What an object calls itself: its path, or a mapping's ``__key__``, as in WebDataset."""
    if isinstance(image, str | Path):
        return str(image)
    return value.get("__key__") if isinstance(value, Mapping) else None


def _image_and_label(value: Any, column: str | None) -> tuple[Any, Any]:
    if isinstance(value, Mapping):
        image = _image_column("the item", value, column)
        label = _label_column(value, image)
        return value[image], _scalar(None if label is None else value[label])
    if isinstance(value, tuple | list):
        return value[0], _scalar(value[1] if len(value) > 1 else None)
    return value, None


def _scalar(label: Any) -> Any:
    """A label as a plain Python value (from a 0-d array or tensor)."""
    return label.item() if hasattr(label, "item") else label


def _from_object(source: Any) -> Source:
    if type(source).__module__.split(".")[0] == "datasets":
        return _from_hf_dataset(source)
    if isinstance(source, Mapping) and source and all(_is_sequence(data) for data in source.values()):
        return Objects(type(source).__name__, source)
    if _is_sequence(source) and not isinstance(source, Mapping):
        return Objects(type(source).__name__, {"train": source})
    raise ValueError(
        f"load_images: received a {type(source).__name__}, expected a path, a name or a sequence of images "
        "(with len() and [index]), or {split: sequence}; wrap the images in a list"
    )


def _is_sequence(data: Any) -> bool:
    return hasattr(data, "__len__") and hasattr(data, "__getitem__")


def _from_hf_dataset(source: Any) -> Tables:
    given = source if isinstance(source, Mapping) else {"train": source}
    splits = {canonical_split(name): data for name, data in given.items()}
    parts = {split: [_dataset_part(split, data)] for split, data in splits.items()}
    return Tables(type(source).__name__, parts, lambda split: getattr(splits[split], "_fingerprint", None))


def _dataset_part(name: str, data: Any) -> Part:
    return Part(name, lambda _: data, len(data) if hasattr(data, "__len__") else None)


# --- built in ---------------------------------------------------------------------------------------------


def _digits() -> Objects:
    """scikit-learn's 1,797 handwritten digits, 8 x 8; 1,347 train and 450 test, stratified by class."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits: Any = load_digits()
    pixels = np.round(digits.images * (255 / 16)).astype(np.uint8)
    parts = train_test_split(np.arange(len(pixels)), test_size=450, stratify=digits.target, random_state=0)
    splits = {
        split: [(pixels[i], int(digits.target[i])) for i in np.sort(part)]
        for split, part in zip(("train", "test"), parts, strict=True)
    }
    return Objects("digits", splits, [str(digit) for digit in range(10)])


def _photographs() -> Objects:
    """scikit-learn's two photographs in patches of 64 x 64: the left three quarters train, the rest tests."""
    from sklearn.datasets import load_sample_images

    photographs: Any = load_sample_images().images  # two of [427, 640, 3]
    splits = {
        split: [
            (photograph[top : top + 64, left : left + 64], label)
            for label, photograph in enumerate(photographs)
            for top in range(0, 427 - 63, 16)
            for left in range(first, last - 63, 16)
        ]
        for split, first, last in (("train", 0, 480), ("test", 480, 640))
    }
    return Objects("photographs", splits, ["china", "flower"])


def _scenes(name: str) -> Objects:
    from infomax.learning.data.scenes import scenes_source

    return scenes_source(name)


BUILT_IN: dict[str, Callable[[], Objects]] = {
    "digits": _digits,
    "photographs": _photographs,
    **{
        name: partial(_scenes, name)
        for name in ("two-cameras", "halves", "moving-digits", "picture-and-tone")
    },
}


# --- any source -------------------------------------------------------------------------------------------


def open_source(source: Any, column: str | None = None) -> Source:
    """Find out what `source` is: a built-in name, a folder, a file, a name on the hub, or a Python object.

    Args:
        column: of a source that has columns, the one whose values become the images of its items, whatever
            they are; by default the column that has the type or the name of an image.
    """
    opened = _open(source)
    return opened if column is None else opened.select(column)


def _open(source: Any) -> Source:
    if not isinstance(source, str | Path):
        return _from_object(source)
    if source in BUILT_IN:
        return BUILT_IN[str(source)]()
    path = Path(source).expanduser()
    if path.is_dir():
        return _open_folder(path)
    if path.exists():
        return _open_file(path)
    if str(source).startswith("hf:") or (
        _HUB_NAME.fullmatch(str(source)) and "/" in str(source) and not path.parent.exists()
    ):
        return _hub(str(source))
    raise _missing(path)


def _open_folder(root: Path) -> Source:
    files = _walk(root)
    images = [file for file in files if _suffix(file) in IMAGE_SUFFIXES]
    arrays = [file for file in files if _suffix(file) == ".npy"]
    tables = [
        file
        for file in files
        if _suffix(file) in _TABLE_SUFFIXES and not Path(file).name.startswith("cache-")
    ]
    if images and tables:
        raise ValueError(
            f"load_images: {root} holds both image files (such as {images[0]}) and tables "
            f"(such as {tables[0]}), expected one kind; give the folder or the file that you mean"
        )
    if tables:
        return _table_files(str(root), root, tables)
    if not images and not arrays:
        raise FileNotFoundError(_nothing_in(root, files))
    return Folder(root, images or arrays)


def _nothing_in(root: Path, files: Sequence[str]) -> str:
    kinds = sorted({_suffix(file) or "no suffix" for file in files})
    found = (
        f"{len(files)} files, none of them an image ({', '.join(kinds[:8])})" if files else "no files at all"
    )
    return (
        f"load_images: {root} holds {found}; expected image files (.jpg, .png, .webp, ...) with or without "
        "class folders, or .npy, .parquet, .arrow or .tar files; give another folder"
    )


def _open_file(path: Path) -> Source:
    if _suffix(path.name) in _TABLE_SUFFIXES:
        return _table_files(str(path), path.parent, [path.name])
    if _suffix(path.name) == ".npy":
        return Objects(path.name, {"train": np.load(path, mmap_mode="r", allow_pickle=False)})
    raise ValueError(
        f"load_images: received the file {path}, expected a .parquet, .arrow, .tar or .npy file or a folder; "
        f"give the folder of the images: {path.parent}"
    )


def _missing(path: Path) -> FileNotFoundError:
    siblings = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    known = {name: name for name in BUILT_IN} | {name: str(path.with_name(name)) for name in siblings}
    near = difflib.get_close_matches(path.name, known, n=1)
    remedy = f"did you mean {known[near[0]]}?" if near else "check the path"
    return FileNotFoundError(
        f"load_images: {path} does not exist; expected a folder, a file, {', '.join(BUILT_IN)} or "
        f"hf:owner/name; {remedy}"
    )
