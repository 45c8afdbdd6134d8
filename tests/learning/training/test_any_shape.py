"""Images of many shapes through all commands, from folders and files to the report, without a code change."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image

from infomax.cli import main
from infomax.learning.data.dataset import Dataset
from infomax.learning.data.loading import load_images
from infomax.learning.encoders.config import AMDIMEncoderConfig
from infomax.learning.encoders.saving import load_encoder
from infomax.learning.methods.amdim import AMDIMConfig
from infomax.learning.methods.amdim_learner import AMDIM
from infomax.learning.training.config import Recipe, TrainConfig
from infomax.learning.training.loop import pretrain, resume
from infomax.learning.training.options import recipe_from_options
from infomax.learning.training.recipes import recipe_named
from infomax.learning.training.run import Run
from infomax.learning.views.images import ViewsConfig

TINY = [
    "--train.steps", "3", "--train.batch_size", "8", "--method.encoder.width", "4",
    "--method.encoder.embedding_dim", "8", "--method.encoder.depth", "1", "--train.precision", "float32",
]  # fmt: skip


def folder_of(root: Path, shape, num_classes: int, *, arrays: bool) -> Path:
    """Two training images and one test image of each class: picture files or .npy files, in class folders."""
    rng = np.random.default_rng(0)
    for index in range(3 * num_classes):
        label, part = index % num_classes, "test" if index < num_classes else "train"
        folder = root / part / f"class{label:03d}"
        folder.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 128, shape, dtype=np.uint8) + np.uint8(127 * label // num_classes)
        if arrays:
            np.save(folder / f"{index}.npy", pixels)
        else:
            Image.fromarray(pixels).save(folder / f"{index}.png")
    return root


def values(number, channels):
    return ",".join([str(number)] * channels) if channels > 1 else f"[{number}]"


@pytest.mark.parametrize(
    ("shape", "size", "channels", "num_classes", "arrays"),
    [
        ((28, 28), "28", 1, 10, False),
        ((60, 70, 3), "48,64", 3, 10, False),
        ((40, 40, 5), "40", 5, 10, True),
        ((16, 30), "16,30", 1, 100, False),
    ],
    ids=["28x28 grey", "48x64 colour", "40x40 of 5 channels", "16x30, 100 classes"],
)
def test_any_shape_goes_all_the_way(
    capsys, tmp_path, monkeypatch, shape, size, channels, num_classes, arrays
):
    monkeypatch.setenv("INFOMAX_CACHE", str(tmp_path / "cache"))
    data = folder_of(tmp_path / "data", shape, num_classes, arrays=arrays)
    out, table = tmp_path / "run", tmp_path / "features.parquet"

    def result_of(*arguments):
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert code == 0, captured.err
        return json.loads(captured.out)

    sizes = ["--views.stored_size", size, "--views.image_size", size]
    normal = ["--views.mean", values(0.5, channels), "--views.std", values(0.2, channels)]
    assert result_of("pretrain", "amdim-digits", "--data", data, "--out", out, *sizes, *normal, *TINY)
    evaluated = result_of("evaluate", out, "--data", data, "--probes", "knn", "--labels-per-class", "1")
    assert {row["chance"] for row in evaluated["rows"]} == {1 / num_classes}
    result_of("embed", out, "--data", data, "--out", table)
    assert np.array(pq.read_table(table)["embedding"].to_pylist()).shape == (3 * num_classes, 8)  # all splits
    page = Path(result_of("report", out)["report"]).read_text()
    assert "class003" in page and page.count("data:image/jpeg") >= 2

    encoder = load_encoder(out)  # its description in encoder.json keeps the shape
    assert isinstance(encoder.views, ViewsConfig)
    height, width = map(int, size.split(",")) if "," in size else (int(size),) * 2
    assert encoder.views.input_shape == encoder.encoder.input_shape == (channels, height, width)
    images = load_images(data, size=(height, width), channels=channels, progress=False)
    assert encoder(images.batch(slice(0, 2))).local[7].shape == (2, 8, 7, 7)


@pytest.mark.parametrize(
    ("options", "size"),
    [
        (["--views.image_size", "48,64"], (48, 64)),
        (["--views.image_size=48,64"], (48, 64)),
        (["--views.image_size", "[48, 64]"], (48, 64)),
        (["--views.image_size", "48"], 48),
    ],
)
def test_sizes_on_the_command_line_survive_the_recipe_file(options, size, tmp_path):
    recipe = recipe_from_options(recipe_named("amdim-cifar10"), [*options, "--views.policy", "randaugment"])
    assert isinstance(recipe.views, ViewsConfig)
    assert (recipe.views.image_size, recipe.views.policy) == (size, "randaugment")
    run = Run(tmp_path / "run")
    run.begin(recipe)
    assert yaml.safe_load(run.recipe.read_text())["views"]["image_size"] in (48, [48, 64])
    assert run.read_recipe() == recipe


def test_a_size_that_is_none_is_refused():
    with pytest.raises(ValueError, match=r"pretrain: .*views.image_size.*48x64"):
        recipe_from_options(recipe_named("amdim-cifar10"), ["--views.image_size", "48x64"])


def test_deep_infomax_takes_squares(tmp_path):
    views = ViewsConfig((20, 32), (20, 32), crop_scale=None)
    recipe = replace(recipe_named("dim-cifar10-cpu"), views=views)
    with pytest.raises(
        ValueError, match=r"dim_encoder: the encoders .* take square images, got 20 x 32; set"
    ):
        pretrain(recipe, noise(), tmp_path / "run", quiet=True)


def noise() -> Dataset:
    pixels = np.random.default_rng(0).integers(0, 256, (256, 20, 32, 3), dtype=np.uint8)
    return Dataset(pixels, np.arange(256) % 3, [str(i) for i in range(256)], ("a", "b", "c"))


def test_resuming_is_exact_with_a_policy_and_a_coin_for_each_view(tmp_path, monkeypatch):
    recipe = Recipe(
        method=AMDIMConfig(encoder=AMDIMEncoderConfig(width=2, embedding_dim=8, depth=1)),
        views=ViewsConfig((20, 32), (20, 32), shared_flip=False, policy="trivialaugment"),
        train=TrainConfig(steps=5, batch_size=8, checkpoint_steps=2, precision="float32"),
    )
    whole = pretrain(recipe, noise(), tmp_path / "whole", quiet=True)
    original = AMDIM.training_step

    def failing(self, batch, index):
        if self.trainer.global_step == 3:
            raise MemoryError("pulled the plug")
        return original(self, batch, index)

    with monkeypatch.context() as patch:
        patch.setattr(AMDIM, "training_step", failing)
        with pytest.raises(MemoryError):
            pretrain(recipe, noise(), tmp_path / "run", quiet=True)
    run = Run(tmp_path / "run")
    resume(run.read_recipe(), noise(), run, quiet=True)
    assert run.encoder.read_bytes() == whole.encoder.read_bytes()
