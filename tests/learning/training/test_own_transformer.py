"""A transformer of one's own goes all the way: pretrained weights, a frozen trunk, scales that it has."""

import hashlib
import os
import signal
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save
from torch import nn

from infomax.cli import main
from infomax.evaluation.similarity.searching import similarity_of_run
from infomax.learning.data.loading import load_images
from infomax.learning.encoders.amdim import AMDIMEncoder
from infomax.learning.encoders.own import check_trainable, load_own_encoder, own_encoder
from infomax.learning.encoders.saving import PretrainedEncoder, load_encoder, save_encoder, weights_of
from infomax.learning.encoders.tapped import TappedEncoder
from infomax.learning.methods.amdim import AMDIMConfig
from infomax.learning.methods.amdim_learner import AMDIM
from infomax.learning.methods.dim import DIMConfig
from infomax.learning.methods.optimizer import OptimizerConfig
from infomax.learning.training.config import Recipe, TrainConfig
from infomax.learning.training.loop import pretrain, resume
from infomax.learning.training.run import Run
from infomax.learning.views.images import PLAIN_VIEWS

NETWORK = """
import torch
from torch import nn
from infomax import TappedEncoder


class Transformer(nn.Module):
    def __init__(self, dim=8, num_patches=16):
        super().__init__()
        self.proj = nn.Conv2d(3, dim, 8, 8)
        self.norm0 = nn.BatchNorm2d(dim)
        self.token = nn.Parameter(torch.randn(1, 1, dim))
        self.position = nn.Parameter(torch.randn(1, 1 + num_patches, dim))
        layer = lambda: nn.TransformerEncoderLayer(dim, 2, 16, dropout=0.0, batch_first=True)
        self.blocks = nn.ModuleList([layer(), layer()])
        self.norm, self.head = nn.LayerNorm(dim), nn.Linear(dim, 3)

    def forward_features(self, x):
        x = self.norm0(self.proj(x)).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.position
        for block in self.blocks:
            x = block(x)
        return self.norm(x)

    def forward(self, x):
        return self.head(self.forward_features(x)[:, 0])


def network():
    torch.manual_seed(4)  # in place of weights from a file
    return Transformer()


def encoder():
    frozen = ("proj", "norm0", "blocks.0")
    return TappedEncoder(network(), local="norm", global_="norm", embedding_dim=8, frozen=frozen)
"""
TINY = ["--batch-size", "8", "--precision", "float32", "--stored_size", "32", "--views.image_size", "32"]
PLAIN = replace(PLAIN_VIEWS, stored_size=(32, 48), image_size=(32, 48))


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INFOMAX_CACHE", str(tmp_path / "cache"))
    (tmp_path / "own_vit.py").write_text(NETWORK)
    random = np.random.default_rng(0)
    for number in range(40):
        folder = tmp_path / "photos" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (32, 48, 3), np.uint8)).save(folder / f"{number}.png")
    yield tmp_path
    sys.modules.pop("own_vit", None)


def run(*arguments):
    return main([str(argument) for argument in arguments])


def test_from_the_command_line_alone(here, capsys, monkeypatch):
    own = ["--module", "own_vit:encoder"]
    new = ["pretrain", "amdim-photos-cpu", "--data", "photos", *TINY, "--steps", "3"]
    step = AMDIM.training_step

    def interrupted(self, batch, index):
        if self.trainer.global_step == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, batch, index)

    monkeypatch.setattr(AMDIM, "training_step", interrupted)
    assert run(*new, "--out", "a", *own) == 130
    err = capsys.readouterr().err
    line = "scales 1→1, 1→4, 4→4, not 1→1, 1→5, 1→7, 5→5: the encoder has a map of side 4 (method.scales)"
    features = (
        "own_vit.Transformer: local map 4×4 of layer 'norm', 16 of its 17 tokens; global feature: class "
    )
    features += "token of layer 'norm'; frozen: 'proj', 'norm0', 'blocks.0'"
    assert line in err and f"encoder: {features}" in err and "warning" not in err
    monkeypatch.setattr(AMDIM, "training_step", step)
    assert run("pretrain", "--resume", "a", "--module", "own_vit:network") == 0
    assert Run("a").read_recipe().method.scales == ((1, 1), (1, 4), (4, 4))
    environment = Run("a").read_environment()
    assert environment["chosen"] == line and environment["encoder"]["features"] == features
    begun = weights_of(own_encoder("own_vit:encoder"))
    assert environment["encoder"]["sha256"] == hashlib.sha256(save(begun)).hexdigest()
    assert run("embed", "a", "--data", "photos", "--out", "f.npy", *own) == 0
    assert np.load("f.npy").shape == (40, 8)
    assert run("evaluate", "a", "--data", "photos", "--probes", "knn", "--module", "own_vit:network") == 0
    assert run("similarity", "a", "--data", "photos", "--query", 0, "--target", 4, *own) == 0
    learned = load_own_encoder("a", "own_vit:network").encoder
    kept = {name for name, one in learned.state_dict().items() if torch.equal(one, begun[name])}
    frozen = {name for name in begun if name.startswith(("module.proj", "module.norm0", "module.blocks.0"))}
    assert frozen <= kept and not {"module.token", "module.norm.weight"} & kept
    assert not {name for name in kept - frozen if name.startswith("module.blocks.1")}
    assert run(*new, "--from", "a", "--out", "b", *own) == 0
    assert Run("b").read_environment()["began_from"]["folder"] == str(here / "a")


