"""Encoders used elsewhere than they were trained: other data, folders of several encoders, signals."""

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from infomax.cli import main
from infomax.evaluation import evaluating
from infomax.evaluation.clean import evaluate_clean
from infomax.evaluation.embedding import embed
from infomax.evaluation.finetuning import comparing
from infomax.evaluation.given import Given
from infomax.evaluation.options import CleanOptions
from infomax.evaluation.probes.neighbors import nearest_neighbor_probe
from infomax.evaluation.protocols import PROTOCOLS
from infomax.evaluation.splits import labelled_split
from infomax.learning.encoders.amdim import AMDIMEncoder
from infomax.learning.encoders.amdim_signals import SignalEncoder
from infomax.learning.encoders.saving import load_encoder, save_encoder
from infomax.learning.training.config import Recipe
from infomax.learning.training.run import Run
from infomax.learning.views.images import PLAIN_VIEWS
from infomax.learning.views.signals import SignalViewsConfig
from infomax.registry import Registry

TINY = [
    "--train.steps", "2", "--train.batch_size", "8", "--train.precision", "float32",
    "--method.encoder.width", "4", "--method.encoder.embedding_dim", "8", "--method.encoder.depth", "1",
]  # fmt: skip


@pytest.fixture
def photos(tmp_path):
    """Colour pictures of another size, in other classes than digits."""
    rng = np.random.default_rng(0)
    for name, tint in (("fire", (255, 80, 0)), ("water", (0, 80, 255))):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(16):
            pixels = rng.integers(0, 128, (30, 40, 3)) + np.array(tint) // 2
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "photos" / name / f"{number}.png")
    return tmp_path / "photos"


