"""Measure what `amdim-cpu`, without any change, learns of three other kinds of images.

    python benchmarks/other_images.py --save                               # an hour on two cores
    python benchmarks/other_images.py --kinds letters --save --overwrite   # one of them

No setting was ever chosen on these images. Each kind is generated from a seed, 5,000 images to learn from and
2,000 to test:

- letters: 26 capitals in the fonts that come with Matplotlib, turned, moved and on an uneven background; one
  channel of 32×32 pixels. Fonts of the test images are not among the others.
- cells: two 16-bit channels of 64×64 pixels, the nucleus and a protein. The class is where the protein is
  densest: the nucleus, its rim, the cytoplasm, the edge of the cell, dots, fibres, or one spot. There are few
  photons, and a share of the protein is everywhere.
- melodies: spectrograms of 40×96 pixels; the class is the sequence of four notes, in any key. Four of the
  eight classes are another one played backwards. The recipe's features are the mean of an image and its
  mirror image, which can hardly tell these apart; `melodies, not mirrored` changes that alone.

Probes get all training labels, or 5 of each class ten times; beside them are raw pixels and a random encoder.
Images and runs in the folder are used again.
"""

from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter

from infomax.evaluation.representations import representations
from infomax.evaluation.splits import labelled_split
from infomax.learning.encoders.saving import load_encoder
from infomax.learning.training.loop import pretrain
from infomax.learning.training.options import recipe_from_options
from infomax.learning.training.recipes import recipe_named
from infomax.learning.training.run import Run
from minutes import accuracies
from recording import add, arguments_of, environment, recorded, report

HEADING = "Accuracy on the test images"
FONTS = (
    *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSansMono", "DejaVuSansMono-Oblique"),
    *("DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic"),
    *("STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic", "STIXGeneralBolIta"),
    *("cmr10", "cmss10", "cmtt10", "cmb10", "cmti10"),
)
"""Name the fonts of Matplotlib that have capitals of the usual shape."""
TEST_FONTS = {"DejaVuSansMono-Oblique", "DejaVuSerif-Italic", "STIXGeneralBol", "cmss10", "cmb10"}
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
PLACES = ("nucleus", "rim", "cytoplasm", "edge", "dots", "fibres", "centre")
MELODIES = [(0, 2, 4, 7), (7, 4, 2, 0), (0, 7, 0, 4), (4, 0, 7, 0), (2, 2, 7, 4), (0, 4, 7, 4), (7, 7, 0, 2),
            (4, 2, 0, 7)]  # fmt: skip
"""Notes of each class, in semitones above the key."""
OPTIONS = {
    "cells": "--views.mean .5,.5 --views.std .25,.25",
    "melodies, not mirrored": "--flip 0 --readout joined",
}
"""Options added to the recipe: two channels must be told; the others take it as it is."""


def main():
    arguments = arguments_of(
        __doc__,
        kinds="letters;cells;melodies;melodies, not mirrored",
        runs="runs/other_images",
        steps=694,
        train=5000,
        test=2000,
    )
    about = environment("torch", "lightning", "scikit-learn", "matplotlib")
    found = recorded("other_images", HEADING)
    for kind in arguments.kinds.split(";"):
        split, run = trained(kind, arguments)
        for name, represent in representations(load_encoder(run.folder), "amdim-cpu", 0, split.train).items():
            values = {"steps": arguments.steps, "commit": about["commit"], **accuracies(represent, split)}
            add(found[HEADING], {"images": kind, "representation": name}, values)
        report("other_images", "The CPU recipe on other kinds of images", about, found, arguments)


def trained(kind, arguments):
    """Images to learn from and to test, and a run that learned from them."""
    options = [*OPTIONS.get(kind, "").split(), "--steps", str(arguments.steps), "--precision", "bf16"]
    recipe = recipe_from_options(recipe_named("amdim-cpu"), options)
    drawn, *_ = kind.split(", ")
    runs = Path(arguments.runs)
    images = runs / f"{drawn}-{arguments.train}-{arguments.test}"
    if not images.exists():
        beside = images.with_name(f"{images.name}.part")  # what an interruption leaves is not taken for all
        for seed, part in enumerate(("train", "test")):
            write(drawn, beside / part, getattr(arguments, part), seed)
        beside.rename(images)
    split = labelled_split(str(images), recipe.views)
    run = Run(runs / f"{kind}-{arguments.train}-{arguments.steps}".replace(", ", "-").replace(" ", "-"))
    return split, run if run.encoder.exists() else pretrain(recipe, split.train, run.folder)


