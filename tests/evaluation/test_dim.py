"""The evaluation of Deep InfoMax: what it holds, that it is written and shown, and its options."""

import json
import re
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from infomax.cli import main
from infomax.estimation.estimate import Estimate
from infomax.evaluation import dim as dim_protocol
from infomax.evaluation.dim import evaluate_dim
from infomax.evaluation.evaluating import evaluate_run
from infomax.evaluation.options import DIMOptions, FinetuningConfig
from infomax.evaluation.probes.information import label_information
from infomax.evaluation.probes.linear import fit_linear
from infomax.evaluation.probes.neighbors import nearest_neighbor_probe
from infomax.evaluation.protocols import evaluations
from infomax.evaluation.splits import Split
from infomax.learning.data import load_images
from infomax.learning.encoders.config import DIMEncoderConfig
from infomax.learning.encoders.saving import load_encoder
from infomax.learning.methods.dim import DIMConfig
from infomax.learning.methods.optimizer import OptimizerConfig
from infomax.learning.training.config import Recipe, TrainConfig
from infomax.learning.training.loop import pretrain
from infomax.learning.views.images import PLAIN_VIEWS
from infomax.report.page import write_report

RECIPE = Recipe(
    data="digits",
    method=DIMConfig(encoder=DIMEncoderConfig(width=4, num_hidden=24, num_units=8), critic_units=16),
    views=replace(PLAIN_VIEWS, mean=(0.31,), std=(0.36,)),
    optimizer=OptimizerConfig(lr=1e-3),
    train=TrainConfig(steps=5, batch_size=16, log_steps=1),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    images = load_images("digits", size=32, channels=1)
    return pretrain(RECIPE, images, tmp_path_factory.mktemp("runs") / "dim", quiet=True)


@pytest.fixture
def quick(monkeypatch):
    """Shorter fits; what they find is tested where they are defined."""
    for name, settings in {
        "input_information": {"max_steps": 20},
        "neural_dependence": {"max_steps": 20},
        "decoder_similarity": {"max_steps": 20, "width": 8},
        "finetune": {"config": FinetuningConfig(max_steps=10), "num_draws": 1},
    }.items():
        original = getattr(dim_protocol, name)
        monkeypatch.setattr(
            dim_protocol,
            name,
            lambda *arguments, original=original, settings=settings, **keywords: original(
                *arguments, **{**keywords, **settings}
            ),
        )


def test_one_table_of_everything(run, quick, capsys):
    arguments = ["evaluate", str(run.folder), "--data", "digits", "--protocol", "dim", "--overwrite"]
    assert main([*arguments, "--max-labels", "400", "--labels-per-class", "5"]) == 0
    out, err = capsys.readouterr()
    result = json.loads(out)
    assert result == json.loads(evaluations(run.folder)["dim"].read_text())
    assert result["protocol"] == "dim"
    probed = {(r["representation"], r["layer"], r["probe"]) for r in result["rows"] if r["labels"] == "all"}
    layers = [(name, layer) for name in ("DIM", "random encoder") for layer in ("conv", "fc", "Y")]
    expected = {
        (*one, probe) for one in [*layers, ("raw pixels", None)] for probe in ("svm", "linear", "mlp")
    }
    assert probed == expected
    assert all(r["num_labels"] == 400 for r in result["rows"] if r["labels"] == "all")
    tuned = [r for r in result["rows"] if r["probe"] == "fine-tuning"]
    assert [(r["representation"], r["labels"]) for r in tuned] == [
        ("DIM", "5 per class"), ("random encoder", "5 per class")
    ]  # fmt: skip
    assert {(m["representation"], m["measure"]) for m in result["measures"]} == {
        (name, measure)
        for name in ("DIM", "random encoder")
        for measure in (
            "information about the label", "information about the input", "dependence between units",
            "MS-SSIM of decoded images",
        )
    }  # fmt: skip
    assert "DIM, conv" in err and "What the features know" in err
    numbers = re.findall(r"^(\d+) of (\d+): ", err, re.MULTILINE)
    assert "dim protocol, " in err and numbers[-1][0] == numbers[-1][1]  # as many stages as were announced
    page = write_report(run.folder).read_text()
    assert "DIM on digits" in page
    assert "What the global feature knows" in page and "DIM, fc" in page


def test_the_clean_protocol_names_the_method(run):
    result = evaluate_run(run, "digits", overwrite=True, probes={}, labels_per_class=None)
    assert (result["protocol"], result["rows"], result["measures"]) == ("clean", [], [])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--protocol", "dim", "--probes", "knn"], "--probes is for --protocol clean, not for dim"),
        (["--max-labels", "5"], "--max-labels is for --protocol dim, not for clean"),
        (["--epochs", "5"], "--epochs is for --protocol paper, not for clean"),
        (["--protocol", "paper", "--labels-per-class", "5"], "--labels-per-class is for --protocol clean or"),
        (["--probes", "tree"], "no probe tree; there are linear, mlp, knn"),
    ],
)
def test_options_of_the_other_protocol(run, capsys, options, message):
    assert main(["evaluate", str(run.folder), "--data", "digits", "--overwrite", *options]) == 2
    assert message in capsys.readouterr().err


def test_rare_classes_stop_nothing_and_are_named(run, quick, monkeypatch):
    """Class 9 has one training label, class 8 none: both have test images."""
    train, test = (load_images("digits", split=name, size=32, channels=1) for name in ("train", "test"))
    rows = np.concatenate([np.flatnonzero(train.labels < 8)[:100], np.flatnonzero(train.labels == 9)[:1]])
    monkeypatch.setattr(dim_protocol, "LAYER_PROBES", {"linear": nearest_neighbor_probe})
    for name in ("input_information", "neural_dependence"):  # which know no classes
        monkeypatch.setattr(dim_protocol, name, lambda *_, **__: Estimate(0.0, 0.1, 10, kind="estimate"))
    monkeypatch.setattr(dim_protocol, "_decoded", lambda *_: {})
    fit = partial(fit_linear, logit_variances=(1.0,))
    monkeypatch.setattr(dim_protocol, "label_information", partial(label_information, fit=fit))
    split = Split(train.subset(rows), test.subset(slice(0, 60)), "by hand")
    found = evaluate_dim(load_encoder(run.folder), split, DIMOptions(labels_per_class=5))
    unknown = "classes without training labels, whose test labels count as errors: 8 ("
    assert found.notes[0].startswith(unknown)
    assert found.notes[1:] == [
        dim_protocol.UNKNOWN, "classes with fewer than 5 labels, left out of fine-tuning: 9"
    ]  # fmt: skip
    tuned = [row for row in found.rows if row["probe"] == "fine-tuning"]
    assert {row["num_labels"] for row in tuned} == {40}
    assert all(row["settings"]["classes_left_out"] == ["9"] for row in tuned)
    number, notes = dim_protocol._few_labels(split, 90)
    assert number is None
    assert "no fine-tuning: 90 labels of each class are to be drawn, but class 9 has 1" in notes[-1]
