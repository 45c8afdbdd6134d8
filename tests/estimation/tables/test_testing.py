"""p-values: exact under independence, small where something is there, shared, adjusted, in rounds."""

import jaxtyping
import numpy as np
import polars as pl
import pytest

from infomax.estimation.counting.counts import PlugIn
from infomax.estimation.gaussian import Gaussian
from infomax.estimation.resampling.nulls import Blocks, CircularShifts, WithinGroups
from infomax.estimation.tables import testing as module
from infomax.estimation.tables.pairwise import pairwise
from infomax.estimation.tables.parts.opening import open_parts
from infomax.estimation.tables.preparing import How, prepared
from infomax.estimation.tables.rank import rank_columns
from infomax.estimation.tables.testing import Testing as HowTested


def columns(n, d, noise=0.2):
    """Independent numbers, of which the first three tell about y; with noise of 1, 0.144 nats each."""
    x = np.random.default_rng(0).standard_normal((d, n))
    return x, x[:3].sum(axis=0) + noise * np.random.default_rng(1).standard_normal(n)


def test_true_predictors_among_noise_have_small_adjusted_p_values():
    """199 permutations, as they are at first, could give no less than 30 / 3 / 200 = 0.05."""
    x, y = columns(200, 30)
    ranking = rank_columns({**{f"c{i}": x[i] for i in range(30)}, "y": y}, "y")
    small = {row["column"] for row in ranking if row["adjusted_p_value"] < 0.01}
    assert small == {"c0", "c1", "c2"}
    numbers = {row["column"]: row["num_permutations"] for row in ranking}
    assert min(numbers.values()) == 199
    assert numbers["c0"] == numbers["c1"] == numbers["c2"] == 1000  # 30 / 3 / 0.01
    assert "≤ 0.01" in repr(ranking) and "none of 1,000 permutations gave as much" in repr(ranking)


@pytest.mark.slow
def test_300_columns_of_2000_rows():
    x, y = columns(2000, 300, noise=1)
    ranking = rank_columns({**{f"c{i}": x[i] for i in range(300)}, "y": y}, "y")
    assert {row["column"] for row in ranking if row["adjusted_p_value"] < 0.01} == {"c0", "c1", "c2"}


def test_pairs_share_null_values(monkeypatch):
    """All numbers are ranks: 199 estimates of shuffled rows serve every column; so with one of labels."""
    x, y = columns(200, 12)
    drawn = []
    monkeypatch.setattr(
        "infomax.estimation.resampling.permutation.NullValues._value",
        lambda self, index: drawn.append(index) or 1e9,  # nothing stands at its floor
    )
    rank_columns({**{f"c{i}": x[i] for i in range(12)}, "y": y}, "y")
    assert len(drawn) == 199
    rank_columns({**{f"c{i}": x[i] for i in range(12)}, "y": y > 0}, "y")
    assert len(drawn) == 2 * 199


def test_one_missing_value_in_the_target_does_not_end_the_sharing(monkeypatch):
    x, y = columns(200, 12)
    drawn = []
    monkeypatch.setattr(
        "infomax.estimation.resampling.permutation.NullValues._value",
        lambda self, index: drawn.append(index) or 1e9,
    )
    y[0] = np.nan
    rank_columns({**{f"c{i}": x[i] for i in range(12)}, "y": y}, "y")
    assert len(drawn) == 199


@pytest.mark.parametrize("kind", ["numbers", "labels", "rare labels"])
def test_p_values_are_uniform_under_independence(monkeypatch, kind):
    rng = np.random.default_rng(0)
    y = {
        "numbers": rng.standard_normal(40),
        "labels": rng.integers(3, size=40).astype(str),
        "rare labels": np.minimum(rng.zipf(1.5, 40), 30).astype(str),
    }[kind]
    table = {**{f"c{i}": rng.standard_normal(40) for i in range(150)}, "y": y}
    monkeypatch.setattr(module, "LOW_ENOUGH", 1.0)  # one round
    p_values = rank_columns(table, "y", num_permutations=99).frame["p_value"].to_numpy()
    for level in (0.05, 0.2, 0.5):
        assert (p_values <= level).mean() == pytest.approx(level, abs=3 * np.sqrt(level * (1 - level) / 150))


def test_labels_beyond_a_g_test_are_shuffled():
    """With many labels, the plug-in information is compared with that of shuffled rows."""
    rng = np.random.default_rng(0)
    zips, classes = rng.integers(200, size=600), rng.integers(5, size=600)
    told = np.where(rng.random(600) < 0.7, zips % 5, classes)
    table = {"zip": zips.astype(str), "noise": classes.astype(str), "told": told.astype(str)}
    found = pairwise(table, num_permutations=99)
    assert found["zip", "noise"]["p_value"] > 0.05
    assert found["zip", "told"]["adjusted_p_value"] < 0.01
    assert found["noise", "told"]["num_permutations"] is None


