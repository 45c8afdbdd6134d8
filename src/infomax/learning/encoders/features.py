"""Features that encoders return, and how to ask any encoder for their sizes."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

if TYPE_CHECKING:
    from infomax.learning.data.dataset import Dataset


@dataclass(frozen=True)
class Features:
    """Features of a batch of b views, as an encoder returns them.

    global_: one vector for each. local: maps of local vectors, by the length of their longer side: maps of
    images, rows of signals. layers: outputs of inner layers, by name, for probes. embedded: the global
    feature in the dimension of the maps, where it has another. joined: all scales as one vector, of encoders
    with a `Readout` in evaluation mode.
    """

    global_: Float[Tensor, "b d"]
    local: Mapping[int, Float[Tensor, "b _ *places"]]
    layers: Mapping[str, Float[Tensor, "b *_"]] = field(default_factory=dict)
    embedded: Float[Tensor, "b e"] | None = None
    joined: Float[Tensor, "b f"] | None = None

    @property
    def predicting(self) -> Float[Tensor, "b e"]:
        """The global feature as it predicts local ones, in their dimension."""
        return self.global_ if self.embedded is None else self.embedded

    @property
    def representation(self) -> Float[Tensor, "b f"]:
        """The vector that stands for a view in evaluation and files: all scales, or the global feature."""
        return self.global_ if self.joined is None else self.joined


def example_features(encoder: nn.Module, num_images: int = 2) -> Features:
    """Return the features of blank views, which tell the sizes of all features; the encoder does not change.

    Args:
        encoder: with an attribute `input_shape`: (c, h, w) of an image, (c, t) of a signal.
        num_images: views in the batch.
    """
    input_shape = cast(tuple[int, ...], encoder.input_shape)
    device = next(encoder.parameters()).device
    with evaluating(encoder):
        return encoder(torch.zeros(num_images, *input_shape, device=device))


def encoders_in(encoder: nn.Module) -> tuple[nn.Module, ...]:
    """Return the encoders in a `ModuleDict`, in its order; any other module is the only one."""
    return (*encoder.values(),) if isinstance(encoder, nn.ModuleDict) else (encoder,)


@contextmanager
def evaluating(module: nn.Module) -> Generator[None]:
    """Put a module into evaluation mode without gradients; afterwards modes and seeds are as before."""
    modes = {part: part.training for part in module.modules()}
    devices = {p.device for p in module.parameters() if p.device.type == "cuda"}
    try:
        with torch.random.fork_rng(devices), torch.no_grad():
            module.eval()
            yield
    finally:
        for part, mode in modes.items():
            part.training = mode


def of_shape(
    operation: str, seen: Float[Tensor, "b *shape"], shape: tuple[int, ...]
) -> Float[Tensor, "b *shape"]:
    """Return a batch whose things have the shape that an encoder was built for.

    Raises:
        ValueError: they have another shape.
    """
    if tuple(seen.shape[1:]) != shape:
        things = "images" if len(shape) == 3 else "signals"
        raise ValueError(
            f"{operation}: expected {things} [b, {', '.join(map(str, shape))}], got {list(seen.shape)}; "
            "bring them to this size, or build the encoder for theirs"
        )
    return seen


def features_of_rows(encoder: nn.Module, dataset: "Dataset", rows: slice | np.ndarray) -> Features:
    """Return the features of some rows of a dataset, on the device of the encoder; all of them are finite.

    Raises:
        ValueError: some are not; the message names the first thing that has such features.
    """
    device = next(encoder.parameters()).device
    features: Features = encoder(dataset.batch(rows).to(device))
    parts = (features.global_, features.representation, *features.local.values(), *features.layers.values())
    finite = torch.stack([torch.isfinite(one).flatten(1).all(1) for one in parts]).all(0)
    if not finite.all():
        first = np.arange(len(dataset))[rows][int((~finite).nonzero()[0])]
        raise ValueError(
            f"features: those of {dataset.names[first]} hold NaN or infinity, the first "
            f"of {int((~finite).sum())} of {len(finite)} in a batch, expected finite ones; did training "
            "diverge? train anew with a lower lr"
        )
    return features


def check_finite_weights(operation: str, encoder: nn.Module) -> None:
    """Check that every weight of an encoder is finite.

    Raises:
        ValueError: one is not; the message names its layer.
    """
    for name, weight in encoder.state_dict().items():
        if not torch.isfinite(weight).all():
            raise ValueError(
                f"{operation}: the weight {name} holds NaN or infinity, expected finite ones; did training "
                "diverge? train anew with a lower lr"
            )
