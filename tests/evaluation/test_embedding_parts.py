"""Embeddings in several files: the same rows as in one, each file written once, gone on with after a stop."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from sklearn.metrics import adjusted_rand_score

from infomax.evaluation import (
    embed,
    embed_to_file,
    embed_to_parts,
    group_parts,
    grouped,
    nearest_in_parts,
    nearest_rows,
)
from infomax.evaluation import embedding as embedding_module
from infomax.evaluation.grouping import features as features_module
from infomax.evaluation.grouping.features import features_of
from infomax.evaluation.grouping.groups import directions
from infomax.evaluation.in_parts import files as files_module
from infomax.evaluation.in_parts import nearest
from infomax.evaluation.in_parts.nearest import InvertedLists
from infomax.evaluation.outputs.parts import part_path, parts_pattern, record_path, rows_of_part
from infomax.evaluation.probes import stored
from infomax.evaluation.probes.stored import StoredRows
from infomax.learning.data import Dataset
from infomax.learning.encoders.amdim import AMDIMEncoder
from infomax.learning.encoders.saving import PretrainedEncoder
from infomax.learning.views.images import ViewsConfig
from infomax.progress import stages

N = 23


def make_encoder(seed=0):
    torch.manual_seed(seed)
    network = AMDIMEncoder(image_size=32, channels=1, width=4, embedding_dim=8, depth=1)
    return PretrainedEncoder(network, ViewsConfig(mean=(0.5,), std=(0.3,)))


@pytest.fixture(scope="module")
def encoder():
    return make_encoder()


@pytest.fixture(scope="module")
def dataset():
    pixels = np.random.default_rng(0).integers(0, 256, (N, 32, 32, 1), dtype=np.uint8)
    return Dataset(pixels, np.arange(N) % 2, [f"{i}.png" for i in range(N)], ("a", "b"))


@pytest.mark.parametrize("suffix", [".parquet", ".csv.gz", ".npy", ".npz"])
def test_parts_hold_the_rows_of_one_file(encoder, dataset, tmp_path, suffix):
    paths = embed_to_parts(encoder, dataset, tmp_path / f"f{suffix}", 4, batch_size=3)
    assert [path.name for path in paths] == [f"f-{k:05}-of-00004{suffix}" for k in range(4)]
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in paths} | {"f-of-00004.json"}
    embed_to_file(encoder, dataset, tmp_path / f"whole{suffix}", batch_size=3)
    read = {
        ".parquet": lambda path: np.stack(pl.read_parquet(path)["embedding"].to_list()),
        ".csv.gz": lambda path: pl.read_csv(path).select(pl.col("^feature_.*$")).to_numpy(),
        ".npy": np.load,
        ".npz": lambda path: np.load(path)["features"],
    }[suffix]
    whole = read(tmp_path / f"whole{suffix}")
    np.testing.assert_allclose(np.concatenate([read(path) for path in paths]), whole, atol=1e-5)
    if suffix == ".parquet":
        names = [name for path in paths for name in pl.read_parquet(path)["name"]]
        assert names == list(dataset.names)


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_parts_have_the_same_columns_where_some_rows_have_no_label(encoder, dataset, tmp_path, suffix):
    some = replace(dataset, labels=np.where(np.arange(N) < 12, dataset.labels, -1))
    embed_to_parts(encoder, some, tmp_path / f"f{suffix}", 4)
    read = {".parquet": pl.read_parquet, ".csv": pl.read_csv}[suffix](tmp_path / f"f-*{suffix}")
    assert read["label"].to_list() == [*"ab" * 6] + [None] * 11
    with stages(quiet=True) as stage:
        rows = features_of(encoder, some, tmp_path / f"f-*{suffix}", stage=stage)
    np.testing.assert_allclose(rows, embed(encoder, some), atol=1e-5)


@pytest.mark.parametrize("n", [1, 7, 64, 1000])
def test_parts_share_rows_evenly(n):
    slices = [rows_of_part(n, k, min(n, 7)) for k in range(min(n, 7))]
    assert [row for one in slices for row in range(n)[one]] == list(range(n))
    sizes = {one.stop - one.start for one in slices}
    assert max(sizes) - min(sizes) <= 1


def test_what_was_stopped_goes_on(encoder, dataset, tmp_path, monkeypatch):
    """The third part fails; a second call writes it and the last, and leaves the others as they are."""
    whole = embed_to_parts(encoder, dataset, tmp_path / "whole.parquet", 4)
    made = embedding_module.features_of_rows
    calls = []

    def failing(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return made(*arguments)

    monkeypatch.setattr(embedding_module, "features_of_rows", failing)
    out = tmp_path / "f.parquet"
    with pytest.raises(KeyboardInterrupt):
        embed_to_parts(encoder, dataset, out, 4)
    there = [part_path(out, k, 4) for k in range(4)]
    assert [path.exists() for path in there] == [True, True, False, False]
    times = [path.stat().st_mtime_ns for path in there[:2]]
    assert embed_to_parts(encoder, dataset, out, 4) == there
    assert len(calls) == 5
    assert [path.stat().st_mtime_ns for path in there[:2]] == times
    for path, other in zip(there, whole, strict=True):
        assert pl.read_parquet(path).equals(pl.read_parquet(other))
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_parts_of_something_else_are_refused(encoder, dataset, tmp_path):
    out = tmp_path / "f.parquet"
    embed_to_parts(encoder, dataset, out, 2)
    assert record_path(out, 2).exists()
    with pytest.raises(ValueError, match="were made with another encoder; choose another"):
        embed_to_parts(make_encoder(1), dataset, out, 2)
    with pytest.raises(ValueError, match="another data and another num_rows"):
        embed_to_parts(encoder, dataset.subset(slice(0, 9)), out, 2)
    with pytest.raises(ValueError, match="another batch_size"):
        embed_to_parts(encoder, dataset, out, 2, batch_size=5)
    for number in (0, N + 1):
        with pytest.raises(ValueError, match=f"expected 1 to 23 parts, got {number}"):
            embed_to_parts(encoder, dataset, out, number)


def test_processes_write_parts_of_their_own(encoder, dataset, tmp_path, monkeypatch):
    for rank in (1, 0):  # one after the other, as if they ran at once
        monkeypatch.setattr(embedding_module, "num_ranks", lambda: 2)
        monkeypatch.setattr(embedding_module, "rank", lambda rank=rank: rank)
        monkeypatch.setattr(embedding_module, "wait_for_all", lambda: None)
        paths = embed_to_parts(encoder, dataset, tmp_path / "f.parquet", 5)
        assert [path.exists() for path in paths] == [rank == 0 or k % 2 == 1 for k in range(5)]
    found = np.concatenate([np.stack(pl.read_parquet(path)["embedding"].to_list()) for path in paths])
    np.testing.assert_allclose(found, embed(encoder, dataset), atol=1e-5)


def test_features_are_read_back_from_parts(encoder, dataset, tmp_path):
    for suffix in (".parquet", ".npy", ".csv"):
        embed_to_parts(encoder, dataset, tmp_path / f"f{suffix}", 3)
        pattern = parts_pattern(tmp_path / f"f{suffix}", 3)
        with stages() as stage:
            found = features_of(encoder, dataset, pattern, stage=stage)
        np.testing.assert_allclose(found, embed(encoder, dataset), atol=1e-5)


# --- groups and neighbours ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kinds():
    return np.random.default_rng(1).choice(5, 4000, p=[0.4, 0.25, 0.15, 0.1, 0.1])


@pytest.fixture(scope="module")
def rows(kinds):
    """Rows of five kinds in 24 dimensions."""
    rng = np.random.default_rng(0)
    return (2 * rng.standard_normal((5, 24))[kinds] + rng.standard_normal((len(kinds), 24))).astype(
        np.float32
    )


@pytest.fixture
def files(rows, tmp_path, monkeypatch):
    monkeypatch.setattr(files_module, "ROWS_AT_ONCE", 300)
    (tmp_path / "features").mkdir()
    for number, part in enumerate(np.array_split(rows, 7)):
        table = {"name": [f"{number} {k}" for k in range(len(part))], "embedding": list(part)}
        schema = {"name": pl.String, "embedding": pl.Array(pl.Float32, 24)}
        pl.DataFrame(table, schema=schema).write_parquet(
            part_path(tmp_path / "features/f.parquet", number, 7)
        )
    return str(tmp_path / "features/f-*.parquet")


def test_groups_of_parts_are_those_of_rows_in_memory(files, rows, kinds, tmp_path, monkeypatch):
    monkeypatch.setattr(features_module, "MAX_IN_MEMORY", 100)
    found = group_parts(files, tmp_path / "groups")
    written = [pl.read_parquet(path) for path in sorted((tmp_path / "groups").glob("f-*.parquet"))]
    assert [len(one) for one in written] == [len(part) for part in np.array_split(rows, 7)]
    group = pl.concat(written)["group"].to_numpy()
    assert adjusted_rand_score(kinds, group) > 0.99
    assert adjusted_rand_score(grouped(rows).group, group) > 0.99
    sizes = found["groups"]["sizes"]
    assert sizes == np.bincount(group)[1:].tolist() == sorted(sizes, reverse=True)
    assert found["num_rows"] == len(rows)
    assert "silhouette" in found["groups"]["words"]
    assert any("mini-batch k-means, one pass" in one for one in found["approximated"])
    assert pl.concat(written)["name"][0] == "0 0"
    again = group_parts(files, tmp_path / "again")
    assert again == found == json.loads((tmp_path / "again/groups.json").read_text())
    asked = group_parts(files, tmp_path / "asked", num_groups=3)
    assert len(asked["groups"]["sizes"]) == 3 and "as asked for" in asked["groups"]["words"]
    dense = group_parts(files, tmp_path / "dense", method="hdbscan")["groups"]
    assert dense["method"] == "HDBSCAN" and sum(dense["sizes"]) + dense["num_without"] == len(rows)


@pytest.fixture
def strange(files, rows, tmp_path):
    """Files with three copies of a row, two of another one, and rows that are far from all others."""
    planted = rows.copy()
    planted[[40, 1800, 3900]] = rows[7] * np.array([[1], [2], [1.0001]], np.float32)
    planted[2500] = rows[300]
    planted[[5, 2222]] = -30 * np.eye(24, dtype=np.float32)[:2] - rows[:2]
    for number, part in enumerate(np.array_split(planted, 7)):
        path = part_path(tmp_path / "features/f.parquet", number, 7)
        embedding = pl.Series(list(part), dtype=pl.Array(pl.Float32, 24))
        pl.read_parquet(path).with_columns(embedding=embedding).write_parquet(path)
    return files


def found_of(folder):
    """Return what was found of each row, and the pairs and outliers."""
    rows = pl.concat(pl.read_parquet(path) for path in sorted(folder.glob("f-*.parquet")))
    return rows, *(pl.read_parquet(folder / f"{name}.parquet") for name in ("duplicates", "outliers"))


@pytest.mark.parametrize("knn", ["exact", "lists"])
def test_duplicates_and_outliers_of_parts_are_those_in_memory(strange, tmp_path, monkeypatch, knn):
    """Lists find the same: copies are in one list, and a few missed neighbours move an outlier little."""
    if knn == "lists":
        pytest.importorskip("faiss")
    whole = group_parts(strange, tmp_path / "whole", num_groups=5)
    assert whole["approximated"] == []
    monkeypatch.setattr(features_module, "MAX_IN_MEMORY", 100)
    monkeypatch.setattr(stored, "BLOCK_NUMBERS", 600 * 24)
    found = group_parts(strange, tmp_path / knn, num_groups=5, knn=knn)
    (rows, pairs, odd), (others, other_pairs, other_odd) = (found_of(tmp_path / n) for n in ("whole", knn))
    assert pairs["set"].n_unique() >= 2 and {"0 7", "0 40"} <= {*pairs["name"], *pairs["other"]}
    assert pairs.drop("cosine").equals(other_pairs.drop("cosine"))
    np.testing.assert_allclose(pairs["cosine"], other_pairs["cosine"], atol=1e-6)
    assert rows["duplicate_set"].equals(others["duplicate_set"])
    assert len(odd) >= 2 and {*odd["name"]} <= {*other_odd["name"]}
    if knn == "exact":
        np.testing.assert_allclose(rows["neighbor_distance"], others["neighbor_distance"], atol=1e-6)
        assert (
            odd["name"].equals(other_odd["name"])
            and "neighbours of 4,000 rows: exact" in found["approximated"]
        )
    else:
        said = found["approximated"][0]
        assert "neighbours of 4,000 rows: approximate, FAISS, 16 of 63 lists (25.4 %), which hold 9" in said
        missed = others["neighbor_distance"].to_numpy() - rows["neighbor_distance"].to_numpy()
        assert (missed > -1e-6).all() and (missed < 1e-6).mean() > 0.7


def test_what_lists_find_is_what_loops_find(rows):
    """A row in a list is found by its cosine, and queries whose lists hold few rows are compared with all."""
    pytest.importorskip("faiss")
    unit = directions(rows[:1500])
    lists = InvertedLists.of(StoredRows.of(np.array_split(unit, 4)))
    assert sorted(lists.numbers.tolist()) == [*range(1500)]
    np.testing.assert_array_equal(np.asarray(lists.rows), unit[lists.numbers])
    near, cosines = lists(torch.from_numpy(unit[:50]), 20)
    centers = lists.centers.reconstruct_n(0, lists.centers.ntotal)
    list_of = np.repeat(np.arange(len(centers)), np.diff(lists.starts))
    for query in range(50):
        probed = np.argsort(-(centers @ unit[query]))[: lists.num_probed]
        there = lists.numbers[np.isin(list_of, probed)]
        order = there[np.argsort(-(unit[there] @ unit[query]), kind="stable")][:20]
        assert {*near[query]} == {*order}
        np.testing.assert_allclose(cosines[query], unit[near[query]] @ unit[query], atol=1e-5)
    every, _ = lists(torch.from_numpy(unit[:3]), 1500)
    assert [sorted(one) for one in every.tolist()] == [[*range(1500)]] * 3
    one_list = replace(lists, num_probed=len(centers))
    exact, exact_cosines = nearest_rows(unit[:50], unit, 20)
    assert (one_list(torch.from_numpy(unit[:50]), 20)[0] == exact).mean() > 0.99
    assert one_list.share_found(unit[:50], exact_cosines) == 1


@pytest.mark.parametrize("wanted", [0.0, 0.9, 0.999])
def test_as_many_lists_are_compared_as_find_the_wanted_share(wanted, monkeypatch):
    """Independent dimensions are the hard case; twice fewer lists would have found too little."""
    pytest.importorskip("faiss")
    unit = directions(np.random.default_rng(0).standard_normal((3000, 32)).astype(np.float32))
    monkeypatch.setattr(nearest, "NUM_PROBED", 2)
    monkeypatch.setattr(nearest, "WANTED_SHARE", wanted)
    lists = InvertedLists.of(StoredRows.of([unit]))
    assert lists.settings["share_found"] >= wanted
    assert (lists.num_probed > 2) == (wanted > 0)
    _, exact = nearest_rows(unit[::10], unit, 20)
    fewer = replace(lists, num_probed=max(1, lists.num_probed // 2))
    assert lists.share_found(unit[::10], exact) > wanted - 0.03
    assert wanted == 0 or fewer.share_found(unit[::10], exact) < wanted + 0.03


def test_a_way_that_is_not_known(files, tmp_path):
    with pytest.raises(ValueError, match="knn: no way 'list' to find the nearest; did you mean lists"):
        group_parts(files, tmp_path / "g", knn="list")


def test_a_pattern_means_all_parts_of_one_call(files, rows, tmp_path):
    """Rows of two calls would count twice, and those of a missing part not at all."""
    record_path(tmp_path / "features/f.parquet", 7).write_text("{}")
    assert nearest_in_parts(rows[:1], files, 1)[0].tolist() == [[0]]
    part_path(tmp_path / "features/f.parquet", 3, 7).unlink()
    with pytest.raises(ValueError, match="1 of 7 parts are missing, such as"):
        nearest_in_parts(rows[:1], files, 1)
    record_path(tmp_path / "features/f.parquet", 1).write_text("{}")
    part_path(tmp_path / "features/f.parquet", 2, 7).rename(part_path(tmp_path / "features/f.parquet", 0, 1))
    with pytest.raises(ValueError, match="holds parts of 2 calls"):
        group_parts(files, tmp_path / "g")


def test_neighbours_in_parts_are_exact(files, rows):
    queries = np.random.default_rng(2).standard_normal((11, 24)).astype(np.float32)
    expected, cosines = nearest_rows(queries, rows, 6)
    found, values = nearest_in_parts(queries, files, 6)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(values, cosines, atol=1e-6)
    near, _ = nearest_in_parts(queries, files, 6, index=InvertedLists.of)
    assert (near == expected).mean() > 0.6


def test_what_has_no_groups_in_parts(files, tmp_path):
    with pytest.raises(ValueError, match="no such files of features"):
        group_parts(tmp_path / "none-*.parquet", tmp_path / "g")
    (tmp_path / "f.csv").write_text("a\n1\n")
    with pytest.raises(ValueError, match=r"expected \.parquet files"):
        group_parts(tmp_path / "f.csv", tmp_path / "g")
    with pytest.raises(ValueError, match="holds the features; expected another folder"):
        group_parts(files, tmp_path / "features")
    with pytest.raises(ValueError, match="number of groups must be at least 1, got 0"):
        group_parts(files, tmp_path / "g", num_groups=0)
    pl.DataFrame({"name": ["a", "b"]}).write_parquet(tmp_path / "bare.parquet")
    with pytest.raises(ValueError, match="has no column embedding"):
        group_parts(tmp_path / "bare.parquet", tmp_path / "g")
    with pytest.raises(ValueError, match="queries have 3 features, and the files 24"):
        nearest_in_parts(np.ones((1, 3), np.float32), files, 1)
    odd = pl.DataFrame(
        {"embedding": [[1.0, np.nan], [1.0, 2.0]]}, schema={"embedding": pl.Array(pl.Float32, 2)}
    )
    odd.write_parquet(tmp_path / "odd.parquet")
    with pytest.raises(ValueError, match="holds NaN or infinity"):
        group_parts(tmp_path / "odd.parquet", tmp_path / "g", num_groups=1)


MOST_MEGABYTES = 60
"""How much more 200,000 rows of 64 numbers, 51 MB, may take than 2,000, with what is found of each row."""
GROUPED = """
import resource, sys
import numpy as np
import polars as pl
from infomax.evaluation import group_parts
from infomax.evaluation.grouping import features, streaming
from infomax.evaluation.in_parts import files, nearest
from infomax.evaluation.probes import neighbors, stored

