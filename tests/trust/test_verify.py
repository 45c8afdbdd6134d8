"""`infomax verify` finds whatever has changed in a run since it was written."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from infomax.cli import main
from infomax.evaluation.evaluating import evaluate_run
from infomax.evaluation.verification.intact import checked_files
from infomax.evaluation.verification.verifying import FACTS, verify_run
from infomax.hashes import RECORD
from infomax.learning.encoders.amdim import AMDIMEncoder
from infomax.learning.encoders.saving import save_encoder
from infomax.learning.training.run import Run
from infomax.learning.views.images import ViewsConfig

TINY = "--steps 2 --batch-size 16 --method.encoder.width 4 --method.encoder.embedding_dim 8"


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """A folder of images in two classes."""
    from PIL import Image

    root, randomness = tmp_path_factory.mktemp("digits"), np.random.default_rng(0)
    for name, light in (("dark", 0), ("light", 120)):
        (root / name).mkdir()
        for number in range(20):
            pixels = (light + randomness.integers(0, 100, (16, 16))).astype(np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def trained(tmp_path_factory, digits):
    out = tmp_path_factory.mktemp("runs") / "a"
    options = ["--data", str(digits), "--out", str(out), *TINY.split()]
    assert main(["pretrain", "amdim-digits", *options]) == 0
    probes = ["--probes", "knn", "--labels-per-class", "2", "--seed", "3"]
    assert main(["evaluate", str(out), "--data", str(digits), *probes]) == 0
    return out


@pytest.fixture
def run(trained, tmp_path):
    return Run(shutil.copytree(trained, tmp_path / "a"))


def test_a_run_is_verified(run, capsys):
    before = {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")}
    assert main(["verify", str(run.folder)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["verified"] and found["faults"] == [] and found["notes"] == []
    expected = {"recipe.yaml", "environment.json", "metrics.csv", "views.npz", "encoder.json",
                "encoder.safetensors", "evaluation.json", "gallery.npz"}  # fmt: skip
    assert found["files"]["intact"] >= len(expected)
    assert expected <= set(checked_files(run.folder).intact)
    (one,) = found["evaluations"]
    assert one["num_compared"] == 3 * 2 and one["largest_difference"] == 0
    assert {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")} == before


def test_a_run_says_how_it_was_made(run):
    made = run.read_environment()
    assert all(made.get(name) is not None for name in (*FACTS, "date", "stages", "data"))
    assert made["data"]["left_out"] == {} and made["num_images"] == 40
    evaluation = json.loads((run.folder / "evaluation.json").read_text())
    assert {"torch", "commit", "machine", "numpy"} <= evaluation["environment"].keys()
    assert evaluation["repeat"]["options"]["seed"] == 3
    assert evaluation["repeat"]["options"]["probes"] == ["knn"]


@pytest.mark.parametrize("name", ["recipe.yaml", "metrics.csv", "encoder.json", "views.npz", "gallery.npz"])
def test_a_changed_byte_is_found(run, name):
    content = bytearray((run.folder / name).read_bytes())
    content[-2] ^= 1
    (run.folder / name).write_bytes(bytes(content))
    assert checked_files(run.folder).changed == (name,)


def test_a_changed_weight_is_found(run, capsys):
    weights = load_file(run.encoder)
    name = next(key for key, one in weights.items() if one.is_floating_point() and one.numel() > 8)
    weights[name] = weights[name] + 0.5
    save_file(weights, run.encoder)
    assert main(["verify", str(run.folder)]) == 1
    faults = json.loads(capsys.readouterr().out)["faults"]
    assert "encoder.safetensors has changed since it was written" in faults
    assert "the encoder of evaluation.json is another now" in faults


@pytest.mark.parametrize("name", ["last.ckpt", "before.ckpt"])
def test_a_damaged_checkpoint_is_found(run, name):
    """More than the 64 bytes of padding that PyTorch may leave before a tensor."""
    path = run.checkpoint.with_name(name)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 256] = bytes(one ^ 1 for one in content[middle : middle + 256])
    path.write_bytes(bytes(content))
    (fault,) = verify_run(run, files_only=True)["faults"]
    assert fault.startswith(f"{path} is damaged (")


def test_weights_that_are_not_finite_are_found(run):
    weights = load_file(run.encoder)
    name = next(key for key, one in weights.items() if one.is_floating_point())
    weights[name] = torch.full_like(weights[name], torch.nan)
    save_file(weights, run.encoder)
    assert any("not finite" in one for one in verify_run(run, files_only=True)["faults"])


def test_better_numbers_are_found(run):
    path = run.folder / "evaluation.json"
    evaluation = json.loads(path.read_text())
    evaluation["rows"][0]["accuracy"] += 0.05
    path.write_text(json.dumps(evaluation))
    found = verify_run(run)
    assert not found["verified"]
    assert "evaluation.json has changed since it was written" in found["faults"]
    assert any("differs by 0.05 from its repetition" in one for one in found["faults"])
    assert verify_run(run, tolerance=0.1)["faults"] == ["evaluation.json has changed since it was written"]


def test_other_data_are_found(run, digits, tmp_path):
    other = shutil.copytree(digits, tmp_path / "other")
    shutil.copy(other / "dark" / "1.png", other / "dark" / "2.png")
    faults = verify_run(run, data=other)["faults"]
    assert "the data of evaluation.json are another now" in faults
    moved = shutil.copytree(digits, tmp_path / "moved")
    assert verify_run(run, data=moved)["verified"]


def test_data_that_are_gone_are_said(run, tmp_path):
    path = run.folder / "evaluation.json"
    text = path.read_text().replace(json.loads(path.read_text())["data"]["source"], str(tmp_path / "gone"))
    path.write_text(text)
    faults = verify_run(run)["faults"]
    assert any(f"{path} could not be repeated" in one and "gone" in one for one in faults)


def test_missing_and_further_files(run):
    (run.folder / "views.npz").unlink()
    (run.folder / "notes.txt").write_text("mine")
    found = verify_run(run, files_only=True)
    assert found["faults"] == ["views.npz was written, and is not there"]
    assert found["notes"] == ["not in the record: notes.txt", "evaluations were not repeated (--files-only)"]


def test_a_run_without_a_record(run):
    (run.folder / RECORD).unlink()
    run.environment.write_text(json.dumps({"images": "x"}))
    faults = verify_run(run, files_only=True)["faults"]
    assert faults[0].endswith(f"holds no {RECORD}: its files cannot be compared with what was written")
    assert faults[1].startswith("environment.json does not say: infomax, commit, python")


def test_an_evaluation_that_does_not_say_how_it_was_made(run):
    path = run.folder / "evaluation.json"
    evaluation = json.loads(path.read_text())
    del evaluation["repeat"]
    path.write_text(json.dumps(evaluation))
    assert any("evaluate anew with --overwrite" in one for one in verify_run(run)["faults"])


def test_what_an_earlier_stage_gave_is_compared_too(run):
    assert main(["pretrain", "--resume", str(run.folder), "--steps", "1"]) == 0
    files = checked_files(run.folder)
    assert files.changed == files.missing == ()
    assert {"stage-1/encoder.safetensors", "stage-1/evaluation.json", "encoder.safetensors"} <= set(
        files.intact
    )
    with (run.folder / "stage-1" / "evaluation.json").open("a") as file:
        file.write(" ")
    assert checked_files(run.folder).changed == ("stage-1/evaluation.json",)


def test_a_folder_with_an_encoder_alone(tmp_path, digits, capsys):
    torch.manual_seed(0)
    save_encoder(tmp_path, AMDIMEncoder(32, 4, 8, 1, channels=1), ViewsConfig(mean=(0.5,), std=(0.3,)))
    run = Run(tmp_path)
    evaluate_run(run, digits, probes=("knn",), labels_per_class=None)
    found = verify_run(run)
    assert [one for one in found["faults"] if RECORD not in one] == []
    assert found["evaluations"][0]["largest_difference"] == 0
    assert main(["verify", str(tmp_path / "none")]) == 2
    assert "is no run folder, and holds no encoder" in capsys.readouterr().err


def test_a_bad_tolerance(run):
    with pytest.raises(ValueError, match="verify: tolerance must be 0 or more, got nan"):
        verify_run(run, tolerance=float("nan"))


def test_data_for_evaluations_that_are_not_repeated(run):
    with pytest.raises(ValueError, match="files_only repeats no evaluation, got data for them"):
        verify_run(run, files_only=True, data="elsewhere")
