"""A folder of results, its page, and the command that makes both."""

import json
import re

import pytest
from matplotlib.figure import Figure
from PIL import Image

from infomax.cli import main
from infomax.pages.templates import flat
from infomax.principle import experiments
from infomax.principle.experiments import EXPERIMENTS, Experiment, page
from infomax.principle.experiments.evidence import Evidence, Statement
from infomax.principle.experiments.results import Results
from infomax.principle.experiments.running import experiments_named, run_experiments

CHEAP = "not-equivalent"


def evidence(**change):
    figure = Figure(figsize=(2, 1))
    figure.subplots().plot([1, 2])
    what = {
        "statement": Statement.LAYER_TO_LAYER,
        "finding": "Cells keep 3 < 4 bits & more.",
        "numbers": {"bits": [3.0, 4.0], "few": {"deep": 1}},
        "holds": False,
        "figure": figure,
    }
    return Evidence(**{**what, **change})


@pytest.fixture
def results(tmp_path):
    (tmp_path / "out").mkdir()
    return Results(tmp_path / "out")


def run(capsys, *arguments):
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def refusal_of(capsys, *arguments):
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("infomax: principle: ") and len(err.strip().splitlines()) == 1
    return err


# ------------------------------------------------------------------ what is said, and who shows it


def test_statements_are_told_apart_and_experiments_are_there():
    assert len({str(statement) for statement in Statement}) == 10
    for name, experiment in EXPERIMENTS.items():
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", name)
        assert experiment.summary and len(experiment.summary) < 80
        module, function = experiment.home.split(".")
        source = (experiments.__path__[0] + f"/{module}.py", f"def {function}(seed: int) -> Evidence:")
        with open(source[0], encoding="utf-8") as file:  # noqa: PTH123
            assert source[1] in file.read()


# ------------------------------------------------------------------ files


def test_files_of_a_result(results):
    written = results.write(CHEAP, evidence(), seed=3, seconds=1.26)
    assert results.read() == [written]
    kept = json.loads(results.numbers(CHEAP).read_text())
    assert kept["numbers"] == {"bits": [3.0, 4.0], "few": {"deep": 1}}
    assert (kept["seed"], kept["seconds"], kept["holds"]) == (3, 1.3, False)
    assert {"python", "infomax", "numpy"} <= kept["versions"].keys()
    assert Image.open(results.figure(CHEAP)).size == (320, 160)
    drawn = results.figure(CHEAP, ".svg").read_text()
    assert "prefers-color-scheme: dark" in drawn and "var(--ink)" in drawn  # light or dark as its page
    assert not {"#000000", "#ffffff"} & set(re.findall("#[0-9a-f]{6}", drawn))


def test_results_come_in_the_order_of_the_statements(results):
    results.write("two-terms", evidence(statement=Statement.TEMPORAL_CORRELATION), seed=0, seconds=0)
    results.write("one-aspect", evidence(statement=Statement.CHOOSE_THE_MAP), seed=0, seconds=0)
    assert [result.experiment for result in results.read()] == ["one-aspect", "two-terms"]


@pytest.mark.parametrize("bad", [float("nan"), {1, 2}, 1j])
def test_numbers_that_do_not_go_into_json_leave_nothing_behind(results, bad):
    with pytest.raises(ValueError, match=f"numbers of {CHEAP} cannot be written as JSON .* expected finite"):
        results.write(CHEAP, evidence(numbers={"bad": bad}), seed=0, seconds=0)
    assert list(results.folder.iterdir()) == []


@pytest.mark.parametrize("text", ["{", "[]", '{"experiment": "x"}', "\xff"])
def test_files_that_are_not_ours_are_refused(results, text):
    results.numbers(CHEAP).write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=rf"cannot read .*{CHEAP}.json: .*; move it away"):
        results.read()


# ------------------------------------------------------------------ page


def test_the_page_needs_nothing_else(results):
    results.write(CHEAP, evidence(), seed=0, seconds=1)
    text = page.write_page(results).read_text()
    assert not re.findall(r'(?:src|href)="(?!data:|#)', text) and "url(" not in text
    for statement in Statement:
        assert text.count(str(statement)) == 2  # in the contents and at its section
    assert text.count("data:image/svg+xml;base64,") == 1
    assert "Cells keep 3 &lt; 4 bits &amp; more." in text
    assert "does not hold" in text and "few.deep" in text


