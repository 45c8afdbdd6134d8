"""Similarity maps: scores by loops, what a cell sees by arithmetic and by hiding, pictures, the command."""

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from infomax.cli import main
from infomax.evaluation.similarity.fields import Field, cell_centers, receptive_field
from infomax.evaluation.similarity.maps import score, similarity_maps
from infomax.evaluation.similarity.painting import Painter, scaled
from infomax.evaluation.similarity.panel import similarity_panel
from infomax.evaluation.similarity.searching import MAX_COLUMNS, MAX_TITLE, _grid
from infomax.learning.data import Dataset, load_images
from infomax.learning.encoders.amdim import AMDIMEncoder
from infomax.learning.encoders.amdim_signals import SignalEncoder
from infomax.learning.encoders.dim import DCGANEncoder
from infomax.learning.encoders.saving import PretrainedEncoder, save_encoder
from infomax.learning.views.images import PLAIN_VIEWS, ViewsConfig
from infomax.learning.views.signals import SignalViewsConfig
from infomax.pages.figures import shortened

GREY = replace(PLAIN_VIEWS, mean=(0.3,), std=(0.3,))


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return PretrainedEncoder(lively(AMDIMEncoder(32, 4, 8, 1, channels=1)), GREY)


def lively(encoder):
    """Units whose second convolution is not zero, as after training."""
    for name, weight in encoder.named_parameters():
        if name.endswith(("pointwise.weight", "out.weight")):
            torch.nn.init.normal_(weight, std=0.2)
    return encoder


@pytest.fixture(scope="module")
def digits():
    return load_images("digits", split="test", size=32, channels=1, progress=False).subset(slice(0, 40))


@pytest.mark.parametrize(("source", "target"), [(1, 7), ((5, 1, 3), 5), ((7, 6, 0), 5)])
def test_scores_by_loops(encoder, digits, source, target):
    query, some = digits.batch(np.array([3]))[0], digits.subset(slice(0, 5))
    maps = similarity_maps(encoder, query, some, source=source, target=target)
    asked = encoder(query[None])
    vector = asked.global_[0] if source == 1 else asked.local[source[0]][0, :, source[1], source[2]]
    local = encoder(some.batch(slice(None))).local[target]
    expected = torch.zeros(5, target, target)
    for i in range(5):
        for row in range(target):
            for column in range(target):
                expected[i, row, column] = vector @ local[i, :, row, column] / 8**0.5
    torch.testing.assert_close(maps.scores, expected, atol=1e-5, rtol=1e-4)
    odds = expected.exp()
    torch.testing.assert_close(maps.probabilities, odds / odds.sum(), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(maps.log_odds, odds.sum((1, 2)).log(), atol=1e-5, rtol=1e-4)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 9), st.integers(1, 4))
def test_scores_of_any_shape(q, n, d, side):
    vectors, local = torch.randn(q, d), torch.randn(n, d, side, side)
    expected = np.einsum("qd,ndhw->qnhw", vectors.numpy(), local.numpy()) / np.sqrt(d)
    np.testing.assert_allclose(score(vectors, local).numpy(), expected, atol=1e-4)


def test_signals_have_rows_for_maps():
    encoder = PretrainedEncoder(SignalEncoder(64, 1, 4, 8, 1), SignalViewsConfig(stored_length=64, length=64))
    signals = Dataset(np.random.default_rng(0).normal(size=(3, 1, 64)).astype(np.float32),
                      np.full(3, -1), ["a", "b", "c"], ())  # fmt: skip
    maps = similarity_maps(encoder, signals.batch(np.array([0]))[0], signals, source=(5, 2))
    assert maps.scores.shape == (3, 7)


@pytest.mark.parametrize(
    ("size", "cell7", "stride", "cell5"), [(32, 8, 4, 16), (64, 16, 8, 32), (128, 35, 16, 67)]
)
def test_fields_of_the_published_sizes(size, cell7, stride, cell5):
    torch.manual_seed(0)
    encoder = AMDIMEncoder(size, 4, 8, 1, channels=1)
    fields = [receptive_field(encoder, (7, 3, column)) for column in (2, 3)]
    assert all(f.bottom - f.top == f.right - f.left == cell7 for f in fields)
    assert fields[1].left - fields[0].left == stride
    field = receptive_field(encoder, (5, 2, 2))
    assert field.bottom - field.top == field.right - field.left == cell5
    everything = receptive_field(encoder, 1)
    assert min(everything.bottom - everything.top, everything.right - everything.left) >= 0.95 * size


