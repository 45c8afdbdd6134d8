"""The tables of protocols and probes: a new protocol is one file, options have help, both are light."""

import json
import subprocess
import sys
from dataclasses import dataclass, field, fields

import numpy as np
import pytest
import torch

from infomax.evaluation.embedding import embed
from infomax.evaluation.evaluating import evaluate_run
from infomax.evaluation.options import CleanOptions, FinetuningConfig
from infomax.evaluation.probes import PROBES
from infomax.evaluation.protocols import PROTOCOLS, Protocol, evaluations, register_protocol
from infomax.evaluation.results import Assessment, is_baseline, layered
from infomax.learning.encoders.amdim import AMDIMEncoder
from infomax.learning.encoders.saving import save_encoder
from infomax.learning.training.run import Run
from infomax.learning.views.images import ViewsConfig

# --------------------------------------------------------------- what the file of a new protocol would hold


@dataclass(frozen=True)
class ToyOptions:
    """Options of the toy protocol."""

    unit: str = field(default="", metadata={"help": "of the lengths"})


def evaluate_toy(encoder, split, options, *, name):
    """Mean length of the global feature."""
    features = embed(encoder, split.test)
    lengths = np.linalg.norm(features, axis=1)
    measure = {"representation": name, "measure": "length", "value": float(lengths.mean())}
    error = {"standard_error": float(lengths.std() / len(lengths) ** 0.5), "unit": options.unit, "kind": ""}
    return Assessment([], features, [{**measure, **error}])


TOY = Protocol("toy", "length of features", "A toy.", "evaluation-toy.json", ToyOptions, evaluate_toy)

# ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def toy():
    yield register_protocol(TOY)
    del PROTOCOLS._entries["toy"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    torch.manual_seed(0)
    save_encoder(folder, AMDIMEncoder(32, 4, 8, 1, channels=1), ViewsConfig(mean=(0.5,), std=(0.3,)))
    return Run(folder)


def test_a_protocol_is_one_file(toy, run):
    result = evaluate_run(run, "digits", protocol="toy", unit="m")
    assert result["protocol"] == "toy" and result["note"] == "A toy."
    assert result["measures"][0]["representation"] == "AMDIM" and result["measures"][0]["unit"] == "m"
    assert evaluations(run.folder) == {"toy": run.folder / "evaluation-toy.json"}
    assert json.loads(evaluations(run.folder)["toy"].read_text()) == result
    with np.load(run.gallery) as gallery:  # since there was none
        assert len(gallery["embeddings"]) == 450
    with pytest.raises(FileExistsError, match=r"evaluation-toy.json exists; give --overwrite"):
        evaluate_run(run, "digits", protocol="toy")
    with pytest.raises(ValueError, match="the toy protocol has no option unti; did you mean unit"):
        evaluate_run(run, "digits", protocol="toy", unti="m", overwrite=True)


def test_results_of_protocols_that_are_not_loaded_are_found(run, tmp_path):
    for name in ("evaluation-dim.json", "evaluation-zoo.json", "evaluation.json", "other.json"):
        (tmp_path / name).write_text("{}")
    assert [*evaluations(tmp_path)] == ["clean", "dim", "zoo"]


def test_unknown_protocols(run):
    with pytest.raises(ValueError, match=r"evaluate: no protocol 'papre'; did you mean paper\?"):
        evaluate_run(run, "digits", protocol="papre")


def test_a_name_is_taken_once(toy):
    with pytest.raises(ValueError, match="there is a protocol 'toy' already"):
        register_protocol(Protocol("toy", "another", "", "evaluation-toy.json", ToyOptions, evaluate_toy))


def test_every_option_has_a_default_and_a_help():
    for config in (FinetuningConfig, *(protocol.options for protocol in PROTOCOLS.values())):
        config()
        helped = [one.name for one in fields(config) if one.metadata.get("help")]
        assert helped == [one.name for one in fields(config) if one.name != "optimizer"]


def test_files_of_protocols_differ():
    assert len({protocol.file for protocol in PROTOCOLS.values()}) == len(PROTOCOLS)


@pytest.mark.parametrize("name", PROBES)
def test_probes_by_name(name):
    features, labels = np.eye(4)[[0, 1] * 8] + 0.1 * np.arange(16)[:, None], np.array([3, 7] * 8)
    result = PROBES[name].for_draws(features, labels, features, labels, seed=0)
    assert len(result.accuracies) == 1
    assert PROBES[name].summary and "\n" not in PROBES[name].summary


def test_probes_of_your_own():
    mine = CleanOptions(probes={"mine": len})
    assert mine.chosen_probes == {"mine": len}
    assert [*CleanOptions(probes=("knn", "svm")).chosen_probes] == ["knn", "svm"]
    with pytest.raises(ValueError, match=r"no probe nkn; did you mean knn\?"):
        CleanOptions(probes=("nkn",))


def test_names_of_rows():
    assert layered({"representation": "AMDIM", "regime": "frozen", "layer": None}) == "AMDIM, frozen"
    assert not is_baseline({"representation": "AMDIM"}) and is_baseline({"representation": "raw pixels"})


def test_the_tables_are_light():
    code = (
        "import sys, infomax.evaluation.protocols, infomax.evaluation.probes, infomax.evaluation; "
        "dir(infomax.evaluation); "
        "heavy = {'torch', 'lightning', 'scipy', 'sklearn', 'numpy', 'datasets'} & sys.modules.keys(); "
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