def test_a_bare_module_is_told_its_taps(here, capsys):
    new = ["pretrain", "amdim-photos-cpu", "--data", "photos", *TINY, "--steps", "1", "--out", "a"]
    assert run(*new, "--module", "own_vit:network") == 2
    err = capsys.readouterr().err
    assert "encoder must return Features, got a Transformer; wrap it: infomax.TappedEncoder(module, " in err
    assert (
        "image_shape=(3, 32, 32), local='norm', global_='norm'), with the names of its layers; it has" in err
    )
    assert "maps: 'norm' (4×4); vectors or tokens: 'norm' (8), 'head' (3)" in err
    assert run(*new, "--module", "own_vit:encoder", "--image_size", "64", "--stored_size", "64") == 2
    err = capsys.readouterr().err
    assert "the recipe makes views [3, 64, 64], the encoder takes [3, 32, 32]; build it for theirs" in err
    assert not (here / "a").exists()


def wide(seed=0):
    torch.manual_seed(seed)
    layers = nn.Sequential(nn.Conv2d(3, 4, 8, 8), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1))
    return TappedEncoder(layers, image_shape=(3, 32, 48), local="1", global_="2")


def test_deep_infomax_on_maps_that_are_not_square(here):
    images = load_images("photos", size=(32, 48), progress=False)
    tasks = {"absolute_coordinates": 1.0, "relative_coordinates": 1.0, "num_places": 24}
    method = DIMConfig(critic_units=8, global_weight=0.5, local_weight=0.5, **tasks)
    train = TrainConfig(steps=2, batch_size=8, log_steps=1, precision="float32")
    trained = pretrain(
        Recipe(method=method, views=PLAIN, train=train), images, "a", encoder=wide(), quiet=True
    )
    encoder = load_encoder("a", wide(1).module)
    assert encoder(images.batch(slice(0, 3))).local[6].shape == (3, 4, 4, 6)
    metrics = trained.last_metrics()
    assert {"bits_global", "bits_local", "accuracy_absolute_coordinates"} <= metrics.keys()
    resume(trained.read_recipe(), images, trained, encoder=wide(), quiet=True, steps=1)
    assert Run("a").read_recipe().train.steps == 3


def test_scales_stay_where_the_encoder_has_them_or_they_are_asked_for():
    config = AMDIMConfig()
    assert config.suited_to(None) == (config, None)
    assert config.suited_to(AMDIMEncoder(32, 4, 8, 1)) == (config, None)
    asked = replace(config, scales=((1, 5),))
    assert asked.suited_to(wide()) == (asked, None)
    alone = TappedEncoder(nn.Sequential(nn.Conv2d(3, 4, 32)), local=(), global_="0")
    chosen, line = config.suited_to(alone)
    assert chosen.scales == ((1, 1),) and line.endswith("the encoder has no map (method.scales)")
    both, line = config.suited_to({"left": wide(), "right": wide()})
    assert both.scales == ((1, 6), (6, 6)) and "1→6, 6→6, not" in line
    method = DIMConfig()
    assert method.suited_to(wide()) == (method, None)


def test_layers_that_share_weights_are_saved(tmp_path):
    def network():
        layer = nn.Conv2d(4, 4, 3, 1, 1)
        other = nn.Conv2d(4, 4, 3, 1, 1)
        other.weight = layer.weight
        return nn.Sequential(nn.Conv2d(3, 4, 8, 8), layer, other, nn.AdaptiveAvgPool2d(1))

    taps = {"image_shape": (3, 32, 48), "local": "2", "global_": "3"}
    encoder = TappedEncoder(network(), **taps)
    save_encoder(tmp_path, encoder, PLAIN)
    images = torch.zeros(2, 3, 32, 48, dtype=torch.uint8)
    loaded = load_encoder(tmp_path, network())
    torch.testing.assert_close(loaded(images).global_, encoder.eval()(loaded.view(images)).global_)
    assert loaded.encoder.module[1].weight is loaded.encoder.module[2].weight


def test_what_amdim_cannot_train():
    config, line = AMDIMConfig().suited_to(wide())
    assert line is not None
    module = nn.Sequential(*wide().module, nn.Flatten(), nn.Linear(4, 7))
    other = TappedEncoder(module, image_shape=(3, 32, 48), local="1", global_="4")
    with pytest.raises(ValueError, match=r"need one dimension, got global 7, map of side 6 4; set"):
        config.learner(PLAIN, OptimizerConfig(), 0, other)
    message = "got a PretrainedEncoder; which stays as it was trained; give its `encoder` to train it on"
    with pytest.raises(ValueError, match=message):
        check_trainable(PretrainedEncoder(wide(), PLAIN), PLAIN)
    check_trainable(PretrainedEncoder(wide(), PLAIN).encoder, PLAIN)


def test_similarity_on_maps_that_are_not_square(here):
    module = nn.Sequential(nn.Conv2d(3, 4, 8, 8), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1))
    (here / "a").mkdir()
    save_encoder("a", TappedEncoder(module, image_shape=(3, 32, 48), local="1", global_="2"), PLAIN)
    encoder = load_encoder("a", module)
    options = {"encoder": encoder, "cell": (3, 5), "source_side": 6, "num_images": 3}
    found = similarity_of_run(Run("a"), "0", "photos", out="s.png", **options)
    assert found["source"] == "cell 3, 5 of 4×6 → 4×6" and found["field"] == [24, 40, 32, 48]
    assert all(0 <= one["cell"][0] < 4 and 0 <= one["cell"][1] < 6 for one in found["images"])