def test_a_field_is_what_hiding_changes(encoder):
    """A cell changes if a pixel inside its field does, at the corners too, and never by one outside."""
    view = torch.randn(1, 1, 32, 32)
    with torch.no_grad():
        before = encoder.encoder(view).local[7][0, :, 2, 4]
        field = receptive_field(encoder.encoder, (7, 2, 4))
        inside = torch.zeros(32, 32, dtype=torch.bool)
        inside[field.top : field.bottom, field.left : field.right] = True
        outside = torch.where(inside, view, torch.randn_like(view))
        torch.testing.assert_close(encoder.encoder(outside).local[7][0, :, 2, 4], before)
        for row, column in ((field.top, field.left), (field.bottom - 1, field.right - 1)):
            changed = view.clone()
            changed[0, 0, row, column] += 3
            assert not torch.equal(encoder.encoder(changed).local[7][0, :, 2, 4], before)


def test_fields_leave_no_trace(encoder):
    state, random = encoder.encoder.training, torch.get_rng_state()
    receptive_field(encoder.encoder, 1)
    assert encoder.encoder.training == state and torch.equal(torch.get_rng_state(), random)
    assert all(p.grad is None for p in encoder.parameters())


def test_centers_of_a_rectangle():
    torch.manual_seed(0)
    rows, columns = cell_centers(AMDIMEncoder((32, 64), 4, 8, 1, channels=1), 7)
    np.testing.assert_allclose(rows, 4 + 4 * np.arange(7))
    np.testing.assert_allclose(columns, 8 + 8 * np.arange(7))


def test_a_map_is_laid_where_its_cells_look():
    centers = 4 + 4.0 * np.arange(7)
    painter = Painter((32, 32), (centers, centers))
    values = np.zeros((7, 7))
    values[1, 5] = 1
    large = painter.enlarged(values, (64, 64))
    assert np.unravel_index(large.argmax(), large.shape) in [(r, c) for r in (15, 16) for c in (47, 48)]
    constant = painter.enlarged(np.full((7, 7), 0.4), (50, 64))
    np.testing.assert_allclose(constant, 0.4)


def test_an_overlay_colours_only_where_there_is_weight():
    centers = 4 + 4.0 * np.arange(7)
    painter, picture = Painter((32, 32), (centers, centers)), np.full((32, 32, 3), 90, np.uint8)
    grey = painter.overlay(picture, np.zeros((7, 7)), side=64)
    assert grey.shape == (64, 64, 3) and (grey == grey[0, 0, 0]).all()
    weights = np.zeros((7, 7))
    weights[0, 0] = 1
    coloured = painter.overlay(picture, weights, side=64).astype(int)
    assert np.ptp(coloured[8, 8]) > 50 and np.ptp(coloured[60, 60]) <= 2


def test_weights():
    np.testing.assert_allclose(scaled(np.array([[-1.0, 1.0], [2.0, 3.0]]), 1.0), [[0, 0], [0.5, 1]])
    assert np.isfinite(scaled(np.ones((2, 2)), 1.0)).all()


def test_panel(encoder, digits):
    panel = similarity_panel(encoder, digits, num_queries=3, num_others=4)
    assert panel["pictures"].shape == (6, 6, 128, 128, 3) and panel["pictures"].dtype == np.uint8
    assert list(panel["sources"]) == ["whole image → 7×7", "cell 2, 2 of 5×5 → 5×5"] * 3
    assert all(row[0] == row[1] and row[0] not in row[2:] for row in panel["names"])
    classes = {digits.labels[list(digits.names).index(row[0])] for row in panel["names"]}
    assert len(classes) == 3
    again = similarity_panel(encoder, digits, num_queries=3, num_others=4)
    assert all(np.array_equal(panel[key], again[key]) for key in panel)


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        (1, 6, "got source 1 and target 6.*there are maps of sides 5, 7"),
        (7, 7, "got source 7 and target 7"),
        ((4, 0, 0), 7, "got source .4, 0, 0. and target 7"),
        ((5, 5, 0), 5, r"no cell \(5, 0\) in a map of 5×5 cells"),
        ((5, -1, 0), 5, r"no cell \(-1, 0\)"),
        ((5, 1), 5, r"no cell \(1,\)"),
    ],
)
def test_refused_places(encoder, digits, source, target, message):
    with pytest.raises(ValueError, match=message):
        similarity_maps(encoder, digits.batch(np.array([0]))[0], digits, source=source, target=target)


