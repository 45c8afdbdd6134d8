"""The interface of all kinds of views.

A kind of views is a configuration that knows how its data is loaded, what random views are made of it, which
plain view evaluation takes, and which encoders learn from it:

    kind         data                       encoders
    augmented    pictures                   one
    signal       signals                    one
    temporal     frames of sequences        one, for both frames
    paired       two columns of a table     one for each column, or one for both

A new kind is one new file: a frozen dataclass that extends `Views` or `SingleViews`, and a call of
`table.register_views`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeVar

from infomax.errors import refuse
from infomax.learning.data.streaming.defaults import DEFAULT_WINDOW
from infomax.registry import Registry

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float, UInt8
    from torch import Tensor, nn

    from infomax.learning.data.dataset import Dataset, Pairs
    from infomax.learning.data.streaming.stream import Stream, Trainable


class EncoderPlace(NamedTuple):
    """An encoder of a run: its folder within the run's (``Path()``: that folder itself), and what it sees."""

    folder: Path
    views: "SingleViews"


V = TypeVar("V", bound="Views")


@dataclass(frozen=True)
class Views(ABC):
    """How views are made of a dataset: what all kinds of views can do.

    kind: name of the kind, the field `name` of a recipe's views. choices: fields that name a part, and the
    table that has it; they may hold one of a user's own.
    """

    kind: ClassVar[str]
    choices: ClassVar[Mapping[str, Registry[Any]]] = MappingProxyType({})
    before: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    """The values that fields had before descriptions held them, by name."""

    @property
    @abstractmethod
    def parts(self) -> tuple["SingleViews", ...]:
        """How each part of a batch is seen: one part, or two that belong together."""

    @property
    @abstractmethod
    def encoders(self) -> tuple[EncoderPlace, ...]:
        """The encoders that learn from these views, and where in a run folder each lies."""

    @abstractmethod
    def load(
        self,
        source: Any,
        *,
        split: str = "train",
        column: str | None = None,
        labels: str | None = None,
        skip_broken: bool = False,
    ) -> "Dataset | Pairs":
        """Return the dataset that these views are made of.

        Args:
            source: as for `load_images`, or for `load_signals`.
            split: part of the source.
            column: of a table, the column that is seen.
            labels: where labels come from, as for `load_images`.
            skip_broken: leave out what cannot be read.
        """

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
        """Return a stream that these views are made of, read from shards; of pictures only.

        Args:
            source: as for `stream_images`.
            split, column, labels, skip_broken: as of `load`.
            window: things that are put in a random order together.

        Raises:
            ValueError: things of this kind cannot be streamed.
        """
        raise ValueError(
            f"views: {self.kind} views are made of data that is decoded once, got a recipe with stream; "
            "leave --stream out"
        )

    @abstractmethod
    def random_views(self, num_views: int) -> "nn.Module":
        """Return a module: a batch of the dataset to a tuple of random views."""

    @abstractmethod
    def without_augmentation(self) -> "Views":
        """Return views that are what was seen, unchanged but for normalisation."""

    @abstractmethod
    def titles(self, num_views: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return what the parts that were seen are called in pictures, and what their views are called."""

    def as_read(self: V, dataset: "Trainable") -> V:
        """Return these views with what loading the dataset decided, such as the range of its pixels.

        Raises:
            ValueError: the dataset was read otherwise than these views say.
        """
        own = {**(_as_read(self, dataset) if self.before else {}), **self.decided_by(dataset)}
        within = zip(self._within, dataset.parts, strict=False)
        return replace(self, **own, **{name: getattr(self, name).as_read(part) for name, part in within})

    def decided_by(self, dataset: "Trainable") -> Mapping[str, Any]:
        """Return the fields that loading the dataset decided, besides those of how pixels are read; none."""
        return {}

    def reading(self: V, **how: Any) -> V:
        """Return these views with other ways to read things: ``range="0:4095"``; None keeps what there is.

        Raises:
            ValueError: things of this kind are read as they are.
        """
        given = {name: one for name, one in how.items() if one is not None}
        able = [name for name in self._within if getattr(self, name).before]
        refuse(
            given and not (self.before or able),
            f"views: {', '.join(given)} is for images, got {self.kind} views, which are of something "
            "else; leave it out",
        )
        own = given if self.before else {}
        return replace(self, **own, **{name: getattr(self, name).reading(**given) for name in able})

    @property
    def _within(self) -> list[str]:
        """The fields that are views of single things."""
        return [one.name for one in fields(self) if isinstance(getattr(self, one.name), SingleViews)]

    def example_pictures(self, seen: Any, num_views: int) -> "dict[str, UInt8[np.ndarray, 'm h w c']]":
        """Return pictures of the plain view of each part, and of random views, by their titles.

        Args:
            seen: a batch of the dataset.
            num_views: random views of each thing.
        """
        batch = seen if isinstance(seen, tuple) else (seen,)
        plain = [part.plain_view()(one) for part, one in zip(self.parts, batch, strict=True)]
        made = self.random_views(num_views)(seen)
        seen_titles, view_titles = self.titles(num_views)
        kinds = self.parts * (len(made) // len(self.parts))
        shown = [
            *zip(seen_titles, plain, self.parts, strict=True),
            *zip(view_titles, made, kinds, strict=True),
        ]
        return {title: part.pictures(views) for title, views, part in shown}


def _as_read(views: Any, dataset: Any) -> dict[str, Any]:
    """Return how the pixels of a dataset were read, by the fields of its views."""
    is_open = views.range in ("auto", "percentile")
    if dataset.pixels is None:  # made by hand, of stored values
        return dict(views.before) if is_open else {}
    read = {name: getattr(dataset.pixels, name) for name in views.before}
    refuse(
        not is_open and views.range != read["range"],
        f"views: received images that were read by the range {read['range']}, expected {views.range}, as "
        "views.range says; load them with `views.load`",
    )
    return read


@dataclass(frozen=True)
class SingleViews(Views):
    """How views are made of single things, as one encoder sees them: what such kinds of views can do.

    noun: one of the things. raw_name: what the baseline without an encoder is called.
    """

    noun: ClassVar[str]
    raw_name: ClassVar[str]

    @property
    @abstractmethod
    def stored_shape(self) -> tuple[int, ...]:
        """Shape of one thing as the dataset keeps it, channels first."""

    @property
    @abstractmethod
    def input_shape(self) -> tuple[int, ...]:
        """Shape of a view, channels first: what the encoder takes."""

    @abstractmethod
    def load(
        self,
        source: Any,
        *,
        split: str = "train",
        column: str | None = None,
        labels: str | None = None,
        skip_broken: bool = False,
    ) -> "Dataset":
        """Return the dataset that these views are made of; arguments as of `Views.load`."""

    @abstractmethod
    def splits(self, source: Any, column: str | None = None, labels: str | None = None) -> tuple[str, ...]:
        """Return the names of the splits of a source, train first."""

    @abstractmethod
    def plain_view(self) -> "nn.Module":
        """Return a module: a batch to the one view that evaluation uses."""

    @abstractmethod
    def pictures(self, views: "Tensor") -> "UInt8[np.ndarray, 'm h w c']":
        """Return views as pictures for people."""

    @abstractmethod
    def thumbnails(self, dataset: "Dataset") -> "UInt8[np.ndarray, 'n h w c']":
        """Return a small picture of each thing of a dataset."""

    @abstractmethod
    def raw(self, dataset: "Dataset") -> "Float[np.ndarray, 'n d']":
        """Return the things as rows of numbers: the baseline without an encoder."""

    @property
    def parts(self) -> tuple["SingleViews", ...]:
        """These views: there is one part."""
        return (self,)

    @property
    def encoders(self) -> tuple[EncoderPlace, ...]:
        """One encoder, in the run folder itself."""
        return (EncoderPlace(Path(), self),)

    def titles(self, num_views: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return ``original``, and ``view1``, ``view2``, …"""
        return ("original",), tuple(f"view{number}" for number in range(1, num_views + 1))
