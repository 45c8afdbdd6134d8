"""Damaged files of a run: one line that names the file, what is wrong and the remedy; code 2, at once."""

import json
import os
import shutil
import time

import numpy as np
import pytest

from infomax.cli.main import main

MAX_SECONDS = 30  # of a busy machine; most take less than one

ROW = {"representation": "AMDIM", "probe": "linear", "labels": "all", "num_labels": 9, "num_test": 5,
       "accuracy": 0.5, "std": None, "chance": 0.1}  # fmt: skip
EVALUATION = {"protocol": "clean", "rows": [ROW], "classes": ["a", "b"], "data": {"source": "digits"}}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A small finished run, with a result of each kind beside it."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    tiny = "--steps 2 --checkpoint-steps 1 --batch-size 8 --width 4 --embedding-dim 8 --depth 1"
    assert main(["pretrain", "amdim-digits", *tiny.split(), "--out", str(folder)]) == 0
    (folder / "evaluation.json").write_text(json.dumps(EVALUATION))
    (folder / "finetuning.json").write_text(json.dumps({"rows": [ROW]}))
    return folder


@pytest.fixture
def run(whole, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return shutil.copytree(whole, tmp_path / "run")


def refused(capsys, path, *arguments):
    """Return the one line with which a command refuses a file."""
    capsys.readouterr()
    start = time.monotonic()
    code = main([str(one) for one in arguments])
    out, err = capsys.readouterr()
    assert time.monotonic() - start < MAX_SECONDS
    assert code == 2 and out == "" and "Traceback" not in err, err
    assert len(err.splitlines()) == 1 and len(err) < 1500, err
    assert path.name in err and ";" in err, err
    return err


def commands(run, name):
    """The commands that read a file of a run; what takes long to draw is left out unless it is the file."""
    for other in {"metrics.csv", "views.npz"} - {name}:
        (run / other).unlink()
    report = ("report", run, "--no-pictures")
    embed = ("embed", run, "--data", "digits", "--split", "test", "--out", run.parent / "f.npy")
    resume = ("pretrain", "--resume", run)
    return {
        "recipe.yaml": [report, resume],
        "encoder.json": [embed],
        "encoder.safetensors": [embed],
    }.get(name, [report])


FILES = ("recipe.yaml", "environment.json", "encoder.json", "encoder.safetensors", "evaluation.json",
         "finetuning.json", "metrics.csv", "views.npz")  # fmt: skip
DAMAGE = {
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2 - 1),
    "another kind": lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n\0\0\xff\xfe"),
    "zeros": lambda path: path.write_bytes(b"\0" * 1000),
    "deep": lambda path: path.write_bytes(b"[" * 60_000),
    "too large": lambda path: os.truncate(path, 1 << 40),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


HARMLESS = {("evaluation.json", "a folder"), ("metrics.csv", "cut"), ("recipe.yaml", "cut")}
"""No result; a row less; a recipe of fewer fields, which a run that goes on refuses (test_checkpoints.py)."""
CASES = [(name, damage) for name in FILES for damage in DAMAGE if (name, damage) not in HARMLESS]


@pytest.mark.parametrize(("name", "damage"), CASES)
def test_damaged_files_of_a_run(run, capsys, name, damage):
    DAMAGE[damage](run / name)
    for command in commands(run, name):
        refused(capsys, run / name, *command)


@pytest.mark.parametrize("name", FILES)
def test_empty_files_of_a_run(run, capsys, name):
    (run / name).write_bytes(b"")
    for command in commands(run, name):
        refused(capsys, run / name, *command)


WRONG = [
    ("recipe.yaml", "- a\n- b\n", "it must be object"),
    ("recipe.yaml", "method: {name: nothing}\nviews: {}\n", "'nothing'"),
    ("recipe.yaml", "method: {name: 3}\nviews: {}\n", "method.name must be string"),
    ("recipe.yaml", "a: [1\n", "expected ',' or ']'"),
    ("encoder.json", "[]", "it must be object"),
    ("encoder.json", '{"format": 1}', "it must contain ["),
    (
        "encoder.json",
        '{"format": 1, "architecture": 3, "arguments": {}, "views": {}}',
        "architecture must be",
    ),
    ("encoder.json", '{"format": 1, "architecture": "X", "arguments": {}, "views": {}}', "architecture 'X'"),
    (
        "encoder.json",
        '{"format": 1, "architecture": "AMDIMEncoder", "arguments": {}, "views": {}}',
        "missing",
    ),
    ("evaluation.json", '{"rows": [{"representation": "a"}]}', "there is no"),
    ("evaluation.json", '{"rows": 3}', "rows must be array"),
    ("evaluation.json", json.dumps({**EVALUATION, "rows": [{**ROW, "accuracy": "x"}]}), "accuracy must be n"),
    (
        "evaluation.json",
        json.dumps({**EVALUATION, "rows": [{**ROW, "per_class": {"labels": [1]}}]}),
        "there is no",
    ),
    ("finetuning.json", "{}", "it must contain ['rows']"),
    ("metrics.csv", "step,loss\n1,x\n", "x"),
]


@pytest.mark.parametrize(("name", "text", "words"), WRONG)
def test_files_of_another_form(run, capsys, name, text, words):
    (run / name).write_text(text)
    assert words in refused(capsys, run / name, *commands(run, name)[-1])


def test_arguments_of_another_type(run, capsys):
    path = run / "encoder.json"
    whole = json.loads(path.read_text())
    for key in whole["arguments"]:
        for value in ("x", -1, 0, 2**70, 1.5, [], {}, [[1]], float("nan")):
            path.write_text(json.dumps({**whole, "arguments": {**whole["arguments"], key: value}}))
            code = main(["embed", str(run), "--data", "nowhere", "--out", "f.npy"])
            err = capsys.readouterr().err
            assert code == 2 and len(err.splitlines()) == 1 and "Traceback" not in err, (key, value, err)


def test_results_without_what_a_page_shows(run, capsys):
    refused(capsys, run, *commands(run, "")[0])


def test_pictures_of_a_report_that_are_others(run, capsys):
    np.savez(run / "gallery.npz", embeddings=np.zeros((3, 2)))
    assert "there is no" in refused(capsys, run / "gallery.npz", *commands(run, "gallery.npz")[0])
