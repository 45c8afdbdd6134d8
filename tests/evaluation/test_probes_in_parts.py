"""Probes of features in parts: those of features in memory, at a memory that does not grow."""

import json
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
import torch

from infomax.evaluation import (
    evaluate_run,
    fit_linear,
    fit_nearest_neighbors,
    linear_probe,
    mlp_probe,
    nearest_neighbor_probe,
    svm_probe,
    verify_run,
)
from infomax.evaluation.in_parts import files as files_module
from infomax.evaluation.in_parts import nearest
from infomax.evaluation.in_parts.nearest import InvertedLists
from infomax.evaluation.outputs.parts import part_path, record_path, weights_hash
from infomax.evaluation.probes import stored
from infomax.evaluation.probes.few_labels import few_labels
from infomax.evaluation.probes.stored import StoredRows
from infomax.learning.encoders.amdim import AMDIMEncoder
from infomax.learning.encoders.saving import load_encoder, save_encoder
from infomax.learning.training.run import Run
from infomax.learning.views.images import ViewsConfig

N, D, NUM_CLASSES = 3000, 16, 5
TOLERANCE = 0.01
"""Largest difference of log-probabilities, which reach 20: fits end at gradients below 1e-4, not at 0."""


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(stored, "BLOCK_NUMBERS", 300 * D)
    monkeypatch.setattr(files_module, "ROWS_AT_ONCE", 170)


@pytest.fixture(scope="module")
def labels():
    known = np.random.default_rng(1).integers(0, NUM_CLASSES, N)
    known[::17] = -1
    return known


@pytest.fixture(scope="module")
def rows(labels):
    """Features that overlap, correlate, and differ in their spread; one is constant."""
    rng = np.random.default_rng(0)
    mixed = (rng.normal(size=(NUM_CLASSES, D))[labels] + 2 * rng.normal(size=(N, D))) @ rng.normal(
        size=(D, D)
    )
    mixed[:, 3] = 7
    return (mixed * np.geomspace(0.1, 10, D) + 3).astype(np.float32)


@pytest.fixture(scope="module")
def parts(rows, labels):
    """Training and test rows with their labels, in memory."""
    test = np.arange(N) % 5 == 0
    return rows[~test], labels[~test], rows[test], labels[test]


def in_files(parts):
    train, train_labels, test, test_labels = parts
    return StoredRows.of(np.array_split(train, 7)), train_labels, StoredRows.of([test]), test_labels


