"""Search: exact and FAISS agree, queries by name, number and file, features of a file, what is refused."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from infomax.cli import main
from infomax.evaluation import embed, embed_to_file, embed_to_parts, nearest_rows
from infomax.evaluation.grouping.features import features_of
from infomax.evaluation.probes.neighbors import nearest_neighbors
from infomax.learning.encoders.amdim import AMDIMEncoder
from infomax.learning.encoders.saving import load_encoder, save_encoder
from infomax.learning.views.images import PLAIN_VIEWS
from infomax.progress import Stages


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
    """Grey, red and blue pictures, eight of each; one copy; a name with a comma."""
    folder, randomness = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for name, colour in {"grey": (128, 128, 128), "red": (220, 20, 20), "blue": (20, 20, 220)}.items():
        for i in range(8):
            noise = randomness.integers(-20, 20, (32, 32, 3))
            Image.fromarray((np.array(colour) + noise).clip(0, 255).astype(np.uint8)).save(
                folder / f"{name}, {i}.png"
            )
    (folder / "red, copy.png").write_bytes((folder / "red, 3.png").read_bytes())
    return folder


def search(run, photos, out, *arguments):
    return main(["search", str(run), "--data", str(photos), "--out", str(out), *arguments])


def test_faiss_and_exact_search_agree(monkeypatch):
    pytest.importorskip("faiss")
    randomness = np.random.default_rng(1)
    features, queries = (randomness.normal(size=(n, 12)).astype(np.float32) for n in (300, 9))
    rows, cosines = nearest_rows(queries, features, 20)
    monkeypatch.setattr("infomax.evaluation.grouping.searching.find_spec", lambda _: None)
    other_rows, other_cosines = nearest_rows(queries, features, 20)
    assert np.array_equal(rows, other_rows) and cosines == pytest.approx(other_cosines, abs=1e-5)
    assert np.array_equal(other_rows, nearest_neighbors(queries, features, k=20)[0])
    assert nearest_rows(queries, features[:3], 20)[0].shape == (9, 3)


def test_a_copy_is_nearest(run, photos, tmp_path, capsys):
    out = tmp_path / "found.png"
    assert search(run, photos, out, "--query", "red, 3.png", "0", "--num", "5") == 0
    found = json.loads(capsys.readouterr().out)
    first, second = found["queries"]
    assert first["query"] == "red, 3.png" and first["found"][0]["name"] == "red, copy.png"
    assert first["found"][0]["cosine"] == pytest.approx(1, abs=1e-5)
    assert second["query"] == "blue, 0.png" and len(second["found"]) == 5
    assert all(one["name"] != "blue, 0.png" for one in second["found"])
    table = pl.read_csv(found["table"])
    assert table.columns == ["query", "rank", "name", "cosine"] and len(table) == 10
    assert table["name"].to_list() == [one["name"] for q in (first, second) for one in q["found"]]
    assert Image.open(out).width > 500


def test_a_file_that_is_not_of_the_data(run, photos, tmp_path, capsys):
    Image.new("RGB", (50, 40), (210, 30, 30)).save(tmp_path / "red & other.png")
    assert search(run, photos, tmp_path / "a.svg", "--query", str(tmp_path / "red & other.png")) == 0
    found = json.loads(capsys.readouterr().out)["queries"][0]
    assert found["query"] == "red & other.png" and len(found["found"]) == 20


def test_an_image_of_the_data_named_by_its_path_is_not_found_itself(run, photos, tmp_path, capsys):
    """Its path, as a shell completes it, is the same query as its name."""
    out, path = tmp_path / "found.png", photos / "red, 3.png"
    assert search(run, photos, out, "--query", str(path), "red, 3.png", "--num", "5") == 0
    by_path, by_name = json.loads(capsys.readouterr().out)["queries"]
    assert by_path == by_name and "red, 3.png" not in [one["name"] for one in by_path["found"]]


def test_features_of_a_file_take_the_place_of_embedding(run, photos, tmp_path, capsys, monkeypatch):
    encoder = load_encoder(run)
    dataset = encoder.views.load(str(photos))
    files = [embed_to_file(encoder, dataset, tmp_path / f"e{end}") for end in (".parquet", ".npz", ".npy")]
    assert search(run, photos, tmp_path / "a.png", "--query", "3", "--num", "3") == 0
    expected = json.loads(capsys.readouterr().out)["queries"]
    embedded = []

    def counting(encoder, some):
        embedded.append(len(some))
        return embed(encoder, some)

    monkeypatch.setattr("infomax.evaluation.grouping.features.embed", counting)
    for file in map(str, files):
        assert (
            search(
                run, photos, tmp_path / f"{file[-3:]}.png", "--query", "3", "--num", "3", "--features", file
            )
            == 0
        )
        assert json.loads(capsys.readouterr().out)["queries"] == expected
    assert embedded == [8, 8, 25]  # some rows alone, to see that the features are the encoder's, where named


@pytest.mark.parametrize("way", ["exact", "lists"])
def test_parts_in_a_folder_find_what_rows_in_memory_find(run, photos, tmp_path, capsys, monkeypatch, way):
    if way == "lists":
        pytest.importorskip("faiss")
    encoder = load_encoder(run)
    (tmp_path / "parts").mkdir()
    files = embed_to_parts(encoder, encoder.views.load(str(photos)), tmp_path / "parts/f.parquet", 3)
    asked = ["--query", "red, 3.png", str(photos / "blue, 1.png"), "--num", "5"]
    assert search(run, photos, tmp_path / "a.png", *asked) == 0
    expected = json.loads(capsys.readouterr().out)
    monkeypatch.setattr("infomax.evaluation.grouping.features.MAX_IN_MEMORY", 10)
    asked += ["--features", str(tmp_path / "parts"), "--knn", way]
    assert search(run, photos, tmp_path / "b.png", *asked) == 0
    found = json.loads(capsys.readouterr().out)
    for ours, theirs in zip(found["queries"], expected["queries"], strict=True):
        assert [one["name"] for one in ours["found"]] == [one["name"] for one in theirs["found"]]
        assert ours["found"][0]["cosine"] == pytest.approx(theirs["found"][0]["cosine"], abs=1e-5)
    by = {"lists": "approximate, FAISS, 5 of 5 lists (100 %), which hold 100.0 % of the nearest of 25 drawn"}
    assert by.get(way, "exact") in found["by"] and (tmp_path / "b.png").is_file()
    pl.read_parquet(files[1])[::-1].write_parquet(files[1])
    assert search(run, photos, tmp_path / "c.png", *asked) == 2
    assert "f-00001-of-00003.parquet holds other names than row 8 of the data" in capsys.readouterr().err


def test_features_in_another_order_or_of_another_encoder_are_refused(run, photos, tmp_path, capsys):
    encoder = load_encoder(run)
    features = embed(encoder, encoder.views.load(str(photos)))
    np.save(tmp_path / "turned.npy", features[::-1])
    np.save(tmp_path / "other.npy", features + np.float32(np.abs(features).mean()))
    np.save(tmp_path / "short.npy", features[:, 1:])
    two = np.arange(len(features))
    two[[2, 11]] = 11, 2  # none of the eight rows that are looked at where there are names
    np.save(tmp_path / "two.npy", features[two])
    for name in ("turned", "other", "short", "two"):
        arguments = ["--query", "3", "--features", str(tmp_path / f"{name}.npy")]
        assert search(run, photos, tmp_path / "b.png", *arguments) == 2, name
        assert "another encoder, or of other images or in another order" in capsys.readouterr().err


def test_what_cannot_be_seen_of_an_order_is_said(run, photos, tmp_path, capsys, monkeypatch):
    encoder = load_encoder(run)
    dataset = encoder.views.load(str(photos))
    features = embed(encoder, dataset)
    monkeypatch.setattr("infomax.evaluation.grouping.features.NUM_CHECKED_WITHOUT_NAMES", 20)
    np.save(tmp_path / "a.npy", features)
    assert search(run, photos, tmp_path / "b.png", "--query", "3", "--features", str(tmp_path / "a.npy")) == 0
    assert "20 of 25 rows were embedded again and agree, the order of the" in capsys.readouterr().err
    names = [*dataset.names[:1], *dataset.names[:-1]]  # one twice, and none of the last
    double = pl.DataFrame({"name": names, "embedding": features.tolist()})
    double.write_parquet(tmp_path / "double.parquet")
    with pytest.raises(ValueError, match="has none of 1 of 25 images"):
        features_of(encoder, dataset, tmp_path / "double.parquet", stage=Stages(None, None))
    twice = replace(dataset, names=names)
    double[::-1].write_parquet(tmp_path / "turned.parquet")
    with pytest.raises(ValueError, match=r"names repeat in .*; expected one row for each image, in the"):
        features_of(encoder, twice, tmp_path / "turned.parquet", stage=Stages(None, None))
    found = features_of(encoder, twice, tmp_path / "double.parquet", stage=Stages(None, None))
    np.testing.assert_array_equal(found, features)


def test_features_of_other_images_are_refused(run, photos, tmp_path, capsys):
    np.save(tmp_path / "few.npy", np.ones((3, 8), np.float32))
    pl.DataFrame({"name": ["x"], "embedding": [[1.0] * 8]}).write_parquet(tmp_path / "other.parquet")
    pl.DataFrame({"name": ["x"], "y": [1]}).write_csv(tmp_path / "none.csv")
    for name, message in {
        "few.npy": "shape [3, 8], but there are 25 images",
        "other.parquet": "none of 25 of 25 images",
        "none.csv": "no column embedding",
        "gone.npy": "there is no file",
        "e.txt": "there is no file",
    }.items():
        arguments = ["--query", "3", "--features", str(tmp_path / name)]
        assert search(run, photos, tmp_path / "b.png", *arguments) == 2, name
        assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "out, arguments, message",
    [
        ("a.png", ["--query", "nothing.png"], "is no file, and neither the name nor the number of one of 25"),
        ("a.png", ["--query", "3", "--num", "0"], "--num must be at least 1, got 0"),
        ("a.gif", ["--query", "3", "--num", "3"], "expected .png, .svg or .pdf"),
        ("there.png", ["--query", "3", "--num", "3"], "give --overwrite"),
        ("no folder/a.png", ["--query", "3", "--num", "3"], "no folder"),
    ],
)
def test_what_is_refused(run, photos, tmp_path, capsys, out, arguments, message):
    (tmp_path / "there.png").write_bytes(b"own")
    assert search(run, photos, tmp_path / out, *arguments) == 2
    assert message in capsys.readouterr().err and (tmp_path / "there.png").read_bytes() == b"own"
    assert search(run, photos, photos / "a.png", "--query", "3") == 2
    assert "lies in the folder of the data" in capsys.readouterr().err