def write(kind, folder, num_images, seed):
    """Write images into a folder for each class."""
    rng = np.random.default_rng([seed, list(KINDS).index(kind)])
    classes, draw = KINDS[kind]
    for number in range(num_images):
        label = number % len(classes)
        path = folder / str(classes[label])
        path.mkdir(parents=True, exist_ok=True)
        image = draw(rng, label, folder.name)
        if image.ndim == 2:
            Image.fromarray(image).save(path / f"{number}.png")
        else:
            np.save(path / f"{number}.npy", image)


def letter(rng, label, part):
    """A capital, uint8 [32, 32]."""
    name = rng.choice([font for font in FONTS if (font in TEST_FONTS) == (part == "test")])
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf"
    picture = Image.new("L", (64, 64))
    font = ImageFont.truetype(path, int(rng.integers(34, 52)))
    at = tuple(32 + rng.uniform(-5, 5, 2))
    ImageDraw.Draw(picture).text(at, LETTERS[label], 255, font, anchor="mm")
    turned = picture.rotate(rng.uniform(-20, 20), Image.Resampling.BILINEAR).resize((32, 32))
    ground = gaussian_filter(rng.standard_normal((32, 32)), 4)
    ground = 0.4 + 0.8 * ground + 0.03 * rng.standard_normal((32, 32))
    ink = rng.choice([-1, 1]) * rng.uniform(0.25, 0.6)
    return as_bytes(ground + ink * np.asarray(turned) / 255)


def cell(rng, label, part):
    """A nucleus and a protein in its cell, uint16 [64, 64, 2]."""
    rows, columns = np.mgrid[:64, :64] - 32.0
    angle, stretch = rng.uniform(0, np.pi), rng.uniform(1, 1.5)
    along = rows * np.cos(angle) + columns * np.sin(angle) - rng.uniform(-4, 4)
    across = columns * np.cos(angle) - rows * np.sin(angle) - rng.uniform(-4, 4)
    wavy = 2.5 * gaussian_filter(rng.standard_normal((64, 64)), 6) * 6
    distance = np.hypot(along / stretch, across) + wavy
    inner, outer = rng.uniform(8, 11), rng.uniform(20, 26)
    inside, whole = soft(inner - distance), soft(outer - distance)
    around = whole * (1 - inside)
    spots = gaussian_filter((rng.random((64, 64)) < 0.012) * 1.0, 1.3) * 12
    fibres = np.cos(90 * gaussian_filter(rng.standard_normal((64, 64)), 5))
    centre = np.exp(-((rows - rng.uniform(-14, 14)) ** 2 + (columns - rng.uniform(-14, 14)) ** 2) / 8)
    places = {
        "nucleus": inside,
        "rim": np.exp(-(((distance - inner) / 1.5) ** 2)),
        "cytoplasm": around,
        "edge": np.exp(-(((distance - outer) / 1.5) ** 2)),
        "dots": around * spots.clip(0, 1),
        "fibres": around * fibres.clip(0, 1),
        "centre": centre,
    }
    protein = places[PLACES[label]] + whole * rng.uniform(0.5, 1.5)
    photons = np.stack([inside, protein], axis=-1) * rng.uniform(1.5, 6, 2) + 2
    return (rng.poisson(photons) * 40 + rng.normal(300, 30, photons.shape)).clip(0).astype(np.uint16)


def melody(rng, label, part):
    """A spectrogram of four notes, uint8 [40, 96]."""
    key, start = rng.integers(5, 22), rng.uniform(2, 14)
    lengths = rng.uniform(14, 22, 4)
    power = np.zeros((40, 96))
    bands = np.arange(40)[:, None]
    for note, begin, length in zip(
        MELODIES[label], start + np.cumsum(lengths) - lengths, lengths, strict=True
    ):
        times = np.arange(96) - begin
        envelope = np.sin(np.pi * (times / length).clip(0, 1))  # the same backwards
        for overtone, strength in ((0, 1.0), (12, rng.uniform(0.1, 0.6))):
            power += strength * envelope * np.exp(-(((bands - key - note - overtone) / 0.8) ** 2))
    noise = rng.exponential(0.05, (40, 96)) * (1 + gaussian_filter(rng.standard_normal((40, 1)), 3) * 2) ** 2
    return as_bytes(0.25 * np.log10(power * rng.uniform(0.3, 1) + noise + 1e-3) + 0.75)[::-1].copy()


def soft(distance):
    return 1 / (1 + np.exp(-distance.clip(-30, 30)))


def as_bytes(values):
    return (values.clip(0, 1) * 255).round().astype(np.uint8)


KINDS = {
    "letters": (LETTERS, letter),
    "cells": (PLACES, cell),
    "melodies": (["-".join(map(str, notes)) for notes in MELODIES], melody),
}
"""Names of the classes, and what draws an image of one."""


if __name__ == "__main__":
    main()
