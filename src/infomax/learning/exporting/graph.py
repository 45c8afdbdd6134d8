"""An encoder as one graph: what was measured goes in, features come out.

pixels as measured → their recorded range → the plain view, normalised → encoder → embedding, local maps
"""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from infomax.learning.encoders.features import Features, example_features
from infomax.learning.encoders.saving import PretrainedEncoder
from infomax.learning.exporting.inputs import AsLoaded, Input, Port, input_of

EMBEDDING = "embedding"
"""Name of the representation, in files."""


class EncoderGraph(nn.Module):
    """An encoder with all that is done to its input, as exporters follow it; its outputs are a tuple.

    Args:
        encoder: it is copied to the CPU.
        local: give the local maps, too.
        measured: take pixels or values as files hold them; else what `load_images` gives.

    Attributes:
        input, outputs: what goes in, and what comes out, in order.
    """

    def __init__(self, encoder: PretrainedEncoder, *, local: bool = False, measured: bool = True):
        super().__init__()
        own: Any = deepcopy(encoder).cpu()
        self.encoder: PretrainedEncoder = own.to(memory_format=torch.contiguous_format)  # as files hold them
        self.local = local
        self.read: Input = input_of(encoder.views) if measured else AsLoaded(encoder.views)
        self.input: Port = self.read.port
        example = example_features(self.encoder.encoder, 1)
        vector = "global features" if example.joined is None else "features of all scales"
        self.outputs: tuple[Port, ...] = _ports(self._wanted(example), {EMBEDDING: vector})
        self.eval()

    def forward(self, seen: Tensor) -> tuple[Tensor, ...]:
        """Return the embedding, and the local maps where they are wanted."""
        return (*self._wanted(self.encoder(self.read(seen))).values(),)

    def example(self, num: int, seed: int = 0) -> np.ndarray:
        """Return a batch of random things that can go in, some of them outside the range."""
        shape = (num, *self.encoder.views.stored_shape)
        return self.read.drawn(np.random.default_rng(seed).random(shape))

    @torch.no_grad()
    def original(self, seen: np.ndarray) -> dict[str, np.ndarray]:
        """Return what the encoder itself gives for a batch that is read as `load_images` reads files."""
        stored = torch.from_numpy(self.read.as_loaded(seen))
        return {name: x.numpy() for name, x in self._wanted(self.encoder(stored)).items()}

    def _wanted(self, features: Features) -> dict[str, Tensor]:
        """Return the outputs by name."""
        local = features.local if self.local else {}
        return {EMBEDDING: features.representation, **{f"local_{side}": x for side, x in local.items()}}


def _ports(features: Mapping[str, Tensor], words: Mapping[str, str]) -> tuple[Port, ...]:
    """Return what comes out, with the words for some of it."""
    return tuple(
        Port(name, "float32", ("b", *x.shape[1:]), words.get(name, "local features, channels first"))
        for name, x in features.items()
    )
