"""Two columns of a table: views of one thing from two places or by two senses."""

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from infomax.errors import refuse
from infomax.learning.views.images import ViewsConfig
from infomax.learning.views.kinds import EncoderPlace, SingleViews, Views
from infomax.ranges import Share, check_ranges
from infomax.registry import loaded

if TYPE_CHECKING:
    from torch import nn

    from infomax.learning.data.dataset import Pairs


@dataclass(frozen=True)
class PairedViewsConfig(Views):
    """How one view is made of each of two columns of a table.

    A feature of one view can tell only what the two views share.

    columns: names of the two columns.
    first, second: views of the first and of the second column.
    shared_encoder: use one encoder for both columns, not one for each.
    flip: probability of flipping both pictures together, if they show the same scene; `flip` of `first` and
    of `second` flips each picture alone.
    """

    kind: ClassVar[str] = "paired"

    name: Literal["paired"] = "paired"
    columns: tuple[str, str] = ("left", "right")
    first: SingleViews = field(default_factory=ViewsConfig)
    second: SingleViews = field(default_factory=ViewsConfig)
    shared_encoder: bool = False
    flip: Share = 0.0

    def __post_init__(self) -> None:
        check_ranges(self, "views")
        names = self.columns
        refuse(
            len(set(names)) != 2 or not all(re.fullmatch(r"[^/.]+", name) for name in names),
            f"views: columns must be two different names without / and ., got {', '.join(names)}",
        )
        refuse(
            self.flip and not all(len(part.input_shape) == 3 for part in self.parts),
            f"views: only two pictures can be flipped together, got flip {self.flip}; set 0",
        )
        shapes = [list(part.input_shape) for part in self.parts]
        refuse(
            self.shared_encoder and shapes[0] != shapes[1],
            f"views: one encoder needs views of one shape, got {shapes[0]} and {shapes[1]}; "
            "set views.shared_encoder false",
        )

    @property
    def parts(self) -> tuple[SingleViews, ...]:
        """How each column is seen."""
        return self.first, self.second

    @property
    def encoders(self) -> tuple[EncoderPlace, ...]:
        """One encoder for each column, in a folder of its name; or one for both."""
        if self.shared_encoder:
            return self.first.encoders
        return tuple(map(EncoderPlace, map(Path, self.columns), self.parts))

    def load(
        self,
        source: Any,
        *,
        split: str = "train",
        column: str | None = None,
        labels: str | None = None,
        skip_broken: bool = False,
    ) -> "Pairs":
        """Return the rows that can be read in both columns.

        Raises:
            ValueError: a `column` beside those of the views.
        """
        from infomax.learning.data.pairing import same_names

        refuse(
            column is not None,
            f"load: the views are made of the columns {' and '.join(self.columns)}, got the column "
            f"{column!r} beside them; set views.columns",
        )
        first, second = (
            part.load(source, split=split, column=name, labels=labels, skip_broken=skip_broken)
            for name, part in zip(self.columns, self.parts, strict=True)
        )
        return same_names(first, second)

    def random_views(self, num_views: int) -> "nn.Module":
        """Return `PairedViews`, which makes one view of each column."""
        return loaded("infomax.learning.views.pair_views:PairedViews")(self)

    def without_augmentation(self) -> "PairedViewsConfig":
        """Return views of both columns without augmentation."""
        first, second = (part.without_augmentation() for part in self.parts)
        return replace(self, first=first, second=second, flip=0.0)

    def titles(self, num_views: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the names of the columns, and what their views are called."""
        return self.columns, tuple(f"{name}, view" for name in self.columns)
