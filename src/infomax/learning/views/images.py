"""Augmented pictures: the configuration of their views, and the presets of the papers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from infomax.errors import refuse
from infomax.learning.data.streaming.defaults import DEFAULT_WINDOW
from infomax.learning.views.kinds import SingleViews
from infomax.ranges import (
    MAX_SIDE,
    Finite,
    NotEmpty,
    Ordered,
    Positive,
    Range,
    Share,
    Side,
    Weight,
    check_ranges,
)
from infomax.registry import PLACE, Registry, loaded

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float, UInt8
    from torch import Tensor, nn

    from infomax.learning.data.dataset import Dataset
    from infomax.learning.data.streaming.stream import Stream, Trainable


POLICIES: Registry[Callable[..., Any]] = Registry(
    "policy",
    {
        name: f"infomax.learning.views.policies:{name.replace('-', '_')}"
        for name in ("autoaugment-cifar10", "autoaugment-imagenet", "randaugment", "trivialaugment")
    },
    group="infomax.policies",
)
"""Functions of no arguments that make a published policy; or one of a user's own, images to images."""


Part = Annotated[float, Range(above=0, most=1)]
"""A share that is not nothing."""
Hue = Annotated[float, Range(0, 0.5)]
"""A shift of hue, as a share of the whole circle, to either side."""


MAX_WHOLE_SIDE = 48
"""The longest side, px, of pictures that are stored at the size of their views, where that is not given."""


