"""Random changes of colour, drawn and made on the device that a batch lies on.

As in `geometry`, nothing goes picture by picture, branches on what was drawn, or waits for the device.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from infomax.learning.views.geometry import uniform


class ColorJitter(nn.Module):
    """Change brightness, contrast, saturation and hue of a share of the images, in random order.

    The first three are blends, x <- clip(f·x + (1 - f)·t), where t is 0 for brightness, the image's mean luma
    for contrast and the pixel's luma for saturation, and f is uniform in [max(0, 1 - s), 1 + s] for a
    strength s. Hue turns by a share of the colour circle that is uniform in [-s, s]. Factors and the order of
    the blends are drawn for each image. The batch is divided at random into equal parts; in the first part
    hue comes before all blends, in the second after one blend, and so on.

    Args:
        strengths: of brightness, contrast, saturation and hue; 0 for none. The last two need 3 channels.
        probability: that an image is changed.

    Reference: torchvision's ColorJitter, which draws its order for each image.
    """

    def __init__(self, strengths: tuple[float, float, float, float], probability: float):
        super().__init__()
        *blends, hue = strengths
        self.blends: list[float] = blends
        self.hue: float = hue
        self.probability = probability

    def forward(self, images: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Return the images, some of them changed, in [0, 1]."""
        jittered = uniform(images, 1) < self.probability
        blends = self._draw_blends(images, jittered)
        if not self.hue:
            return _blend(images.clone(), blends)
        turns = torch.where(jittered, uniform(images, 1, -self.hue, self.hue), 0.0)
        parts = torch.randperm(len(images), device=images.device).tensor_split(1 + len(blends))
        changed = torch.empty_like(images)
        for num_before, part in enumerate(parts):
            pixels = _blend(images[part], [blend[part] for blend in blends[:num_before]])
            pixels = shifted_hue(pixels, turns[part])
            changed[part] = _blend(pixels, [blend[part] for blend in blends[num_before:]])
        return changed

    def _draw_blends(self, images: Tensor, jittered: Bool[Tensor, "b 1"]) -> list[Float[Tensor, "b 3"]]:
        """Return each blend in its order: 1 - f, and whether t is the mean luma, and the pixel's luma."""
        drawn = torch.cat([uniform(images, 1, -s, min(s, 1.0)) for s in self.blends], 1)
        order = uniform(images, len(self.blends)).argsort(1)
        strength = torch.where(jittered, drawn.gather(1, order), 0.0)
        return list(torch.stack([strength, order == _CONTRAST, order == _SATURATION], -1).unbind(1))


_CONTRAST, _SATURATION = 1, 2  # among the blends


class RandomGrayscale(nn.Module):
    """Replace colour by luma in a share of the images."""

    def __init__(self, probability: float):
        super().__init__()
        self.probability = probability

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
        """Return the images, some of them grey."""
        grey = uniform(images, 1) < self.probability
        return torch.lerp(images, luma(images), grey[..., None, None].float())


def luma(images: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 1 h w"]:
    """Return 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601); for other than 3 channels their mean."""
    if images.shape[1] != 3:
        return images.mean(1, keepdim=True)
    red, green, blue = images.unbind(1)
    return (red * 0.299).add_(green, alpha=0.587).add_(blue, alpha=0.114)[:, None]


def _blend(images: Float[Tensor, "b c h w"], blends: list[Float[Tensor, "b 3"]]) -> Float[Tensor, "b c h w"]:
    """Set x <- clip(x + (1 - f)·(t - x)) for one blend after the other, in place."""
    for blend in blends:
        strength, of_mean, of_luma = blend[..., None, None, None].unbind(1)  # each [b, 1, 1, 1]
        own = luma(images)
        mean = own.mean((2, 3), keepdim=True)
        images.lerp_(torch.addcmul(mean * of_mean, own, of_luma), strength).clamp_(0, 1)
    return images


def shifted_hue(images: Float[Tensor, "b 3 h w"], turns: Float[Tensor, "b 1"]) -> Float[Tensor, "b 3 h w"]:
    """Turn the hue of each image by a share of the colour circle; greatest and least channel stay.

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
