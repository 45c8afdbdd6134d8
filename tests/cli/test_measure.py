"""`infomax measure`: tables in, bits out; a table on a terminal, JSON in a pipe, a picture on request."""

import io
import json
import math
import re
import sys
from contextlib import contextmanager

import numpy as np
import polars as pl
import pytest
from PIL import Image
from sklearn.datasets import load_iris

from infomax.cli import main
from infomax.estimation.counting.suited import SuitedCounting
from infomax.estimation.tables import cluster, running, testing
from infomax.estimation.tables.pairwise import pairwise
from infomax.estimation.tables.parts import opening
from infomax.estimation.tables.rank import rank_columns

N = 60


@pytest.fixture
def table(tmp_path):
    """x drives y one row later; group is known from size; name is no label; some values are missing."""
    rng = np.random.default_rng(0)
    x, noise, other = rng.standard_normal((3, N))
    group = rng.choice(["red", "blue"], N)
    frame = pl.DataFrame(
        {
            "x": x,
            "y": np.append(0, x[:-1]) + 0.3 * noise,
            "group": group,
            "size": np.where(group == "red", 5.0, 0.0) + other,
            "holes": [None if i % 4 == 0 else float(v) for i, v in enumerate(other)],
            "name": [f"row {i}" for i in range(N)],
            "one": [1] * N,
            "empty": [None] * N,
        }
    )
    path = tmp_path / "table.csv"
    frame.write_csv(path)
    return path


