"""Pictures hold what was found: colours by bits, bars with their errors, names as they are."""

import math

import numpy as np
import pytest
from matplotlib.figure import Figure

from infomax.estimation.tables.pairwise import pairwise
from infomax.estimation.tables.rank import rank_columns
from infomax.estimation.tables.results.draw import check_picture, heat_map, ranking_chart, save_picture


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    x, y, z = rng.standard_normal((3, 100))
    return {"x": x, "y": x + 0.2 * y, "z": z, "a" * 40: ["l", "r"] * 50}


def test_a_heat_map(table):
    found, axes = pairwise(table), Figure().add_subplot()
    heat_map(found, axes)
    shown = np.ma.filled(axes.images[0].get_array(), np.nan)
    np.testing.assert_allclose(shown, found.value / math.log(2))
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["x", "y", "z", "a" * 29 + "…"]
    written = sorted(text.get_text() for text in axes.texts)
    upper = found.value[np.triu_indices(4, 1)] / math.log(2)
    assert written == sorted(f"{bits:.2f}" for bits in upper for _ in range(2))


def test_a_ranking(table):
    ranking, axes = rank_columns(table, "x", num_permutations=39), Figure().add_subplot()
    ranking_chart(ranking, axes)
    frame = ranking.to_frame()
    bars = {round(bar.get_y() + bar.get_height() / 2): bar.get_width() for bar in axes.patches}
    np.testing.assert_allclose([bars[row] for row in range(3)], frame["value"].to_numpy() / math.log(2))
    assert axes.get_yticklabels()[0].get_text() == "y"
    assert axes.yaxis_inverted()
    assert axes.get_xlabel() == "information about x, bits ± standard error"
    doubtful = (frame["adjusted_p_value"] > 0.05).sum()
    assert doubtful > 0
    colours = [bar.get_facecolor() for bar in axes.patches]
    assert colours.count(colours[-1]) == doubtful


def test_files_are_not_replaced(table, tmp_path):
    path = save_picture(heat_map, pairwise(table), tmp_path / "map.svg")
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match=r"plot: .*map.svg exists; choose another file"):
        save_picture(heat_map, pairwise(table), path)
    assert path.read_bytes() == before
    with pytest.raises(
        ValueError, match=r"plot: the suffix of map.tiff2 names no format; expected one of .png"
    ):
        check_picture("map.tiff2")
    with pytest.raises(FileNotFoundError, match="plot: there is no folder"):
        check_picture(tmp_path / "none" / "map.png")
    assert [file.name for file in tmp_path.iterdir()] == ["map.svg"]
