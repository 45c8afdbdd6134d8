"""Random crops, shifts, flips and colours of a batch, drawn and made on the device it lies on.

Nothing here goes image by image, branches on what was drawn, or waits for the device, so that all of it
compiles as one graph (``torch.compile(fullgraph=True)``). Random numbers come from torch's global generators.
"""

import math

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

# --- where pixels come from --------------------------------------------------------------------------------


class RandomCrop:
    """A box of random area and shape at a random place, scaled to `size` (height, width).

    The share of the area is uniform in `scale`, width / height log-uniform in `ratio`. Of ten such boxes,
    sides rounded to whole pixels, the first that fits is taken; else the largest of a shape in `ratio`.
    Box and view share their edges: pixel j of w in a view is taken from left + (j + 1/2)·width / w - 1/2.
    Pixels around the box lend their weight to those at its edge, where the image has any.

    Reference: Szegedy et al. (2015), section 6; torchvision's RandomResizedCrop, here without antialiasing.
    """

    tries = 10

    def __init__(self, size: tuple[int, int], scale: tuple[float, float], ratio: tuple[float, float]):
        self.size, self.scale, self.ratio = size, scale, ratio

    def draw(self, images: Tensor, views: Tensor) -> tuple[Float[Tensor, "n h2"], Float[Tensor, "n w2"]]:
        """Rows and columns of the images at which the pixels of each of `len(views)` views lie."""
        h, w = images.shape[-2:]
        heights, widths = self.boxes(h, w, views)
        tops = (_uniform(views, 1) * (h - heights + 1)).floor()
        lefts = (_uniform(views, 1) * (w - widths + 1)).floor()
        return _places(tops, heights, self.size[0]), _places(lefts, widths, self.size[1])

    def boxes(self, h: int, w: int, views: Tensor) -> tuple[Float[Tensor, "n 1"], Float[Tensor, "n 1"]]:
        """Heights and widths, px, of a box in an image [h, w] for each of `len(views)` views."""
        low, high = map(math.log, self.ratio)
        area = _uniform(views, self.tries, *self.scale) * (h * w)
        ratio = _uniform(views, self.tries, low, high).exp()
        heights, widths = (area / ratio).sqrt().round(), (area * ratio).sqrt().round()
        fits = (heights > 0) & (heights <= h) & (widths > 0) & (widths <= w)
        number = torch.arange(self.tries, device=views.device)
        first = torch.where(fits, number, self.tries).amin(1, keepdim=True)  # `tries` where none fits
        tallest, widest = _largest(h, w, self.ratio)
        heights, widths = F.pad(heights, (0, 1), value=tallest), F.pad(widths, (0, 1), value=widest)
        return heights.gather(1, first), widths.gather(1, first)


class Geometry(nn.Module):
    """Flip, shift and crop of images: rows first, then columns, which a flip takes in reverse.

    Without a crop, pixels are taken as they are. With one, each is a sum of 4 x 4 with cubic weights, clipped
    where it overshoots.

    Args:
        crop: the random crop; None for none.
        reach: of a random shift along both axes, px, borders reflected, made before the crop with
            `probability`.
    """

    def __init__(self, crop: RandomCrop | None = None, reach: int = 0, probability: float = 1.0):
        super().__init__()
        self.crop, self.reach, self.probability = crop, reach, probability

    def forward(
        self, images: UInt8[Tensor, "b c h w"], flip: Bool[Tensor, " n"]
    ) -> Float[Tensor, "n c h2 w2"]:
        """Views in [0, 1], mirrored where `flip` says so; fewer images than views come round again."""
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
        return views.contiguous().float().div_(255).clamp_(0, 1)

    def _shifts(self, flip: Tensor) -> tuple[Int[Tensor, " n"], Int[Tensor, " n"]]:
        """Along rows and columns: both 0, or each uniform in [-reach, reach]."""
        shifts = torch.randint(-self.reach, self.reach + 1, (2, len(flip)), device=flip.device)
        down, right = shifts * (torch.rand(len(flip), device=flip.device) < self.probability)
        return down, right


def _largest(h: int, w: int, ratio: tuple[float, float]) -> tuple[int, int]:
    """Height and width of the largest box with width / height in `ratio`."""
    return max(1, min(h, round(w / ratio[0]))), max(1, min(w, round(h * ratio[1])))


def _places(start: Float[Tensor, "b 1"], length: Float[Tensor, "b 1"], num: int) -> Float[Tensor, "b {num}"]:
    """Centres of `num` equal parts of each stretch; the centre of pixel i is i."""
    return start - 0.5 + length / num * (torch.arange(num, device=start.device) + 0.5)


def taken(signals: Tensor, places: Int[Tensor, "n places"], shifts: Int[Tensor, " n"]) -> Tensor:
    """Values [n, places, ...] of signals [b, side, ...] at places along their first axis.

    Beyond its ends a signal keeps its last values. A shift takes the value from the signal moved by so many
    steps, what lies beyond its ends mirrored in its last values. Fewer signals than places come round again.
    """
    return signals.flatten(0, 1)[_sources(signals, places, shifts)]