def run(capsys, *arguments):
    code = main(["measure", *(str(argument) for argument in arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def result_of(capsys, *arguments):
    code, out, err = run(capsys, *arguments)
    assert code == 0, err
    return json.loads(out)


def rows_of(result):
    return {(row["column"], row["lag"]): row for row in result["rows"]}


def test_all_pairs(capsys, tmp_path):
    """Iris, as anybody has it: values are those of `pairwise`, in bits."""
    iris = load_iris(as_frame=True)
    frame = iris.frame.assign(target=[iris.target_names[number] for number in iris.target])
    frame.to_csv(tmp_path / "iris.csv", index=False)
    code, out, err = run(capsys, tmp_path / "iris.csv")
    assert code == 0
    result = json.loads(out)
    found = pairwise(frame)
    assert result["kinds"]["target"] == "labels"
    assert [row["bits"] for row in result["rows"]] == sorted(
        (row["bits"] for row in result["rows"]), reverse=True
    )
    assert len(result["rows"]) == 10
    assert result["refused"] == []
    for row in result["rows"]:
        i, j = found.names.index(row["x"]), found.names.index(row["y"])
        assert row["bits"] * math.log(2) == pytest.approx(found.value[i, j], rel=1e-9)
        assert row["standard_error"] * math.log(2) == pytest.approx(found.standard_error[i, j], rel=1e-9)
        assert row["p_value"] is None
    petals = result["rows"][0]
    assert f"{petals['bits']:.3f} ± {petals['standard_error']:.3f}" in err
    assert "Mutual information of pairs of columns" in err
    assert "adjusted" not in err


def test_a_target(capsys, table):
    result = result_of(capsys, table, "--target", "group", "--permutations", 19)
    rows = rows_of(result)
    assert (result["target"], result["given"]) == ("group", [])
    assert result["rows"][0]["column"] == "size"
    assert rows["size", 0]["bits"] == pytest.approx(1, abs=0.15)
    assert rows["size", 0]["p_value"] <= 0.01
    assert rows["holes", 0]["num_samples"] == N * 3 / 4
    assert rows["one", 0]["bits"] == 0
    assert all(row["adjusted_p_value"] >= row["p_value"] for row in result["rows"])
    refused = {row["column"]: row["refused"] for row in result["refused"]}
    assert refused.keys() == {"name", "empty"}
    assert "identifiers" in refused["name"]
    assert refused["empty"] == "0 rows with values of empty and group, expected at least 10"
    expected = rank_columns(pl.read_csv(table), "group", num_permutations=0).to_frame()
    assert rows["x", 0]["bits"] * math.log(2) == pytest.approx(
        expected.filter(pl.col("column") == "x")["value"][0], rel=1e-9
    )


def test_the_default_number_of_permutations(capsys, table):
    pl.read_csv(table).select("x", "size", "group").write_csv(small := table.with_name("small.csv"))
    row = rows_of(result_of(capsys, small, "--target", "group"))["size", 0]
    assert row["p_value"] == 1 / (1 + row["num_permutations"]) < 1 / 199
    rows = rows_of(result_of(capsys, small, "--target", "group", "--permutations", 0))
    assert rows["size", 0]["p_value"] is None


def test_lags_and_the_past_of_the_target(capsys, monkeypatch, table):
    monkeypatch.setattr(testing, "LOW_ENOUGH", 1.0)  # 19 permutations are enough
    pl.read_csv(table).select("x", "y").write_csv(small := table.with_name("small.csv"))
    result = result_of(
        capsys, small, "--target", "y", "--given", "y@1", "--lag", "1", "2", "--permutations", 19,
    )  # fmt: skip
    rows = rows_of(result)
    assert result["given"] == ["y@1"]
    assert ("y", 1) not in rows
    assert ("y", 2) in rows
    best = result["rows"][0]
    assert (best["column"], best["lag"], best["num_samples"]) == ("x", 1, N - 1)
    assert best["p_value"] <= 0.05


def test_kinds_can_be_said(capsys, tmp_path):
    rng = np.random.default_rng(0)
    grade = rng.integers(0, 5, 200)
    pl.DataFrame({"grade": grade, "a=b": (grade + rng.integers(0, 2, 200)) % 5}).write_csv(tmp_path / "t.csv")
    row = result_of(capsys, tmp_path / "t.csv")["rows"][0]
    expected = SuitedCounting().estimate(grade, pl.read_csv(tmp_path / "t.csv")["a=b"])
    assert row["bits"] == pytest.approx(expected.bits, abs=1e-12)
    assert row["method"] == expected.method
    kinds = ("--kind", "grade=continuous", "a=b=continuous")
    result = result_of(capsys, tmp_path / "t.csv", *kinds)
    assert result["kinds"] == {"grade": "continuous", "a=b": "continuous"}
    assert result["rows"][0]["method"] == "KSG, k=3"


def test_some_rows_at_random(capsys, table):
    result = result_of(capsys, table, "--target", "group", "--rows", 40, "--permutations", 0)
    assert rows_of(result)["x", 0]["num_samples"] == 40
    again = result_of(capsys, table, "--target", "group", "--rows", 40, "--permutations", 0, "--seed", 1)
    assert rows_of(again)["x", 0]["bits"] != rows_of(result)["x", 0]["bits"]
    whole = result_of(capsys, table, "--target", "group", "--rows", 400, "--permutations", 0)
    assert rows_of(whole)["x", 0]["num_samples"] == N


def test_other_files(capsys, table, tmp_path):
    pl.read_csv(table).drop("empty").write_parquet(tmp_path / "t.parquet")
    from_csv = result_of(capsys, table, "--target", "x", "--permutations", 0)["rows"]
    from_parquet = result_of(capsys, tmp_path / "t.parquet", "--target", "x", "--permutations", 0)["rows"]
    assert from_parquet == from_csv


def test_a_split_of_a_saved_dataset(capsys, table, tmp_path):
    datasets = pytest.importorskip("datasets")
    whole = datasets.Dataset.from_dict(pl.read_csv(table).select("x", "group").to_dict(as_series=False))
    datasets.DatasetDict(train=whole, test=whole.select(range(30))).save_to_disk(tmp_path / "saved")
    assert result_of(capsys, tmp_path / "saved")["rows"][0]["num_samples"] == N
    assert result_of(capsys, tmp_path / "saved", "--split", "test")["rows"][0]["num_samples"] == 30


def test_on_a_terminal_there_is_a_table_and_no_json(capsys, monkeypatch, table):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr(testing, "LOW_ENOUGH", 1.0)
    code, out, _ = run(capsys, table, "--target", "group", "--permutations", 9)
    assert code == 0
    assert "Information about group" in out
    assert "size" in out
    assert out.count("name: 60 of 60 labels occur once, taken as identifiers") == 1
    assert "p: adjusted for the number of columns tested" in out
    assert out.splitlines()[-1] == "next: --given size (what the others add), --pairs, --plot FILE"
    assert json.loads(run(capsys, table, "--target", "group", "--permutations", 0, "--json")[1])["rows"]


def test_names_are_shown_as_they_are(capsys, tmp_path):
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"[red]$x$": rng.standard_normal(30), "y_1": rng.standard_normal(30)})
    frame.write_csv(tmp_path / "t.csv")
    code, _, err = run(capsys, tmp_path / "t.csv", "--plot", tmp_path / "t.svg")
    assert code == 0
    assert "[red]$x$" in err


@pytest.mark.parametrize("target", [[], ["--target", "group", "--permutations", "0"]])
def test_pictures(capsys, table, tmp_path, target):
    for suffix in ("png", "svg", "pdf"):
        path = tmp_path / f"picture.{suffix}"
        assert result_of(capsys, table, *target, "--plot", path)["plot"] == str(path)
        assert path.stat().st_size > 1000
    width, height = Image.open(tmp_path / "picture.png").size
    assert 300 < width < 2000
    assert 200 < height < 2000
    assert "drawn: " in run(capsys, table, *target, "--plot", tmp_path / "another.png")[2]
    before = (tmp_path / "picture.png").read_bytes()
    code, out, err = run(capsys, table, *target, "--plot", tmp_path / "picture.png")
    assert (code, out) == (2, "")
    assert "picture.png exists; choose another file or move it away" in err
    assert (tmp_path / "picture.png").read_bytes() == before


def test_estimators_weights_and_groups(capsys, table):
    result = result_of(capsys, table, "--estimator", "continuous=gaussian-copula", "labels=nsb")
    methods = {(row["x"], row["y"]): row["method"] for row in result["rows"]}
    assert methods["x", "y"].startswith("GaussianCopula")
    assert result["estimators"].keys() == {"continuous", "labels"}
    weighted = result_of(capsys, table, "--target", "x", "--weights", "one", "--group", "group")
    assert (weighted["weights"], weighted["group"]) == ("one", "group")
    assert {"one", "group"}.isdisjoint(row["column"] for row in weighted["rows"])
    assert all(row["p_value"] is None for row in weighted["rows"])


def test_pairs_of_columns(capsys, tmp_path):
    a, b, c = np.random.default_rng(0).integers(2, size=(3, 200))
    pl.DataFrame({"a": a, "b": b, "c": c, "xor": a ^ b}).write_csv(tmp_path / "t.csv")
    best = result_of(capsys, tmp_path / "t.csv", "--target", "xor", "--pairs")["rows"][0]
    assert (best["x1"], best["x2"]) == ("a", "b")
    assert best["interaction"] == pytest.approx(1, abs=0.02)


def test_what_columns_tell_together_is_decomposed(capsys, tmp_path):
    a, b, c = np.random.default_rng(0).integers(2, size=(3, 200))
    pl.DataFrame({"a": a, "b": b, "c": c, "xor": a ^ b}).write_csv(tmp_path / "t.csv")
    found = result_of(capsys, tmp_path / "t.csv", "--target", "xor", "--decompose", "a", "b")
    atoms = {row["atom"]: row["bits"] for row in found["rows"]}
    assert atoms == pytest.approx({"{1}{2}": 0, "{1}": 0, "{2}": 0, "{12}": 1}, abs=0.05)
    by = ["--redundancy", "williams-beer"]
    asked = result_of(capsys, tmp_path / "t.csv", "--target", "xor", "--decompose", "a", "b", *by)
    assert asked["rows"][0]["method"].startswith("Williams–Beer")


def test_how_a_table_is_read(capsys, monkeypatch, tmp_path):
    """Semicolons, decimal commas, a word for missing values, no header, standard input."""
    rng = np.random.default_rng(0)
    lines = [f"{x:.2f};{x + 0.1 * e:.2f}".replace(".", ",") for x, e in rng.standard_normal((40, 2))]
    (tmp_path / "t.csv").write_text(
        "größe;ziel\n" + "\n".join([*lines, "weg;1,5"]) + "\n", encoding="latin-1"
    )
    result = result_of(
        capsys, tmp_path / "t.csv", "--target", "ziel", "--missing", "weg", "--permutations", 0
    )
    assert result["rows"][0]["column"] == "größe"
    assert result["rows"][0]["num_samples"] == 40
    assert any("separator" in note or "encoding" in note for note in result["notes"])
    (tmp_path / "bare.csv").write_text("\n".join(lines) + "\n")
    options = ("--separator", ";", "--decimal", ",", "--no-header")
    result = result_of(capsys, tmp_path / "bare.csv", *options)
    assert (result["rows"][0]["x"], result["rows"][0]["y"]) == ("column_1", "column_2")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(table_text(rng))))
    assert result_of(capsys, "-", "--target", "y", "--permutations", 0)["rows"][0]["num_samples"] == 30


