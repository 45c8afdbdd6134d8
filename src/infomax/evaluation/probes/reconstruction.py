"""How much of an image can be decoded from its features: the structural similarity of decoded images.

    decoder = argmin E |decoder(z) − x|²,   reported: MS-SSIM(decoder(z), x) on other images; 1 if equal

MS-SSIM is the multi-scale structural similarity of Wang, Simoncelli and Bovik (2003), as torchmetrics
computes it: Gaussian windows of 11 px, σ = 1.5. Its five scales, each half the one before, need more than
160 px. Smaller images are compared at as many scales as leave a whole window at the coarsest (2 at 32 px, 3
at 64 px, 4 at 128 px), with the first exponents scaled to sum to 1.
"""

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

from infomax.errors import refuse
from infomax.evaluation.probes.rows import Array, Device, as_features, scale_each
from infomax.fitting import ascend, batches, seeded

WINDOW = 11
"""Side of the window of structural similarity, px."""
EXPONENTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Weights of the five scales, finest first."""
MIN_TRAINED = 16
"""Images that a decoder is trained on, at least."""
DEFAULT_WIDTH = 128
_BLOCK = 256  # images decoded at a time


@dataclass(frozen=True)
class Reconstruction:
    """How similar images decoded from test features are to the test images.

    Attributes:
        similarity: mean MS-SSIM, 1 for equal images.
        standard_error: of that mean, over test images.
        squared_error: mean squared difference of pixels in [0, 1].
        exponents: of the scales that were compared, finest first.
        settings: of the decoder and its training; fit for JSON.
    """

    similarity: float
    standard_error: float
    squared_error: float
    exponents: tuple[float, ...]
    num_train: int
    num_test: int
    settings: dict[str, Any]


def decoder_similarity(
    train_features: Array,
    train_images: Array,
    test_features: Array,
    test_images: Array,
    *,
    width: int = DEFAULT_WIDTH,
    max_steps: int = 1000,
    batch_size: int = 64,
    evaluate_every: int = 100,
    patience: int = 5,
    lr: float = 1e-3,
    seed: int = 0,
    device: Device = "cpu",
) -> Reconstruction:
    """Train a `Decoder` from features to images; return how similar its images are to the test images.

    It is trained by squared error; a tenth of the training rows stops it early. Features are standardised;
    images are compared in [0, 1].

    Args:
        train_features: [n, d].
        train_images: [n, c, h, w], uint8, or floats in [0, 1].
        test_features: [m, d].
        test_images: [m, c, h, w].
        width: channels of the decoder's first map.
        max_steps: of training.
        batch_size: images a step.
        evaluate_every: steps between evaluations of the tenth that stops it.
        patience: evaluations without a new best value before training stops.
        lr: of Adam.
        seed: of the tenth held out, the first weights and the batches.
        device: where the decoder is trained.

    Raises:
        ValueError: images are not [n, c, h, w], not as many as features, not in [0, 1], or have fewer than
            11 px a side; features that a probe refuses; fewer than 16 rows to train on, or 2 to test on.

    Reference: Hjelm et al. (2018), section 4.1, who compare encoders so.
    """
    rows = _Rows.of(train_features, train_images, test_features, test_images)
    order = np.random.default_rng(seed).permutation(len(rows.train_features))
    held_out, fitted = np.split(order, [max(2, len(order) // 10)])
    scaling = scale_each(rows.train_features[fitted])
    z, z_held, z_test = (
        scaling(features, device)
        for features in (rows.train_features[fitted], rows.train_features[held_out], rows.test_features)
    )
    x, x_held = rows.train_images[fitted], rows.train_images[held_out]
    with seeded(seed, 0, z.device):
        decoder = Decoder(z.shape[1], _shape(x), width).to(z.device)
        chosen = batches(len(z), batch_size)

        def value() -> Tensor:
            some = next(chosen)
            return -F.mse_loss(decoder(z[some.to(z.device)]), _pixels(x[some]).to(z.device))

        curve = ascend(
            "decoder_similarity",
            decoder,
            torch.optim.Adam(decoder.parameters(), lr=lr, maximize=True),
            value,
            lambda: -_errors(decoder, z_held, x_held).mean().item(),
            max_steps=max_steps,
            evaluate_every=evaluate_every,
            patience=patience,
        )
    settings = {
        "width": width,
        "num_steps": curve.best_step,
        "max_steps": max_steps,
        "batch_size": min(batch_size, len(z)),
        "lr": lr,
        "num_validation": len(held_out),
        "window": WINDOW,
        "seed": seed,
    }
    return _compared(decoder, z_test, rows.test_images, len(order), settings)


def _compared(
    decoder: nn.Module, z: Float[Tensor, "m d"], images: Tensor, num_train: int, settings: dict[str, Any]
) -> Reconstruction:
    similarities, errors = _similarities(decoder, z, images), _errors(decoder, z, images)
    return Reconstruction(
        similarities.mean().item(),
        similarities.std().item() / math.sqrt(len(similarities)),
        errors.mean().item(),
        exponents(min(images.shape[2:])),
        num_train,
        len(z),
        settings,
    )


def exponents(side: int) -> tuple[float, ...]:
    """Return the exponents of the scales at which images of this side are compared, finest first.

    They sum to 1.

    Raises:
        ValueError: the side is below 11 px, less than a window.

    Example:
        >>> len(exponents(32)), len(exponents(64)), len(exponents(176)) == len(EXPONENTS)
        (2, 3, True)
    """
    refuse(
        side < WINDOW,
        f"decoder_similarity: images must be at least {WINDOW} px a side, a window of structural "
        f"similarity, got {side} px; enlarge them",
    )
    fit = [k for k in range(1, 6) if side >> (k - 1) >= WINDOW and _torchmetrics_takes(side, k)]
    some = EXPONENTS[: max(fit)]
    return tuple(one / sum(some) for one in some)


def _torchmetrics_takes(side: int, num_scales: int) -> bool:
    """The condition of torchmetrics, which asks for more than a whole window at 88 to 98 px."""
    return side // max(1, num_scales - 1) ** 2 >= WINDOW


def similarity(first: Float[Tensor, "n c h w"], second: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
    """Return the MS-SSIM of each pair of images in [0, 1], averaged over channels; see `exponents`.

    Example:
        >>> images = torch.rand(2, 3, 32, 32)
        >>> similarity(images, images).tolist()
        [1.0, 1.0]
    """
    betas = exponents(min(first.shape[2:]))
    return multiscale_structural_similarity_index_measure(
        first, second, betas=betas, data_range=1.0, reduction="none"
    ).reshape(len(first))


class Decoder(nn.Module):
    """Features to images in [0, 1]: a small map, then transposed convolutions that double its side.

    Args:
        num_features: d.
        shape: (c, h, w) of the images.
        width: channels of the first map, which has 4 to 7 cells a side; halved at each doubling, but at least
            16.
    """

    def __init__(self, num_features: int, shape: tuple[int, int, int], width: int = DEFAULT_WIDTH):
        super().__init__()
        self.shape = shape
        num_out, height, breadth = shape
        num_doublings = max(0, int(math.log2(min(height, breadth) / 4)))
        first = [-(-side // 2**num_doublings) for side in (height, breadth)]
        widths = [max(16, width >> k) for k in range(num_doublings + 1)]
        layers: list[nn.Module] = [
            nn.Linear(num_features, widths[0] * math.prod(first)),
            nn.Unflatten(1, (widths[0], *first)),
        ]
        for before, after in itertools.pairwise(widths):
            layers += [nn.BatchNorm2d(before), nn.ReLU(), nn.ConvTranspose2d(before, after, 4, 2, 1)]
        layers += [nn.BatchNorm2d(widths[-1]), nn.ReLU(), nn.Conv2d(widths[-1], num_out, 3, padding=1)]
        self.layers: nn.Sequential = nn.Sequential(*layers)

    def forward(self, features: Float[Tensor, "b d"]) -> Float[Tensor, "b c h w"]:
        """Return images; what the doublings make too large is cut off."""
        _, height, width = self.shape
        return self.layers(features).sigmoid()[..., :height, :width]


@dataclass(frozen=True)
class _Rows:
    """Features with their images, checked."""

    train_features: Float[np.ndarray, "n d"]
    train_images: Tensor
    test_features: Float[np.ndarray, "m d"]
    test_images: Tensor

    @staticmethod
    def of(train_features: Array, train_images: Array, test_features: Array, test_images: Array) -> "_Rows":
        train, x = _pair("train", train_features, train_images)
        test, test_x = _pair("test", test_features, test_images)
        refuse(
            train.shape[1] != test.shape[1] or x.shape[1:] != test_x.shape[1:],
            f"decoder_similarity: train_features are {list(train.shape)} of images {list(x.shape)}, "
            f"test_features {list(test.shape)} of {list(test_x.shape)}; both must come from the same "
            "encoder, and images must have one size",
        )
        refuse(
            len(train) < MIN_TRAINED or len(test) < 2,
            f"decoder_similarity: needs at least {MIN_TRAINED} images to train on and 2 to test on, "
            f"got {len(train)} and {len(test)}",
        )
        exponents(min(x.shape[2:]))  # refuses small images before anything is trained
        return _Rows(train, x, test, test_x)


def _pair(part: str, features: Array, images: Array) -> tuple[Float[np.ndarray, "n d"], Tensor]:
    features = as_features("decoder_similarity", f"{part}_features", features)
    images = images.detach().cpu() if isinstance(images, Tensor) else torch.from_numpy(np.asarray(images))
    refuse(
        images.ndim != 4 or len(images) != len(features),
        f"decoder_similarity: {part}_images must be [{len(features)}, c, h, w], one for each row of "
        f"{part}_features, got {list(images.shape)}",
    )
    if images.dtype != torch.uint8:
        low, high = images.min().item(), images.max().item()
        refuse(
            not (low >= 0 and high <= 1),
            f"decoder_similarity: {part}_images must be uint8, or floats in [0, 1], got {images.dtype} in "
            f"[{low:.4g}, {high:.4g}]; give pixels, not normalised views",
        )
    return features, images


def _shape(images: Tensor) -> tuple[int, int, int]:
    _, channels, height, width = images.shape
    return channels, height, width


def _pixels(images: Tensor) -> Float[Tensor, "b c h w"]:
    return images.float() / 255 if images.dtype == torch.uint8 else images.float()


@torch.no_grad()
def _errors(decoder: nn.Module, z: Float[Tensor, "n d"], images: Tensor) -> Float[Tensor, " n"]:
    """Mean squared error of each image."""
    pairs = zip(z.split(_BLOCK), images.split(_BLOCK), strict=True)
    errors = [(decoder(some) - _pixels(x).to(z.device)).square().flatten(1).mean(1) for some, x in pairs]
    return torch.cat(errors).cpu()


@torch.no_grad()
def _similarities(decoder: nn.Module, z: Float[Tensor, "n d"], images: Tensor) -> Float[Tensor, " n"]:
    pairs = zip(z.split(_BLOCK), images.split(_BLOCK), strict=True)
    return torch.cat([similarity(decoder(some), _pixels(x).to(z.device)) for some, x in pairs]).cpu()