def test_series_are_shifted_with_lags_and_are_warned_of_without():
    """Two independent series with a long memory: shuffled rows say that they depend, shifts do not."""
    rng = np.random.default_rng(0)
    steps = rng.standard_normal((2, 400))
    x, y = np.zeros((2, 400))
    for t in range(1, 400):
        x[t], y[t] = 0.95 * x[t - 1] + steps[0, t], 0.95 * y[t - 1] + steps[1, t]
    by_rows, by_shifts, by_blocks = (
        rank_columns({"x": x, "y": y}, "y", Gaussian(), null=null)
        for null in (None, CircularShifts(), Blocks())
    )
    assert by_rows["x"]["p_value"] < 0.05 < min(by_shifts["x"]["p_value"], by_blocks["x"]["p_value"])
    assert any("rows follow each other" in note for note in by_rows.about.notes)
    assert not any("rows follow each other" in note for note in by_shifts.about.notes)
    assert any("too small if rows of one series are alike" in note for note in by_shifts.about.notes)


def sticky(rng, n=2000):
    """Three labels in the order of time, each mostly that of the row before."""
    stays = rng.random(n) < 0.97
    return np.array(list("abc"))[
        rng.integers(3, size=n)[np.maximum.accumulate(np.where(stays, 0, np.arange(n)))]
    ]


def test_a_g_test_of_series_says_that_rows_follow_each_other():
    """Independent series of labels: shifts find nothing, a G-test finds much."""
    rng = np.random.default_rng(0)
    table = {"x": sticky(rng), "y": sticky(rng), "noise": rng.choice(list("abc"), 2000)}
    ranking, pairs = rank_columns(table, "y"), pairwise(table, num_permutations=19)
    for found, row in ((ranking, ranking["x"]), (pairs, pairs["x", "y"])):
        assert row["p_value"] < 1e-6
        assert row["num_permutations"] is None
        (line,) = [note for note in found.about.notes if "rows follow each other" in note]
        assert "which need --null shifts" in line
    assert rank_columns(table, "y", null=CircularShifts())["x"]["p_value"] > 0.01
    assert not pairwise({"y": table["y"], "noise": table["noise"]}, num_permutations=19).about.notes


@pytest.mark.parametrize("in_order", [True, False])
def test_a_table_in_parts_says_that_its_rows_follow_each_other(tmp_path, in_order):
    """Its first rows tell, since drawn rows are further apart; rows in any order are independent."""
    rng = np.random.default_rng(0)
    table = pl.DataFrame({"x": sticky(rng), "y": sticky(rng), "noise": rng.choice(list("abc"), 2000)})
    table = table if in_order else table.sample(fraction=1, shuffle=True, seed=0)
    for number, part in enumerate(table.iter_slices(1000)):
        part.write_parquet(tmp_path / f"{number}.parquet")
    parts = open_parts(f"{tmp_path}/*.parquet", num_sampled_rows=100)
    for found in (rank_columns(parts, "y"), pairwise(parts, num_permutations=19)):
        assert any("rows follow each other" in note for note in found.about.notes) == in_order


def test_series_with_a_condition_are_not_sent_to_shifts_which_refuse_it():
    rng = np.random.default_rng(0)
    table = {name: np.cumsum(rng.standard_normal(300)) for name in "xyz"}
    (line,) = rank_columns(table, "y", given="z", num_permutations=19).about.notes
    assert "rows follow each other" in line
    assert "shifts" not in line and "which need rows that are further apart" in line


def test_p_values_are_never_0_and_only_permutations_are_from_some_rows():
    labels = np.random.default_rng(0).integers(4, size=3000).astype(str)
    found = rank_columns({"x": labels, "y": labels}, "y", num_tested_rows=100)
    assert 0 < found["x"]["p_value"] <= 1e-300
    assert "< 1e-99" in repr(found)
    assert not any("permutations are from" in note for note in found.about.notes)


def test_lags_say_what_errors_do_not_allow_for():
    x, y = np.random.default_rng(0).standard_normal((2, 100))
    for how in ({"given": "y@1", "lags": [1]}, {"lags": [1]}):
        ranking = rank_columns({"x": x, "y": y, "z": -y}, "y", Gaussian(), num_permutations=0, **how)
        assert sum("too small if rows of one series are alike" in note for note in ranking.about.notes) == 1


