"""One run, several data sets: each result under its own name; what finetune and the command say of them."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from infomax.cli import main
from infomax.cli.output import accuracies, short_rows
from infomax.evaluation.evaluating import evaluate_run, finetune_run
from infomax.evaluation.finetuning import comparing
from infomax.evaluation.finetuning.labels import LabelBudget
from infomax.evaluation.given import Given
from infomax.evaluation.options import FinetuningConfig
from infomax.evaluation.probes.neighbors import nearest_neighbor_probe
from infomax.evaluation.protocols import PROTOCOLS, evaluations, result_file, results_beside
from infomax.learning.encoders.amdim import AMDIMEncoder
from infomax.learning.encoders.saving import save_encoder
from infomax.learning.training.run import Run
from infomax.learning.views.images import ViewsConfig
from infomax.report.evaluation import tables_of_evaluations

QUICK = {"probes": ("knn",), "labels_per_class": None}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    torch.manual_seed(0)
    save_encoder(folder, AMDIMEncoder(32, 4, 8, 1, channels=1), ViewsConfig(mean=(0.5,), std=(0.3,)))
    return Run(folder)


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    """Three classes, one of a single image, and a table of ages."""
    folder, rng, rows = tmp_path_factory.mktemp("scans"), np.random.default_rng(0), ["file,age"]
    for name, num in {"a": 20, "b": 15, "left": 1}.items():
        (folder / "set" / name).mkdir(parents=True)
        for number in range(num):
            pixels = rng.integers(0, 200, (32, 32), np.uint8) // (2 if name == "a" else 1)
            Image.fromarray(pixels).save(folder / "set" / name / f"{number}.png")
            rows.append(f"{name}/{number}.png,{pixels.mean()}")
    (folder / "ages.csv").write_text("\n".join(rows))
    return folder


def test_data_in_memory_are_recorded_by_what_they_are_not_by_their_values(tmp_path):
    torch.manual_seed(0)
    save_encoder(tmp_path, AMDIMEncoder(32, 4, 8, 1, channels=1), ViewsConfig(mean=(0.5,), std=(0.3,)))
    pixels = np.random.default_rng(0).integers(0, 256, (12, 32, 32, 1), np.uint8)
    data = {
        "train": [*zip(pixels, [0, 1] * 6, strict=True)],
        "test": [*zip(pixels[::-1], [1, 0] * 6, strict=True)],
    }
    found = evaluate_run(Run(tmp_path), data, **QUICK)
    assert (found["data"]["source"], found["data"]["name"]) == ("dict", "dict")
    assert found["notes"][0].startswith("12 of 12 test images are in the training part, too")
    with pytest.raises(FileExistsError, match=r"evaluation\.json"):
        evaluate_run(Run(tmp_path), {**data, "test": data["train"]}, **QUICK)
    assert evaluate_run(Run(tmp_path), data, name="other", **QUICK)["data"]["name"] == "other"


def test_each_data_set_keeps_its_result(run, scans):
    ages = Given(str(scans / "set"), labels=f"{scans / 'ages.csv'}:age")
    first = evaluate_run(run, str(scans / "set"), **QUICK)
    second = evaluate_run(run, ages, **QUICK)
    assert [*evaluations(run.folder)] == ["clean", "set-ages.csv-age"]
    assert json.loads(evaluations(run.folder)["clean"].read_text())["data"] == first["data"]
    assert (first["data"]["name"], second["data"]["name"]) == ("set", "set-ages.csv-age")
    assert second["data"]["labels"] == ages.labels and second["protocol"] == "clean"
    assert first["classes"] == ["a", "b", "left"] and "Wilson" in first["interval"]
    assert first["data"]["class_sizes"]["left"] == [1, 0]
    assert first["notes"] == ["classes with 1 label, in the training part only: left"]
    assert second["classes"] == [] and not second["rows"]
    assert {row["target"] for row in second["targets"]} == {"age"}
    for data in (str(scans / "set"), ages):
        with pytest.raises(FileExistsError, match="exists; give --overwrite to replace it"):
            evaluate_run(run, data, **QUICK)
    evaluate_run(run, ages, **QUICK, overwrite=True)
    with np.load(run.gallery) as gallery:  # still that of the first
        assert len(gallery["embeddings"]) == first["data"]["num_test"]
    for result in (first, second):
        assert len([*accuracies(result)]) >= 2 and short_rows(result)


def test_folders_of_one_name_are_both_on_the_page(tmp_path):
    """The second one took the place of the first, and neither was said to be of other images."""
    (tmp_path / "a" / "photos").mkdir(parents=True)
    row = {"representation": "AMDIM", "probe": "linear", "labels": "all", "accuracy": 0.5, "std": None}
    row |= {"num_labels": 9, "num_test": 4, "chance": 0.5, "settings": {}}
    for file, place in (("evaluation.json", "a"), ("evaluation-photos.json", "b")):
        source = {"name": "photos", "source": str(tmp_path / place / "photos")}
        learned = {"source": str(tmp_path / "a" / "photos"), "split": "train"}
        found = {"protocol": "clean", "rows": [row], "data": source, "pretraining": learned}
        (tmp_path / file).write_text(json.dumps(found))
    shown = tables_of_evaluations(tmp_path, "image")
    assert [(one["data"]["source"][-8:-7], one["transfer"]) for one in shown] == [("a", False), ("b", True)]
    (tmp_path / "a" / "photos").rmdir()  # images that have moved are the same
    assert not any(one["transfer"] for one in tables_of_evaluations(tmp_path, "image"))


def test_python_records_whole_paths_as_the_command_does(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    assert Given("photos/").name == str(tmp_path / "photos")
    assert (Given("cifar10").name, Given([1]).name) == ("cifar10", "list")


def test_names_are_chosen_made_and_refused(tmp_path):
    first, of_dim = (tmp_path / PROTOCOLS[name].file for name in ("clean", "dim"))
    photos = {"source": "/data/my photos", "column": None, "split": None, "labels": None}
    other = {**photos, "source": "/other/my photos"}

    def write(path, data):
        path.write_text(json.dumps({"data": {key: value for key, value in data.items() if value}}))

    assert result_file("evaluate", first, photos) == (tmp_path / "evaluation.json", "my-photos")
    write(tmp_path / "evaluation.json", {"source": "digits", "column": None})
    assert result_file("evaluate", first, photos)[0].name == "evaluation-my-photos.json"
    assert result_file("evaluate", first, {**photos, "split": "test"})[1] == "my-photos-test"
    assert result_file("evaluate", first, {"source": "digits"})[0].name == "evaluation.json"
    assert result_file("evaluate", first, {"source": "digits"}, "again")[0].name == "evaluation-again.json"
    assert result_file("evaluate", of_dim, photos)[0].name == "evaluation-dim.json"
    write(tmp_path / "evaluation-my-photos.json", photos)
    assert result_file("evaluate", first, photos)[0].name == "evaluation-my-photos.json"
    with pytest.raises(
        ValueError, match=r"photos\.json holds results on other data, .*, choose one by --name"
    ):
        result_file("evaluate", first, other)
    with pytest.raises(ValueError, match=r"dim\.json is the name of results of a protocol, got --name dim"):
        result_file("evaluate", first, other, "dim")
    with pytest.raises(ValueError, match="letters, digits, dots and dashes, got --name a/b; choose another"):
        result_file("evaluate", first, other, "a/b")


def test_fine_tuning_leaves_rare_classes_out_and_refuses_numbers(run, scans, monkeypatch):
    monkeypatch.setattr(comparing, "linear_probe", nearest_neighbor_probe)
    labels, config = [LabelBudget(per_class=4)], FinetuningConfig(max_steps=1, encoder_lrs=(1e-3,))
    result = finetune_run(run, str(scans / "set"), labels, num_draws=1, config=config)
    assert "4 per class: too few labels, left out with their test labels: left" in result["notes"]
    assert all(row["settings"]["classes_left_out"] == ["left"] for row in result["rows"])
    assert {row["num_labels"] for row in result["rows"]} == {8}
    with pytest.raises(FileExistsError, match=r"finetuning\.json exists; give --overwrite to replace it"):
        finetune_run(run, str(scans / "set"), labels)
    again = finetune_run(run, str(scans / "set"), labels, name="again", num_draws=1, config=config)
    assert again["data"]["name"] == "again" and len(results_beside(run.finetuning)) == 1
    ages = Given(str(scans / "set"), labels=f"{scans / 'ages.csv'}:age")
    with pytest.raises(ValueError, match=r"finetune: needs classes, got 1 number \(age\); .* clean protocol"):
        finetune_run(run, ages, labels)
    for protocol in ("paper", "dim"):
        with pytest.raises(ValueError, match=rf"{protocol} protocol: needs classes, got 1 number \(age\)"):
            evaluate_run(run, ages, protocol=protocol)


def test_the_command_shows_numbers_and_takes_a_name(run, scans, capsys):
    command = ["evaluate", str(run.folder), "--data", str(scans / "set"), "--probes", "knn", "--name", "ages"]
    assert main([*command, "--labels", f"{scans / 'ages.csv'}:age"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["data"]["name"] == "ages"
    assert "Spearman" in err and "R²" in err and "raw pixels" in err
    assert (run.folder / "evaluation-ages.json").is_file()
