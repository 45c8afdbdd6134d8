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

    def draw(self, images: Tensor) -> tuple[Float[Tensor, "b h2"], Float[Tensor, "b w2"]]:
        """Rows and columns of each image at which the pixels of its view lie."""
        (h, w), (heights, widths) = images.shape[-2:], self.boxes(images)
        tops = (_uniform(images, 1) * (h - heights + 1)).floor()
        lefts = (_uniform(images, 1) * (w - widths + 1)).floor()
        return _places(tops, heights, self.size[0]), _places(lefts, widths, self.size[1])

    def boxes(self, images: Tensor) -> tuple[Float[Tensor, "b 1"], Float[Tensor, "b 1"]]:
        """Heights and widths, px."""
        h, w = images.shape[-2:]
        low, high = map(math.log, self.ratio)
        area = _uniform(images, self.tries, *self.scale) * (h * w)
        ratio = _uniform(images, self.tries, low, high).exp()
        heights, widths = (area / ratio).sqrt().round(), (area * ratio).sqrt().round()
        fits = (heights > 0) & (heights <= h) & (widths > 0) & (widths <= w)
        number = torch.arange(self.tries, device=images.device)
        first = torch.where(fits, number, self.tries).amin(1, keepdim=True)  # `tries` where none fits
        tallest, widest = _largest(h, w, self.ratio)
        heights, widths = F.pad(heights, (0, 1), value=tallest), F.pad(widths, (0, 1), value=widest)
        return heights.gather(1, first), widths.gather(1, first)


class Geometry(nn.Module):
    """Flip, shift and crop of each image in one product a channel: view = R · image · Cᵀ.

    A row of R [h2, h] or C [w2, w] holds the weights of the pixels around the place from which a pixel of
    the view is taken. A flip reverses the rows of C. Without a crop, places are whole pixels, and each row
    holds a single 1. What the cubic overshoots is clipped.

    Args:
        crop: the random crop; None for none.
        reach: of a random shift along both axes, px, borders reflected, made before the crop with
            `probability`.
    """

    def __init__(self, crop: RandomCrop | None = None, reach: int = 0, probability: float = 1.0):
        super().__init__()
        self.crop, self.reach, self.probability = crop, reach, probability

    def forward(
        self, images: UInt8[Tensor, "b c h w"], flip: Bool[Tensor, " b"]
    ) -> Float[Tensor, "b c h2 w2"]:
        """Views in [0, 1], mirrored where `flip` says so."""
        if self.crop is None and not self.reach:
            return torch.where(flip[:, None, None, None], images.flip(-1), images).float() / 255
        sides = images.shape[-2:]
        rows, columns = _everywhere(images) if self.crop is None else self.crop.draw(images)
        columns = torch.where(flip[:, None], columns.flip(1), columns)
        shifts = self._shifts(images)
        r, c = map(cubic_matrix, (rows, columns), sides, shifts)
        return _products(r, images, c).div_(255).clamp_(0, 1)

    def _shifts(self, images: Tensor) -> tuple[Int[Tensor, " b"], Int[Tensor, " b"]]:
        """Along rows and columns: both 0, or each uniform in [-reach, reach]."""
        shifts = torch.randint(-self.reach, self.reach + 1, (2, len(images)), device=images.device)
        moved = torch.rand(len(images), device=images.device) < self.probability
        down, right = shifts * moved
        return down, right


def _largest(h: int, w: int, ratio: tuple[float, float]) -> tuple[int, int]:
    """Height and width of the largest box with width / height in `ratio`."""
    return max(1, min(h, round(w / ratio[0]))), max(1, min(w, round(h * ratio[1])))


def _places(start: Float[Tensor, "b 1"], length: Float[Tensor, "b 1"], num: int) -> Float[Tensor, "b {num}"]:
    """Centres of `num` equal parts of each stretch; the centre of pixel i is i."""
    return start - 0.5 + length / num * (torch.arange(num, device=start.device) + 0.5)


def _everywhere(images: Tensor) -> tuple[Float[Tensor, "b h"], Float[Tensor, "b w"]]:
    b, _, h, w = images.shape
    rows, columns = (torch.arange(side, device=images.device, dtype=torch.float32) for side in (h, w))
    return rows.expand(b, -1), columns.expand(b, -1)