@dataclass(frozen=True)
class ViewsConfig(SingleViews):
    """How views are made of pictures.

    stored_size: side in px, or (height, width), of pictures as they are decoded and kept. With null, up to 32
    pictures of each split decide when the data are loaded; 32 if half of them have a shorter side of at most
    48 px, else 96.
    image_size: side or (height, width) of a view; null for stored_size up to 48 px, else two thirds of it.
    crop_scale: share of the area that a random resized crop (bicubic) keeps, smallest and largest; null for
    no crop.
    crop_ratio: aspect ratio of the crop, smallest and largest, as a multiple of the view's own.
    translate: largest random shift in px, with reflected borders.
    translate_probability: probability of a shift.
    flip: probability of a horizontal flip.
    shared_flip: flip all views of a picture together.
    policy: augmentation policy, applied after the crop; a published one for colour pictures (see `Policy`),
    or package.module:function of your own, for pictures [b, c, h, w] in [0, 1] (see `OwnPolicy`).
    jitter: strength of brightness, contrast, saturation and hue changes; without exactly 3 channels, only the
    first two apply.
    jitter_probability: probability of these changes.
    grayscale: probability of losing colour (3 channels).
    mean, std: values for normalisation, one for each channel, for pixels in [0, 1].
    evaluation_crop: share of the side that the centre crop for evaluation keeps.
    range: pixel values that become the smallest and the largest stored value, LOW:HIGH (one pair for each
    channel, with commas between), auto, full or percentile. The run and its encoder keep the values.
    bits: bits of a stored value, 8 or 16; null lets the images decide.
    pages: pages to read from a file with several; first, a number from 1, channels (all pages, as channels),
    or numbers such as 1,3, which become channels (see `load_images`).
    """

    kind: ClassVar[str] = "augmented"
    noun: ClassVar[str] = "image"
    raw_name: ClassVar[str] = "raw pixels"
    choices: ClassVar[Mapping[str, Registry[Any]]] = {"policy": POLICIES}
    before: ClassVar[Mapping[str, Any]] = MappingProxyType({"range": "full", "bits": 8, "pages": "first"})

    stored_size: Side | tuple[Side, Side] | None = 32
    image_size: Side | tuple[Side, Side] | None = 32
    crop_scale: Annotated[tuple[Part, Part], Ordered()] | None = (0.3, 1.0)
    crop_ratio: Annotated[tuple[Positive, Positive], Ordered()] = (0.7, 1.4)
    translate: Annotated[int, Range(0, MAX_SIDE)] = 0
    translate_probability: Share = 0.8
    flip: Share = 0.5
    shared_flip: bool = True
    policy: str | Callable[..., Any] | None = None
    jitter: tuple[Weight, Weight, Weight, Hue] = (0.4, 0.4, 0.4, 0.2)
    jitter_probability: Share = 0.8
    grayscale: Share = 0.25
    mean: Annotated[tuple[Finite, ...], NotEmpty()] = (0.485, 0.456, 0.406)
    std: tuple[Positive, ...] = (0.229, 0.224, 0.225)
    evaluation_crop: Part = 1.0
    range: str = "auto"
    bits: Literal[8, 16] | None = None
    pages: str = "first"

    def __post_init__(self) -> None:
        check_ranges(self, "views")
        policy = None if self.policy in (None, "none") else POLICIES.name_of(self.policy, "views")
        object.__setattr__(self, "policy", policy)  # earlier versions wrote none for null
        refuse(
            len(self.mean) != len(self.std),
            f"views: mean and std need one value for each channel, got {len(self.mean)} and {len(self.std)}",
        )
        refuse(
            policy and not PLACE.fullmatch(policy) and self.channels != 3,
            f"views: policy {self.policy} is for images of 3 channels (colour), got {self.channels}; "
            "set views.policy null",
        )
        refuse(
            self.stored_size is not None and self.translate >= min(_height_width(self.stored_size)),
            f"views: translate must be less than the sides of stored_size {self.stored_size}, "
            f"got {self.translate}",
        )

    @property
    def without_effect(self) -> dict[str, str]:
        """Return the fields that have no effect beside the others, each with the reason."""
        unused = {
            "crop_ratio": (self.crop_scale is None, "crop_scale is null"),
            "translate_probability": (not self.translate, "translate is 0"),
            "jitter_probability": (not any(self.jitter), "jitter is 0"),
        }
        return {name: why for name, (idle, why) in unused.items() if idle}

    @property
    def channels(self) -> int:
        """Channels of a picture: 1 for grey, 3 for colour."""
        return len(self.mean)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(c, h, w) of a view; ValueError where the pictures decide it, before they are loaded."""
        if self.image_size is not None:
            return self.channels, *_height_width(self.image_size)
        channels, height, width = self.stored_shape
        return channels, _seen(height), _seen(width)

    @property
    def stored_shape(self) -> tuple[int, int, int]:
        """(c, h, w) of a picture as the dataset keeps it; ValueError as for `input_shape`."""
        if self.stored_size is None:
            raise ValueError(
                "views: the pictures decide their size when they are loaded, which they are not yet; take "
                "views.as_read(dataset), or set views.stored_size"
            )
        return self.channels, *_height_width(self.stored_size)

    def decided_by(self, dataset: "Trainable") -> Mapping[str, Any]:
        """Return the sizes, where loading the dataset decided them."""
        if None not in (self.stored_size, self.image_size):
            return {}
        stored = self.stored_size or _side(*dataset.parts[0].shape[1:])
        seen = self.image_size or _side(*map(_seen, _height_width(stored)))
        return {"stored_size": stored, "image_size": seen}

    def stream(
        self,
        source: Any,
        *,
        split: str = "train",
        column: str | None = None,
        labels: str | None = None,
        skip_broken: bool = False,
        window: int = DEFAULT_WINDOW,
    ) -> "Stream":
        """Return the pictures of shards, by `stream_images`."""
        return loaded("infomax.learning.data.streaming.stream:stream_images")(
            source,
            split=split,
            column=column,
            size=self.stored_size,
            channels=self.channels,
            range=self.range,
            bits=self.bits,
            pages=self.pages,
            labels=labels,
            skip_broken=skip_broken,
            window=window,
        )

    def load(
        self,
        source: Any,
        *,
        split: str = "train",
        column: str | None = None,
        labels: str | None = None,
        skip_broken: bool = False,
    ) -> "Dataset":
        """Return the pictures of a source, by `load_images`."""
        from infomax.learning.data.loading import load_images

        return load_images(
            source,
            split=split,
            column=column,
            size=self.stored_size,
            channels=self.channels,
            range=self.range,
            bits=self.bits,
            pages=self.pages,
            labels=labels,
            skip_broken=skip_broken,
        )

    def splits(self, source: Any, column: str | None = None, labels: str | None = None) -> tuple[str, ...]:
        """Return the names of the splits of a source, train first."""
        from infomax.learning.data.loading import available_splits

        return available_splits(source, column, labels)

    def random_views(self, num_views: int) -> "nn.Module":
        """Return `AugmentedViews`."""
        return loaded("infomax.learning.views.image_views:AugmentedViews")(self, num_views)

    def plain_view(self) -> "nn.Module":
        """Return `EvaluationView`."""
        return loaded("infomax.learning.views.image_views:EvaluationView")(self)

    def without_augmentation(self) -> "ViewsConfig":
        """Return views that are the whole picture at the size of a view, normalised."""
        return replace(
            self,
            stored_size=self.image_size,
            crop_scale=None,
            translate=0,
            flip=0.0,
            policy=None,
            jitter=(0.0, 0.0, 0.0, 0.0),
            grayscale=0.0,
            evaluation_crop=1.0,
        )

    def pictures(self, views: "Tensor") -> "UInt8[np.ndarray, 'm h w c']":
        """Return the pixels of views before normalisation."""
        return loaded("infomax.learning.views.image_views:view_pictures")(self, views)

    def thumbnails(self, dataset: "Dataset") -> "UInt8[np.ndarray, 'n h w c']":
        """Return the pictures as the dataset keeps them, in 8 bits."""
        values = dataset.values
        return values if values.itemsize == 1 else (values // 257).astype("uint8")

    def raw(self, dataset: "Dataset") -> "Float[np.ndarray, 'n d']":
        """Return pixels in [0, 1], by `raw_pixels`."""
        return loaded("infomax.learning.views.image_views:raw_pixels")(dataset)


def _height_width(size: int | tuple[int, int]) -> tuple[int, int]:
    return size if isinstance(size, tuple) else (size, size)


def _side(height: int, width: int) -> int | tuple[int, int]:
    return height if height == width else (height, width)


def _seen(stored: int) -> int:
    """Return the side of a view of a stored side."""
    return stored if stored <= MAX_WHOLE_SIDE else round(2 * stored / 3)


CIFAR_VIEWS = ViewsConfig(
    crop_scale=None,
    translate=4,
    mean=(125.3 / 255, 123.0 / 255, 113.9 / 255),
    std=(63.0 / 255, 62.1 / 255, 66.7 / 255),
)
"""Views of the AMDIM paper for CIFAR: reflected shifts of up to 4 px, colour jitter, grey."""

STL_VIEWS = ViewsConfig(stored_size=96, image_size=64, evaluation_crop=64 / 70)
"""Views of the AMDIM paper for STL-10: random resized crops of 64 px."""

IMAGENET128_VIEWS = ViewsConfig(
    stored_size=146, image_size=128, jitter=(0.4, 0.4, 0.4, 0.1), evaluation_crop=128 / 146
)
"""Views of the AMDIM paper for ImageNet at 128 px, but cropped from images stored at 146 px.

The paper crops the whole photograph.
"""

PLAIN_VIEWS = ViewsConfig(
    crop_scale=None, flip=0.0, jitter=(0.0, 0.0, 0.0, 0.0), grayscale=0.0, mean=(0.5,) * 3, std=(0.5,) * 3
)
"""Images as they are, in [−1, 1]: what Deep InfoMax learns from."""
