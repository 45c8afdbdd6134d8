"""The command: results on stdout as JSON, all else on stderr; bad input ends with one line and code 2."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from infomax.cli import main
from infomax.learning.encoders.amdim import AMDIMEncoder
from infomax.learning.training.options import recipe_from_mapping
from infomax.learning.training.recipes import RECIPES, recipe_named

TINY = [
    "--train.steps", "3", "--train.batch_size", "8", "--method.encoder.width", "4",
    "--method.encoder.embedding_dim", "16", "--method.encoder.global_dim", "16",
    "--method.encoder.depth", "1",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("INFOMAX_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def photos(tmp_path):
    """A folder of photographs in two classes, told apart by their colour."""
    rng = np.random.default_rng(0)
    for name, tint in (("fire", (255, 80, 0)), ("water", (0, 80, 255))):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(20):
            pixels = rng.integers(0, 128, (80, 100, 3)) + np.array(tint) // 2
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "photos" / name / f"{number}.png")
    return tmp_path / "photos"


def run(capsys, *arguments):
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def result_of(capsys, *arguments):
    code, out, err = run(capsys, *arguments)
    assert code == 0, err
    return json.loads(out)


def refusal_of(capsys, *arguments):
    code, out, err = run(capsys, *arguments)
    assert code == 2
    assert out == ""
    assert err.startswith("infomax: ")
    assert len(err.strip().splitlines()) == 1
    return err


def test_a_folder_of_photographs_goes_all_the_way(capsys, photos, tmp_path):
    out = tmp_path / "run"
    trained = result_of(capsys, "pretrain", "amdim-photos-cpu", "--data", photos, "--out", out, *TINY)
    assert trained["num_images"] == 40
    evaluated = result_of(capsys, "evaluate", out, "--data", photos, "--labels-per-class", "2")
    rows = {(row["representation"], row["probe"], row["labels"]): row for row in evaluated["rows"]}
    assert len(rows) == 3 * 3 * 2
    assert evaluated["data"]["num_test"] == 8
    assert {row["num_test"] for row in rows.values()} == {8}
    assert all(0 <= row["accuracy"] <= 1 for row in rows.values())
    assert json.loads((out / "evaluation.json").read_text()) == evaluated
    features = tmp_path / "features.parquet"
    embedded = result_of(capsys, "embed", out, "--data", photos, "--out", features)
    assert embedded["num_images"] == 40
    table = pq.read_table(features)
    assert set(table["label"].to_pylist()) == {"fire", "water"}
    assert np.array(table["embedding"].to_pylist()).shape == (40, 3 * 16)  # of three scales
    page = result_of(capsys, "report", out)["report"]
    assert "<html" in Path(page).read_text()

    assert "exists; choose another file" in refusal_of(
        capsys, "embed", out, "--data", photos, "--out", features
    )
    assert "--overwrite" in refusal_of(capsys, "evaluate", out, "--data", photos)
    result_of(
        capsys, "evaluate", out, "--data", photos, "--overwrite", "--probes", "knn", "--labels-per-class", "0"
    )
    assert "is not empty" in refusal_of(
        capsys, "pretrain", "amdim-photos-cpu", "--data", photos, "--out", out, *TINY
    )
    assert "is finished" in refusal_of(capsys, "pretrain", "--resume", out)


def test_npy_equals_parquet(capsys, photos, tmp_path):
    out = tmp_path / "run"
    result_of(capsys, "pretrain", "amdim-photos-cpu", "--data", photos, "--out", out, *TINY)
    for suffix in ("npy", "parquet"):
        result_of(capsys, "embed", out, "--data", photos, "--out", tmp_path / f"f.{suffix}")
    array = np.load(tmp_path / "f.npy")
    np.testing.assert_array_equal(
        array, np.array(pq.read_table(tmp_path / "f.parquet")["embedding"].to_pylist())
    )


def test_embed_keeps_the_list_of_what_an_earlier_call_left_out(capsys, photos, tmp_path):
    """The features were moved away, their list was not: of the same data it is written again, else kept."""
    out, listing = tmp_path / "run", tmp_path / "f.npy-left-out.csv"
    (photos / "notes.md").write_text("no image")
    result_of(capsys, "pretrain", "amdim-photos-cpu", "--data", photos, "--out", out, *TINY)
    command = ["embed", out, "--data", photos, "--out", tmp_path / "f.npy"]
    result_of(capsys, *command)
    before = listing.read_text()
    assert "notes.md" in before
    (tmp_path / "f.npy").unlink()
    result_of(capsys, *command)
    (tmp_path / "f.npy").unlink()
    for other in (photos / "more.md", photos / "notes.md"):
        other.unlink() if other.exists() else other.write_text("neither")
        assert "lists what an earlier call left out; move it away" in refusal_of(capsys, *command)
        assert listing.read_text() == before
        (photos / "more.md").unlink(missing_ok=True)


def test_embeddings_in_parts_are_those_of_one_file(capsys, photos, tmp_path):
    """A part that is missing is written again, the others stay."""
    out = tmp_path / "run"
    result_of(capsys, "pretrain", "amdim-photos-cpu", "--data", photos, "--out", out, *TINY)
    result_of(capsys, "embed", out, "--data", photos, "--out", tmp_path / "whole.parquet")
    (tmp_path / "features.parquet").write_text("another file, which parts do not touch")
    command = ["embed", out, "--data", photos, "--out", tmp_path / "features.parquet", "--parts", "3"]
    written = result_of(capsys, *command)
    assert written["file"] == str(tmp_path / "features-*-of-00003.parquet") and written["num_images"] == 40
    parts = [tmp_path / f"features-{number:05}-of-00003.parquet" for number in range(3)]
    times = [part.stat().st_mtime_ns for part in parts]
    parts[1].unlink()
    result_of(capsys, *command)
    assert [part.stat().st_mtime_ns == time for part, time in zip(parts, times, strict=True)] == [1, 0, 1]
    found, whole = pa.concat_tables(map(pq.read_table, parts)), pq.read_table(tmp_path / "whole.parquet")
    assert found.drop("embedding").equals(whole.drop("embedding"))
    features = [np.array(table["embedding"].to_pylist()) for table in (found, whole)]
    np.testing.assert_allclose(*features, atol=1e-4)  # float32, in batches of other sizes


def test_recipes(capsys):
    assert result_of(capsys, "recipes").keys() == RECIPES.keys()


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_resolves_and_survives_yaml(capsys, name):
    resolved = result_of(capsys, "pretrain", name, "--dry-run")
    assert recipe_from_mapping(resolved) == recipe_named(name)


def test_option_beats_file_beats_recipe(capsys, tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("optimizer: {lr: 0.5, weight_decay: 0.25}\ntrain: {epochs: 3}\n")
    resolved = result_of(
        capsys, "pretrain", "amdim-cifar10", "--config", config, "--optimizer.lr", "0.125", "--dry-run"
    )
    assert resolved["optimizer"]["lr"] == 0.125
    assert resolved["optimizer"]["weight_decay"] == 0.25
    assert resolved["train"]["epochs"] == 3
    assert resolved["train"]["batch_size"] == 480


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pretrain", "amdim-cifar", "--dry-run"], "no recipe 'amdim-cifar'; did you mean amdim-cifar10?"),
        (["pretrain", "amdim-digits", "--optimiser.lr", "1", "--dry-run"], "did you mean --optimizer.lr?"),
        (["pretrain", "amdim-digits", "--method.encoder.widht", "1"], "did you mean --method.encoder.width?"),
        (["pretrain", "amdim-digits", "--method.encoder.width", "wide"], "int"),
        (
            ["pretrain", "amdim-digits", "--views.flip", "7"],
            "flip must be from 0 to 1, got 7.0; the default is 0.5",
        ),
        (["pretrain", "--out", "x"], "no recipe given; `infomax recipes` lists them"),
        (["pretrain", "amdim-cifar10", "--out", "x"], "no images given; set --data"),
        (["pretrain", "amdim-digits"], "no place for the run; set --out"),
        (["pretrain", "amdim-cifar10", "--data", "nowhere/at/all", "--out", "x"], "nowhere/at/all"),
        (["pretrain", "--resume", "nowhere"], "is no run folder"),
        (["evaluate", "nowhere", "--data", "digits"], "holds no encoder.json"),
        (
            ["evaluate", "nowhere", "--data", "digits", "--probes", "tree"],
            "no probe tree; there are linear, mlp, knn, svm",
        ),
        (["embed", "nowhere", "--data", "digits", "--out", "f.parquet"], "holds no encoder.json"),
        (["import-amdim", "nowhere.pth", "--out", "x"], "nowhere.pth"),
    ],
)
def test_refusals(capsys, monkeypatch, tmp_path, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert message in refusal_of(capsys, *arguments)
    assert not [path for path in tmp_path.iterdir() if path.name != "cache"]


def test_unknown_key_in_a_file(capsys, tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("optimizer: {learning_rate: 0.5}\n")
    assert "learning_rate" in refusal_of(capsys, "pretrain", "amdim-digits", "--config", config, "--dry-run")


def test_evaluating_unlabelled_images(capsys, photos, tmp_path):
    out = tmp_path / "run"
    result_of(capsys, "pretrain", "amdim-photos-cpu", "--data", photos / "fire", "--out", out, *TINY)
    assert "has no labels" in refusal_of(capsys, "evaluate", out, "--data", photos / "fire")


def test_import_amdim(capsys, tmp_path):
    """A checkpoint as the public code writes it: its parameter names, among them norms it never uses."""
    encoder = AMDIMEncoder(32, 4, 8, 2)
    torch.nn.init.normal_(encoder.layers[2][0].pointwise.weight)
    state = {f"encoder.module.{public_name(key)}": value for key, value in encoder.state_dict().items()}
    state["encoder.module.layer_list.1.bn1.bn.num_batches_tracked"] = torch.tensor(0)
    state["g2l_loss.masks_r5"] = torch.zeros(5)
    file = tmp_path / "amdim.pth"
    torch.save({"model": state, "hyperparams": {"ndf": 4}, "cursor": {"epoch": 3}}, file)
    imported = result_of(capsys, "import-amdim", file, "--out", tmp_path / "encoder")
    assert (imported["width"], imported["embedding_dim"], imported["depth"]) == (4, 8, 2)
    assert imported["batch_norm"] is False
    features = tmp_path / "f.npy"
    result_of(capsys, "embed", tmp_path / "encoder", "--data", "digits", "--split", "test", "--out", features)
    assert np.load(features).shape == (450, 8)

    state["encoder.module.layer_list.0.conv.bais"] = state.pop("encoder.module.layer_list.0.conv.bias")
    torch.save({"model": state}, file)
    message = refusal_of(capsys, "import-amdim", file, "--out", tmp_path / "other")
    assert "missing ['layers.0.conv.bias'], unexpected ['layers.0.conv.bais']" in message


def public_name(key):
    """Our parameter name in the public code's words."""
    parts = key.split(".")
    if parts[0] == "layers":
        inner = [f"layer_list.{parts[1]}"] + ([f"layer_list.{parts[2]}"] if parts[2].isdigit() else [])
        rest = parts[2 + (len(inner) == 2) :]
        names = {"spatial": "conv1", "pointwise": "conv2"}
        if len(rest) == 1:
            return ".".join([*inner, "bn", *rest])
        return ".".join([*inner, names.get(rest[0], rest[0]), *rest[1:]])
    names = {"hidden": "conv1", "out": "conv2", "norm": "bn_out.bn", "shortcut": "shortcut"}
    return ".".join([f"rkhs_block_{parts[1]}", names[parts[2]], *parts[3:]])


