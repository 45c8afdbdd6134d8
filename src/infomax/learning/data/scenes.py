"""Generated scenes that are seen, or heard, in several ways; all their factors are known.

AMDIM should learn what the views of a scene share, and drop what is private to one view. All scenes are
drawn around scikit-learn's handwritten digits, 1,347 for training and 450 others for the test. Each test
digit is in one scene only, so that test rows are independent. Scenes are a function of seed and split.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8

from infomax.learning.data.digits import CLASSES, SPLITS, digits

SIDE = 32
"""Pixels a side of the pictures."""
NUM_SAMPLES = 512
"""Samples of a tone."""
NUM_FRAMES = 8
"""Frames of a sequence."""

TEXTURES = ("plain", "rows", "columns", "checks")
TILTS = (-30, 0, 30)
"""Degrees of a rotation, or of a shear."""
DIRECTIONS = ("horizontal", "vertical", "falling", "rising")
HUMS = (0.05, 0.07, 0.09, 0.11, 0.13)
"""Frequencies of the private tone, in cycles a sample."""
NOTES = (0.15, 0.2, 0.25, 0.3)
"""Frequencies of the tones that tell the class, two of them in turn, in cycles a sample."""
GAINS = (0.4, 0.7, 1.0)
MELODIES = tuple((first, second) for first in range(4) for second in range(4) if first != second)[:10]
"""The two notes of each class, as indices into `NOTES`."""


@dataclass(frozen=True, eq=False, repr=False)
class Scenes:
    """Scenes in several columns with their factors: a sequence of mappings, one a scene or a frame.

    Attributes:
        columns: by name, uint8 pictures [n, h, w] or float32 signals [n, t].
        labels: int64 [n], the digit.
        factors: by name, int64 [n], everything that a scene was drawn from, "class" first. The name of a
            factor that is private to one column begins with the name of that column.
        names: one id a row; frames are ``sequence/frame``.
        classes: label -> name.

    Example:
        >>> scenes = two_cameras("test")
        >>> scenes, sorted(scenes[0]), scenes[0]["left"].shape
        (Scenes(450 of left, right), ['__key__', 'label', 'left', 'right'], (32, 32))
    """

    columns: Mapping[str, np.ndarray]
    labels: Int[np.ndarray, " n"]
    factors: Mapping[str, Int[np.ndarray, " n"]]
    names: Sequence[str]
    classes: tuple[str, ...] = CLASSES

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return f"Scenes({len(self)} of {', '.join(self.columns)})"

    def __getitem__(self, row: int) -> dict[str, Any]:
        values = {name: column[row] for name, column in self.columns.items()}
        return {"__key__": self.names[row], **values, "label": int(self.labels[row])}


def two_cameras(split: str = "train", *, seed: int = 0) -> Scenes:
    """Return digits seen by two cameras, each with a background and a distortion of its own.

    Shared: the digit (its class, its hand) and its size. Private: the background, one of four textures at a
    random phase; the left camera turns the digit, the right one slants it, by −30, 0 or 30 degrees.
    """
    draw = _Draw.of(split, seed, copies=3)
    size = draw.levels(2)
    factors: dict[str, np.ndarray] = {"class": draw.labels, "size": size}
    columns = {}
    for column, matrix in (("left", _rotation), ("right", _shear)):
        texture, tilt = draw.levels(len(TEXTURES)), draw.levels(len(TILTS))
        shrunk = matrix(np.radians(TILTS)[tilt]) * (SIDE / np.array([18.0, 27.0])[size, None, None])
        columns[column] = _over(_warped(draw.digits, shrunk, (SIDE, SIDE)), draw.background(texture))
        factors |= {f"{column} background": texture, f"{column} tilt": tilt}
    return Scenes(columns, draw.labels, factors, draw.names)


def halves(split: str = "train", *, seed: int = 0) -> Scenes:
    """Return the upper and the lower half of tall digits, each before a background of its own.

    Shared: what either half tells about the class. Private: the backgrounds.
    """
    draw = _Draw.of(split, seed, copies=3)
    tall = np.diag([SIDE / 62, SIDE / 40])[None].repeat(len(draw.digits), 0)
    both = _warped(draw.digits, tall, (2 * SIDE, SIDE))
    factors: dict[str, np.ndarray] = {"class": draw.labels}
    columns = {}
    for column, ink in (("upper", both[:, :SIDE]), ("lower", both[:, SIDE:])):
        texture = draw.levels(len(TEXTURES))
        columns[column] = _over(ink, draw.background(texture))
        factors[f"{column} background"] = texture
    return Scenes(columns, draw.labels, factors, draw.names)


def moving_digits(split: str = "train", *, seed: int = 0) -> Scenes:
    """Return sequences of 8 frames: a digit goes to and fro on a line, with a trail; the background flickers.

    Constant in time: the class, the direction of the line and the speed, 1 or 3 pixels a frame, which the
    trail shows. Slow: the quarter of the frame where the digit is. Private to a frame: the background.
    """
    draw = _Draw.of(split, seed, copies=1)
    num = len(draw.labels)
    direction, speed = draw.levels(len(DIRECTIONS)), draw.levels(2)
    small = np.eye(2)[None].repeat(num, 0) * (SIDE / 14)
    patches = _warped(draw.digits, small, (14, 14))
    start, aside = (draw.random.integers(0, end, num) for end in (36, 19))
    path = _Path(direction, np.array([1, 3])[speed], start, aside)
    ink = np.stack([_trail(patches, path, frame) for frame in range(NUM_FRAMES)], axis=1)
    place = np.stack([path.at(frame) > 9 for frame in range(NUM_FRAMES)], axis=1) @ [2, 1]
    texture = draw.random.integers(len(TEXTURES), size=num * NUM_FRAMES)
    frames = _over(ink.reshape(-1, SIDE, SIDE), _background(texture, draw.random))
    constant = {"class": draw.labels, "direction": direction, "speed": speed}
    factors = {name: np.repeat(values, NUM_FRAMES) for name, values in constant.items()}
    factors |= {"place": place.reshape(-1).astype(np.int64), "frame background": texture}
    names = [f"{row:05}/{frame:02}" for row in range(num) for frame in range(NUM_FRAMES)]
    return Scenes({"frame": frames}, factors["class"], factors, names)


def picture_and_tone(split: str = "train", *, seed: int = 0) -> Scenes:
    """Return digits as pictures, and their classes as two notes in turn, under a louder hum: 512 samples.

    Shared: the class alone. Private to the picture: the digit's hand, its tilt and the background; to the
    tone: phases, the hum's frequency, one of five, the gain, one of three, and noise.
    """
    draw = _Draw.of(split, seed, copies=3)
    texture, tilt = draw.levels(len(TEXTURES)), draw.levels(len(TILTS))
    hum, gain = draw.levels(len(HUMS)), draw.levels(len(GAINS))
    turned = _rotation(np.radians(TILTS)[tilt]) * (SIDE / 27)
    picture = _over(_warped(draw.digits, turned, (SIDE, SIDE)), draw.background(texture))
    notes = np.array(NOTES)[np.array(MELODIES)[draw.labels]]  # [n, 2]
    tone = draw.sines(notes).reshape(len(draw.labels), 2, NUM_SAMPLES)
    half = np.arange(NUM_SAMPLES) < NUM_SAMPLES // 2
    sound = np.where(half, tone[:, 0], tone[:, 1]) + 1.5 * draw.sines(np.array(HUMS)[hum])
    sound = sound * np.array(GAINS)[gain, None] + draw.random.normal(0, 0.1, sound.shape)
    factors = {"class": draw.labels, "picture background": texture, "picture tilt": tilt}
    factors |= {"tone hum": hum, "tone gain": gain}
    columns = {"picture": picture, "tone": sound.astype(np.float32)}
    return Scenes(columns, draw.labels, factors, draw.names)


SCENES: dict[str, Callable[..., Scenes]] = {
    "two-cameras": two_cameras,
    "halves": halves,
    "moving-digits": moving_digits,
    "picture-and-tone": picture_and_tone,
}
"""By the name of the built-in source, the function that draws the scenes of a split."""


# --- how scenes are drawn -----------------------------------------------------------------------------------


class _Draw(NamedTuple):
    """Digits, each repeated for its scenes, and the generator of random numbers."""

    digits: Float[np.ndarray, "n 32 32"]
    labels: Int[np.ndarray, " n"]
    random: np.random.Generator

    @staticmethod
    def of(split: str, seed: int, copies: int) -> "_Draw":
        """Return the digits of a split: `copies` of each for training, one for the test.

        Raises:
            ValueError: there is no such split.
        """
        if split not in SPLITS:
            raise ValueError(f"scenes: split must be one of {', '.join(SPLITS)}, got {split!r}; choose one")
        digits, labels = (np.repeat(part, copies if split == "train" else 1, 0) for part in _digits(split))
        return _Draw(digits, labels, np.random.default_rng([seed, SPLITS.index(split)]))

    @property
    def names(self) -> list[str]:
        return [f"{row:05}" for row in range(len(self.labels))]

    def levels(self, num: int) -> Int[np.ndarray, " n"]:
        """Return one of `num` levels for each scene, all equally likely."""
        return self.random.integers(num, size=len(self.labels))

    def background(self, texture: Int[np.ndarray, " n"]) -> Float[np.ndarray, "n 32 32"]:
        return _background(texture, self.random)

    def sines(self, frequency: Float[np.ndarray, " n *m"]) -> Float[np.ndarray, "n *m t"]:
        """Return sine waves at random phases."""
        phase = self.random.uniform(0, 1, frequency.shape)[..., None]
        return np.sin(2 * np.pi * (frequency[..., None] * np.arange(NUM_SAMPLES) + phase))


@cache
def _digits(split: str) -> tuple[Float[np.ndarray, "n 32 32"], Int[np.ndarray, " n"]]:
    """Return digits enlarged from 8 to 32 pixels a side, in [0, 1], and their classes."""
    from scipy.ndimage import zoom

    pictures, labels = digits(split)
    scale = (1, SIDE / 8, SIDE / 8)
    large: Any = zoom(pictures / 255, scale, order=3, grid_mode=True, mode="grid-constant")
    return ((large - 0.25) / 0.5).clip(0, 1), labels


def _rotation(angle: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n 2 2"]:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], -2)


def _shear(angle: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n 2 2"]:
    one, zero = np.ones_like(angle), np.zeros_like(angle)
    return np.stack([np.stack([one, zero], -1), np.stack([np.tan(angle), one], -1)], -2)


def _warped(
    digits: Float[np.ndarray, "n 32 32"], matrix: Float[np.ndarray, "n 2 2"], shape: tuple[int, int]
) -> Float[np.ndarray, "n h w"]:
    """Return digits under linear maps about the middle.

    `matrix` maps a place of the result to the place of the digit that is seen there.
    """
    from scipy.ndimage import map_coordinates

    middle = (np.array(shape) - 1) / 2
    places = np.indices(shape).reshape(2, -1).T - middle  # [h·w, 2]
    at = np.einsum("nij,lj->nil", matrix, places) + (SIDE - 1) / 2
    pairs = zip(digits, at, strict=True)
    return np.array([map_coordinates(digit, each, order=1) for digit, each in pairs]).reshape(-1, *shape)


def _background(texture: Int[np.ndarray, " n"], random: np.random.Generator) -> Float[np.ndarray, "n 32 32"]:
    """Return textures of period 8 at random phases; their two brightnesses differ by .3, between 0 and .6."""
    n = len(texture)
    low = random.uniform(0, 0.3, n)[:, None, None]
    phases = random.integers(0, 8, (2, n, 1, 1))
    rows, columns = (np.indices((SIDE, SIDE))[:, None] + phases) // 4 % 2
    bright = np.select(
        [texture[:, None, None] == kind for kind in range(len(TEXTURES))],
        [np.full_like(rows, 0.5, float), rows, columns, rows ^ columns],
    )
    return low + 0.3 * bright


def _over(
    ink: Float[np.ndarray, "n h w"], background: Float[np.ndarray, "n h w"]
) -> UInt8[np.ndarray, "n h w"]:
    """Return white ink on a background."""
    return np.round(255 * (ink + (1 - ink) * background)).astype(np.uint8)


class _Path(NamedTuple):
    """The way of a 14 × 14 patch in a 32 × 32 frame: its corner goes to and fro on a line of 18 pixels."""

    direction: Int[np.ndarray, " n"]
    speed: Int[np.ndarray, " n"]
    start: Int[np.ndarray, " n"]
    aside: Int[np.ndarray, " n"]

    def at(self, frame: int) -> Int[np.ndarray, "n 2"]:
        """Return the row and the column of the corner in a frame."""
        along = 18 - np.abs(18 - (self.start + self.speed * frame) % 36)
        row = np.choose(self.direction, [self.aside, along, along, 18 - along])
        return np.stack([row, np.where(self.direction == 1, self.aside, along)], axis=-1)


def _trail(patches: Float[np.ndarray, "n 14 14"], path: _Path, frame: int) -> Float[np.ndarray, "n 32 32"]:
    """Return the digit in a frame, and fainter where it was in the two frames before."""
    return np.max([0.45**ago * _placed(patches, path.at(frame - ago)) for ago in range(3)], axis=0)


def _placed(
    patches: Float[np.ndarray, "n 14 14"], corner: Int[np.ndarray, "n 2"]
) -> Float[np.ndarray, "n 32 32"]:
    frames = np.zeros((len(patches), SIDE, SIDE))
    rows, columns = (corner[:, axis, None] + np.arange(14) for axis in (0, 1))
    frames[np.arange(len(patches))[:, None, None], rows[:, :, None], columns[:, None, :]] = patches
    return frames
