"""Tables in parts against the same tables whole: labels equal, numbers from rows that are drawn."""

import math
from collections import Counter

import numpy as np
import polars as pl
import pytest

from infomax.estimation import ChaoShen, open_parts, pairwise, rank_columns, rank_pairs, read_frame
from infomax.estimation.tables.parts import codes, counting, opening
from infomax.estimation.tables.parts.codes import Codes, Tally

N = 1500
FEW = ["x", "y", "city", "code", "user", "id", "digits"]
WHOLE = ("num_samples", "method", "cautions", "kind", "refused")


def near(value):
    """The value, but for the rounding of sums whose terms come in another order."""
    return value and pytest.approx(value, rel=1e-9, abs=1e-11)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    monkeypatch.setattr(opening, "ROWS_AT_ONCE", 400)


@pytest.fixture(scope="module")
def frame():
    """Labels of every type, with missing values; numbers; and columns whose kind only all rows show."""
    rng = np.random.default_rng(0)
    city, x = rng.integers(0, 5, N), rng.standard_normal(N)
    rare = np.where(np.arange(N) == 17, rng.integers(0, 5, N) + 100.0, rng.integers(0, 20, N))
    return pl.DataFrame(
        {
            "x": x,
            "y": 0.8 * x + 0.6 * rng.standard_normal(N),
            "city": np.array(list("abcde"))[city],
            "code": city * 7 + rng.integers(0, 3, N),
            "flag": x > 0,
            "user": [f"user {k}" for k in rng.integers(0, 200, N)],
            "id": [f"id {k}" for k in range(N)],
            "digits": [str(k) for k in rng.integers(0, 4, N)],
            "amount": [f"{k:.3f}" for k in rng.random(N)],
            "holes": [None if k % 3 == 0 else k % 7 for k in range(N)],
            "nan": np.where(np.arange(N) % 5 == 0, np.nan, city // 2),
            "na": rng.choice(["NA", "p", "q"], N),
            "day": pl.Series(rng.integers(0, 6, N)).cast(pl.Date),
            "big": rng.integers(0, 9, N) + 2**60,
            "level": pl.Series(rng.choice(["low", "high"], N), dtype=pl.Enum(["low", "high"])),
            "rare": rare,
        }
    )


@pytest.fixture
def source(frame, tmp_path):
    frame.select(FEW).write_parquet(tmp_path / "t.parquet")
    return tmp_path / "t.parquet"


@pytest.fixture(params=["parquet", "csv", "arrow", "jsonl"])
def labels(request, frame, tmp_path):
    path, frame = tmp_path / f"t.{request.param}", frame.drop("x", "y")
    writers = {
        "parquet": frame.write_parquet,
        "csv": frame.write_csv,
        "arrow": frame.write_ipc,
        "jsonl": lambda path: frame.with_columns(pl.col("level").cast(pl.String)).write_ndjson(path),
    }
    writers[request.param](path)
    return path


def both(whole, parts):
    return whole.frame.join(parts.frame, on=["x", "y"], suffix="_parts", maintain_order="left").iter_rows(
        named=True
    )


def test_labels_are_those_of_the_whole_table(labels):
    whole, parts = pairwise(read_frame(labels)), pairwise(open_parts(labels, num_sampled_rows=500))
    assert parts.kinds == whole.kinds
    assert parts.kinds["rare"] == parts.kinds["amount"] == "continuous"  # 21 values, text of numbers
    assert (parts.kinds["id"], parts.kinds["user"], parts.kinds["big"]) == ("identifiers", "labels", "labels")
    num_labels = 0
    for row in both(whole, parts):
        kinds = {parts.kinds[row["x"]], parts.kinds[row["y"]]}
        if "continuous" not in kinds:
            num_labels += 1
            for name in ("value", "standard_error"):
                assert row[f"{name}_parts"] == near(row[name])
            assert {name: row[f"{name}_parts"] for name in WHOLE} == {name: row[name] for name in WHOLE}
        elif row["refused"] is None:
            assert row["num_samples_parts"] <= 500
    assert num_labels >= 55


def test_all_rows_drawn_are_the_whole_table(source):
    """With as many rows as there are, also the numbers are equal."""
    whole, parts = pairwise(read_frame(source)), pairwise(open_parts(source))
    for row in both(whole, parts):
        assert row["value_parts"] == near(row["value"]), row
    assert not any("drawn at random" in note for note in parts.about.notes)


def test_what_was_drawn_is_said_and_recorded(source):
    found = pairwise(open_parts(source, num_sampled_rows=375), seed=4)
    assert (found.about.num_rows, found.about.num_sampled_rows) == (N, 375)
    assert any("labels are counted in all 1,500 rows" in note for note in found.about.notes)
    drawn = [note for note in found.about.notes if "375 of 1,500 rows, drawn at random (seed 4)" in note]
    assert len(drawn) == 1
    assert "about 2 times that of all" in drawn[0]
    assert found.to_mapping()["num_sampled_rows"] == 375
    again, other = (pairwise(open_parts(source, num_sampled_rows=375), seed=seed) for seed in (4, 5))
    assert again.frame.equals(found.frame)
    assert other["x", "y"]["value"] != found["x", "y"]["value"]
    assert other["city", "code"]["value"] == found["city", "code"]["value"]


def test_errors_of_numbers_hold_what_the_sample_adds(frame, tmp_path):
    """Twenty samples: values scatter around that of all rows as their standard errors say."""
    frame.select("x", "y").write_parquet(tmp_path / "t.parquet")
    whole = pairwise(read_frame(tmp_path / "t.parquet"))["x", "y"]["value"]
    found = [
        pairwise(open_parts(tmp_path / "t.parquet", num_sampled_rows=300), seed=k)["x", "y"]
        for k in range(20)
    ]
    away = [(row["value"] - whole) / row["standard_error"] for row in found]
    assert 0.4 < np.std(away) < 1.6


def test_a_ranking_in_parts(source):
    whole = rank_columns(read_frame(source), "city", num_permutations=0)
    parts = rank_columns(open_parts(source, num_sampled_rows=500), "city", num_permutations=0)
    assert parts.target_entropy.value == near(whole.target_entropy.value)
    for name in ("code", "user", "digits"):
        assert parts[name]["value"] == near(whole[name]["value"])
        assert parts[name]["share"] == near(whole[name]["share"])


def test_g_tests_are_of_all_rows_and_permutations_of_those_drawn(source):
    whole = rank_columns(read_frame(source), "city", num_permutations=19)
    parts = rank_columns(open_parts(source, num_sampled_rows=500), "city", num_permutations=19)
    assert parts["digits"]["p_value"] == whole["digits"]["p_value"]
    assert parts["digits"]["num_permutations"] is None
    assert parts["x"]["num_permutations"] >= 19
    assert 0 < parts["user"]["p_value"] <= 1
    assert parts["user"]["num_permutations"] >= 19


def test_conditions_weights_and_pairs_are_measured_on_rows_that_are_drawn(source):
    parts = open_parts(source, num_sampled_rows=600)
    ranking = rank_columns(parts, "city", given="digits", num_permutations=0)
    assert {row["num_samples"] for row in ranking} <= set(range(400, 601))
    weighted = pairwise(
        open_parts(source, ["x", "y", "city", "code", "digits"], num_sampled_rows=600), weights="digits"
    )
    assert weighted["city", "code"]["num_samples"] < 600
    joint = rank_pairs(open_parts(source, ["x", "city", "code"], num_sampled_rows=600), "city")
    assert joint["x", "code"]["num_samples"] == 600
    for found in (ranking, weighted, joint):
        assert any(
            "all columns are measured on 600 of 1,500 rows, drawn at random" in note
            for note in found.about.notes
        )


def test_groups_are_kept_for_tests(source):
    parts = open_parts(source, ["city", "code", "digits"], num_sampled_rows=500)
    found = pairwise(parts, group="digits", num_permutations=9)
    assert found["city", "code"]["num_samples"] == N
    assert found["city", "code"]["num_permutations"] >= 9


def test_kinds_that_the_user_gives(source):
    kinds = {"digits": "labels", "code": "continuous", "id": "labels"}
    whole = pairwise(read_frame(source), kinds=kinds)
    parts = pairwise(open_parts(source, num_sampled_rows=500), kinds=kinds)
    assert parts.kinds == whole.kinds
    assert parts["digits", "city"]["value"] == near(whole["digits", "city"]["value"])
    assert parts["id", "city"]["value"] == near(whole["id", "city"]["value"])
    assert parts["code", "city"]["num_samples"] == 500


def test_other_estimators_and_entropies(source):
    estimators = {"labels": ChaoShen()}
    whole = rank_columns(read_frame(source), "city", estimators=estimators, num_permutations=0)
    parts = rank_columns(
        open_parts(source, num_sampled_rows=500), "city", estimators=estimators, num_permutations=0
    )
    assert parts["user"]["value"] == near(whole["user"]["value"])
    assert parts["user"]["method"] == "ChaoShen"
    assert parts.target_entropy.value == near(whole.target_entropy.value)


def test_what_has_too_many_labels_is_measured_on_rows_that_are_drawn(monkeypatch, frame, tmp_path):
    monkeypatch.setattr(counting, "MAX_CELLS", 500)
    monkeypatch.setattr(codes, "MAX_DENSE", 100)  # cells are summed after every batch
    frame.select("city", "user", "digits", "id").write_parquet(tmp_path / "t.parquet")
    found = pairwise(open_parts(tmp_path / "t.parquet", num_sampled_rows=1000))
    assert found["city", "digits"]["num_samples"] == N
    assert found["city", "user"]["num_samples"] == 1000  # up to 1,000 cells
    assert found["city", "id"]["refused"]
    notes = "\n".join(found.about.notes)
    assert "city and user: more than" in notes
    assert "\nid: more than" in notes


def test_several_files_are_one_table(frame, tmp_path):
    for number in range(3):
        frame[number * 500 : (number + 1) * 500].select(FEW).write_parquet(tmp_path / f"{number}.parquet")
    files = sorted(tmp_path.glob("*.parquet"))
    listed, pattern = pairwise(open_parts(files)), pairwise(open_parts(str(tmp_path / "*.parquet")))
    assert listed.frame.equals(pattern.frame)
    assert listed.about.num_rows == N
    assert read_frame(files).frame["user"].cast(pl.String).equals(frame["user"])
    frame.write_csv(tmp_path / "t.csv")
    with pytest.raises(ValueError, match="got 2 tables of 2 kinds; expected files of one kind"):
        open_parts([files[0], tmp_path / "t.csv"])


def test_words_and_numbers_that_mean_a_missing_value(tmp_path):
    rng = np.random.default_rng(0)
    frame = pl.DataFrame(
        {"a": rng.choice(["yes", "no", "unknown", "-"], N), "b": rng.choice([1, 2, -999], N)}
    )
    frame.write_csv(tmp_path / "t.csv")
    how = {"missing": ["unknown", "-999"]}
    whole, parts = (pairwise(read(tmp_path / "t.csv", **how)) for read in (read_frame, open_parts))
    for name, value in whole["a", "b"].items():
        assert parts["a", "b"][name] == (near(value) if isinstance(value, float) else value)
    assert parts["a", "b"]["num_samples"] < 0.6 * N


def test_a_table_that_changes_meanwhile_is_refused(frame, tmp_path):
    frame.write_csv(tmp_path / "t.csv")
    parts = open_parts(tmp_path / "t.csv")
    frame.head(100).write_csv(tmp_path / "t.csv")
    with pytest.raises(ValueError, match=r"t.csv had 1,500 rows, and later 100; expected a file that"):
        pairwise(parts)


def test_what_cannot_be_read_in_parts(frame, tmp_path):
    np.save(tmp_path / "t.npy", np.zeros((3, 2)))
    with pytest.raises(ValueError, match=r"t.npy is read whole, not in parts; write it as Parquet or CSV"):
        open_parts(tmp_path / "t.npy")
    frame.write_parquet(tmp_path / "t.parquet")
    with pytest.raises(ValueError, match="num_sampled_rows must be at least 2, got 1"):
        open_parts(tmp_path / "t.parquet", num_sampled_rows=1)
    with pytest.raises(ValueError, match="has no column 'citi'; did you mean city"):
        open_parts(tmp_path / "t.parquet", ["citi"])
    frame.clear().write_parquet(tmp_path / "none.parquet")
    with pytest.raises(ValueError, match=r"none.parquet has no rows"):
        open_parts(tmp_path / "none.parquet")
    with pytest.raises(ValueError, match="in parts has no lags, because its rows are drawn at random"):
        rank_columns(open_parts(tmp_path / "t.parquet"), "x", lags=[1])
    with pytest.raises(ValueError, match="in parts has no lags"):
        rank_columns(open_parts(tmp_path / "t.parquet"), "x", given="y@1")


def test_damaged_files_are_refused(frame, tmp_path):
    frame.write_parquet(tmp_path / "t.parquet", row_group_size=500)
    content = bytearray((tmp_path / "t.parquet").read_bytes())
    content[2000:12000] = bytes(10000)
    (tmp_path / "t.parquet").write_bytes(content)
    with pytest.raises(ValueError, match=r"t.parquet cannot be read as a table"):
        pairwise(open_parts(tmp_path / "t.parquet"))


def test_sizes_decide_what_is_read_in_parts(frame, tmp_path, monkeypatch):
    frame.write_parquet(tmp_path / "t.parquet")
    frame.write_csv(tmp_path / "t.csv")
    np.save(tmp_path / "t.npy", np.zeros((3, 2)))
    size = opening.BYTES_A_CELL * N * 16
    assert opening.size_in_memory(tmp_path / "t.parquet") == size
    assert opening.size_in_memory(tmp_path / "t.csv") == 12 * (tmp_path / "t.csv").stat().st_size
    assert [opening.size_in_memory(one) for one in (tmp_path / "t.npy", "-", "hf:a/b", tmp_path)] == [
        None
    ] * 4
    monkeypatch.setattr(opening, "total_memory", lambda: 2 * size)
    assert not opening.is_too_large(tmp_path / "t.parquet")
    monkeypatch.setattr(opening, "total_memory", lambda: 2 * size - 1)
    assert opening.is_too_large(tmp_path / "t.parquet")


def test_rows_are_drawn_evenly(frame):
    """Each of 1,500 rows is drawn 40 times in 200 draws of 300; χ² of the counts."""
    parts = opening.Parts("t", frame.lazy(), N, num_sampled_rows=300)
    counts = np.zeros(N)
    for seed in range(200):
        rows = parts.drawn(seed)
        assert len(np.unique(rows)) == 300
        counts[rows] += 1
    assert abs(((counts - 40) ** 2 / 32).sum() - N) < 5 * math.sqrt(2 * N)


def test_codes_and_tallies_against_counting(monkeypatch):
    monkeypatch.setattr(codes, "MAX_DENSE", 200)  # some batches are dense, others sorted; merged now and then
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 30, 5000), rng.integers(0, 40, 5000)
    of_x, of_y, tally, found = Codes(), Codes(), Tally(), []
    for first in range(0, 5000, 137):
        rows = slice(first, first + 137)
        a, b = (one.of(pl.Series(v[rows])) for one, v in ((of_x, x), (of_y, y)))
        found.append(of_x.labels.gather(a).to_numpy())
        tally.add(a, b)
    assert (np.concatenate(found) == x).all()
    a, b, counts = tally.cells()
    pairs = zip(of_x.labels.gather(a), of_y.labels.gather(b), strict=True)
    assert dict(zip(pairs, counts.tolist(), strict=True)) == Counter(zip(x.tolist(), y.tolist(), strict=True))
    assert Codes(3).of(pl.Series([1, 2, 3, 4])) is None
    assert Codes().of(pl.Series([None, None], dtype=pl.Int64)).tolist() == [-1, -1]
