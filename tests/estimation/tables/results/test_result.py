"""Results print within 80 columns, say what must be known, and are looked up by name."""

import json
import math

import numpy as np
import pandas
import polars as pl
import pytest

from infomax.estimation.counting.counts import NSB
from infomax.estimation.gaussian import Gaussian, GaussianCopula
from infomax.estimation.neighbors.ksg import KSG
from infomax.estimation.tables.joint import rank_pairs
from infomax.estimation.tables.pairwise import pairwise
from infomax.estimation.tables.rank import rank_columns


@pytest.fixture(scope="module")
def table():
    """A label that x and the words know in part, noise in pairs of rows, a list, and a name for each row."""
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=400)
    return {
        "x with a name that is long, and says little before its end": y + rng.standard_normal(400),
        "word": np.where(rng.random(400) < 0.7, y, rng.integers(2, size=400)).astype(str),
        "pairs": [f"p{i // 2}" for i in range(400)],
        "noise": [None, *rng.standard_normal(399)],
        "name": [f"row {i}" for i in range(400)],
        "lists": [[1, 2]] * 400,
        "y": np.where(y == 1, "yes", "no"),
    }


@pytest.fixture(scope="module")
def ranking(table):
    return rank_columns(table, "y", num_permutations=19)


def test_the_printed_table(ranking):
    text = repr(ranking)
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0] == "Information about y (labels)"
    order = [line.split()[0] for line in lines[3:8]]
    assert {*order[:2]} == {"word", "x"} and order[-2:] == ["───", "pairs"]
    for part in (
        "s end continuous",
        "continuous", "labels", "±", "%", "undersampled",
        f"bits ± one standard error; share: of the {ranking.target_entropy.bits:.3f} ± 0.",
        "p: adjusted for the number of columns tested (false discovery rate)",
        "undersampled rows stand last: their values may be bias alone",
        "pairs: undersampled: ",
        "not measured: lists: holds lists",
        "not measured: name: 400 of 400 labels occur once",
    ):  # fmt: skip
        assert part in " ".join(text.split()), part


def test_a_continuous_target_has_no_share(table):
    found = rank_columns(table, "noise", num_permutations=0)
    assert "continuous target: no share" in repr(found)
    assert found.target_entropy is None
    assert found.frame["share"].is_null().all()


def test_shares_are_of_what_is_left_given_labels():
    rng = np.random.default_rng(0)
    a, b = rng.integers(2, size=(2, 1000))
    found = rank_columns({"a": a, "b": b, "y": a + 2 * b}, "y", given="a", num_permutations=0)
    assert found.target_entropy.bits == pytest.approx(1, abs=0.01)
    assert found["b"]["share"] == pytest.approx(1, abs=0.01)
    assert "share: of the 1.0" in repr(found) and "bits of y given a" in repr(found)
    numbers = rank_columns(
        {"a": rng.standard_normal(1000), "b": b, "y": b}, "y", given="a", num_permutations=0
    )
    assert "no share of what is left given numbers" in repr(numbers)


def test_html(ranking):
    html = ranking._repr_html_()
    assert html.startswith("<div><b>Information about y (labels)</b><table>")
    assert html.count("<tr>") == 5
    assert "bits ± one standard error" in html
    escaped = rank_columns({"<b>": np.arange(40.0), "y": [0, 1] * 20}, "y", num_permutations=0)._repr_html_()
    assert "&lt;b&gt;" in escaped and "<td><b>" not in escaped


def test_rows_are_found_by_name_and_place(ranking, table):
    assert ranking["word"]["column"] == "word"
    assert ranking[0] == next(iter(ranking)) == ranking[np.int64(0)]
    assert ranking[:2] == [ranking[0], ranking[1]] and ranking[-1] == [*ranking][-1]
    assert len(ranking) == len(ranking.frame) == 5
    assert ranking["word"]["bits"] == pytest.approx(ranking["word"]["value"] / math.log(2))
    with pytest.raises(KeyError, match=r"Ranking: no row 'wordd'; did you mean word\?"):
        ranking["wordd"]
    series = rank_columns({"a": np.arange(50.0) % 7, "b": np.arange(50.0) % 11}, "b", Gaussian(), lags=[1, 2])
    assert series["a@2"]["lag"] == 2
    pairs = pairwise({name: table[name] for name in ("word", "pairs", "y")})
    assert pairs["word", "y"] == pairs["y", "word"]
    assert pairs.value[0, 2] == pairs["y", "word"]["value"]


def test_other_libraries(ranking):
    assert ranking.to_polars().equals(ranking.frame)
    assert ranking.to_frame().equals(ranking.frame)
    frame = ranking.to_pandas()
    assert list(frame["column"]) == ranking.frame["column"].to_list()
    assert frame["bits"].iloc[0] == ranking[0]["bits"]


def test_everything_is_recorded(table):
    found = rank_columns(
        table,
        "y",
        estimators={"labels": NSB(), "mixed": KSG()},
        num_permutations=9,
        seed=3,
        kinds={"word": "labels"},
    )
    mapping = json.loads(json.dumps(found.to_mapping()))
    assert mapping["unit"] == "bits"
    assert mapping["estimators"] == {
        "labels": "NSB(num_labels=None)",
        "mixed": "KSG(num_neighbors=3, variant=1, num_workers=-1)",
    }
    assert (mapping["seed"], mapping["num_permutations"], mapping["num_rows"]) == (3, 9, 400)
    assert mapping["kinds"]["pairs"] == "labels"
    assert "lists" in mapping["left_out"]["lists"]
    assert {row["column"]: row["method"].split(",")[0] for row in mapping["rows"]}["word"] == "NSB"
    assert all(isinstance(row["cautions"], list) for row in mapping["rows"])