def resampled(
    signals: Float[Tensor, "b side ..."], places: Float[Tensor, "n places"], shifts: Int[Tensor, " n"]
) -> Float[Tensor, "n places ..."]:
    """As `taken`, at places between the steps too, by cubic convolution with a = -3/4.

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
    """Where the values lie that `taken` takes, all signals laid end to end."""
    b, last = len(signals), signals.shape[1] - 1
    moved = places.clamp(0, last) + shifts[:, None]
    mirrored = last - (last - moved.abs()).abs()
    return mirrored + signals.shape[1] * (torch.arange(len(places), device=places.device) % b)[:, None]


def _cubic_weights(t: Float[Tensor, "b n"], a: float = -0.75) -> Float[Tensor, "b n 4"]:
    """Weights of the values at -1, 0, 1, 2 for the value at t in [0, 1)."""

    def near(x: Tensor) -> Tensor:
        return ((a + 2) * x - (a + 3)) * x * x + 1

    def far(x: Tensor) -> Tensor:
        return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a

    return torch.stack([far(1 + t), near(t), near(1 - t), far(2 - t)], -1)


# --- colours -----------------------------------------------------------------------------------------------


class ColorJitter(nn.Module):
    """Brightness, contrast, saturation and hue of a share of the images, changed in random order.

    The first three are blends, x <- clip(f·x + (1 - f)·t), with t = 0 for brightness, the image's mean luma
    for contrast, the pixel's luma for saturation, and f uniform in [max(0, 1 - s), 1 + s] for a strength s.
    Hue moves by a share of its circle that is uniform in [-s, s]. Factors and the order of the blends are
    drawn for each image. The batch is dealt at random into equal parts, and hue comes before all blends in
    one, after the first in another, and so on.

    Args:
        strengths: of brightness, contrast, saturation, hue, 0 for none; the last two need 3 channels.
        probability: of an image to be changed.

    Reference: torchvision's ColorJitter, which draws its order for each image.
    """

    def __init__(self, strengths: tuple[float, float, float, float], probability: float):
        super().__init__()
        *self.blends, self.hue = strengths
        self.probability = probability

    def forward(self, images: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """The images, some of them changed, in [0, 1] as before."""
        jittered = _uniform(images, 1) < self.probability
        blends = self._draw_blends(images, jittered)
        if not self.hue:
            return _blend(images.clone(), blends)
        turns = torch.where(jittered, _uniform(images, 1, -self.hue, self.hue), 0.0)
        parts = torch.randperm(len(images), device=images.device).tensor_split(1 + len(blends))
        changed = torch.empty_like(images)
        for num_before, part in enumerate(parts):
            pixels = _blend(images[part], [blend[part] for blend in blends[:num_before]])
            pixels = shifted_hue(pixels, turns[part])
            changed[part] = _blend(pixels, [blend[part] for blend in blends[num_before:]])
        return changed

    def _draw_blends(self, images: Tensor, jittered: Bool[Tensor, "b 1"]) -> list[Float[Tensor, "b 3"]]:
        """The first, second, ... blend of each image: 1 - f, and what t holds of mean and of own luma."""
        drawn = torch.cat([_uniform(images, 1, -s, min(s, 1.0)) for s in self.blends], 1)
        order = _uniform(images, len(self.blends)).argsort(1)
        strength = torch.where(jittered, drawn.gather(1, order), 0.0)
        return list(torch.stack([strength, order == _CONTRAST, order == _SATURATION], -1).unbind(1))


_CONTRAST, _SATURATION = 1, 2  # among the blends


class RandomGrayscale(nn.Module):
    """Luma in place of colour, in a share of the images."""

    def __init__(self, probability: float):
        super().__init__()
        self.probability = probability

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
        """The images, some of them grey."""
        grey = _uniform(images, 1) < self.probability
        return torch.lerp(images, luma(images), grey[..., None, None].float())


def luma(images: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 1 h w"]:
    """0.299 R + 0.587 G + 0.114 B (ITU-R BT.601); the mean of the channels if they are not 3."""
    if images.shape[1] != 3:
        return images.mean(1, keepdim=True)
    red, green, blue = images.unbind(1)
    return (red * 0.299).add_(green, alpha=0.587).add_(blue, alpha=0.114)[:, None]


def _blend(images: Float[Tensor, "b c h w"], blends: list[Float[Tensor, "b 3"]]) -> Float[Tensor, "b c h w"]:
    """x <- clip(x + (1 - f)·(t - x)), one blend after the other; in place."""
    for blend in blends:
        strength, of_mean, of_luma = blend[..., None, None, None].unbind(1)  # each [b, 1, 1, 1]
        own = luma(images)
        mean = own.mean((2, 3), keepdim=True)
        images.lerp_(torch.addcmul(mean * of_mean, own, of_luma), strength).clamp_(0, 1)
    return images


def shifted_hue(images: Float[Tensor, "b 3 h w"], turns: Float[Tensor, "b 1"]) -> Float[Tensor, "b 3 h w"]:
    """Colours with their hue moved by so many turns of its circle; greatest and least channel stay.

    On the circle red, green and blue lie at 0, 1/3 and 2/3. With M and m the greatest and the least channel,
    the hue is ± (M + G + B - R - 2 m) / (M - m) / 6, with the sign of G - B, and a colour of hue h has in the
    channel that lies at c the value m + (M - m)·clip(2 - 6 d, 0, 1), d = |h - c| around the circle.
    """
    red, green, blue = images.unbind(1)
    greatest = torch.maximum(torch.maximum(red, green), blue)
    least = torch.minimum(torch.minimum(red, green), blue)
    reach = greatest - least
    sixths = (green + blue).sub_(red).add_(greatest).sub_(least, alpha=2).div_(reach.clamp(min=1e-12))
    hue = torch.add(turns[..., None], sixths.copysign_(green - blue), alpha=1 / 6)
    away = hue[:, None] - torch.arange(3, device=images.device).view(3, 1, 1) / 3
    away = away.sub_(away.round()).abs_()
    return torch.addcmul(least[:, None], reach[:, None], torch.rsub(away, 2, alpha=6).clamp_(0, 1))


def _uniform(views: Tensor, num: int, low: float = 0.0, high: float = 1.0) -> Float[Tensor, "n {num}"]:
    """For each of `len(views)` views `num` numbers in [low, high)."""
    return low + (high - low) * torch.rand(len(views), num, device=views.device)
