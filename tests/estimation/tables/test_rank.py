"""Rankings against estimates of one column at a time, transfer entropy and known dependence."""

import numpy as np
import pytest
from scipy.stats import false_discovery_control

from infomax.estimation.counting.counts import MillerMadow
from infomax.estimation.gaussian import Gaussian
from infomax.estimation.lags import lagged_information, transfer_entropy
from infomax.estimation.tables.rank import rank_columns


@pytest.fixture
def series():
    """x drives y one row later, and z is by itself."""
    rng = np.random.default_rng(0)
    x, z, noise = rng.standard_normal((3, 400))
    return {"x": x, "y": np.append(0, x[:-1]) + 0.5 * noise, "z": z}


def rows(ranking):
    return {(row["column"], row["lag"]): row for row in ranking.to_frame().iter_rows(named=True)}


def test_columns_come_in_order_of_what_they_tell():
    rng = np.random.default_rng(3)
    target = rng.integers(0, 3, 300)
    table = {
        "noise": rng.standard_normal(300),
        "weak": target + 3 * rng.standard_normal(300),
        "strong": target + 0.1 * rng.standard_normal(300),
        "same": [f"class {t}" for t in target],
        "name": [f"row {i}" for i in range(300)],
        "target": target,
    }
    ranking = rank_columns(table, "target", num_permutations=19)
    frame = ranking.to_frame()
    assert set(frame["column"][:2]) == {"strong", "same"}
    assert frame["column"].to_list()[2:] == ["weak", "noise", "name"]
    assert frame["value"].to_list()[:4] == sorted(frame["value"].to_list()[:4], reverse=True)
    assert rows(ranking)["strong", 0]["value"] == pytest.approx(np.log(3), abs=0.05)
    assert rows(ranking)["same", 0]["method"] == "MillerMadow"
    assert rows(ranking)["same", 0]["p_value"] < 1e-50
    assert rows(ranking)["strong", 0]["p_value"] < 0.005
    assert rows(ranking)["noise", 0]["p_value"] > 0.05
    assert "holds identifiers" in rows(ranking)["name", 0]["refused"]
    assert (ranking.target, ranking.given, ranking.kinds["weak"]) == ("target", (), "continuous")
    tested = frame["p_value"].drop_nulls().to_numpy()
    np.testing.assert_allclose(frame["adjusted_p_value"].drop_nulls(), false_discovery_control(tested))


def test_transfer_entropy_is_a_ranking_of_lags_given_the_past(series):
    ranking = rank_columns(series, "y", Gaussian(), given="y@1", lags=[1, 2], num_permutations=0)
    found = rows(ranking)
    assert found.keys() == {("x", 1), ("x", 2), ("y", 2), ("z", 1), ("z", 2)}
    for name in "xz":
        expected = transfer_entropy(series[name], series["y"], Gaussian())
        assert found[name, 1]["value"] == pytest.approx(expected.value, abs=1e-12)
        assert found[name, 1]["num_samples"] == 399
    plain = rows(rank_columns(series, "y", Gaussian(), lags=[0, 3], num_permutations=0))
    expected = lagged_information(series["x"], series["y"], Gaussian(), 3)
    assert plain["x", 3]["value"] == pytest.approx(expected.value, abs=1e-12)
    assert ("y", 0) not in plain
    assert plain["x", 0]["p_value"] is None


def test_lags_by_kind(series):
    ranking = rank_columns({"x": series["x"], "y": series["y"]}, "y", lags=(0, 1), num_permutations=19)
    assert (ranking[0]["column"], ranking[0]["lag"]) == ("x", 1)
    assert ranking[0]["p_value"] <= 0.0051  # 399 rows have as many shifts, and 199 were drawn at first
    assert ranking.about.null == "shifts"


