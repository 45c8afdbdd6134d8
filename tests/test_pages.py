"""Figures have a form for light pages and one for dark pages."""

import numpy as np
from matplotlib import image
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from infomax.pages.figures import COLOURS, dark_form, save_for_light_and_dark


def test_the_dark_form_has_light_ink_the_same_colours_and_no_background(tmp_path):
    figure = Figure(figsize=(2, 2))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.axhspan(0, 1, xmax=0.5, color="black")
    axes.axhspan(0, 1, xmin=0.6, xmax=0.8, color=COLOURS[0])
    axes.set(xlim=(0, 1), ylim=(0, 1))
    save_for_light_and_dark(figure, tmp_path / "a.png", dpi=50)

    light, dark = (image.imread(path)[50] for path in (tmp_path / "a.png", tmp_path / "a_dark.png"))
    ink, colour, empty = 25, 70, 95  # places of the row, RGBA
    assert dark_form(tmp_path / "a.png") == tmp_path / "a_dark.png"
    assert np.allclose(light[[ink, empty]], [[0, 0, 0, 1], [1, 1, 1, 1]])
    assert np.allclose(light[colour], to_rgba(COLOURS[0]), atol=0.01)
    assert np.allclose(dark[ink], [0.9, 0.9, 0.9, 1], atol=0.01)
    assert np.allclose(dark[colour], light[colour]) and dark[empty, 3] == 0


def test_words_on_images_and_images_stay_as_they_are(tmp_path):
    figure = Figure()
    axes = figure.subplots()
    axes.imshow(np.ones((4, 4)), cmap="gray", vmin=0, vmax=1)
    on_image, title = axes.text(1, 1, "on", color="black"), axes.set_title("title", color="black")
    save_for_light_and_dark(figure, tmp_path / "a.png", dpi=20)
    assert on_image.get_color() == "black"
    assert np.allclose(title.get_color(), (0.9, 0.9, 0.9, 1))
