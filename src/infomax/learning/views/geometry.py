"""Random crops, shifts and flips of a batch of pictures, drawn and made on the device that the batch lies on.

Nothing here goes picture by picture, branches on what was drawn, or waits for the device, so that all of it
compiles as one graph (``torch.compile(fullgraph=True)``). Random numbers come from torch's global generators.
"""

import math

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor, nn
from torch.nn import functional as F


class RandomCrop:
    """A box of random area and shape at a random place, scaled to `size` (height, width).

    The share of the area is uniform in `scale`, width / height is log-uniform in `ratio`. Ten such boxes are
    drawn, with sides rounded to whole pixels, and the first that fits into the image is taken; if none fits,
    the largest box with a shape in `ratio`. Box and view share their edges: pixel j of the w pixels of a row
    of the view is taken from left + (j + 1/2)·width / w - 1/2. At the edge of the box, pixels outside of it
    enter the interpolation where the image has any.

    Reference: Szegedy et al. (2015), section 6; torchvision's RandomResizedCrop, here without antialiasing.
    """

    tries = 10

    def __init__(self, size: tuple[int, int], scale: tuple[float, float], ratio: tuple[float, float]):
        self.size: tuple[int, int] = size
        self.scale: tuple[float, float] = scale
        self.ratio: tuple[float, float] = ratio

    def draw(self, images: Tensor, views: Tensor) -> tuple[Float[Tensor, "n h2"], Float[Tensor, "n w2"]]:
        """Return the rows and the columns of the images from which each of the n views takes its pixels."""
        h, w = images.shape[-2:]
        heights, widths = self.boxes(h, w, views)
        tops = (uniform(views, 1) * (h - heights + 1)).floor()
        lefts = (uniform(views, 1) * (w - widths + 1)).floor()
        return _places(tops, heights, self.size[0]), _places(lefts, widths, self.size[1])

    def boxes(self, h: int, w: int, views: Tensor) -> tuple[Float[Tensor, "n 1"], Float[Tensor, "n 1"]]:
        """Return the height and the width, px, of a box in an image [h, w] for each of the n views."""
        low, high = map(math.log, self.ratio)
        area = uniform(views, self.tries, *self.scale) * (h * w)
        ratio = uniform(views, self.tries, low, high).exp()
        heights, widths = (area / ratio).sqrt().round(), (area * ratio).sqrt().round()
        fits = (heights > 0) & (heights <= h) & (widths > 0) & (widths <= w)
        number = torch.arange(self.tries, device=views.device)
        first = torch.where(fits, number, self.tries).amin(1, keepdim=True)  # `tries` where none fits
        tallest, widest = _largest(h, w, self.ratio)
        heights, widths = F.pad(heights, (0, 1), value=tallest), F.pad(widths, (0, 1), value=widest)
        return heights.gather(1, first), widths.gather(1, first)


class Geometry(nn.Module):
    """Flip, shift and crop images: rows first, then columns, which a flip takes in reverse order.

    Images are uint8, or floats in [0, 1].

    Without a crop, pixels are copied. With a crop, each pixel is a sum of 4 x 4 pixels with cubic weights,
    clipped to [0, 1].

    Args:
        crop: the random crop; None for none.
        reach: largest random shift along each axis, px; borders are reflected. The shift comes before the
            crop.
        probability: of a shift.
    """

    def __init__(self, crop: RandomCrop | None = None, reach: int = 0, probability: float = 1.0):
        super().__init__()
        self.crop: RandomCrop | None = crop
        self.reach: int = reach
        self.probability: float = probability

    def forward(
        self, images: UInt8[Tensor, "b c h w"] | Float[Tensor, "b c h w"], flip: Bool[Tensor, " n"]
    ) -> Float[Tensor, "n c h2 w2"]:
        """Return views in [0, 1], mirrored where `flip` is true; for n > b the images are used in turn."""
        pixels, down, right = images.permute(0, 2, 3, 1), *self._shifts(flip)  # pixels [b, h, w, c]
        if self.crop is None:
            rows, columns = (torch.arange(side, device=flip.device) for side in pixels.shape[1:3])
            rows, columns = rows.expand(len(flip), -1), columns.expand(len(flip), -1)
            take = taken
        else:
            rows, columns = self.crop.draw(images, flip)
            pixels, take = pixels.float(), resampled
        columns = torch.where(flip[:, None], columns.flip(1), columns)
        columns_of_rows = take(pixels, rows, down).transpose(1, 2)  # [n, w, h2, c]
        views = take(columns_of_rows, columns, right).permute(0, 3, 2, 1)  # [n, c, h2, w2]
        views = views.contiguous().float()
        return (views.div_(255) if images.dtype == torch.uint8 else views).clamp_(0, 1)

    def _shifts(self, flip: Tensor) -> tuple[Int[Tensor, " n"], Int[Tensor, " n"]]:
        """Return shifts along rows and along columns: each uniform in [-reach, reach], or both 0."""
        shifts = torch.randint(-self.reach, self.reach + 1, (2, len(flip)), device=flip.device)
        down, right = shifts * (torch.rand(len(flip), device=flip.device) < self.probability)
        return down, right


