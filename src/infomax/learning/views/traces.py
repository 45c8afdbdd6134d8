"""Signals drawn as pictures."""

import numpy as np
from jaxtyping import Float, UInt8


def traces(
    views: Float[np.ndarray, "m c t"], *, height: int = 64, width: int = 128, reach: float | None = None
) -> UInt8[np.ndarray, "m h w 3"]:
    """Return signals drawn as traces on white, 0 in the middle.

    Each column of a picture spans the least and the largest value in it.

    Args:
        views: of one or more channels, drawn over one another in dark grey, blue, red, green.
        height, width: of a picture, px.
        reach: the value at the upper edge; default: the largest magnitude of all views.

    Example:
        >>> picture = traces(np.sin(np.linspace(0, 20, 500))[None, None])
        >>> picture.shape, int(picture.min())
        ((1, 64, 128, 3), 32)
    """
    reach = float(np.abs(views).max() or 1.0) if reach is None else reach
    low, high = _envelope(np.asarray(views, np.float64) / reach, width)  # [m, c, w]
    top, bottom = (((1 - edge).clip(0, 2) / 2 * (height - 1)).round() for edge in (high, low))
    rows = np.arange(height)[:, None]
    inked = (rows >= top[..., None, :]) & (rows <= bottom[..., None, :])  # [m, c, h, w]
    picture = np.full((len(views), height, width, 3), 255, np.uint8)
    for channel in range(views.shape[1]):
        picture[inked[:, channel]] = _INKS[channel % len(_INKS)]
    return picture


_INKS = ((32, 32, 32), (31, 119, 180), (214, 39, 40), (44, 160, 44))


def _envelope(
    values: Float[np.ndarray, "m c t"], width: int
) -> tuple[Float[np.ndarray, "m c w"], Float[np.ndarray, "m c w"]]:
    """Return the least and the largest value in each of `width` columns, of lines from sample to sample."""
    num_points = 4 * -(-values.shape[-1] // width)  # of a column; neighbouring columns share one
    at = np.linspace(0, values.shape[-1] - 1, width * num_points + 1)
    left = np.minimum(at.astype(int), max(values.shape[-1] - 2, 0))
    right = np.minimum(left + 1, values.shape[-1] - 1)
    lines = values[..., left] + (at - left) * (values[..., right] - values[..., left])
    columns = np.lib.stride_tricks.sliding_window_view(lines, num_points + 1, axis=-1)[..., ::num_points, :]
    return columns.min(-1), columns.max(-1)
