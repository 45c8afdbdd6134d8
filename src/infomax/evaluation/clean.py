"""What an encoder is worth: probes of its features, of raw pixels and of a random encoder, all the same."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from rich.console import Console
from rich.progress import Progress
from sklearn.model_selection import train_test_split
from torch.nn import functional as F

from infomax.evaluation.embedding import embed
from infomax.evaluation.probes.neighbors import nearest_neighbor_probe
from infomax.evaluation.probes.probe import Probe, few_labels, linear_probe, mlp_probe
from infomax.learning.data.images import Images, available_splits
from infomax.learning.data.signals import Signals, available_signal_splits
from infomax.learning.distributed.groups import num_ranks, objects_of_all, rank
from infomax.learning.encoders.saving import PretrainedEncoder, untrained
from infomax.learning.views.contexts import load_seen
from infomax.learning.views.pairing import Seen, SingleViewsConfig
from infomax.learning.views.signals import SignalViewsConfig

RAW_PIXEL_SIDE = 32
"""Raw pixels of larger images are resized to this side first, which keeps their probes affordable."""

PROBES = {"linear": linear_probe, "mlp": mlp_probe, "knn": nearest_neighbor_probe}

FEW_LABEL_PROBES = {"mlp": partial(mlp_probe, num_seeds=1)}
"""Where labels are drawn several times over, one network a draw is enough."""


@dataclass(frozen=True)
class Split:
    """Labelled images or signals to fit probes on, and others to test on. how: where the latter come from."""

    train: Seen
    test: Seen
    how: str


@dataclass(frozen=True)
class Assessment:
    """What an encoder is worth.

    rows: accuracies, a mapping for each (representation, layer, probe, number of labels). test_features:
    global ones of the encoder. measures: what else was measured, for each (representation, measure).
    """

    rows: Sequence[Mapping[str, Any]]
    test_features: Float[np.ndarray, "n d"]
    measures: Sequence[Mapping[str, Any]] = field(default_factory=list)


def labelled_split(
    source: Any,
    views: SingleViewsConfig,
    *,
    column: str | None = None,
    skip_broken: bool = False,
    seed: int = 0,
) -> Split:
    """The source's own train and test splits (or train and validation); else a fifth is held out, stratified.

    Args:
        source: as for `load_images`, or for `load_signals` where the views are of signals.
        views: how the encoder sees; what is loaded is fitted to it.
        column: of a table, what is seen.

    Raises:
        ValueError: the source has no labels.
    """
    load = partial(load_seen, views, source, column=column, skip_broken=skip_broken)
    of_signals = isinstance(views, SignalViewsConfig)
    splits = (available_signal_splits if of_signals else available_splits)(source, column)
    held_out = next((name for name in ("test", "validation") if name in splits), None)
    if held_out and "train" in splits:
        split = Split(load(split="train"), load(split=held_out), f"split '{held_out}'")
    else:
        split = _hold_out(load(split=splits[0]), seed)
    if not (split.train.labelled and split.test.labelled):
        raise ValueError(
            f"evaluate: {source} has no labels; probes need them: class folders, or a label column"
        )
    return split


def assess(
    encoder: PretrainedEncoder,
    split: Split,
    *,
    name: str = "AMDIM",
    probes: Mapping[str, Probe] = PROBES,
    labels_per_class: int | None = 5,
    seed: int = 0,
) -> Assessment:
    """Every probe on every representation, with all labels and with `labels_per_class` (None: only all).

    Representations: the encoder's global feature, called `name`, that of a random encoder of the same shape,
    and raw pixels or the raw signal. Progress goes to stderr. Several processes (`distributed.num_ranks`)
    share the images to embed, and then the probes; each holds all features, and returns the same.
    """
    representations = {
        name: partial(embed, encoder),
        "random encoder": partial(embed, random_counterpart(encoder, seed)),
        raw_name(split.test): raw,
    }
    found, learned = {}, None
    with Progress(console=Console(stderr=True, quiet=rank() > 0), transient=True) as progress:
        task = progress.add_task("", total=len(representations) * len(probes))
        say = partial(progress.update, task)
        embedded: Iterable[tuple[str, Features, Features]] = _embedded(representations, split, say)
        if num_ranks() > 1:
            embedded = [*embedded]  # before any probe, so that none waits for the probes of another
        for number, (one, train, test) in enumerate(embedded):
            learned = test if learned is None else learned
            data = (train, split.train.labels, test, split.test.labels)
            for place, (key, probe) in enumerate(probes.items()):
                say(description=f"{key} probe: {one}")
                if (number + place) % num_ranks() == rank():
                    found[number, place] = _accuracies(one, key, probe, data, labels_per_class, seed)
                progress.advance(task)
    assert learned is not None
    everything = {key: rows for of_rank in objects_of_all(found) for key, rows in of_rank.items()}
    return Assessment([row for key in sorted(everything) for row in everything[key]], learned)


Features = Float[np.ndarray, "n d"]


def _embedded(
    representations: Mapping[str, Callable[[Seen], Features]], split: Split, say: Callable[..., None]
) -> Iterator[tuple[str, Features, Features]]:
    for one, of in representations.items():
        say(description=f"embedding: {one}")
        yield one, of(split.train), of(split.test)


def _accuracies(
    representation: str, key: str, probe: Probe, data: Any, labels_per_class: int | None, seed: int
) -> list[dict[str, Any]]:
    """Rows of one probe of one representation."""
    results = {"all": probe(*data, seed=seed)}
    if labels_per_class is not None:
        results[f"{labels_per_class} per class"] = few_labels(
            FEW_LABEL_PROBES.get(key, probe), *data, labels_per_class=labels_per_class, seed=seed
        )
    return [{"representation": representation, "labels": k, **asdict(r)} for k, r in results.items()]


def random_counterpart(encoder: PretrainedEncoder, seed: int) -> PretrainedEncoder:
    """An encoder of the same shape that has learned nothing, on the same device."""
    torch.manual_seed(seed)
    other = PretrainedEncoder(untrained(encoder.encoder), encoder.views)
    return other.to(next(encoder.parameters()).device)


def raw_name(seen: Seen) -> str:
    """What the raw representation is called."""
    return "raw signal" if isinstance(seen, Signals) else "raw pixels"


def raw(seen: Seen) -> Float[np.ndarray, "n d"]:
    """Images or signals as they are, flattened: of images see `raw_pixels`, of signals all samples."""
    return seen.values.reshape(len(seen), -1) if isinstance(seen, Signals) else raw_pixels(seen)


def raw_pixels(images: Images) -> Float[np.ndarray, "n d"]:
    """Pixels in [0, 1], flattened, at most RAW_PIXEL_SIDE a side: a longer one is shrunk to it."""
    blocks = []
    for start in range(0, len(images), 1024):
        block = images.batch(slice(start, start + 1024)).float() / 255
        height, width = block.shape[-2:]
        if max(height, width) > RAW_PIXEL_SIDE:
            size = (min(height, RAW_PIXEL_SIDE), min(width, RAW_PIXEL_SIDE))
            block = F.interpolate(block, size, mode="bilinear", antialias=True)
        blocks.append(block.flatten(1).numpy())
    return np.concatenate(blocks)


def _hold_out(images: Seen, seed: int) -> Split:
    if not images.labelled:
        return Split(images, images, "none")
    rows = np.flatnonzero(images.labels >= 0)
    train, test = train_test_split(
        rows, test_size=0.2, random_state=seed, stratify=_strata(images.labels[rows])
    )
    return Split(images.subset(np.sort(train)), images.subset(np.sort(test)), "a fifth, held out by class")


def _strata(labels: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"] | None:
    """The labels, unless a class is too rare to be split."""
    return labels if np.unique(labels, return_counts=True)[1].min() >= 2 else None
