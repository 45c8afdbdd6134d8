"""Groups of a folder: tables that join by name, a page that is whole, the command, hostile names."""

import json
import os
import re
from html import unescape

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from PIL import Image

from infomax.cli import main
from infomax.learning.encoders.amdim import AMDIMEncoder
from infomax.learning.encoders.amdim_signals import SignalEncoder
from infomax.learning.encoders.saving import save_encoder
from infomax.learning.views.images import PLAIN_VIEWS
from infomax.learning.views.signals import SignalViewsConfig

COLOURS = {"grey": (128, 128, 128), "red": (220, 20, 20), "blue": (20, 20, 220)}
SCRIPT = "<script>alert(1)<&amp, 'a'.png"


def lively(encoder):
    """Units whose second convolution is not zero, as after training."""
    for name, weight in encoder.named_parameters():
        if name.endswith(("pointwise.weight", "out.weight")):
            torch.nn.init.normal_(weight, std=0.2)
    return encoder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("run")
    save_encoder(folder, lively(AMDIMEncoder(32, 8, 32, 1)), PLAIN_VIEWS)
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Three kinds of twelve pictures in class folders with misleading names, a copy, and hostile names."""
    folder, randomness = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for place, (name, colour) in enumerate(COLOURS.items()):
        for i in range(12):
            within = folder / f"class {(place + i) % 3}"
            within.mkdir(exist_ok=True)
            noise = randomness.integers(-20, 20, (32, 32, 3))
            picture = Image.fromarray((np.array(colour) + noise).clip(0, 255).astype(np.uint8))
            picture.save(within / f"{name}, {i}.png")
    os.link(folder / "class 0" / "grey, 0.png", folder / "class 1" / SCRIPT)
    os.link(folder / "class 1" / "red, 0.png", os.fsencode(folder / "class 2") + b"/caf\xe9.png")
    return folder


def groups(run, photos, *arguments):
    return main(["groups", str(run), "--data", str(photos), *arguments])


@pytest.fixture(scope="module")
def made(run, photos, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "groups"
    assert groups(run, photos, "--out", str(out)) == 0
    return out


def test_kinds_are_found_in_spite_of_the_folders(made):
    table = pl.read_csv(made / "groups.csv")
    kind = [next((c for c in COLOURS if f"/{c}, " in name), None) for name in table["name"]]
    pairs = {(a, b) for a, b in zip(kind, table["group"], strict=True) if a}
    assert len(table) == 38 and len(pairs) == 3 and table["group"].n_unique() == 3
    found = json.loads((made / "groups.json").read_text())
    assert found["groups"]["num_groups"] == 3 and "were not used" in found["groups"]["words"]
    assert found["data"]["splits"] == {"train": 38} and found["num_images"] == 38


def test_tables_join_by_name(made):
    table, pairs = pd.read_csv(made / "groups.csv"), pd.read_csv(made / "duplicates.csv")
    equal = pairs[pairs["equal"]]
    assert {tuple(sorted(one)) for one in equal[["name", "other"]].to_numpy().tolist()} == {
        ("class 0/grey, 0.png", f"class 1/{SCRIPT}"),
        ("class 1/red, 0.png", "class 2/caf\\xe9.png"),
    }
    joined = pairs.merge(table, on="name").merge(table, left_on="other", right_on="name")
    assert len(joined) == len(pairs) and (joined["duplicate_set_x"] == joined["duplicate_set_y"]).all()
    outliers = pd.read_csv(made / "outliers.csv")
    assert sorted(outliers["name"]) == sorted(table["name"][table["outlier"]])


def test_the_page_is_whole(made):
    page = (made / "groups.html").read_text()
    assert [f'id="group-{one}"' in page for one in (1, 2, 3, 4)] == [True, True, True, False]
    assert "http" not in page.replace("http-equiv", "") and not re.search(r'(src|href)="(?!data:)', page)
    assert page.count("<circle cx") == 38
    assert "alert(1)" not in re.sub(r"(&gt;|\\u003e)alert", "", page)
    assert SCRIPT in unescape(page) and "caf\\xe9.png" in page
    for heading in ("Map", "Groups", "Near-duplicates", "Outliers", "How many groups?"):
        assert f"<h2>{heading}</h2>" in page


def test_the_same_again(run, photos, made, tmp_path):
    assert groups(run, photos, "--out", str(tmp_path / "again")) == 0
    for name in ("groups.csv", "duplicates.csv", "outliers.csv", "groups.html"):
        assert (tmp_path / "again" / name).read_bytes() == (made / name).read_bytes()


def test_rows_in_a_file_are_looked_at_as_those_in_memory(run, photos, made, tmp_path, capsys):
    """As rows are that are too many for memory, which `--knn lists` stores in any case."""
    pytest.importorskip("faiss")
    assert groups(run, photos, "--out", str(tmp_path / "g"), "--knn", "lists") == 0
    said = json.loads(capsys.readouterr().out)["approximated"]
    assert said[0].startswith("neighbours of 38 images: approximate, FAISS, 6 of 6 lists (100 %), which hold")
    assert "mini-batch k-means" in said[2] and said[0][11:] in (tmp_path / "g/groups.html").read_text()
    ours, theirs = (pl.read_csv(folder / "groups.csv") for folder in (tmp_path / "g", made))
    for name in ("name", "duplicate_set", "outlier"):
        assert ours[name].equals(theirs[name]), name
    assert len({*zip(ours["group"], theirs["group"], strict=True)}) == 3  # equally large ones in any order
    np.testing.assert_allclose(ours["neighbor_distance"], theirs["neighbor_distance"], atol=1e-6)


def test_by_hand_and_by_density(run, photos, tmp_path, capsys):
    out = tmp_path / "g"
    assert groups(run, photos, "--out", str(out), "--num", "2", "--format", "parquet", "--same", "0.9") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["groups"]["num_groups"] == 2 and found["duplicates"]["cosine"] == 0.9
    assert found["page"] == str(out / "groups.html")
    assert pl.read_parquet(out / "groups.parquet")["group"].n_unique() == 2
    assert groups(run, photos, "--out", str(out)) == 2
    assert "give --overwrite to replace" in capsys.readouterr().err
    assert groups(run, photos, "--out", str(out), "--overwrite", "--method", "hdbscan") == 0
    assert not (out / "groups.parquet").exists() and "HDBSCAN" in (out / "groups.html").read_text()
    assert pl.read_csv(out / "groups.csv")["group"].drop_nulls().n_unique() == 3


def test_where_results_go(run, photos, capsys):
    assert groups(run, photos) == 0
    assert json.loads(capsys.readouterr().out)["page"] == str(run / "groups" / "groups.html")


@pytest.mark.parametrize("num", [2, 5])
def test_few_pictures(run, tmp_path, num, capsys):
    (tmp_path / "few").mkdir()
    for i in range(num):
        Image.new("RGB", (32, 32), (50 * i, 0, 90)).save(tmp_path / "few" / f"{i}.png")
    assert groups(run, tmp_path / "few", "--out", str(tmp_path / "g")) == 0
    assert json.loads(capsys.readouterr().out)["num_images"] == num


def test_equal_pictures(run, tmp_path, capsys):
    (tmp_path / "same").mkdir()
    for i in range(12):
        Image.new("RGB", (32, 32), (50, 0, 90)).save(tmp_path / "same" / f"{i}.png")
    assert groups(run, tmp_path / "same", "--out", str(tmp_path / "g")) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["groups"]["sizes"] == [12] and found["duplicates"]["num_sets"] == 1
    assert found["duplicates"]["num_equal_pairs"] == 11


def test_signals_are_shown_as_traces(tmp_path, capsys):
    torch.manual_seed(0)
    views = SignalViewsConfig(stored_length=128, length=128)
    (tmp_path / "run").mkdir()
    save_encoder(tmp_path / "run", SignalEncoder(128, 1, 4, 8, 1), views)
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(20, 128)).astype(np.float32))
    assert groups(tmp_path / "run", tmp_path / "x.npy") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["num_signals"] == 20 and "signals" in (tmp_path / "run/groups/groups.html").read_text()


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--num", "0"], "--num must be at least 1, got 0"),
        (["--num", "99"], "must be from 1 to"),
        (["--method", "kmean"], "did you mean kmeans?"),
        (["--method", "hdbscan", "--num", "3"], "leave it out"),
        (["--format", "xlsx"], "csv or parquet"),
        (["--same", "2"], "--same must be above 0 and at most 1, got 2.0"),
    ],
)
def test_what_is_refused(run, photos, tmp_path, capsys, arguments, message):
    assert groups(run, photos, "--out", str(tmp_path / "g"), *arguments) == 2
    assert message in capsys.readouterr().err


def test_places_and_collections_that_are_refused(run, photos, tmp_path, capsys):
    assert groups(run, photos, "--out", str(photos / "groups")) == 2
    assert "lies in the folder of the data" in capsys.readouterr().err
    (tmp_path / "one").mkdir()
    Image.new("RGB", (32, 32)).save(tmp_path / "one" / "a.png")
    assert groups(run, tmp_path / "one", "--out", str(tmp_path / "g")) == 2
    assert "has 1 image; expected at least 2" in capsys.readouterr().err
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("own")
    assert groups(run, photos, "--out", str(tmp_path / "full"), "--overwrite") == 2
    assert "is not empty" in capsys.readouterr().err
