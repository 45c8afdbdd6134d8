"""Two frames of a sequence: views of one thing at two moments."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from infomax.learning.views.images import ViewsConfig
from infomax.learning.views.kinds import EncoderPlace, SingleViews, Views
from infomax.ranges import Count, check_ranges
from infomax.registry import loaded

if TYPE_CHECKING:
    from torch import nn

    from infomax.learning.data.dataset import Pairs


@dataclass(frozen=True)
class TemporalViewsConfig(Views):
    """How views are made of two frames of a sequence.

    lag: frames from the first to the second.
    frames: views of each frame; both are flipped together.
    """

    kind: ClassVar[str] = "temporal"

    name: Literal["temporal"] = "temporal"
    lag: Count = 1
    frames: ViewsConfig = field(default_factory=ViewsConfig)

    def __post_init__(self) -> None:
        check_ranges(self, "views")

    @property
    def parts(self) -> tuple[SingleViews, ...]:
        """How each frame is seen."""
        return self.frames, self.frames

    @property
    def encoders(self) -> tuple[EncoderPlace, ...]:
        """One encoder for both frames, in the run folder itself."""
        return self.frames.encoders

    def load(
        self,
        source: Any,
        *,
        split: str = "train",
        column: str | None = None,
        labels: str | None = None,
        skip_broken: bool = False,
    ) -> "Pairs":
        """Return each frame with the one `lag` frames later, by `in_time`."""
        from infomax.learning.data.pairing import in_time

        frames = self.frames.load(source, split=split, column=column, labels=labels, skip_broken=skip_broken)
        return in_time(frames, self.lag)

    def random_views(self, num_views: int) -> "nn.Module":
        """Return `TemporalViews`, which makes one view of each frame."""
        return loaded("infomax.learning.views.pair_views:TemporalViews")(self)

    def without_augmentation(self) -> "TemporalViewsConfig":
        """Return views of the frames without augmentation."""
        return replace(self, frames=self.frames.without_augmentation())

    def titles(self, num_views: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return what the two frames are called, and their views."""
        return ("frame", f"{self.lag} later"), ("view1", "view2")
