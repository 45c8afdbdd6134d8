"""Files of embeddings: every kind holds the same, and what people open it with reads it back."""

import json
import re

import anndata
import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest
import torch

from infomax.errors import MissingExtra
from infomax.evaluation.embedding import embed, embed_to_file
from infomax.evaluation.outputs.formats import FORMATS
from infomax.learning.data import Dataset
from infomax.learning.data.reading import Reading
from infomax.learning.data.targets import Numbers, Tags
from infomax.learning.encoders.amdim import AMDIMEncoder
from infomax.learning.encoders.saving import PretrainedEncoder
from infomax.learning.views.images import ViewsConfig

NAMES = ["=1+1.png", "a,b.png", "new\nline.png", 'q"uote.png', "ä😀.png", r"\xff.png", "same.png", "same.png"]
KNOWN = ["split", "label", "target age", "target a/b"]


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    network = AMDIMEncoder(image_size=32, channels=1, width=4, embedding_dim=8, depth=1)
    return PretrainedEncoder(network, ViewsConfig(mean=(0.5,), std=(0.3,)))


def dataset(**known):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (8, 32, 32, 1), dtype=np.uint8)
    reading = Reading("photos", "image", {"train": 6, "test": 2}, "2 classes from folder names")
    whole = {
        "labels": np.array([0, 1, -1, 0, 1, 0, 1, 0]),
        "targets": Numbers(np.array([[20, 1], [np.nan, 2], *[[30.5, 0.1]] * 6], np.float32), ("age", "a/b")),
        "splits": ["train"] * 6 + ["test"] * 2,
        "reading": reading,
    }
    whole |= known
    return Dataset(pixels, whole.pop("labels"), NAMES, ("cat, tame", "dog"), **whole)


@pytest.fixture(scope="module")
def folder(encoder, tmp_path_factory):
    path = tmp_path_factory.mktemp("files")
    for suffix in FORMATS:
        embed_to_file(encoder, dataset(), path / f"f{suffix}", batch_size=3)
    embed_to_file(encoder, dataset(), path / "columns.parquet", batch_size=3, columns=True)
    return path


@pytest.fixture(scope="module")
def features(encoder):
    return embed(encoder, dataset(), batch_size=3)


def labels():
    names = ("cat, tame", "dog")
    return [None if label < 0 else names[label] for label in dataset().labels]


@pytest.mark.parametrize("name", ["f.csv", "f.csv.gz", "f.tsv", "columns.parquet"])
def test_tables_with_a_column_a_feature(folder, features, name):
    separator = "\t" if name.endswith("tsv") else ","
    read = (
        pl.read_parquet if name.endswith("parquet") else (lambda path: pl.read_csv(path, separator=separator))
    )
    table = read(folder / name)
    assert table.columns == ["name", *KNOWN, *(f"feature_{number}" for number in range(8))]
    assert table["name"].to_list() == NAMES
    assert table["label"].to_list() == labels()
    assert table["split"].to_list() == list(dataset().splits)
    assert table["target age"].to_list() == [20, None, *[30.5] * 6]
    np.testing.assert_array_equal(table.select(pl.col("^feature_.*$").cast(pl.Float32)).to_numpy(), features)


def test_csv_in_pandas(folder, features):
    table = pd.read_csv(folder / "f.csv.gz")
    assert table["name"].tolist() == NAMES
    assert table["label"].isna().tolist() == [one is None for one in labels()]
    np.testing.assert_array_equal(table.filter(like="feature_").to_numpy(np.float32), features)


def test_parquet_holds_a_list_as_before(folder, features):
    table = pq.read_table(folder / "f.parquet")
    assert table.column_names == ["name", "embedding", *KNOWN]
    np.testing.assert_array_equal(np.array(table["embedding"].to_pylist(), np.float32), features)
    for name in ("f.parquet", "columns.parquet"):
        record = json.loads(pq.read_schema(folder / name).metadata[b"infomax"])
        assert record["splits"] == {"train": 6, "test": 2}
    np.testing.assert_array_equal(np.stack(pd.read_parquet(folder / "f.parquet")["embedding"]), features)


def test_arrays(folder, features):
    np.testing.assert_array_equal(np.load(folder / "f.npy"), features)
    with np.load(folder / "f.npz") as found:
        np.testing.assert_array_equal(found["features"], features)
        assert found["features"].dtype == np.float32
        assert found["names"].tolist() == NAMES
        assert found["splits"].tolist() == list(dataset().splits)
        np.testing.assert_array_equal(found["labels"], dataset().labels)
        assert found["classes"].tolist() == ["cat, tame", "dog"]
        np.testing.assert_array_equal(found["targets"], dataset().targets.values)
        assert found["target_names"].tolist() == ["age", "a/b"]
        assert json.loads(str(found["infomax"][0]))["labels"] == "2 classes from folder names"


@pytest.mark.filterwarnings("error")
def test_annotated_data(folder, features):
    found = anndata.read_h5ad(folder / "f.h5ad")
    np.testing.assert_array_equal(found.X, features)
    assert found.X.dtype == np.float32
    assert found.obs_names.is_unique and found.obs_names[:7].tolist() == NAMES[:7]
    assert found.obs["name"].tolist() == NAMES
    assert found.obs["split"].tolist() == list(dataset().splits)
    assert [None if pd.isna(one) else one for one in found.obs["label"]] == labels()
    assert found.obs["target age"].isna().sum() == 1
    assert found.obs["target a|b"].iloc[0] == 1
    assert found.var_names[:2].tolist() == ["feature_0", "feature_1"]
    assert json.loads(found.uns["infomax"])["source"] == "photos"
    assert anndata.read_h5ad(folder / "f.h5ad", backed="r").X[2:4].shape == (2, 8)


@pytest.mark.parametrize("suffix", FORMATS)
def test_what_is_not_known_is_left_out(encoder, tmp_path, suffix):
    plain = dataset(labels=np.full(8, -1), targets=None, splits=None, reading=None)
    out = embed_to_file(encoder, plain, tmp_path / f"f{suffix}")
    if suffix == ".npz":
        assert set(np.load(out)) == {"features", "names"}
    elif suffix == ".h5ad":
        assert anndata.read_h5ad(out).obs.columns.tolist() == ["name"]
    elif suffix == ".csv":
        assert pl.read_csv(out).columns == ["name", *(f"feature_{number}" for number in range(8))]


def test_tags_are_numbers(encoder, tmp_path):
    tags = Tags(np.array([[0, 1], [np.nan, np.nan], *[[1, 1]] * 6], np.float32), ("sea", "town"))
    out = embed_to_file(encoder, dataset(targets=tags), tmp_path / "f.csv")
    assert pl.read_csv(out)["target sea"].to_list() == [0, None, *[1] * 6]


def test_refusals(encoder, tmp_path, monkeypatch):
    listed = re.escape(".parquet, .csv, .csv.gz, .tsv, .npy, .npz, .h5ad")
    for name in ("f.txt", "f", "f.gz", "parquet"):
        with pytest.raises(ValueError, match=f"^embed: the suffix of .* says no format; expected {listed}$"):
            embed_to_file(encoder, dataset(), tmp_path / name)
    with pytest.raises(ValueError, match=r"^embed: .npz holds features as one array; leave --columns out"):
        embed_to_file(encoder, dataset(), tmp_path / "f.npz", columns=True)
    monkeypatch.setattr("infomax.errors.find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match=r"embed: needs anndata.*pip install 'infomax\[h5ad\]'"):
        embed_to_file(encoder, dataset(), tmp_path / "f.h5ad")
    assert not [*tmp_path.iterdir()]