def test_the_page_says_what_is_missing_and_how_to_make_it(results):
    results.write(CHEAP, evidence(), seed=0, seconds=1)
    text = page.write_page(results).read_text()
    missing = [name for name in EXPERIMENTS if name != CHEAP]
    assert f"infomax principle {' '.join(missing)} --out DIR" in text
    assert text.count("No evidence in this folder yet.") == len(Statement) - 1


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "True"), (None, "None"), ("a", "a"), (12345, "12,345"), (0.123456, "0.1235"), (1e-9, "1e-09"),
        ([], ""), ([1.5, 2], "1.5, 2"), ([[1, 2], [3, 4]], "2 rows"), ([[1, 2], [3]], "2 rows"),
        (list(range(20)), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, … (20 in all)"),
    ],
)  # fmt: skip
def test_numbers_as_text(value, text):
    assert flat({"x": {"y": value}}, page.as_text) == {"x.y": text}


# ------------------------------------------------------------------ running


def test_which_experiments():
    assert experiments_named([]) == list(EXPERIMENTS)
    assert experiments_named(["noise-redundancy", "two-terms", "two-terms"]) == [
        "two-terms",
        "noise-redundancy",
    ]


def test_what_was_found_before_a_failure_is_kept(monkeypatch, tmp_path):
    def fail(seed):
        raise RuntimeError("no luck")

    monkeypatch.setitem(EXPERIMENTS, "two-terms", lambda seed: evidence())
    monkeypatch.setitem(EXPERIMENTS, CHEAP, fail)
    monkeypatch.setattr(
        page, "EXPERIMENTS", {name: Experiment("a.b", "what it does") for name in EXPERIMENTS}
    )
    with pytest.raises(RuntimeError, match="no luck"):
        run_experiments(["two-terms", CHEAP], tmp_path / "out")
    assert [result.experiment for result in Results(tmp_path / "out").read()] == ["two-terms"]
    assert Results(tmp_path / "out").page.is_file()


def test_the_command(capsys, tmp_path):
    out = tmp_path / "new" / "folder"
    code, printed, messages = run(capsys, "principle", CHEAP, "--out", out, "--seed", 1)
    assert code == 0, messages
    summary = json.loads(printed)
    assert summary["page"] == str(out / "principle.html")
    assert summary["experiments"][CHEAP]["holds"] is True
    assert CHEAP in messages and "holds" in messages
    assert {path.name for path in out.iterdir()} == {
        "principle.html", f"{CHEAP}.json", f"{CHEAP}.png", f"{CHEAP}_dark.png", f"{CHEAP}.svg"
    }  # fmt: skip
    before = {path: path.read_bytes() for path in out.iterdir()}
    error = refusal_of(capsys, "principle", CHEAP, "--out", out)
    assert f"already holds results of {CHEAP}; choose another --out" in error
    assert {path: path.read_bytes() for path in out.iterdir()} == before

    code, printed, _ = run(capsys, "principle", "two-terms", "--out", out)
    assert code == 0 and list(json.loads(printed)["experiments"]) == ["two-terms"]
    text = (out / "principle.html").read_text()
    assert f'id="{CHEAP}"' in text and 'id="two-terms"' in text


def test_the_same_seed_gives_the_same_numbers(tmp_path):
    one, other, another = (
        run_experiments([CHEAP], tmp_path / str(number), seed=seed)[0].numbers
        for number, seed in enumerate((5, 5, 6))
    )
    assert one == other != another


def test_bad_arguments(capsys, tmp_path):
    out = tmp_path / "out"
    error = refusal_of(capsys, "principle", "noise-redundncy", "--out", out)
    assert "no experiment 'noise-redundncy'; did you mean noise-redundancy?" in error
    assert "there are two-terms" in refusal_of(capsys, "principle", "xyz", "--out", out)
    assert "--seed must be from 0 to 4,294,967,295, got -1" in refusal_of(
        capsys, "principle", "--seed", -1, "--out", out
    )
    assert not out.exists()
    out.write_text("a file")
    assert "is a file, expected a folder" in refusal_of(capsys, "principle", CHEAP, "--out", out)


def test_help_lists_the_experiments(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["principle", "--help"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    for name, experiment in EXPERIMENTS.items():
        assert f"{name} {experiment.summary}" in " ".join(text.split())


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_through_the_command(capsys, tmp_path, name):
    code, printed, messages = run(capsys, "principle", name, "--out", tmp_path)
    assert code == 0, messages
    assert json.loads(printed)["experiments"][name]["holds"] is True, printed
    assert (tmp_path / f"{name}.png").stat().st_size > 1000
