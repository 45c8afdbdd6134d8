"""The Hugging Face hub and its datasets."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from infomax.learning.data import available_splits


@pytest.fixture
def hub(table, class_labels, monkeypatch, tmp_path, encode):
    """A stand-in for the network: the hub serves one data set from local files and notes what it is asked."""
    import datasets
    import huggingface_hub

    pq.write_table(table(4, [0, 1, 1, 0], **class_labels(["cat", "dog"]))[0], tmp_path / "train.parquet")
    pq.write_table(table(2, [1, 0], **class_labels(["cat", "dog"]))[0], tmp_path / "val.parquet")
    asked, real = [], datasets.load_dataset

    def load_dataset(name, *args, **options):
        if name == "parquet":
            return real(name, *args, **options)
        asked.append((name, *args, options))
        files = {split: str(tmp_path / f"{split}.parquet") for split in ("train", "val")}
        return real("parquet", data_files=files, streaming=options["streaming"])

    def dataset_info(name, revision=None):
        if name == "owner/missing":
            raise ConnectionError("offline")
        return huggingface_hub.hf_api.DatasetInfo(id=name, sha=revision or "c0ffee", tags=[], disabled=False)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    monkeypatch.setattr(huggingface_hub, "dataset_info", dataset_info)
    return asked


@pytest.mark.parametrize("source", ["hf:owner/pets:small@main", "owner/pets:small@main"])
def test_a_hub_name_is_streamed_at_a_fixed_commit(load, hub, source, tmp_path):
    assert available_splits(source) == ("train", "validation")
    loaded = load(source, split="val", cache=tmp_path / "cache")
    assert (loaded.labels.tolist(), loaded.classes) == ([1, 0], ("cat", "dog"))
    assert hub[0] == ("owner/pets", "small", {"revision": "main", "streaming": True})
    again = load(source, split="val", cache=tmp_path / "cache")
    assert (
        again.fingerprint == loaded.fingerprint and len(list((tmp_path / "cache").glob("*/meta.json"))) == 1
    )


def test_an_unreachable_hub_is_explained(load, hub):
    with pytest.raises(
        ValueError, match=r"cannot open hf:owner/missing on the Hugging Face hub: offline; expected the"
    ):
        load("hf:owner/missing")
    with pytest.raises(
        ValueError, match=r"received 'hf:a/b/c/d', expected hf:owner/name\[:configuration\]\[@revision\]"
    ):
        load("hf:a/b/c/d")


def test_hugging_face_datasets(load, table, class_labels, encode, tmp_path):
    import datasets

    made, pixels = table(4, [0, 1, 1, 0], **class_labels(["cat", "dog"]))
    pq.write_table(made, tmp_path / "a.parquet")
    dataset = datasets.Dataset.from_parquet(str(tmp_path / "a.parquet"), cache_dir=str(tmp_path / "hf"))
    for source in (dataset, datasets.DatasetDict(train=dataset), dataset.to_iterable_dataset()):
        loaded = load(source, cache=tmp_path / "cache")
        np.testing.assert_array_equal(loaded.values, pixels)
        assert (loaded.labels.tolist(), loaded.classes) == ([0, 1, 1, 0], ("cat", "dog"))