def test_groups_are_shuffled_within():
    """Both columns depend on the group, and on nothing else."""
    rng = np.random.default_rng(2)
    group = np.repeat(np.arange(6), 40)
    x, y = 3 * group + rng.standard_normal((2, 240))
    table = {"patient": [f"p{g}" for g in group], "x": x, "y": y}
    assert rank_columns(table, "y", Gaussian())["x"]["p_value"] < 0.01
    within = rank_columns(table, "y", Gaussian(), group="patient")
    assert within["x"]["p_value"] > 0.05
    assert "patient" not in within.kinds
    assert within.about.group == "patient"
    assert any("too small if rows of the same patient are alike" in note for note in within.about.notes)
    given = rank_columns(
        {**table, "side": rng.integers(2, size=240).astype(str)},
        "y",
        Gaussian(),
        given="side",
        group="patient",
    )
    assert given["x"]["p_value"] > 0.05


def test_long_tables_are_tested_on_some_rows_and_measured_on_all():
    x, y = columns(2000, 4)
    table = {**{f"c{i}": x[i] for i in range(4)}, "y": y}
    some, whole = rank_columns(table, "y", num_tested_rows=100), rank_columns(table, "y", num_permutations=0)
    assert some["c0"]["value"] == whole["c0"]["value"]
    assert any(
        note == "p-values by permutations are from 100 of 2,000 rows, drawn at random"
        for note in some.about.notes
    )
    assert some["c0"]["p_value"] < 0.05


def test_series_are_tested_on_their_first_rows_and_say_so():
    x, y = columns(300, 1)
    ranking = rank_columns({"c": x[0], "y": y}, "y", null=CircularShifts(), num_tested_rows=50)
    assert "p-values by shifts are from the first 50 of 300 rows" in ranking.about.notes


def test_the_work_is_limited(monkeypatch):
    monkeypatch.setattr(module, "MAX_SHUFFLED_ROWS", 100 * 300)
    x, y = columns(100, 40)
    ranking = rank_columns({**{f"c{i}": x[i] for i in range(40)}, "y": y}, "y", num_permutations=99)
    assert ranking["c0"]["num_permutations"] == 300
    assert ranking["c0"]["adjusted_p_value"] > 0.01


def test_a_condition_in_groups_of_numbers_has_no_p_value_and_says_so():
    x, y = columns(100, 3)
    table = {"a": x[0], "b": x[1], "y": y, "g": np.repeat(["u", "v"], 50)}
    ranking = rank_columns(table, "y", given="b", group="g")
    assert ranking["a"]["p_value"] is None
    assert "given numbers, rows cannot be shuffled within groups" in ranking["a"]["untested"]
    assert "no p-value: a: given numbers" in repr(ranking)


def test_labels_and_numbers_given_together_have_no_p_value():
    """Residuals of numbers and the code of ten labels: p ≤ .05 in 12 % of 149 independent pairs."""
    x, y = columns(100, 3)
    table = {"a": x[0], "b": x[1], "y": y, "g": np.repeat(["u", "v"], 50)}
    for group in ("g", None):
        found = rank_columns(table, "y", given=["b", "g"], group=group, num_permutations=19)
        assert found["a"]["p_value"] is None
        assert "given labels and numbers together" in found["a"]["untested"]


def test_time_is_not_announced_for_tests_that_cannot_be():
    x, y = columns(100, 3)
    table = {"a": x[0], "b": x[1], "y": y, "g": np.repeat(["u", "v"], 50)}
    for given, null, suits in (
        ([], None, True), (["b"], None, False), (["b", "g"], None, False), (["g"], None, True),
        (["g"], CircularShifts(), False), ([], CircularShifts(), True),
    ):  # fmt: skip
        ready = prepared("f", table, How(num_permutations=9, null=null, group="g"))
        assert (
            ready.measuring.testing.untested([ready.condition("f", name) for name in given]) is None
        ) == suits


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_permutations": -1}, "num_permutations must be at least 0, got -1; 0 leaves p-values out"),
        (
            {"null": "shifts"},
            r"null must be None, WholeGroup\(\), CircularShifts\(\) or .*, got 'shifts'",
        ),
        ({"null": WithinGroups([0, 1])}, "for rows in groups, give the column of groups"),
        ({"null": CircularShifts([0, 1])}, "a null for a table has no groups of its own"),
    ],
)
def test_refusals(monkeypatch, arguments, message):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match=message):
        HowTested(**arguments)


def test_rows_to_test_must_be_two_or_more():
    with pytest.raises(ValueError, match="num_tested_rows must be at least 2, got 1; None tests all rows"):
        rank_columns({"a": [1.0, 2], "b": [1.0, 2]}, "a", num_tested_rows=1)


def test_the_statistic_of_labels_is_that_of_a_g_test():
    x, y = np.random.default_rng(0).integers(4, size=(2, 50))
    test = HowTested(99).test(x, y, estimator=PlugIn(), rows=np.arange(50))
    assert test.estimate.value == PlugIn().estimate(x, y).value