class Malice:
    """Runs code when unpickled carelessly."""

    def __reduce__(self):
        return (open, ("stolen.txt", "w"))


def test_a_checkpoint_that_holds_code(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"model": Malice()}, tmp_path / "bad.pth")
    assert "bad.pth: it holds more than tensors and plain values, or is damaged; expected" in refusal_of(
        capsys, "import-amdim", tmp_path / "bad.pth", "--out", tmp_path / "x"
    )
    assert not (tmp_path / "stolen.txt").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["recipes"], "infomax: interrupted\n"),
        (
            ["pretrain", "amdim-digits"],
            "infomax: interrupted; nothing was trained; start again with the same command\n",
        ),
    ],
)
def test_interrupted(capsys, monkeypatch, arguments, message):
    """Where nothing was trained yet, this is said."""

    class Interrupting(dict):
        def __missing__(self, _):
            raise KeyboardInterrupt

        def items(self):
            raise KeyboardInterrupt

        def find(self, *_):
            raise KeyboardInterrupt

    monkeypatch.setattr("infomax.learning.training.recipes.RECIPES", Interrupting())
    assert main(arguments) == 130
    assert capsys.readouterr().err == message


def test_report_refuses_data_that_it_would_not_read(capsys, tmp_path):
    said = refusal_of(capsys, "report", tmp_path, "--no-pictures", "--data", tmp_path)
    assert "report: --no-pictures reads no images, got --data; leave one of them out" in said