def test_features_of_several_dimensions(digits):
    encoder = PretrainedEncoder(DCGANEncoder(32, 1, width=4, num_hidden=16, num_units=6), GREY)
    with pytest.raises(ValueError, match=r"features must be all of one dimension.*trained by AMDIM"):
        similarity_maps(encoder, digits.batch(np.array([0]))[0], digits)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An encoder of rectangles and fifteen pictures of them."""
    out = tmp_path_factory.mktemp("similarity")
    torch.manual_seed(0)
    views = ViewsConfig(stored_size=(32, 48), image_size=(32, 48))
    save_encoder(out, AMDIMEncoder((32, 48), 4, 8, 1), views)
    for number in range(15):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 60, 3), np.uint8)
        (out / "data").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(out / "data" / f"{number:02}.png")
    return out


def test_the_command(folder, capsys):
    common = ["similarity", str(folder), "--data", str(folder / "data"), "--out", str(folder / "s.png")]
    common.append("--overwrite")

    def result(*options):
        assert main([*common, *options]) == 0
        return json.loads(capsys.readouterr().out)

    by_name = result("--query", "03.png", "--num", "14")
    assert by_name["query"] == "03.png" and by_name["num_images"] == 14
    assert "03.png" not in [one["name"] for one in by_name["images"]]
    shares = [one["probability"] for one in by_name["images"]]
    assert sum(shares) == pytest.approx(1) and shares == sorted(shares, reverse=True)
    assert Image.open(folder / "s.png").size[0] > 400
    assert result("--query", "3", "--num", "14") == by_name
    assert result("--query", str(folder / "data" / "03.png"), "--num", "14") == by_name
    Image.open(folder / "data" / "03.png").save(folder / "another.png")
    by_file = result("--query", str(folder / "another.png"))
    assert by_file["num_images"] == 15 and len(by_file["images"]) == 12
    of_cell = result("--query", "3", "--cell", "1,4", "--num", "1")
    assert of_cell["source"] == "cell 1, 4 of 5×5 → 5×5"
    with torch.no_grad():
        field = receptive_field(AMDIMEncoder((32, 48), 4, 8, 1), (5, 1, 4))
    assert Field(*of_cell["field"]) == field


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--query", "cat.png"], "'cat.png' is no file, and neither the name nor the number of one of 15"),
        (["--query", "15"], "'15' is no file"),
        (["--query", "0", "--cell", "7,0"], "no cell (7, 0) in a map of 5×5 cells"),
        (["--query", "0", "--out", "x.jpg"], "the suffix of x.jpg says no format"),
        (["--query", "0", "--source", "7"], "--source 7 is the side of the map of a cell, got no cell"),
        (["--query", "0", "--num", "0"], "--num must be at least 1, got 0"),
    ],
)
def test_refusals_of_the_command(folder, capsys, options, message):
    assert main(["similarity", str(folder), "--data", str(folder / "data"), *options]) == 2
    assert message in capsys.readouterr().err


def test_long_names_stay_above_their_own_picture():
    names = [f"{'folder of a long name/' * 3}{number}.png" for number in range(MAX_COLUMNS)]
    pictures = [np.zeros((8, 8, 3), np.uint8)] * MAX_COLUMNS
    figure = _grid(pictures, [shortened(name, MAX_TITLE) for name in names], "heading")
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    boxes = [axis.title.get_window_extent(renderer) for axis in figure.axes]
    assert all(one.x1 < other.x0 for one, other in pairwise(boxes))
    assert boxes[0].x0 >= 0 and boxes[-1].x1 <= figure.bbox.x1
