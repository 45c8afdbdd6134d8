"""What each kind of views needs: how its data is loaded, what makes its views, whose views they are.

views            data                       encoders
augmented        pictures                   one
signal           signals                    one
temporal         frames of sequences        one, of both frames
paired           two columns of a table     one of each, or one of both
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor, nn

from infomax.learning.data.images import Images, load_images
from infomax.learning.data.signals import Signals, load_signals
from infomax.learning.views.images import AugmentedViews, EvaluationView, Normalize, ViewsConfig
from infomax.learning.views.pairing import (
    Paired,
    PairedViews,
    PairedViewsConfig,
    SingleViewsConfig,
    TemporalViews,
    TemporalViewsConfig,
    in_time,
    same_names,
)
from infomax.learning.views.signals import (
    AugmentedSignals,
    NormalizeSignal,
    SignalView,
    SignalViewsConfig,
    pictures,
)

AnyViewsConfig = ViewsConfig | SignalViewsConfig | TemporalViewsConfig | PairedViewsConfig
Contexts = Images | Signals | Paired

KINDS_OF_VIEWS: Mapping[str, type[AnyViewsConfig]] = {
    "augmented": ViewsConfig,
    "signal": SignalViewsConfig,
    "temporal": TemporalViewsConfig,
    "paired": PairedViewsConfig,
}


def load_contexts(
    views: AnyViewsConfig,
    source: Any,
    *,
    split: str = "train",
    column: str | None = None,
    skip_broken: bool = False,
) -> Contexts:
    """What the views are made of.

    Args:
        views: their configuration, which knows sizes and, of pairs, the columns.
        source: as for `load_images`, and for `load_signals`.
        split: part of the source.
        column: of a table, what is seen; pairs have columns of their own.
        skip_broken: leave out what cannot be read; of pairs, both.

    Raises:
        ValueError: a column for pairs.
    """
    load = partial(load_seen, source=source, split=split, skip_broken=skip_broken)
    if isinstance(views, TemporalViewsConfig):
        return in_time(load(views.frames, column=column), views.lag)
    if not isinstance(views, PairedViewsConfig):
        return load(views, column=column)
    if column is not None:
        raise ValueError(
            f"load_contexts: the views are of the columns {' and '.join(views.columns)}, got the column "
            f"{column!r} beside them; set views.columns"
        )
    first, second = views.columns
    return same_names(load(views.first, column=first), load(views.second, column=second))


def load_seen(
    views: SingleViewsConfig,
    source: Any,
    *,
    split: str = "train",
    column: str | None = None,
    skip_broken: bool = False,
) -> Images | Signals:
    """Pictures or signals, as one view's configuration wants them."""
    options: dict[str, Any] = {"split": split, "column": column, "skip_broken": skip_broken}
    if isinstance(views, SignalViewsConfig):
        return load_signals(source, length=views.stored_length, channels=views.channels, **options)
    return load_images(source, size=views.stored_shape[1:], channels=views.channels, **options)


def view_maker(views: AnyViewsConfig, num_views: int) -> nn.Module:
    """What makes `num_views` random views of a batch; of pairs and frames, the two that there are."""
    match views:
        case ViewsConfig():
            return AugmentedViews(views, num_views)
        case SignalViewsConfig():
            return AugmentedSignals(views, num_views)
    return TemporalViews(views) if isinstance(views, TemporalViewsConfig) else PairedViews(views)


def plain_view(views: SingleViewsConfig) -> nn.Module:
    """What makes the one view that evaluation uses."""
    return SignalView(views) if isinstance(views, SignalViewsConfig) else EvaluationView(views)


def seen_by(views: AnyViewsConfig) -> tuple[SingleViewsConfig, ...]:
    """How each part of a batch is seen: of pairs and frames there are two parts."""
    match views:
        case PairedViewsConfig():
            return views.first, views.second
        case TemporalViewsConfig():
            return views.frames, views.frames
        case _:
            return (views,)


def encoders_of(views: AnyViewsConfig) -> Mapping[str, SingleViewsConfig]:
    """The views that each encoder learns from, by its name; "" where there is one encoder."""
    match views:
        case PairedViewsConfig(shared_encoder=False):
            return {views.columns[0]: views.first, views.columns[1]: views.second}
        case _:
            return {"": seen_by(views)[0]}


def example_pictures(
    views: AnyViewsConfig, seen: Tensor | tuple[Tensor, ...], num_views: int
) -> dict[str, UInt8[np.ndarray, "m h w c"]]:
    """Pictures of what was seen as evaluation sees it, and of random views of it; by what they show."""
    parts = seen if isinstance(seen, tuple) else (seen,)
    kinds = seen_by(views)
    originals = [plain_view(kind)(part) for kind, part in zip(kinds, parts, strict=True)]
    made = view_maker(views, num_views)(seen)
    match views:
        case PairedViewsConfig():
            names, titles = views.columns, [f"{name}, view" for name in views.columns]
        case TemporalViewsConfig():
            names, titles = ("frame", f"{views.lag} later"), ("view1", "view2")
        case _:
            names, titles = ("original",), [f"view{number}" for number in range(1, num_views + 1)]
    shown = [*zip(names, originals, kinds, strict=True)]
    shown += zip(titles, made, kinds * (len(made) // len(kinds)), strict=True)
    return {name: _as_pictures(view, kind) for name, view, kind in shown}


@torch.no_grad()
def _as_pictures(view: Tensor, kind: SingleViewsConfig) -> UInt8[np.ndarray, "m h w c"]:
    if isinstance(kind, SignalViewsConfig):
        return pictures(NormalizeSignal(kind).inverse(view).numpy())
    return Normalize(kind).inverse(view).permute(0, 2, 3, 1).numpy()
