"""Representations that an evaluation compares: an encoder's features, a random encoder's, and raw data."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from jaxtyping import Float

from infomax.evaluation.embedding import device_of, embed
from infomax.evaluation.results import RANDOM_ENCODER
from infomax.learning.data.dataset import Dataset
from infomax.learning.encoders.amdim_layers import fit_readout
from infomax.learning.encoders.saving import PretrainedEncoder, untrained
from infomax.learning.methods.amdim import NUM_READ, READ_AT_ONCE
from infomax.learning.training.run import Run

Representation = Callable[[Dataset], Float[np.ndarray, "n d"]]


def representations(
    encoder: PretrainedEncoder, name: str, seed: int, seen: Dataset
) -> dict[str, Representation]:
    """Return what turns a dataset into rows: the encoder, a random encoder, and no encoder at all.

    Args:
        encoder: what is evaluated.
        name: what its rows are called.
        seed: of the random encoder.
        seen: what the readout of the random encoder is fitted to, if the encoder has one.
    """
    other = random_counterpart(encoder, seed)
    fit_readout(other.encoder, other.view, seen.example_batches(NUM_READ, seed, READ_AT_ONCE))
    return {
        name: partial(embed, encoder),
        RANDOM_ENCODER: partial(embed, other),
        encoder.views.raw_name: encoder.views.raw,
    }


def random_counterpart(encoder: PretrainedEncoder, seed: int) -> PretrainedEncoder:
    """Return an encoder of the same shape with random weights, on the same device."""
    torch.manual_seed(seed)
    other = PretrainedEncoder(untrained(encoder.encoder), encoder.views)
    return other.to(device_of(encoder))


def sees_images(encoder: PretrainedEncoder) -> bool:
    """Return whether an encoder takes images [c, h, w], not signals [c, t]."""
    return len(encoder.views.input_shape) == 3


def name_of(run: Run, encoder: PretrainedEncoder) -> str:
    """Return the method that trained a run's encoder; the architecture of one that no recipe tells of."""
    if run.training.recipe.is_file():
        return run.training.method
    return type(encoder.encoder).__name__.removesuffix("Encoder")
