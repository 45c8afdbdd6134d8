"""The gallery of an encoder: some images with their features, for the map, groups and neighbours of a page.

It is ``gallery.npz`` in the folder of the encoder; ``similarity.npz`` beside it holds similarity maps, where
the encoder has maps that can be compared. `evaluate_run` makes both of test images, `make_pictures` of the
images that the encoder learned from, or of any others. No label is used.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from infomax.errors import refuse
from infomax.evaluation.embedding import embed
from infomax.evaluation.given import Given
from infomax.evaluation.similarity.panel import has_panel, similarity_panel
from infomax.files import load_arrays, most_bytes, reading, replacing
from infomax.hashes import remove
from infomax.learning.data.dataset import Dataset
from infomax.learning.data.sources.splits import ALL
from infomax.learning.data.targets import counted
from infomax.learning.distributed.launching import own_device
from infomax.learning.encoders.saving import PretrainedEncoder
from infomax.learning.training.run import Run

MAX_GALLERY = 2000
"""Images that a gallery holds; of more, so many are drawn at random."""
TEST, LEARNED_FROM, OTHER = "test {noun}s", "{noun}s it learned from", "{noun}s"
"""Names of the images that a gallery shows."""


def make_pictures(run: Run, encoder: PretrainedEncoder, data: Given | None = None) -> str:
    """Make the gallery of an encoder, and its similarity maps; return in words what they show.

    Args:
        run: the folder of the encoder.
        encoder: that of the run.
        data: images to show, all of their splits unless one is chosen; None: those that the encoder learned
            from, as the recipe of the run names them.

    Raises:
        ValueError: the run names no data, or the images cannot be read.
        FileNotFoundError: the images are no longer where the run names them.
    """
    dataset, what = (
        _learned_from(run) if data is None else (data.load(encoder.views, data.split or ALL), OTHER)
    )
    num = min(len(dataset), MAX_GALLERY)
    print(f"looking at {counted(num, encoder.views.noun)} for the map", file=sys.stderr)
    return write_pictures(run, encoder, dataset, what)


def write_pictures(
    run: Run,
    encoder: PretrainedEncoder,
    dataset: Dataset,
    what: str = TEST,
    features: Float[np.ndarray, "n d"] | None = None,
) -> str:
    """Write ``gallery.npz``, and ``similarity.npz`` if maps can be compared; return in words what they show.

    Args:
        run: the folder of the encoder.
        encoder: that of the run.
        dataset: what is shown.
        what: what it is, such as `TEST`.
        features: of all of it, where they are known.
    """
    arrays = gallery_arrays(encoder, dataset, what, features)
    _write_arrays(run.gallery, arrays)
    remove(run.similarity)  # that of earlier images
    if has_panel(encoder):
        _write_arrays(run.similarity, similarity_panel(encoder.cpu(), dataset))
    return str(arrays["shown"])


def shows_test(run: Run) -> bool:
    """Return whether there is a gallery of test images; one of an earlier version is one."""
    if not run.gallery.is_file():
        return False
    remedy = "move it away, and evaluate again"
    with reading("evaluate", run.gallery, remedy, most_bytes()), load_arrays(run.gallery) as arrays:
        return "what" not in arrays or str(arrays["what"]).startswith("test ")


def gallery_arrays(
    encoder: PretrainedEncoder,
    dataset: Dataset,
    what: str = TEST,
    features: Float[np.ndarray, "n d"] | None = None,
) -> dict[str, np.ndarray]:
    """Return thumbnails, features, names and labels of at most 2,000 images, drawn by a fixed seed.

    Args:
        encoder, dataset, what, features: as of `write_pictures`.

    Returns:
        thumbnails, embeddings, names, labels (−1: none), classes; and in words ``what`` the images are, and
        what of them is ``shown``.
    """
    rows = _drawn(len(dataset))
    some = dataset.subset(rows)
    what = what.format(noun=encoder.views.noun)
    return {
        "thumbnails": encoder.views.thumbnails(some),
        "embeddings": embed(encoder.to(own_device()), some) if features is None else features[rows],
        "names": np.array(list(some.names), dtype=str),
        "labels": some.labels,
        "classes": np.array(some.classes, dtype=str),
        "what": np.array(what),
        "shown": np.array(_shown(dataset, len(rows), what)),
    }


def _drawn(num: int) -> Int[np.ndarray, " m"]:
    return np.sort(np.random.default_rng(0).permutation(num)[:MAX_GALLERY])


def _shown(dataset: Dataset, num: int, what: str) -> str:
    """Return how many of which images are shown, and where they come from."""
    reading = dataset.reading
    where = f" ({reading.source}, {_splits(reading.splits)})" if reading else ""
    if num == len(dataset):
        return f"the {num:,} {what}{where}"
    return f"{num:,} of the {len(dataset):,} {what}{where}, drawn at random by a fixed seed"


def _splits(splits: Mapping[str, int]) -> str:
    return f"split{'s' if len(splits) > 1 else ''} {', '.join(splits)}"


def _learned_from(run: Run) -> tuple[Dataset, str]:
    """Return what an encoder learned from, and what to call it."""
    recipe = run.training.read_recipe()
    refuse(not recipe.data, "report: the recipe names no data")
    seen = recipe.views.load(
        recipe.data,
        split=recipe.split,
        column=recipe.column,
        labels=recipe.labels,
        skip_broken=recipe.skip_broken,
    )
    before = run.training.environment.is_file() and run.training.read_environment().get("images")
    if before and before != seen.fingerprint:
        print(f"{recipe.data} is no longer what the run learned from: it has changed since", file=sys.stderr)
        return seen.parts[_place(run)], "{noun}s of data that has changed since training"
    return seen.parts[_place(run)], LEARNED_FROM


def _place(run: Run) -> int:
    """Return which of the encoders of its training is that of a folder."""
    folders = [one.folder.resolve() for one in run.training.encoders]
    return folders.index(Path(run.folder).resolve())


def _write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    with replacing(path) as beside, beside.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