features.MAX_IN_MEMORY, streaming.MAX_FULL_BATCH, files.ROWS_AT_ONCE = 1000, 2000, 2000
stored.BLOCK_NUMBERS, neighbors.MAX_BLOCK_ELEMENTS = 2**19, 2**18
nearest.NUM_PROBED, nearest.WANTED_SHARE = 1, 0.0
n, folder = int(sys.argv[1]), sys.argv[2]
for number in range(20):
    rng = np.random.default_rng(number)
    rows = (np.eye(64)[rng.integers(0, 3, n // 20)] + 0.1 * rng.normal(size=(n // 20, 64))).astype(np.float32)
    rows[1] = rows[0]
    pl.DataFrame({"embedding": rows}).write_parquet(f"{folder}/f-{number:05}-of-00020.parquet")
    del rows
found = group_parts(f"{folder}/f-*.parquet", f"{folder}/groups", num_groups=3, knn="lists")
print(found["duplicates"]["num_sets"], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)
"""


def test_memory_of_groups_does_not_grow(tmp_path):
    """Groups, near-duplicates and outliers of a hundred times as many rows, each in a process of its own."""
    pytest.importorskip("faiss")
    peaks = []
    for num in (2_000, 200_000):
        (tmp_path / str(num)).mkdir()
        command = [sys.executable, "-c", GROUPED, str(num), str(tmp_path / str(num))]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        sets, peak = map(float, done.stdout.split())
        assert sets >= 20
        peaks.append(peak)
    assert peaks[1] - peaks[0] < MOST_MEGABYTES
