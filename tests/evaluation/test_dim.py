"""The evaluation of Deep InfoMax: what it holds, that it is written and shown, and its options."""

import json
from dataclasses import replace

import pytest

from infomax.cli import main
from infomax.evaluation import dim as dim_protocol
from infomax.evaluation.evaluating import evaluate_run
from infomax.evaluation.options import FinetuningConfig
from infomax.evaluation.protocols import evaluations
from infomax.learning.data import load_images
from infomax.learning.encoders.config import DIMEncoderConfig
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