@pytest.mark.parametrize("together", [True, False])
def test_lags_stay_within_groups(together):
    """y follows x of the same patient one row earlier: ½ log 5 nats. Rows of a patient together, or mixed."""
    rng = np.random.default_rng(0)
    patient = np.repeat(np.arange(100), 20) if together else rng.integers(100, size=2000)
    x, y = rng.standard_normal((2, 2000))
    for one in range(100):
        (rows_of_one,) = np.nonzero(patient == one)
        y[rows_of_one[1:]] = x[rows_of_one[:-1]] + 0.5 * y[rows_of_one[1:]]
    table = {"x": x, "y": y, "patient": [f"p{one}" for one in patient]}
    within = rank_columns(table, "y", Gaussian(), lags=[1], group="patient", num_permutations=0)["x@1"]
    across = rank_columns(table, "y", Gaussian(), lags=[1], num_permutations=0)["x@1"]
    assert within["value"] == pytest.approx(np.log(5) / 2, abs=0.04)
    assert within["num_samples"] == 1900
    assert across["num_samples"] == 1999
    assert across["value"] < within["value"] - (0.02 if together else 0.7)
    measured = rank_columns(table, "y", lags=[1], group="patient", num_permutations=0)["x@1"]
    assert measured["value"] == pytest.approx(np.log(5) / 2, abs=0.08)


@pytest.mark.parametrize("level", [0, 3])
def test_groups_of_other_levels_are_no_matter_given_the_group(level):
    """y follows x of the same patient one row earlier, with ½ log(1/.36) nats, around a level of its own."""
    rng = np.random.default_rng(0)
    x, noise = rng.standard_normal((2, 20, 100))
    follows = 0.8 * np.concatenate([np.zeros((20, 1)), x[:, :-1]], axis=1) + 0.6 * noise
    y = follows + level * np.arange(20)[:, None]
    table = {"x": x.ravel(), "y": y.ravel(), "other": rng.standard_normal(2000)}
    table["patient"] = np.repeat([f"p{i}" for i in range(20)], 100)
    settings = {"lags": [1], "group": "patient", "num_permutations": 0}
    known = rank_columns(table, "y", given="patient", **settings)
    assert known["x@1"]["value"] == pytest.approx(-np.log(0.36) / 2, abs=0.05)
    for none in ("y@1", "other@1"):
        assert abs(known[none]["value"]) < 0.06
    assert known["x@1"]["num_samples"] == 20 * 99
    # the transfer entropy is the same; in more columns it is measured a little lower
    past = rank_columns(table, "y", given=["patient", "y@1"], **settings)
    assert past["x@1"]["value"] == pytest.approx(-np.log(0.36) / 2, abs=0.08)
    alone = rank_columns(table, "y", **settings)
    assert any("--given patient leaves them out" in note for note in alone.about.notes)


def test_numbers_given_a_label_are_compared_within_the_label():
    rng = np.random.default_rng(0)
    label = np.repeat(np.arange(20), 50)
    x, noise, z = rng.standard_normal((3, 1000))
    y = 0.8 * x + 0.6 * noise
    spread = 10.0 ** (label % 5)
    plain = rank_columns({"x": x, "y": y, "z": z, "l": label.astype(str)}, "y", given="l", num_permutations=0)
    moved = {"x": x * spread, "y": 5 * label + spread * y, "z": z - label, "l": label.astype(str)}
    found = rank_columns(moved, "y", given="l", num_permutations=0)
    for name in "xz":
        assert found[name]["value"] == pytest.approx(plain[name]["value"], abs=1e-9)


def test_values_far_below_0_are_no_noise():
    """Every time occurs in every group once: a plan, and no independent draws."""
    time, group = np.tile(np.arange(40.0), 40), np.repeat(np.arange(40.0), 40)
    noise = 0.1 * np.random.default_rng(0).standard_normal(1600)
    ranking = rank_columns({"time": time, "y": group + noise}, "y", num_permutations=0)
    assert "time: further below 0 than by noise" in repr(ranking)


def test_what_is_given_unlocks_a_sum():
    rng = np.random.default_rng(0)
    coin, other = rng.integers(2, size=(2, 400))
    table = {"coin": coin, "other": other, "sum": coin ^ other, "number": rng.standard_normal(400)}
    alone = rows(rank_columns(table, "sum", num_permutations=0))
    known = rows(rank_columns(table, "sum", given=["other"], num_permutations=19))
    assert abs(alone["coin", 0]["value"]) < 0.01
    assert known["coin", 0]["value"] == pytest.approx(
        MillerMadow().estimate(coin, coin ^ other, given=other).value, abs=1e-12
    )
    assert known["coin", 0]["value"] == pytest.approx(np.log(2), abs=0.01)
    assert known["coin", 0]["p_value"] <= 0.05
    assert known["number", 0]["method"] == "Ross, k=3"
    assert abs(known["number", 0]["value"]) < 0.05