def table_text(rng):
    return ("x,y\n" + "\n".join(f"{x:.3f},{y:.3f}" for x, y in rng.standard_normal((30, 2)))).encode()


def test_a_heat_map_with_the_target_first(capsys, table, tmp_path):
    result = result_of(
        capsys, table, "--target", "group", "--permutations", 0, "--heat-map", tmp_path / "h.png"
    )
    assert result["heat_map"] == str(tmp_path / "h.png")
    assert Image.open(tmp_path / "h.png").size[0] > 300


def test_ctrl_c_keeps_what_is_done(capsys, monkeypatch, table):
    """Ctrl-C while the third result comes in: three rows are printed, and how many are missing."""
    num = []

    @contextmanager
    def bar(*_):
        def moved(**_):
            num.append(1)
            if len(num) == 3:
                raise KeyboardInterrupt

        yield moved

    monkeypatch.setattr(running, "bar_of", bar)
    code, out, err = run(capsys, table, "--target", "x", "--permutations", 0)
    assert code == 130
    result = json.loads(out)
    assert len(result["rows"]) + len(result["refused"]) == 3
    assert result["num_missing"] == 4
    assert "infomax: interrupted; 4 of 7 results are missing" in err
    assert "stopped early: 4 of 7 results are missing" in err


def test_a_long_run_says_how_long(capsys, monkeypatch, table):
    monkeypatch.setattr(running, "MAX_SECONDS", 0)
    _, _, err = run(capsys, table, "--target", "x", "--permutations", 9)
    assert err.startswith("about 10 s (60 rows, 7 results, 9 permutations)\nquicker: --permutations 0\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.csv"], "there is no file none.csv"),
        (["t.docx"], "t.docx"),
        (["head.csv"], "head.csv has no rows"),
        (["single.csv"], "expected at least 2 columns, got x alone"),
        (["few.csv"], "3 rows with values of x and y, expected at least 10"),
        (["table.csv", "--target", "grup"], "no column 'grup'; did you mean group?"),
        (["table.csv", "--target", "x", "--given", "yy"], "no column 'yy'; did you mean y?"),
        (["table.csv", "--target", "x", "--given", "y@1000"], "y@1000: a lag must be from 0 to 59"),
        (["table.csv", "--target", "x", "--target", "y"], "got the targets x, y; expected one --target"),
        (["table.csv", "--target", "x", "--given", "x"], "x is both the target and given"),
        (["table.csv", "--target", "one"], "the target one is constant"),
        (["table.csv", "--target", "empty"], "the target empty has no values"),
        (["table.csv", "--target", "name"], "the target name holds identifiers"),
        (["table.csv", "--target", "x", "--lag", "60"], "a lag must be from 0 to 59"),
        (["table.csv", "--target", "x", "--lag", "1", "--rows", "20"], "--rows draws rows at random"),
        (["table.csv", "--target", "x", "--given", "y@1", "--rows", "20"], "--rows draws rows at random"),
        (["table.csv", "--rows", "0"], "--rows must be at least 1, got 0"),
        (["table.csv", "--given", "x"], "say which with --target"),
        (["table.csv", "--lag", "1"], "say which with --target"),
        (["table.csv", "--pairs"], "say which with --target"),
        (["table.csv", "--decompose", "group", "one"], "say which with --target"),
        (["table.csv", "--redundancy", "broja"], "--redundancy belongs to --decompose"),
        (
            ["table.csv", "--target", "group", "--decompose", "x", "one", "--lag", "1"],
            "--decompose cannot be combined with",
        ),
        (["table.csv", "--target", "group", "--decompose", "x", "y"], "hold numbers or identifiers: x, y"),
        (["table.csv", "--target", "x", "--pairs", "--lag", "1"], "--pairs cannot be combined with"),
        (["table.csv", "--estimator", "nsb"], "--estimator expects KIND=NAME, such as labels=nsb, got 'nsb'"),
        (["table.csv", "--estimator", "labels=nbs"], "no estimator 'nbs'; did you mean nsb?"),
        (["table.csv", "--estimator", "label=nsb"], "no kind of pair 'label'; did you mean labels?"),
        (["table.csv", "--null", "shift"], "no null 'shift'; did you mean shifts?"),
        (["table.csv", "--null", "shifts"], "are for p-values, and there are none; give --permutations 199"),
        (["table.csv", "--target", "y", "--permutations", "0", "--tested-rows", "9"], "there are none"),
        (
            ["table.csv", "--null", "shifts=5"],
            "--null expects blocks=ROWS, such as blocks=24, got",
        ),
        (["table.csv", "--group", "grup"], "'grup'; did you mean group?"),
        (["table.csv", "--kind", "x"], "--kind expects COLUMN=KIND, such as age=labels, got 'x'"),
        (["table.csv", "--kind", "x=label"], "x: no kind 'label'; did you mean labels?"),
        (["table.csv", "--kind", "xx=labels"], "no column 'xx'; did you mean x?"),
        (
            ["table.csv", "--kind", "group=continuous"],
            "group is text without numbers or times, which cannot be continuous",
        ),
        (["table.csv", "--permutations", "-1"], "measure: --permutations must be at least 0, got -1"),
        (
            ["table.csv", "--plot", "picture.doc"],
            "the suffix of picture.doc names no format; expected one of .png",
        ),
        (["table.csv", "--plot", "nowhere/picture.png"], "there is no folder nowhere; make it first"),
    ],
)
def test_refusals(capsys, monkeypatch, table, arguments, message):
    monkeypatch.chdir(table.parent)
    (table.parent / "t.docx").write_bytes(b"PK")
    (table.parent / "head.csv").write_text("x,y\n")
    (table.parent / "single.csv").write_text("x\n" + "1.5\n" * 20)
    (table.parent / "few.csv").write_text("x,y\n1.5,2\n2.5,1\n3.5,7\n")
    before = sorted(table.parent.iterdir())
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.startswith(("infomax: measure: ", "infomax: --plot: "))
    assert not re.search("[a-z]_[a-z]", err), "names of Python"
    assert len(err.strip().splitlines()) == 1
    assert sorted(table.parent.iterdir()) == before


