"""Signals: the configuration of their views."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from infomax.errors import refuse
from infomax.learning.views.kinds import SingleViews
from infomax.ranges import Finite, Length, NotEmpty, Ordered, Positive, Share, Weight, check_ranges
from infomax.registry import loaded

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float, UInt8
    from torch import Tensor, nn

    from infomax.learning.data.dataset import Dataset


@dataclass(frozen=True)
class SignalViewsConfig(SingleViews):
    """How views are made of signals.

    stored_length: samples of a signal that are kept.
    length: samples of a view, which is a random stretch of the signal.
    gain: smallest and largest random factor of a view, drawn evenly between them.
    flip_sign: probability of the factor −1.
    noise: standard deviation of the noise added to each sample, in units of `std`.
    mask: largest share of a view that is silenced; the silence has a random length and place.
    mean, std: values for normalisation, one for each channel; gain and silence are relative to the mean.
    """

    kind: ClassVar[str] = "signal"
    noun: ClassVar[str] = "signal"
    raw_name: ClassVar[str] = "raw signal"

    name: Literal["signal"] = "signal"
    stored_length: Length = 1024
    length: Length = 896
    gain: Annotated[tuple[Positive, Positive], Ordered()] = (0.7, 1.4)
    flip_sign: Share = 0.0
    noise: Weight = 0.1
    mask: Share = 0.2
    mean: Annotated[tuple[Finite, ...], NotEmpty()] = (0.0,)
    std: tuple[Positive, ...] = (1.0,)

    def __post_init__(self) -> None:
        check_ranges(self, "views")
        refuse(
            self.length > self.stored_length,
            "views: length must be at most stored_length, "
            f"got length {self.length} and stored_length {self.stored_length}",
        )
        refuse(
            len(self.mean) != len(self.std),
            f"views: mean and std need one value for each channel, got mean {self.mean} and std {self.std}",
        )

    @property
    def channels(self) -> int:
        """Channels of a signal."""
        return len(self.mean)

    @property
    def input_shape(self) -> tuple[int, int]:
        """(c, t) of a view."""
        return (self.channels, self.length)

    @property
    def stored_shape(self) -> tuple[int, int]:
        """(c, t) of a signal as the dataset keeps it."""
        return (self.channels, self.stored_length)

    def load(
        self,
        source: Any,
        *,
        split: str = "train",
        column: str | None = None,
        labels: str | None = None,
        skip_broken: bool = False,
    ) -> "Dataset":
        """Return the signals of a source, by `load_signals`."""
        from infomax.learning.data.loading import load_signals

        return load_signals(
            source,
            split=split,
            column=column,
            length=self.stored_length,
            channels=self.channels,
            labels=labels,
            skip_broken=skip_broken,
        )

    def splits(self, source: Any, column: str | None = None, labels: str | None = None) -> tuple[str, ...]:
        """Return the names of the splits of a source, train first."""
        from infomax.learning.data.loading import available_signal_splits

        return available_signal_splits(source, column, labels)

    def random_views(self, num_views: int) -> "nn.Module":
        """Return `AugmentedSignals`."""
        return loaded("infomax.learning.views.signal_views:AugmentedSignals")(self, num_views)

    def plain_view(self) -> "nn.Module":
        """Return `SignalView`."""
        return loaded("infomax.learning.views.signal_views:SignalView")(self)

    def without_augmentation(self) -> "SignalViewsConfig":
        """Return views that are the middle of the signal at the length of a view, normalised."""
        return replace(self, stored_length=self.length, gain=(1.0, 1.0), flip_sign=0.0, noise=0.0, mask=0.0)

    def pictures(self, views: "Tensor") -> "UInt8[np.ndarray, 'm h w c']":
        """Return traces of views before normalisation."""
        return loaded("infomax.learning.views.signal_views:view_pictures")(self, views)

    def thumbnails(self, dataset: "Dataset") -> "UInt8[np.ndarray, 'n h w c']":
        """Return traces of the signals."""
        from infomax.learning.views.traces import traces

        return traces(dataset.values)

    def raw(self, dataset: "Dataset") -> "Float[np.ndarray, 'n d']":
        """Return all samples of each signal."""
        return dataset.values.reshape(len(dataset), -1)