def test_stored_rows_are_the_rows(rows):
    kept = StoredRows.of(torch.from_numpy(rows).split(450))
    assert (len(kept), kept.shape, kept.size) == (N, (N, D), N * D)
    np.testing.assert_array_equal(np.asarray(kept), rows)
    mask, again = np.arange(N) % 3 > 0, np.arange(2 * N // 3) % 2 > 0
    np.testing.assert_array_equal(np.asarray(kept[mask][torch.from_numpy(again)]), rows[mask][again])
    np.testing.assert_array_equal(kept[mask].take(np.array([0, 5, 900])), rows[mask][[0, 5, 900]])
    assert max(len(block) for block in kept.blocks()) == 300
    np.testing.assert_array_equal(np.asarray(kept.mapped(lambda block: block[:, :2] + 1)), rows[:, :2] + 1)


@pytest.mark.parametrize("probe", [linear_probe, svm_probe, nearest_neighbor_probe, mlp_probe])
def test_probes_find_what_they_find_in_memory(probe, parts):
    expected, found = probe(*parts), probe(*in_files(parts))
    for one in (expected, found):
        one.settings.pop("converged", None)
    assert found.settings == expected.settings
    assert found.accuracy == pytest.approx(expected.accuracy, abs=0.003)
    assert found.per_class["labels"] == expected.per_class["labels"]


def test_few_labels_are_the_same(parts):
    expected, found = (few_labels(linear_probe, *some, num_draws=2) for some in (parts, in_files(parts)))
    assert found.accuracies == pytest.approx(expected.accuracies, abs=0.003)
    assert found.settings["num_draws"] == expected.settings["num_draws"] == 2


@pytest.mark.parametrize("num_rows", [12, 40, 2400])
def test_the_linear_probe_has_the_same_probabilities(parts, num_rows):
    train, known, test, _ = parts
    expected = fit_linear(train[:num_rows], known[:num_rows])
    found = fit_linear(StoredRows.of([train[:num_rows]]), known[:num_rows])
    assert found.settings["logit_variance"] == expected.settings["logit_variance"]
    difference = found.log_probabilities(StoredRows.of([test])) - expected.log_probabilities(test)
    assert np.abs(difference).max() < TOLERANCE


@pytest.mark.parametrize("k", [1, 7, 20, 5000])
def test_neighbours_have_the_same_votes_also_at_ties(parts, k):
    train, known, test, _ = parts
    coarse = np.round(train[:, :3] / np.abs(train[:, :3]).mean(0))  # many rows of equal direction
    queries = np.round(test[:, :3] / np.abs(train[:, :3]).mean(0))
    expected = fit_nearest_neighbors(coarse, known, k=k).scores(queries)
    found = fit_nearest_neighbors(StoredRows.of(np.array_split(coarse, 5)), known, k=k).scores(queries)
    ours, theirs = (votes / votes.sum(1, keepdim=True) for votes in (found, expected))
    assert (ours - theirs).abs().max() < 1e-5


def test_lists_find_most_of_the_nearest(parts):
    train, known, test, test_labels = in_files(parts)
    exact = nearest_neighbor_probe(train, known, test, test_labels)
    found = nearest_neighbor_probe(train, known, test, test_labels, index=InvertedLists.of)
    assert abs(found.accuracy - exact.accuracy) < 0.02
    assert found.settings["search"] == "FAISS, 16 of 48 lists (33.3 %)"
    assert 0.8 < found.settings["share_found"] < 1


# --- evaluation --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    torch.manual_seed(0)
    network = AMDIMEncoder(image_size=32, channels=1, width=4, embedding_dim=D, depth=1)
    folder = tmp_path_factory.mktemp("run")
    save_encoder(folder, network, ViewsConfig(mean=(0.5,), std=(0.3,)))
    return Run(folder)


@pytest.fixture
def write(rows, labels, run, tmp_path):
    """Write features as parts of the run's encoder, with splits and labels unless they are left out."""

    def write(**columns):
        names = np.array(["a", "b", "c", "d", "e"])
        known = {"label": [None if one < 0 else names[one] for one in labels], "split": splits(), **columns}
        table = pl.DataFrame({"name": [f"{k}.png" for k in range(N)], **known}).with_columns(
            embedding=pl.Series(list(rows), dtype=pl.Array(pl.Float32, D))
        )
        table = table.drop([name for name, column in known.items() if column is None])
        (tmp_path / "parts").mkdir(exist_ok=True)
        for number, start in enumerate(range(0, N, 1000)):
            table[start : start + 1000].write_parquet(part_path(tmp_path / "parts/f.parquet", number, 3))
        record = {"encoder": weights_hash(load_encoder(run.folder)), "num_rows": N}
        record_path(tmp_path / "parts/f.parquet", 3).write_text(json.dumps(record))
        return tmp_path / "parts"

    return write


def splits():
    return np.where(np.arange(N) % 5 == 0, "test", "train")


def test_an_evaluation_of_parts_is_that_of_rows_in_memory(write, run, parts):
    result = evaluate_run(run, write(), overwrite=True)
    expected = {"linear": linear_probe(*parts), "nearest neighbours": nearest_neighbor_probe(*parts)}
    found = {row["probe"]: row for row in result["rows"] if row["labels"] == "all"}
    for name, one in expected.items():
        assert found[name]["accuracy"] == pytest.approx(one.accuracy, abs=0.003)
    assert [row["labels"] for row in result["rows"]] == ["all", "5 per class"] * 2
    assert (result["classes"], result["verdict"]) == (["a", "b", "c", "d", "e"], None)
    assert result["data"]["test"] == "split 'test'"
    assert "features in 3 parts" in result["data"]["read"]["notes"]
    again = verify_run(run)["evaluations"]
    assert [one["faults"] for one in again if one["file"].endswith("evaluation.json")] == [[]]
    assert not list(run.folder.glob("*.npz"))


def test_labels_of_a_table_and_a_fifth_held_out(write, run, labels, tmp_path):
    from infomax.evaluation import Given

    names = ["e", "d", "c", "b", "a"]
    known = [(f"{k}.png", names[one]) for k, one in enumerate(labels) if one >= 0]
    pl.DataFrame(known, ["name", "kind"], orient="row").write_csv(tmp_path / "kinds.csv")
    folder = write(label=None, split=None)
    given = Given(folder, labels=f"{tmp_path}/kinds.csv")
    result = evaluate_run(run, given, probes=("linear",), labels_per_class=None, overwrite=True, name="table")
    assert "a fifth of all splits, held out by class" in result["data"]["test"]
    assert result["rows"][0]["accuracy"] > 0.5
    assert sum(map(sum, result["data"]["class_sizes"].values())) == len(known)


def test_many_neighbours_are_approximate_and_this_is_said(write, run, monkeypatch):
    monkeypatch.setattr(nearest, "MAX_EXACT_PAIRS", 100)
    result = evaluate_run(run, write(), probes=("knn",), overwrite=True, name="many")
    assert any(
        "neighbours are approximate: FAISS, 16 of 48 lists (33.3 %), which hold" in one
        for one in result["notes"]
    )


def test_what_cannot_be_probed_in_parts(write, run, tmp_path):
    from infomax.evaluation import Given

    folder = write()
    with pytest.raises(ValueError, match="the paper protocol needs the data, got features in parts"):
        evaluate_run(run, folder, protocol="paper", overwrite=True)
    with pytest.raises(ValueError, match=r"from a table: expected --labels FILE.csv\[:column\], got kind"):
        evaluate_run(run, Given(folder, labels="kind"), overwrite=True)
    with pytest.raises(ValueError, match="has no split other; expected train, test, all"):
        evaluate_run(run, Given(folder, split="other"), overwrite=True)
    part_path(folder / "f.parquet", 1, 3).rename(tmp_path / "away.parquet")
    with pytest.raises(ValueError, match="1 of 3 parts are missing"):
        evaluate_run(run, folder, overwrite=True)
    write(label=None)
    with pytest.raises(ValueError, match="features in parts need classes, got unlabelled"):
        evaluate_run(run, folder, overwrite=True)
    record = record_path(folder / "f.parquet", 3)
    (folder / "g-00000-of-00001.parquet").touch()
    (folder / "g-of-00001.json").touch()
    with pytest.raises(ValueError, match=r"parts of 2 calls .* such as .*f-\*-of-00003.parquet"):
        evaluate_run(run, folder, overwrite=True)
    record.write_text(json.dumps({"encoder": "another"}))
    with pytest.raises(ValueError, match="features by another encoder"):
        evaluate_run(run, f"{folder}/f-*.parquet", overwrite=True)


MOST_MEGABYTES = 60
"""How much more 200,000 rows of 64 numbers, 51 MB, may take than 2,000, with their labels and masks."""
PROBED = """
import resource, sys
import numpy as np
from infomax.evaluation.probes import PROBES, stored
from infomax.evaluation.probes.stored import StoredRows

stored.BLOCK_NUMBERS = 2**17
n, rng = int(sys.argv[1]), np.random.default_rng(0)
labels, centers = rng.integers(0, 3, n), rng.normal(size=(3, 64))
some = (centers[part] + 3 * rng.normal(size=(len(part), 64)) for part in np.array_split(labels, 100))
rows = StoredRows.of(some, sys.argv[2])
found = PROBES["linear"](rows, labels, rows, labels, logit_variances=[1.0])
PROBES["knn"](rows, labels, rows[np.arange(n) < 500], labels[:500])
print(found.accuracy, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)
"""


def test_memory_does_not_grow(tmp_path):
    """Probes of a hundred times as many rows, each in a process of its own."""
    peaks = []
    for num in (2_000, 200_000):
        command = [sys.executable, "-c", PROBED, str(num), str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        accuracy, peak = map(float, done.stdout.split())
        assert accuracy > 0.7
        peaks.append(peak)
    assert peaks[1] - peaks[0] < MOST_MEGABYTES