def _largest(h: int, w: int, ratio: tuple[float, float]) -> tuple[int, int]:
    """Return height and width of the largest box in [h, w] with width / height in `ratio`."""
    return max(1, min(h, round(w / ratio[0]))), max(1, min(w, round(h * ratio[1])))


def _places(start: Float[Tensor, "b 1"], length: Float[Tensor, "b 1"], num: int) -> Float[Tensor, "b {num}"]:
    """Return the centres of `num` equal parts of each stretch; pixel i has its centre at i."""
    return start - 0.5 + length / num * (torch.arange(num, device=start.device) + 0.5)


def taken(signals: Tensor, places: Int[Tensor, "n places"], shifts: Int[Tensor, " n"]) -> Tensor:
    """Return the values [n, places, ...] of signals [b, side, ...] at places along their first axis.

    A place outside of a signal takes the value at the nearer end. A shift adds to each place first; what then
    lies outside is mirrored at the end. With n > b rows of places the signals are used in turn.
    """
    return signals.flatten(0, 1)[_sources(signals, places, shifts)]


def resampled(
    signals: Float[Tensor, "b side ..."], places: Float[Tensor, "n places"], shifts: Int[Tensor, " n"]
) -> Float[Tensor, "n places ..."]:
    """Return what `taken` returns, also at places between the steps, by cubic convolution with a = -3/4.

    Reference: Keys (1981), Cubic convolution interpolation for digital image processing; there a = -1/2.
    """
    first = places.floor()
    around = first.long()[..., None] + torch.arange(-1, 3, device=places.device)  # [n, places, 4]
    sources = _sources(signals, around.flatten(1), shifts).view(-1, 4)
    weights = _cubic_weights(places - first).view(-1, 4)
    rows = signals.flatten(0, 1).flatten(1)
    sums = F.embedding_bag(sources, rows, per_sample_weights=weights, mode="sum")  # of four rows each
    return sums.view(*places.shape, *signals.shape[2:])


def _sources(
    signals: Tensor, places: Int[Tensor, "n places"], shifts: Int[Tensor, " n"]
) -> Int[Tensor, "n places"]:
    """Return the positions that `taken` reads, in all signals laid end to end."""
    b, last = len(signals), signals.shape[1] - 1
    moved = places.clamp(0, last) + shifts[:, None]
    mirrored = last - (last - moved.abs()).abs()
    return mirrored + signals.shape[1] * (torch.arange(len(places), device=places.device) % b)[:, None]


def _cubic_weights(t: Float[Tensor, "b n"], a: float = -0.75) -> Float[Tensor, "b n 4"]:
    """Return the weights of the values at -1, 0, 1, 2 for the value at t in [0, 1)."""

    def near(x: Tensor) -> Tensor:
        return ((a + 2) * x - (a + 3)) * x * x + 1

    def far(x: Tensor) -> Tensor:
        return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a

    return torch.stack([far(1 + t), near(t), near(1 - t), far(2 - t)], -1)


def uniform(views: Tensor, num: int, low: float = 0.0, high: float = 1.0) -> Float[Tensor, "n {num}"]:
    """Return `num` random numbers in [low, high) for each of the n views."""
    return low + (high - low) * torch.rand(len(views), num, device=views.device)
