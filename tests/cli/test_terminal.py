"""On a terminal of 80 columns: tables that fit, no JSON, and a last line that says what to do next."""

import json
import os
import pty
import re
import shlex
import sys
import threading

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from infomax.cli import main
from infomax.cli.commands import COMMANDS
from infomax.cli.output import page_about
from infomax.evaluation.ablation.tables import Row
from infomax.learning.encoders.amdim import AMDIMEncoder
from infomax.learning.encoders.saving import save_encoder
from infomax.learning.views.images import ViewsConfig
from infomax.principle.experiments.results import Result

NAMES = ["whole", "no augmentation", "weaker encoder"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with an encoder, photographs in two classes with long names, and a table."""
    path, rng = tmp_path_factory.mktemp("terminal"), np.random.default_rng(0)
    for name in ("train", "test"):
        (path / "photos" / name / "a class").mkdir(parents=True)
        for number in range(6):
            pixels = rng.integers(0, 256, (32, 32), np.uint8)
            Image.fromarray(pixels).save(path / "photos" / name / "a class" / f"{number}{'y' * 70}.png")
    torch.manual_seed(0)
    (path / "run").mkdir()
    encoder = AMDIMEncoder(image_size=32, channels=1, width=4, embedding_dim=8, depth=1)
    save_encoder(path / "run", encoder, ViewsConfig(mean=(0.5,), std=(0.3,)))
    columns = {f"column {number} {'x' * 50}": rng.standard_normal(40) for number in range(3)}
    pl.DataFrame(columns).write_csv(path / "table.csv")
    return path


@pytest.fixture
def terminal(monkeypatch, folder):
    """A function that runs a command in the folder and returns the lines that a terminal gets on stdout."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("INFOMAX_CACHE", str(folder / "cache"))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")

    def run(*arguments):
        ours, theirs = pty.openpty()
        parts = []

        def read():
            try:
                while part := os.read(ours, 65536):
                    parts.append(part)
            except OSError:
                pass

        reader = threading.Thread(target=read)
        reader.start()
        with os.fdopen(theirs, "w") as stdout, monkeypatch.context() as within:
            within.setattr(sys, "stdout", stdout)
            assert main([*arguments]) == 0
        reader.join()
        os.close(ours)
        text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", b"".join(parts).decode())
        return text.replace("\r\n", "\n").splitlines()

    return run


def test_embed_shows_the_file_and_how_it_is_opened(terminal, folder):
    data = ["--data", "photos", "--out"]
    lines = terminal("embed", "run", *data, "f.csv")
    assert lines[0] == "f.csv: features of 12 images"
    assert lines[-1] == "  polars.read_csv('f.csv')  # opens it in Python"
    table = pl.read_csv(folder / "f.csv")
    assert table["split"].to_list() == ["train"] * 6 + ["test"] * 6
    assert terminal("embed", "run", *data, "f.npy", "--split", "test")[0] == (
        "f.npy: features of 6 images, without names and labels, which .npz holds"
    )
    assert terminal("embed", "run", *data, "f.parquet", "--columns")[0] == "f.parquet: features of 12 images"
    assert "feature_7" in pl.read_parquet(folder / "f.parquet").columns
    found = json.loads("\n".join(terminal("embed", "run", *data, "g.npz", "--json")))
    assert found["num_images"] == 12 and found["data"]["splits"] == {"train": 6, "test": 6}


def test_tables_fit(terminal, capsys):
    shown = {
        "similarity": terminal("similarity", "run", "--data", "photos", "--query", "0"),
        "measure": terminal("measure", "table.csv"),
        "recipes": terminal("recipes"),
    }
    for name, lines in shown.items():
        assert max(map(len, lines[:-1])) <= 80, name
        assert len(lines) < 60 and not any(line.startswith("{") for line in lines), name
    assert shown["similarity"][-1] == "open similarity.png"
    heads = [line.split() for line in shown["similarity"] if line.startswith("score")]
    assert heads == [["score", "probability", "cell", "image"]]
    assert shown["measure"][-1].startswith("next: --target COLUMN")
    err = capsys.readouterr().err
    assert "photos (split test)" in err
    assert "comparing the query with 6 images\ndrawing\n" in err


def test_what_comes_next_works_as_it_is_printed(terminal, folder):
    """It reads what was read, without what was left out; a line is no wider than the terminal."""
    (folder / "mixed").mkdir()
    for number, image in enumerate(sorted((folder / "photos" / "train" / "a class").iterdir())):
        (folder / "mixed" / f"{number}.png").write_bytes(image.read_bytes())
    (folder / "mixed" / "broken.png").write_bytes(b"no picture")
    small = ("--method.encoder.width", "4", "--method.encoder.embedding_dim", "8", "--views.image_size", "32")
    small += ("--steps", "1", "--skip-broken", "--views.stored_size", "32")
    lines = terminal("pretrain", "amdim-photos-cpu", "--data", "mixed", "--out", "trained", *small)
    commands = [shlex.split(line, comments=True) for line in lines if line.startswith("  infomax ")]
    assert [one[1] for one in commands] == ["groups", "embed", "report"]
    assert max(map(len, lines)) <= 80
    assert all("--skip-broken" in one for one in commands[:2])
    assert terminal(*commands[1][1:])[0] == "features.parquet: features of 6 images"


def test_an_ablation_shows_what_each_part_is_worth(terminal, monkeypatch, capsys):
    accuracies = {"linear": [0.8123, 0.8223], "neighbours": [0.35, 0.36]}
    costs = {"linear": [0.01, 0.02], "neighbours": [-0.01, 0.0]}
    rows = [Row(name, [30_000, 30_000], accuracies, costs) for name in NAMES]
    monkeypatch.setattr("infomax.evaluation.ablation.ablating.ablate", lambda *_, **__: rows)
    lines = terminal("ablate", "amdim-digits", "--out", "ab")
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["without", "linear", "neighbours", "cost,", "linear", "the", "part"]
    assert lines[2].split("  ")[0] == "no augmentation"
    assert lines[-1] == "open ab/ablation.png; ablation.md beside it has all figures"
    assert main(["ablate", "amdim-digits", "--out", "ab"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["rows"][0]["variant"] == "whole"
    assert "no augmentation" in err


def test_experiments_and_checkpoints_say_what_to_open(terminal, monkeypatch):
    results = [Result("two-terms", "s", holds, "found", {}, 0, 1.0) for holds in (True, False)]
    running = "infomax.principle.experiments.running.run_experiments"
    monkeypatch.setattr(running, lambda *_, **__: results)
    assert terminal("principle", "--out", "p") == ["1 of 2 statements hold", "open p/principle.html"]
    public = "infomax.learning.encoders.public_amdim"
    encoder = AMDIMEncoder(image_size=32, channels=3, width=4, embedding_dim=8, depth=1)
    monkeypatch.setattr(f"{public}.load_public_checkpoint", lambda _: encoder)
    lines = terminal("import-amdim", "a.pth", "--out", "an encoder")
    assert lines[0].split() == ["encoder", "an", "encoder"]
    assert lines[-1].strip().startswith("infomax embed 'an encoder' --data DIR --out features.parquet")


@pytest.mark.parametrize("name", COMMANDS)
def test_help_fits(capsys, monkeypatch, name):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main([name, "--help"])
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


def test_the_step_that_writes_a_page_replaces_one_that_is_there(tmp_path):
    assert page_about(tmp_path) == {"a page about the run": f"infomax report {tmp_path}"}
    (tmp_path / "report.html").touch()
    assert page_about(tmp_path) == {"a page about the run": f"infomax report {tmp_path} --overwrite"}
