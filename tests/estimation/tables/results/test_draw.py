"""Pictures hold what was found: colours by bits, bars with their errors, names as they are."""

import itertools
import math

import numpy as np
import pytest
from matplotlib.figure import Figure

from infomax.estimation.gaussian import Gaussian
from infomax.estimation.tables.pairwise import pairwise
from infomax.estimation.tables.rank import rank_columns
from infomax.estimation.tables.results.draw import (
    check_picture,
    heat_map,
    heat_map_order,
    ranking_chart,
    save_picture,
)


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    x, y, z = rng.standard_normal((3, 100))
    return {"x": x, "y": x + 0.2 * y, "z": z, "a" * 40: ["l", "r"] * 50}


def test_a_heat_map(table):
    found, axes = pairwise(table), Figure().add_subplot()
    heat_map(found, axes)
    order = heat_map_order(found)
    shown = np.ma.filled(axes.images[0].get_array(), np.nan)
    np.testing.assert_allclose(shown, found.value[np.ix_(order, order)] / math.log(2))
    names = [tick.get_text() for tick in axes.get_xticklabels()]
    assert sorted(names) == sorted(["x", "y", "z", "a" * 14 + "…" + "a" * 15])
    assert abs(names.index("x") - names.index("y")) == 1
    written = sorted(text.get_text().strip("≥") for text in axes.texts)
    upper = found.value[np.triu_indices(4, 1)] / math.log(2)
    assert written == sorted(f"{bits:.2f}" for bits in upper for _ in range(2))
    saturated = [row["cautions"] is not None and "saturated" in row["cautions"] for row in found]
    assert sum(text.get_text().startswith("≥") for text in axes.texts) == 2 * sum(saturated) > 0


def test_the_target_comes_first_and_like_columns_stand_together():
    """Three groups of columns, in turn."""
    rng = np.random.default_rng(0)
    common = rng.standard_normal((3, 200))
    table = {f"c{i}": common[i % 3] + 0.5 * rng.standard_normal(200) for i in range(12)}
    found = pairwise({**table, "y": rng.standard_normal(200)}, Gaussian())
    order = heat_map_order(found, "y")
    assert found.names[order[0]] == "y"
    groups = [order[start] % 3 for start in range(1, 13)]
    assert sum(one != other for one, other in itertools.pairwise(groups)) == 2
    assert sorted(order) == list(range(13))
    with pytest.raises(ValueError, match=r"heat_map: no column 'yy'; did you mean y\?"):
        heat_map_order(found, "yy")


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


def test_undersampled_bars_are_hatched_and_shares_of_the_entropy_stand_above():
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=400)
    table = {"pairs": [f"p{i // 2}" for i in range(400)], "x": y + rng.standard_normal(400), "y": y}
    ranking, axes = rank_columns(table, "y", num_permutations=0), Figure().add_subplot()
    assert "undersampled" in ranking["pairs"]["cautions"]
    ranking_chart(ranking, axes)
    hatched = [bar.get_hatch() for bar in axes.patches]
    assert hatched == [None, "////"]
    assert "undersampled: may be bias alone" in [text.get_text() for text in axes.get_legend().get_texts()]
    (upper,) = axes.child_axes
    assert upper.get_xlabel() == f"% of the {ranking.target_entropy.bits:.3f} bits of y"


@pytest.mark.parametrize("number", [5, 45])
def test_few_and_many_columns(number):
    rng = np.random.default_rng(0)
    table = {f"column {i}": rng.integers(2, size=60) for i in range(number)}
    ranking = rank_columns(table, "column 0", num_permutations=0)
    axes = Figure().add_subplot()
    ranking_chart(ranking, axes)
    assert ("; the first 40 of 44 columns" in axes.get_xlabel()) == (number == 45)
    heat_map(pairwise(table), axes := Figure().add_subplot())
    assert len(axes.get_xticklabels()) == number
    assert bool(axes.texts) == (number == 5)


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
