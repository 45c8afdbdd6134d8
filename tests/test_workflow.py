"""One call from images to an encoder, features, results and a page; and any part replaced."""

import json
from dataclasses import replace
from inspect import unwrap

import numpy as np
import pytest
import torch
import yaml
from lightning import Callback
from lightning.pytorch.loggers import CSVLogger
from PIL import Image

import infomax
from infomax.estimation.bounds import jensen_shannon
from infomax.learning.encoders.config import AMDIMEncoderConfig
from infomax.learning.methods.optimizer import OptimizerConfig
from infomax.learning.training.recipes import recipe_named
from infomax.learning.views.images import ViewsConfig
from infomax.workflow import Evaluation

QUICK = {"steps": 2, "quiet": True}


@pytest.fixture(scope="module")
def recipe():
    made = recipe_named("amdim-digits")
    small = AMDIMEncoderConfig(width=4, embedding_dim=8, depth=1)
    return replace(made, method=replace(made.method, encoder=small), train=replace(made.train, batch_size=8))


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for name in ("a", "b"):
        (folder / name).mkdir()
        for number in range(10):
            pixels = rng.integers(0, 128, (32, 32), np.uint8) + (100 if name == "a" else 0)
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{number}.png")
    return folder


@pytest.mark.parametrize("quiet", [True, False])
def test_quiet_shows_no_bar_of_decoding_either(recipe, tmp_path, capsys, quiet):
    images = [*np.random.default_rng(0).integers(0, 256, (9, 32, 32), np.uint8)]
    infomax.pretrain(images, recipe, tmp_path / "run", steps=1, quiet=quiet)
    assert ("decoding" in capsys.readouterr().err) is not quiet


def test_three_lines_from_a_folder_to_a_page(recipe, photos, tmp_path):
    run = infomax.pretrain(str(photos), recipe, tmp_path / "run", **QUICK)
    features = run.embed(str(photos))
    page = run.report()
    assert features.shape == (20, 8) and np.isfinite(features).all()
    seen = torch.zeros(2, 1, 32, 32, dtype=torch.uint8)
    assert run.encoder()(seen).global_.shape == (2, 8)
    found = run.evaluate(str(photos), probes=("knn",), labels_per_class=None)
    assert isinstance(found, Evaluation)
    written = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert json.loads(json.dumps(found)) == written
    assert "<th>accuracy</th>" in found._repr_html_() and "random encoder" in found._repr_html_()
    assert page.path.is_file() and "srcdoc" in page._repr_html_() and str(page) == str(page.path)
    assert "last row of metrics" in run._repr_html_() and "step" in run._repr_html_()
    assert yaml.safe_load(run.files.recipe.read_text())["data"] == str(photos)
    exported = run.export(tmp_path / "encoder.safetensors")
    assert infomax.load_encoder(exported.file)(seen).global_.shape == (2, 8)


class Pictures(torch.utils.data.Dataset):
    """As torchvision's are: pairs of a picture and a label."""

    def __init__(self, folder):
        self.files = sorted(folder.rglob("*.png"))

    def __len__(self):
        return len(self.files)

    def __getitem__(self, index):
        return Image.open(self.files[index]), index % 2


@pytest.mark.parametrize("kind", ["array", "paths", "pictures", "torch", "loaded"])
def test_whatever_holds_images(recipe, photos, tmp_path, kind):
    files = sorted(photos.rglob("*.png"))
    pictures = [Image.open(file) for file in files]
    images = {
        "array": np.stack([np.asarray(one) for one in pictures]),
        "paths": files,
        "pictures": pictures,
        "torch": Pictures(photos),
        "loaded": infomax.load_images(photos, size=32, channels=1, progress=False, cache=None),
    }[kind]
    run = infomax.pretrain(images, recipe, tmp_path / "run", **QUICK)
    assert run.embed(images).shape == (20, 8)
    assert yaml.safe_load(run.files.recipe.read_text())["data"] is None


class Counting(Callback):
    """Counts steps."""

    num = 0

    def on_train_batch_end(self, *_):
        """Count."""
        self.num += 1


def test_every_part_can_be_another(recipe, tmp_path):
    views = ViewsConfig(mean=(0.5,), std=(0.2,), crop_scale=(0.9, 1.0), grayscale=0.0)
    counting, optimizer = Counting(), OptimizerConfig(lr=1e-4)
    logger = CSVLogger(tmp_path, name="log", version="")
    run = infomax.pretrain(
        "digits",
        recipe,
        tmp_path / "run",
        bound=jensen_shannon,
        views=views,
        optimizer=optimizer,
        callbacks=[counting],
        logger=logger,
        seed=5,
        **QUICK,
    )
    logger.finalize("success")
    saved = run.files.read_recipe()
    assert (saved.method.bound, saved.views, saved.optimizer, saved.train.seed) == (
        "jensen_shannon",
        views.as_read(infomax.load_images("digits", size=32, channels=1, progress=False)),
        optimizer,
        5,
    )
    assert counting.num == 2
    (known,) = run.files.read_environment()["callbacks"]
    assert (known["module"], known["name"]) == (__name__, "Counting")
    assert "1to5" in (tmp_path / "log" / "metrics.csv").read_text()


def test_refusals(recipe, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"amdim has no critic to replace, got 'dot'; take a recipe of dim"):
        infomax.pretrain("digits", recipe, tmp_path / "a", critic="dot", **QUICK)
    with pytest.raises(
        ValueError, match="expected images, a recipe, and a folder, got a list for the recipe"
    ):
        unwrap(infomax.pretrain)(recipe, [], tmp_path / "a")
    with pytest.raises(ValueError, match="expected one budget, got steps 2 and minutes 1"):
        infomax.pretrain("digits", recipe, tmp_path / "a", steps=2, minutes=1)


def test_a_folder_is_chosen_and_said(recipe, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    folders = [infomax.pretrain("digits", recipe, steps=1).folder.as_posix() for _ in range(2)]
    assert folders == ["runs/amdim", "runs/amdim-2"]
    assert "the run is written to runs/amdim-2" in capsys.readouterr().err


def test_a_recipe_of_ones_own(tmp_path, monkeypatch, recipe):
    monkeypatch.chdir(tmp_path)
    text = "from infomax.learning.training.recipes import amdim_digits as mine\n"
    (tmp_path / "my_recipes.py").write_text(text)
    run = infomax.pretrain("digits", "my_recipes:mine", steps=1, quiet=True)
    assert run.folder.as_posix() == "runs/mine"