def test_estimators_by_kind():
    rng = np.random.default_rng(0)
    x, z = rng.standard_normal((2, 300))
    table = {"x": x, "y": x + z, "side": x > 0}
    found = pairwise(table, estimators={"continuous": GaussianCopula()})
    assert found["x", "y"]["method"].startswith("GaussianCopula")
    assert found["x", "y"]["kind"] == "model estimate"
    assert found["x", "side"]["method"] == "Ross, k=3"
    with pytest.raises(ValueError, match=r"no kind of pair 'label'; did you mean labels\?"):
        pairwise(table, estimators={"label": NSB()})
    with pytest.raises(ValueError, match="for all pairs and others by kind; give one of the two"):
        pairwise(table, Gaussian(), estimators={"labels": NSB()})


def test_rare_labels_never_stand_above_real_predictors():
    """Independent labels in pairs of rows, many labels, labels of Zipf's law once read 0.1 to 1.9 nats."""
    rng = np.random.default_rng(0)
    n = 2001
    classes = rng.integers(5, size=n)
    noise = {
        "pairs": [f"p{i // 2}" for i in range(n)],
        "zips": [f"z{i}" for i in rng.integers(500, size=n)],
        "zipf": [f"w{i}" for i in np.minimum(rng.zipf(1.5, n), 5000)],
        "many": [f"m{i}" for i in rng.integers(100, size=n)],
    }
    for target in (classes.astype(str), classes + 0.1 * rng.standard_normal(n)):
        real = np.where(rng.random(n) < 0.4, classes, rng.integers(5, size=n)).astype(str)
        ranking = rank_columns(
            {**noise, "real": real, "number": classes + 4 * rng.standard_normal(n)},
            target,
            num_permutations=0,
        )
        assert set(ranking.frame["column"][:2]) == {"real", "number"}
        for name in noise:
            row = ranking[name]
            assert "undersampled" in (row["cautions"] or "") or row["value"] < 3 * row["standard_error"], row


def test_five_labels_and_numbers_given_a_hundred_labels():
    rng = np.random.default_rng(0)
    table = {"x": rng.standard_normal(1000), "z": [f"z{i}" for i in rng.integers(100, size=1000)]}
    row = rank_columns(table, [f"y{i}" for i in rng.integers(5, size=1000)], given="z", num_permutations=0)[
        "x"
    ]
    assert abs(row["value"]) < 3 * row["standard_error"] + 0.03


@pytest.mark.parametrize("as_table", [dict, pl.DataFrame, "pandas", "numpy"])
def test_targets_are_names_places_and_values(as_table):
    rng = np.random.default_rng(0)
    x, z = rng.standard_normal((2, 60))
    y = x + 0.1 * z
    if as_table == "numpy":
        table, name = np.column_stack([x, z, y]), "2"
    elif as_table == "pandas":
        table, name = pandas.DataFrame({"x": x, "z": z, "y": y}), "y"
    else:
        table, name = as_table({"x": x, "z": z, "y": y}), "y"

    def ranked(target):
        return rank_columns(table, target, Gaussian(), num_permutations=0)

    by_name = ranked(name)
    assert ranked(2).frame.equals(by_name.frame)
    if as_table == "pandas" or as_table is pl.DataFrame:
        assert ranked(table["y"]).frame.equals(by_name.frame)
        other = ranked(table["y"] ** 3)  # another column of the same name
        assert other.target == "y_target" and len(other) == 3
    for values in (y, list(y)):
        found = ranked(values)
        assert found.target == "target" and len(found) == 3
    with pytest.raises(ValueError, match="the target has 3 values for 60 rows; expected one for each"):
        ranked([1.0, 2, 3])
    with pytest.raises(ValueError, match="no column 7; the table has 3"):
        ranked(7)


def test_weights():
    """Each row twice as heavy, half of the rows of weight 0: as the other half alone, without p-values."""
    rng = np.random.default_rng(0)
    coin, label = rng.integers(2, size=200), rng.integers(3, size=200)
    label = np.where(rng.random(200) < 0.6, coin, label)
    table = {"coin": coin, "label": label, "x": rng.standard_normal(200), "w": [2.0, 0.0] * 100}
    weighted = rank_columns(table, "coin", weights="w")
    half = rank_columns(
        {name: np.asarray(values)[::2] for name, values in table.items() if name != "w"}, "coin"
    )
    assert weighted["label"]["value"] == pytest.approx(half["label"]["value"], abs=0.01)
    assert weighted.frame["p_value"].is_null().all()
    assert "no p-values: shuffling rows does not allow for the weights in w" in repr(weighted)
    assert "w" not in weighted.kinds
    refused = pairwise(
        {**table, "y": rng.standard_normal(200)}, estimators={"continuous": GaussianCopula()}, weights="w"
    )
    assert "GaussianCopula takes no weights; leave them out" in refused["x", "y"]["refused"]


def test_pairs_print_their_interaction(table):
    text = repr(rank_pairs({name: table[name] for name in ("word", "noise", "y")}, "y"))
    assert "interaction: bits above those of both columns alone; share: of the" in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 80
