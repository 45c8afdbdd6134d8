"""Fixtures for sources of data and for loading them."""

import io
import json
import tarfile

import numpy as np
import pyarrow as pa
import pytest

from infomax.learning.data import Dataset, load_images


@pytest.fixture
def load():
    """`load_images` without bar and cache unless asked for."""
    return lambda source, **options: load_images(
        source, **{"size": 8, "cache": None, "progress": False, **options}
    )


@pytest.fixture
def one_pixel(load):
    """The centre pixel of one image given as bytes, array, ..."""
    return lambda image, **options: load([image], **options).values[0, 4, 4].tolist()


@pytest.fixture
def same():
    """Return whether two datasets hold the same."""

    def _same(a: Dataset, b: Dataset) -> bool:
        return (
            np.array_equal(a.values, b.values)
            and np.array_equal(a.labels, b.labels)
            and list(a.names) == list(b.names)
            and (a.classes, a.skipped, a.fingerprint) == (b.classes, b.skipped, b.fingerprint)
        )

    return _same


@pytest.fixture
def pets(write, random_pixels):
    """A labelled folder of 100 images and an empty cache."""
    for number in range(100):
        name = f"pets/{['cat', 'dog'][number % 2]}/{number:03d}.png"
        folder = write(name, random_pixels(number, 8, 8, 3)).parent.parent
    return folder, folder.parent / "cache"


@pytest.fixture
def table(encode):
    """A table of `count` images and what it holds: (Arrow table, pixels)."""

    def _table(count=5, labels=None, column="image", seed=0, **metadata) -> tuple[pa.Table, np.ndarray]:
        pixels = np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
        columns = {column: [{"bytes": encode(image), "path": None} for image in pixels]}
        columns |= {"label": labels} if labels is not None else {}
        made = pa.table({**columns, "caption": ["words"] * count})
        described = {"huggingface": json.dumps(metadata)}
        return (made.replace_schema_metadata(described) if metadata else made), pixels

    return _table


@pytest.fixture
def class_labels():
    """A table as Hugging Face writes it: images with labels of these names."""

    def _class_labels(names: list[str]) -> dict:
        features = {
            "image": {"_type": "Image"},
            "label": {"names": names, "_type": "ClassLabel"},
            "caption": {"dtype": "string", "_type": "Value"},
        }
        return {"info": {"features": features}}

    return _class_labels


@pytest.fixture
def write_tar():
    """Write an archive of members with these contents."""

    def _write_tar(path, members: dict[str, bytes]) -> None:
        with tarfile.open(path, "w") as archive:
            for name, content in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))

    return _write_tar