def result_of(capsys, *arguments):
    assert main([str(argument) for argument in arguments]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def quick_probes(monkeypatch):
    """The clean protocol with its quickest probe alone; the others are tested where they are defined."""

    def quick(encoder, split, options, *, name):
        return evaluate_clean(
            encoder, split, replace(options, probes=("knn",), labels_per_class=2), name=name
        )

    clean = replace(PROTOCOLS["clean"], function=quick)
    monkeypatch.setattr(evaluating, "PROTOCOLS", Registry("protocol", {**PROTOCOLS, "clean": clean}))
    monkeypatch.setattr(comparing, "linear_probe", nearest_neighbor_probe)


def test_pretrain_here_evaluate_there(quick_probes, photos, tmp_path, capsys):
    """Grey digits to colour photographs, in one command; file and page name both sources."""
    out = tmp_path / "run"
    found = result_of(capsys, "pretrain", "amdim-digits", "--out", out, *TINY, "--evaluate", photos)
    rows = {(row["representation"], row["probe"], row["labels"]) for row in found["evaluation"]}
    assert len(rows) == 3 * 2 and ("raw pixels", "nearest neighbours", "all") in rows
    saved = json.loads((out / "evaluation.json").read_text())
    assert saved["protocol"] == "clean"
    assert saved["pretraining"] == {"source": "digits", "split": "train"}
    assert saved["data"]["source"] == str(photos) and saved["data"]["num_test"] == 7
    result_of(capsys, "report", out)
    page = (out / "report.html").read_text()
    assert "These are other images than it was pretrained on" in page and "transfer to other images" in page
    assert "Pretrained on digits (train)" in page and "Where is it, in other images?" in page


def test_what_cannot_be_evaluated_is_not_pretrained_for(photos, tmp_path, capsys):
    command = ["pretrain", "amdim-digits", "--out", str(tmp_path / "run"), *TINY, "--evaluate"]
    assert main([*command, str(photos / "fire")]) == 2
    assert "has no labels" in capsys.readouterr().err
    assert main([*command, str(tmp_path / "nowhere")]) == 2
    assert not (tmp_path / "run").exists()


def test_an_encoder_in_a_subfolder_of_a_run(quick_probes, photos, tmp_path, capsys):
    """One of several encoders of a run: no recipe of its own, but that of the run above it."""
    run, left = tmp_path / "run", tmp_path / "run" / "left"
    Run(run).begin(Recipe(data="somewhere"))
    left.mkdir()
    save_encoder(left, AMDIMEncoder(32, 4, 8, 1), PLAIN_VIEWS)
    found = result_of(
        capsys, "evaluate", left, "--data", photos, "--probes", "knn", "--labels-per-class", "0"
    )
    assert found["pretraining"] == {"source": "somewhere", "split": "train"}
    assert {row["representation"] for row in found["rows"]} == {"AMDIM", "random encoder", "raw pixels"}
    assert (left / "evaluation.json").is_file() and (left / "similarity.npz").is_file()
    embedded = result_of(capsys, "embed", left, "--data", photos, "--out", tmp_path / "f.npy")
    assert np.load(embedded["file"]).shape == (32, 8)
    picture = tmp_path / "s.png"
    result_of(capsys, "similarity", left, "--data", photos, "--query", "0", "--out", picture)
    assert picture.is_file()
    quick = ["--draws", "1", "--max-steps", "1", "--encoder-lrs", "1e-3"]
    result_of(capsys, "finetune", left, "--data", photos, "--num-labels", "4/class", *quick)
    assert (left / "finetuning.json").is_file()


def test_a_folder_that_no_recipe_tells_of(tmp_path):
    assert Run(tmp_path).pretraining is None


@pytest.fixture
def tones(tmp_path):
    """A table of two classes of signals: slow and quick waves."""
    rng, time = np.random.default_rng(0), np.arange(80)
    labels = np.arange(40) % 2
    waves = [np.sin((0.2 + label) * time + rng.uniform(0, 6)) for label in labels]
    table = pa.table({"wave": [w.tolist() for w in waves], "label": [("slow", "quick")[i] for i in labels]})
    pq.write_table(table, tmp_path / "tones.parquet")
    return tmp_path / "tones.parquet"


VIEWS = SignalViewsConfig(stored_length=72, length=64, std=(0.7,))


@pytest.fixture
def heard(tmp_path):
    torch.manual_seed(0)
    save_encoder(tmp_path, SignalEncoder(64, 1, 4, 8, 1), VIEWS)
    return tmp_path


def test_an_encoder_of_signals_survives_its_files(heard):
    loaded = load_encoder(heard)
    assert isinstance(loaded.encoder, SignalEncoder) and loaded.views == VIEWS
    signals = torch.randn(3, 1, 72)
    with torch.no_grad():
        plain = (signals[..., 4:68]) / 0.7
        torch.testing.assert_close(loaded(signals).global_, loaded.encoder(plain).global_)


def test_signals_are_assessed(heard, tones):
    encoder = load_encoder(heard)
    split = labelled_split(Given(str(tones), column="wave"), encoder.views)
    assert (len(split.train), len(split.test), VIEWS.raw_name) == (32, 8, "raw signal")
    assert embed(encoder, split.test).shape == (8, 8)
    np.testing.assert_array_equal(VIEWS.raw(split.test), split.test.values[:, 0])
    seen = []

    def probe(train, *others, seed):
        seen.append(train.shape)
        return nearest_neighbor_probe(train, *others, seed=seed)

    rows = evaluate_clean(encoder, split, CleanOptions({"linear": probe}, labels_per_class=None)).rows
    assert [row["representation"] for row in rows] == ["AMDIM", "random encoder", "raw signal"]
    assert seen == [(32, 8), (32, 8), (32, 72)]


def test_commands_take_encoders_of_signals(quick_probes, heard, tones, capsys):
    common = ["--data", tones, "--column", "wave"]
    found = result_of(capsys, "evaluate", heard, *common, "--probes", "knn", "--labels-per-class", "0")
    assert found["data"]["column"] == "wave"
    with np.load(heard / "gallery.npz") as gallery:
        assert gallery["thumbnails"].shape[0] == 8 and gallery["thumbnails"].shape[-1] == 3
    assert not (heard / "similarity.npz").exists()
    paper = ["--protocol", "paper", "--epochs", "1", "--batch-size", "4"]
    assert result_of(capsys, "evaluate", heard, *common, *paper)["rows"][0]["regime"] == "as published"
    quick = ["--draws", "1", "--max-steps", "1", "--encoder-lrs", "1e-3", "--num-labels", "50%"]
    assert len(result_of(capsys, "finetune", heard, *common, *quick)["rows"]) == 3
    result_of(capsys, "embed", heard, *common, "--out", heard / "f.parquet")
    assert set(pq.read_table(heard / "f.parquet")["label"].to_pylist()) == {"slow", "quick"}
    for command, message in (
        (["evaluate", heard, *common, "--protocol", "dim"], "the dim protocol decodes images"),
        (["similarity", heard, *common, "--query", "0"], "pictures are of images, got an encoder of signals"),
    ):
        assert main([str(part) for part in command]) == 2
        assert message in capsys.readouterr().err
