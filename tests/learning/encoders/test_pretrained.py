"""Encoder files: what is saved is loaded; damaged or foreign files are refused by name."""

import json
import math

import pytest
import torch

from infomax.files import replacing
from infomax.learning.encoders.amdim import AMDIMEncoder
from infomax.learning.encoders.saving import load_encoder, save_encoder
from infomax.learning.methods.online import OnlineClassifiers
from infomax.learning.views.images import STL_VIEWS


@pytest.fixture
def saved(tmp_path):
    torch.manual_seed(0)
    encoder = AMDIMEncoder(64, 4, 8, 1, batch_norm=True)
    encoder(torch.randn(4, 3, 64, 64))  # so that running statistics are not at their start
    save_encoder(tmp_path, encoder, STL_VIEWS)
    return tmp_path, encoder.eval()


def test_round_trip(saved):
    folder, encoder = saved
    loaded = load_encoder(folder)
    assert loaded.views == STL_VIEWS
    view = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(loaded.encoder(view).global_, encoder(view).global_)
    features = loaded(torch.zeros(2, 3, 100, 140, dtype=torch.uint8))  # any size
    assert not features.global_.requires_grad


def test_nothing_is_overwritten(saved):
    folder, encoder = saved
    before = (folder / "encoder.safetensors").read_bytes()
    with pytest.raises(FileExistsError, match="exists; choose another folder"):
        save_encoder(folder, encoder, STL_VIEWS)
    assert (folder / "encoder.safetensors").read_bytes() == before


def test_refusals(saved, tmp_path):
    folder, _ = saved
    description = json.loads((folder / "encoder.json").read_text())
    with pytest.raises(FileNotFoundError, match=r"holds no encoder.json; expected a finished run"):
        load_encoder(tmp_path / "elsewhere")
    (folder / "encoder.json").write_text(json.dumps({**description, "format": 99}))
    with pytest.raises(ValueError, match="describes format 99"):
        load_encoder(folder)
    description["arguments"]["width"] = 8
    (folder / "encoder.json").write_text(json.dumps(description))
    with pytest.raises(ValueError, match=r"encoder.safetensors: it does not fit encoder.json: \S+ has"):
        load_encoder(folder)
    (folder / "encoder.json").write_text("{")
    with pytest.raises(ValueError, match="is not JSON"):
        load_encoder(folder)


def test_several_encoders_are_told(tmp_path):
    for name in ("left", "right"):
        (tmp_path / name).mkdir()
        save_encoder(tmp_path / name, AMDIMEncoder(32, 2, 4, 1), STL_VIEWS)
    with pytest.raises(FileNotFoundError, match=r"its encoders are in left, right: give .*left"):
        load_encoder(tmp_path)


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), replacing(path) as beside:
        beside.write_text("half of the n")
        raise RuntimeError
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]
    assert path.read_text() == "old"
    with pytest.raises(FileNotFoundError, match="there is no folder"), replacing(tmp_path / "b" / "c"):
        pass


def test_online_classifiers_ignore_missing_labels_and_stop_gradients():
    torch.manual_seed(0)
    classifiers = OnlineClassifiers(num_features=4, num_classes=3)
    features = torch.randn(6, 4, requires_grad=True)
    labels = torch.tensor([0, 1, -1, 2, -1, 0])
    classifiers.eval()
    result = classifiers(features, labels)
    kept = classifiers(features[labels >= 0], labels[labels >= 0])
    torch.testing.assert_close(result.loss, kept.loss)
    torch.testing.assert_close(result.accuracies, kept.accuracies)
    result.loss.backward()
    assert features.grad is None
    assert set(result.accuracies) == {"linear", "mlp"}
    nothing = classifiers(features, torch.full((6,), -1))
    assert float(nothing.loss) == 0
    assert all(math.isnan(accuracy) for accuracy in nothing.accuracies.values())