@pytest.mark.parametrize("weighted", [False, True])
def test_the_error_of_what_is_left_of_a_target_is_that_of_a_conditional_entropy(weighted):
    """z = 0 leaves log 4, z = 1 nothing: all five pairs are equally frequent, and H(Y,Z) hardly scatters."""
    rng = np.random.default_rng(0)
    z = (rng.random(2000) < 0.2).astype(int)
    y = np.where(z, 0, rng.integers(4, size=2000))
    table = {"z": z.astype(str), "y": y.astype(str), "x": z.astype(str), "w": np.full(2000, 2.0)}
    settings = {"given": "z", "num_permutations": 0, "weights": "w" if weighted else None}
    left = rank_columns(table, "y", **settings).target_entropy
    assert left.value == pytest.approx(0.8 * np.log(4), abs=0.03)
    assert left.standard_error == pytest.approx(0.4 * np.log(4) / np.sqrt(2000), rel=0.1)


def test_copied_rows_are_said():
    rng = np.random.default_rng(0)
    pair = np.repeat(rng.standard_normal((2, 60)), 5, axis=1)[:, rng.permutation(300)]  # independent
    table = {"x": pair[0], "y": pair[1], "side": np.where(pair[0] > 0, "a", "b")}
    found = rank_columns(table, "y", num_permutations=19)
    assert found["x"]["value"] > 1 and found["x"]["p_value"] <= 0.05
    assert any(note.startswith("240 of 300 rows repeat earlier ones") for note in found.about.notes)
    rounded = {name: np.round(rng.standard_normal(1000), 1) for name in "xy"} | {"day": np.arange(1000) % 7}
    assert not any("repeat" in note for note in rank_columns(rounded, "y", num_permutations=0).about.notes)


def test_rows_with_missing_values_are_left_out(series):
    gap = np.arange(400) % 3 == 0
    table = {**series, "z": np.where(gap, np.nan, series["z"])}
    found = rows(rank_columns(table, "y", Gaussian(), num_permutations=0))
    assert found["z", 0]["num_samples"] == (~gap).sum()
    assert found["z", 0]["value"] == Gaussian().estimate(series["z"][~gap], series["y"][~gap]).value
    assert found["x", 0]["num_samples"] == 400
    given = rows(rank_columns(table, "y", Gaussian(), given="z", num_permutations=0))
    assert given["x", 0]["num_samples"] == (~gap).sum()


@pytest.mark.parametrize(
    ("target", "arguments", "message"),
    [
        ("yy", {}, r"rank_columns: no column 'yy'; did you mean y\?"),
        ("y", {"given": "zz"}, r"rank_columns: no column 'zz'; did you mean z\?"),
        ("y", {"given": ["x", "y"]}, "rank_columns: y is both the target and given, so that"),
        ("y", {"given": ["x", "z", "one", "id", "empty"]}, "no column is left to rank beside empty, id, one"),
        ("y", {"lags": []}, "no column is left to rank beside y; expected .* one or more lags"),
        ("y", {"lags": [-1]}, "a lag must be from 0 to 399"),
        ("y", {"lags": [400]}, "a lag must be from 0 to 399"),
        ("one", {}, "rank_columns: the target one is constant, and no column can tell anything about it"),
        ("empty", {}, "rank_columns: the target empty has no values"),
        ("id", {}, "rank_columns: the target id holds identifiers"),
        ("y", {"given": "id"}, "rank_columns: id holds identifiers.*and so on, for all"),
        ("y", {"given": "empty"}, "0 rows with values of x and y and empty, expected at least 10"),
        ("y", {"num_permutations": -1}, "num_permutations must be at least 0"),
    ],
)  # fmt: skip
def test_refusals(series, target, arguments, message):
    table = {**series, "one": np.ones(400), "id": [f"row {i}" for i in range(400)], "empty": [None] * 400}
    with pytest.raises(ValueError, match=message):
        rank_columns(table, target, **arguments)