def cubic_matrix(
    places: Float[Tensor, "b n"], side: int, shift: Int[Tensor, " b"]
) -> Float[Tensor, "b n {side}"]:
    """M with (M x)_j the value of a signal x [side] at places_j, by cubic convolution with a = -3/4.

    Beyond its ends the signal keeps its last values. A shift takes the value from the signal moved by so many
    pixels, what lies beyond its ends mirrored in its last pixels.

    Reference: Keys (1981), Cubic convolution interpolation for digital image processing; there a = -1/2.
    """
    first = places.floor()
    weights = _cubic_weights(places - first)
    around = first.long()[..., None] + torch.arange(-1, 3, device=places.device)  # [b, n, 4]
    source = around.clamp(0, side - 1) + shift[:, None, None]
    source = (side - 1) - ((side - 1) - source.abs()).abs()  # mirrored at 0 and at side - 1
    matrix = weights.new_zeros(*places.shape, side)
    for k in range(4):  # one by one: at an end a pixel gets several weights, always added in this order
        matrix.scatter_add_(2, source[..., k : k + 1], weights[..., k : k + 1])
    return matrix


def _cubic_weights(t: Float[Tensor, "b n"], a: float = -0.75) -> Float[Tensor, "b n 4"]:
    """Weights of the pixels at -1, 0, 1, 2 for the value at t in [0, 1)."""

    def near(x: Tensor) -> Tensor:
        return ((a + 2) * x - (a + 3)) * x * x + 1

    def far(x: Tensor) -> Tensor:
        return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a

    return torch.stack([far(1 + t), near(t), near(1 - t), far(2 - t)], -1)


def _products(
    rows: Float[Tensor, "b h2 h"], images: UInt8[Tensor, "b c h w"], columns: Float[Tensor, "b w2 w"]
) -> Float[Tensor, "b c h2 w2"]:
    """R · image · Cᵀ for each channel."""
    b, c, h, w = images.shape
    pixels = images.permute(0, 2, 3, 1).float()  # free for images of the channels_last memory format
    down = torch.bmm(rows, pixels.reshape(b, h, w * c)).view(b, -1, w, c)
    across = torch.bmm(down.permute(0, 3, 1, 2).reshape(b, -1, w), columns.mT)
    return across.view(b, c, rows.shape[1], columns.shape[1])


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
        turns = torch.where(jittered, _uniform(images, 1, -self.hue, self.hue), 0.0)
        places = 1 + len(blends) if self.hue else 1
        parts = torch.randperm(len(images), device=images.device).tensor_split(places)
        changed = torch.empty_like(images)
        for num_before, part in enumerate(parts):
            pixels = _blend(images[part], [blend[part] for blend in blends[:num_before]])
            pixels = shifted_hue(pixels, turns[part]) if self.hue else pixels
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
    red, green, blue = images.split(1, 1)
    return (red * 0.299).add_(green, alpha=0.587).add_(blue, alpha=0.114)


def _blend(images: Float[Tensor, "b c h w"], blends: list[Float[Tensor, "b 3"]]) -> Float[Tensor, "b c h w"]:
    """x <- clip(x + (1 - f)·(t - x)), one blend after the other; in place."""
    for blend in blends:
        strength, of_mean, of_luma = blend[..., None, None, None].unbind(1)  # each [b, 1, 1, 1]
        own = luma(images)
        mean = own.mean((2, 3), keepdim=True)
        images.lerp_(own.mul_(of_luma).add_(mean * of_mean), strength).clamp_(0, 1)
    return images


def shifted_hue(images: Float[Tensor, "b 3 h w"], turns: Float[Tensor, "b 1"]) -> Float[Tensor, "b 3 h w"]:
    """Colours with their hue moved by so many turns of its circle; greatest and least channel stay.

    On the circle red, green and blue lie at 0, 1/3 and 2/3. With M and m the greatest and the least channel,
    the hue is ± (M + G + B - R - 2 m) / (M - m) / 6, with the sign of G - B, and a colour of hue h has in the
    channel that lies at c the value m + (M - m)·clip(2 - 6 d, 0, 1), d = |h - c| around the circle.
    """
    red, green, blue = images.split(1, 1)
    greatest = torch.maximum(torch.maximum(red, green), blue)
    least = torch.minimum(torch.minimum(red, green), blue)
    reach = greatest - least
    sixths = (green + blue).sub_(red).add_(greatest).sub_(least, alpha=2).div_(reach.clamp(min=1e-12))
    hue = torch.add(turns[..., None, None], sixths.copysign_(green - blue), alpha=1 / 6)
    away = hue - torch.arange(3, device=images.device).view(3, 1, 1) / 3
    away = away.sub_(away.round()).abs_()
    return torch.addcmul(least, reach, torch.rsub(away, 2, alpha=6).clamp_(0, 1))


def _uniform(images: Tensor, num: int, low: float = 0.0, high: float = 1.0) -> Float[Tensor, "b {num}"]:
    """For each image `num` numbers in [low, high)."""
    return low + (high - low) * torch.rand(len(images), num, device=images.device)
