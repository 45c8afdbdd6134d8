"""Encoders on the hub: the files that are sent, the card that a run fills in, and the way back."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard
from torch import nn

from infomax.learning import (
    AMDIMConfig,
    AMDIMEncoderConfig,
    DIMConfig,
    Recipe,
    TappedEncoder,
    TrainConfig,
    ViewsConfig,
    from_pretrained,
    load_encoder,
    load_images,
    pretrain,
    push_to_hub,
    write_hub_files,
)
from infomax.learning.exporting import hub

VIEWS = ViewsConfig(
    stored_size=16, image_size=16, jitter=(0.0, 0.0, 0.0, 0.0), grayscale=0.0, mean=(0.5,), std=(0.3,)
)
RECIPE = Recipe(
    method=AMDIMConfig(encoder=AMDIMEncoderConfig(4, 8, 1)),
    views=VIEWS,
    train=TrainConfig(steps=2, batch_size=8, accelerator="cpu", precision="float32"),
)


def make_images():
    values = np.random.default_rng(0).integers(0, 256, (12, 16, 16), np.uint8)
    return load_images([*values], size=16, channels=1, progress=False)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("hub") / "run"
    return pretrain(
        replace(RECIPE, data=str(out.parent / "private" / "cells")), make_images(), out, quiet=True
    )


def test_files_for_the_hub_hold_an_encoder_and_no_paths(run, tmp_path):
    out = write_hub_files(run, tmp_path / "hub", name="me/cells", license="mit")
    assert {path.name for path in out.iterdir()} == {
        "README.md",
        "encoder.json",
        "encoder.safetensors",
        "recipe.yaml",
    }
    seen = torch.rand(2, 1, 16, 16)
    again = from_pretrained(out)
    assert torch.equal(again(seen).global_, load_encoder(run.folder)(seen).global_)
    assert isinstance(again, nn.Module) and not again.training
    assert not [path for path in out.glob("*.[mjy]*") if "private" in path.read_text()]
    assert "data: cells" in (out / "recipe.yaml").read_text()
    with pytest.raises(FileExistsError, match="exists; choose another folder"):
        write_hub_files(run, out)


def test_the_card_says_what_the_run_says(run, tmp_path):
    rows = [{"representation": "AMDIM", "probe": "linear", "labels": "all", "accuracy": 0.91, "std": 0.02}]
    rows[0]["regime"] = "as published"
    data = {"name": "leaves", "num_test": 1450, "source": "/private/leaves"}
    evaluation = run.folder / "evaluation.json"
    evaluation.write_text(
        json.dumps(
            {"protocol": "paper", "note": "Tests are known.", "data": data, "rows": rows}
            | {"verdict": {"words": "Better than pixels."}}
        )
    )
    card = ModelCard.load(
        write_hub_files(run, tmp_path / "hub", name="me/cells", license="mit") / "README.md"
    )
    evaluation.unlink()
    assert card.data.license == "mit" and card.data.library_name == "infomax"
    assert card.data.tags == ["infomax", "amdim", "self-supervised"]
    for part in (
        "# cells\n",
        "AMDIM learned from 12 images (cells) without labels",
        'from_pretrained("me/cells")',
        "uint8 [b, 1, 16, 16], as images are loaded",
        "`embedding`, float32 [b, 8], global features",
        "| steps | 2 of 8 at a time |\n| optimizer |",
        "step 2, epoch 2",
        "features = encoder(images).representation\n",  # what embeddings and evaluations are made of
        "On leaves, 1,450 test images, protocol paper:\n\nTests are known.\n\n| representation |",
        "|---|---|---|--:|\n| AMDIM, as published | linear | all | 0.910 ± 0.020 |\n",
        "Better than pixels.",
    ):
        assert part in card.text, part
    assert "private" not in card.content


def make_module():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def test_a_card_of_a_network_of_ones_own_without_an_evaluation(tmp_path):
    tapped = TappedEncoder(make_module(), image_shape=(1, 16, 16), local="1", global_="3")
    recipe = replace(RECIPE, method=DIMConfig())
    made = pretrain(recipe, make_images(), tmp_path / "run", encoder=tapped, quiet=True)
    out = write_hub_files(made, tmp_path / "hub", make_module())
    text = (out / "README.md").read_text()
    assert "`module` is a `torch.nn.modules.container.Sequential` of the same shape" in text
    assert ", module)" in text and "It was not evaluated." in text and "license" not in text
    seen = torch.rand(2, 1, 16, 16)
    expected = load_encoder(made.folder, make_module())(seen).global_
    assert torch.equal(from_pretrained(out, make_module())(seen).global_, expected)


class FakeHub:
    """Takes the place of the hub: a folder for each repository."""

    def __init__(self, folder):
        self.folder, self.private = folder, {}

    def create_repo(self, name, *, private, exist_ok):
        if name in self.private and not exist_ok:
            raise FileExistsError(f"there is a {name}")
        self.private[name] = private

    def upload_folder(self, *, repo_id, folder_path):
        for path in Path(folder_path).iterdir():
            place = self.folder / repo_id / path.name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(path.read_bytes())

    def snapshot(self, name, *, revision, token, allow_patterns):
        assert set(allow_patterns) == {"encoder.safetensors", "encoder.json"}
        return str(self.folder / name)


def test_to_the_hub_and_back(run, tmp_path, monkeypatch):
    fake = FakeHub(tmp_path)
    monkeypatch.setattr(hub, "HfApi", lambda token: fake)
    monkeypatch.setattr(hub, "snapshot_download", fake.snapshot)
    assert push_to_hub(run.folder, "me/cells") == "https://huggingface.co/me/cells"
    assert fake.private == {"me/cells": True}
    seen = torch.rand(2, 1, 16, 16)
    assert torch.equal(from_pretrained("me/cells")(seen).global_, load_encoder(run.folder)(seen).global_)
    with pytest.raises(FileExistsError, match="there is a me/cells"):
        push_to_hub(run, "me/cells")
    push_to_hub(run, "me/cells", overwrite=True)
    for name in ("cells", "a/b/c", "./cells", "me/"):
        with pytest.raises(ValueError, match="no such name on the hub; expected owner/name"):
            from_pretrained(name)
        with pytest.raises(ValueError, match="expected owner/name"):
            push_to_hub(run, name)