def test_a_table_in_parts(capsys, table, monkeypatch):
    """Asked for, or chosen where the whole would take more than half of the memory; said and recorded."""
    whole = result_of(capsys, table)
    parts = result_of(capsys, table, "--in-parts", "always", "--sampled-rows", 30)
    assert (whole["num_sampled_rows"], parts["num_sampled_rows"], parts["num_rows"]) == (None, 30, N)
    assert any("measured on 30 of 60 rows, drawn at random (seed 0)" in note for note in parts["notes"])
    monkeypatch.setattr(opening, "total_memory", lambda: 1000)
    chosen = result_of(capsys, table)
    assert any("read in parts" in note for note in chosen["notes"])
    assert result_of(capsys, table, "--in-parts", "never") == whole
    drawn = result_of(capsys, table, "--rows", 20)
    assert any("all columns are measured on 20 of 60 rows" in note for note in drawn["notes"])
    assert {row["num_samples"] for row in drawn["rows"]} <= set(range(10, 21))
    code, _, err = run(capsys, table, "--in-parts", "never", "--sampled-rows", 30)
    assert (code, "--sampled-rows is for a table that is read in parts" in err) == (2, True)


def test_several_files_are_one_table(capsys, table, tmp_path):
    frame = pl.read_csv(table)
    files = [tmp_path / "a.csv", tmp_path / "b.csv"]
    frame.head(25).write_csv(files[0])
    frame.tail(N - 25).write_csv(files[1])
    one, two = result_of(capsys, table), result_of(capsys, *files)
    assert two["table"] == [str(file) for file in files]
    assert [row["bits"] for row in two["rows"]] == [row["bits"] for row in one["rows"]]


def test_a_cluster_that_is_not_there(capsys, table, monkeypatch):
    monkeypatch.setattr(cluster, "SECONDS_TO_CONNECT", 0.2)
    code, _, err = run(capsys, table, "--scheduler", "tcp://127.0.0.1:1")
    assert code == 2
    assert "no Dask scheduler answers at tcp://127.0.0.1:1" in err
