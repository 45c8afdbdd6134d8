"""Tokens, maps of any sides, frozen layers: models with interfaces of timm, torchvision and Hugging Face."""

import copy
import json
from collections import OrderedDict
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from infomax.learning.encoders.tapped import TappedEncoder
from infomax.learning.encoders.tapping.suggesting import possible_taps
from infomax.learning.objectives.amdim import amdim_objective
from infomax.learning.objectives.scoring import usual_scales


class Block(nn.Module):
    """A layer of a vision transformer."""

    def __init__(self, dim):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attn = nn.MultiheadAttention(dim, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))

    def forward(self, x):
        y = self.norm1(x)
        x = x + self.attn(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.norm2(x))


class Tokens(nn.Module):
    """Images to tokens: `num_prefix` learned ones, then those of patches of 8 px."""

    def __init__(self, dim, num_prefix, num_patches):
        super().__init__()
        self.proj = nn.Conv2d(3, dim, 8, 8)
        self.prefix = nn.Parameter(torch.randn(1, num_prefix, dim))
        self.position = nn.Parameter(torch.randn(1, num_prefix + num_patches, dim))

    def forward(self, x):
        patches = self.proj(x).flatten(2).transpose(1, 2)
        return torch.cat([self.prefix.expand(len(x), -1, -1), patches], 1) + self.position


class TimmViT(nn.Module):
    """As timm's: `forward_features` gives tokens, `num_prefix_tokens` says how many are of no patch."""

    def __init__(self, dim=8, num_prefix=1, num_patches=16):
        super().__init__()
        self.num_prefix_tokens = num_prefix
        self.patch_embed = Tokens(dim, num_prefix, num_patches)
        self.blocks = nn.Sequential(Block(dim), Block(dim))
        self.norm, self.fc_norm, self.head = nn.LayerNorm(dim), nn.Identity(), nn.Linear(dim, 5)

    def forward_features(self, x):
        return self.norm(self.blocks(self.patch_embed(x)))

    def forward(self, x):
        tokens = self.forward_features(x)
        pooled = tokens[:, 0] if self.num_prefix_tokens else tokens.mean(1)
        return self.head(self.fc_norm(pooled))


class TorchvisionViT(nn.Module):
    """As torchvision's: nested names, the class token taken between modules."""

    def __init__(self, dim=8):
        super().__init__()
        self.conv_proj = Tokens(dim, 1, 16)
        layers = OrderedDict((f"encoder_layer_{i}", Block(dim)) for i in range(2))
        self.encoder = nn.Sequential(OrderedDict(layers=nn.Sequential(layers), ln=nn.LayerNorm(dim)))
        self.heads = nn.Sequential(OrderedDict(head=nn.Linear(dim, 5)))

    def forward(self, x):
        return self.heads(self.encoder(self.conv_proj(x))[:, 0])


@dataclass
class Config:
    num_register_tokens: int


@dataclass
class ModelOutput:
    last_hidden_state: torch.Tensor
    pooler_output: torch.Tensor


class HuggingFaceViT(nn.Module):
    """As those of Hugging Face: an output with names; layers that give a tuple; registers."""

    class Layer(nn.Module):
        def __init__(self, dim):
            super().__init__()
            self.block = Block(dim)

        def forward(self, x):
            return (self.block(x),)

    def __init__(self, dim=8, registers=2):
        super().__init__()
        self.config = Config(registers)
        self.embeddings = Tokens(dim, 1 + registers, 16)
        self.layer, self.layernorm = nn.ModuleList([self.Layer(dim), self.Layer(dim)]), nn.LayerNorm(dim)

    def forward(self, x):
        if x.shape[2:] != (32, 32):
            raise ValueError("Input image size doesn't match model")
        x = self.embeddings(x)
        for layer in self.layer:
            (x,) = layer(x)
        x = self.layernorm(x)
        return ModelOutput(x, torch.tanh(x[:, 0]))


class ChannelsLast(nn.Module):
    """As Swin transformers: maps [b, h, w, c]."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(3, 12, 4, 4), nn.LayerNorm(12), nn.Linear(12, 5)

    def forward(self, x):
        return self.head(self.norm(self.conv(x).permute(0, 2, 3, 1)).mean((1, 2)))


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.fixture
def images():
    return torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def as_map(tokens, rows=4, columns=4):
    """The patch at row i, column j, from the tokens one by one."""
    patches = tokens[:, -rows * columns :]
    made = torch.empty(len(tokens), tokens.shape[2], rows, columns)
    for i in range(rows):
        for j in range(columns):
            made[:, :, i, j] = patches[:, i * columns + j]
    return made


def run_of(module, images):
    """The tokens after embedding, after each block, and after the last norm."""
    x = next(part for part in module.modules() if isinstance(part, Tokens))(images)
    made = [x]
    for block in (part for part in module.modules() if isinstance(part, Block)):
        made.append(block(made[-1]))
    norm = [part for name, part in module.named_modules() if name in ("norm", "encoder.ln", "layernorm")]
    return [*made, norm[0](made[-1])]


TAPS = {
    "timm": (TimmViT, {"local": "blocks.0", "global_": "norm"}),
    "timm, its features": (TimmViT, {"local": "", "global_": "", "method": "forward_features"}),
    "torchvision": (TorchvisionViT, {"local": "encoder.layers.encoder_layer_0", "global_": "encoder.ln"}),
    "Hugging Face": (HuggingFaceViT, {"local": "layer.0", "global_": ""}),
}


@pytest.mark.parametrize("name", TAPS)
def test_patches_are_the_map_and_the_class_token_is_the_global_feature(name, images):
    make, taps = TAPS[name]
    module = make()
    encoder = TappedEncoder(module, **taps).eval()
    features = encoder(images)
    _, first, _, last = run_of(module, images)
    torch.testing.assert_close(features.local[4], as_map(first if taps["local"] else last))
    torch.testing.assert_close(features.global_, last[:, 0])
    assert encoder.arguments["pool"] == "class" and encoder.arguments["grid"] == (4, 4)
    assert "global feature: class token of layer" in encoder.description
    assert (
        f"local map 4×4 of layer {taps['local']!r}, 16 of its {last.shape[1]} tokens" in encoder.description
    )


def test_the_mean_of_patches(images):
    for module, pool in ((TimmViT(num_prefix=0), None), (TimmViT(), "mean"), (HuggingFaceViT(), "mean")):
        name = "norm" if hasattr(module, "norm") else "layernorm"
        encoder = TappedEncoder(module, local=name, global_=name, pool=pool).eval()
        expected = as_map(run_of(module, images)[-1]).mean((2, 3))
        torch.testing.assert_close(encoder(images).global_, expected)
        assert encoder.arguments["pool"] == "mean"
        assert f"mean of the patch tokens of layer '{name}'" in encoder.description
    conv = nn.Sequential(nn.Conv2d(3, 4, 4, 4))
    encoder = TappedEncoder(conv, local="0", global_="0", pool="mean")
    torch.testing.assert_close(encoder(images).global_, conv(images).mean((2, 3)))


def test_maps_of_any_sides_go_by_the_longer(images):
    wide = torch.cat([images, images[..., :16]], 3)
    module = TimmViT(num_patches=24)
    shape = (3, 32, 48)
    encoder = TappedEncoder(module, image_shape=shape, local="norm", global_="norm").eval()
    torch.testing.assert_close(encoder(wide).local[6], as_map(run_of(module, wide)[-1], 4, 6))
    conv = nn.Sequential(nn.Conv2d(3, 4, 8, 8), nn.Conv2d(4, 6, 2, 2), nn.AdaptiveAvgPool2d(1))
    encoder = TappedEncoder(conv, image_shape=shape, local=("0", "1"), global_="2", embedding_dim=5)
    features = encoder(wide)
    assert {side: tuple(x.shape[1:]) for side, x in features.local.items()} == {6: (5, 4, 6), 3: (5, 2, 3)}
    objective = amdim_objective(features, encoder(-wide), scales=usual_scales(features.local))
    objective.value.backward()
    assert objective.terms.keys() == {"1to3", "1to6", "3to3"} and conv[0].weight.grad.abs().max() > 0


def test_a_global_feature_alone(images):
    encoder = TappedEncoder(TimmViT(), local=(), global_="norm")
    assert encoder(images).local == {} and encoder(images).global_.shape == (3, 8)


def test_registers_are_counted_or_the_grid_is_asked_for(images):
    module = HuggingFaceViT(registers=4)
    module.config = None
    taps = {"local": "layernorm", "global_": "layernorm"}
    message = r"'layernorm' gives 21 tokens for images 32×32, .* give grid=\(rows, columns\)"
    with pytest.raises(ValueError, match=message):
        TappedEncoder(module, **taps)
    encoder = TappedEncoder(module, **taps, grid=(4, 4)).eval()
    torch.testing.assert_close(encoder(images).local[4], as_map(run_of(module, images)[-1]))
    told = TappedEncoder(HuggingFaceViT(registers=4), **taps)
    assert told.arguments["grid"] == (4, 4)


def test_channels_that_come_last(images):
    taps = {"local": "norm", "global_": "head"}
    message = (
        r"'norm' gives \[2, 8, 8, 12\] for images 32×32, which looks like \[b, h, w, c\]; set channels_last"
    )
    with pytest.raises(ValueError, match=message):
        TappedEncoder(ChannelsLast(), **taps)
    module = ChannelsLast()
    encoder = TappedEncoder(module, **taps, channels_last=True)
    expected = module.norm(module.conv(images).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    torch.testing.assert_close(encoder(images).local[8], expected)
    pooled = TappedEncoder(module, local="norm", global_="norm", pool="mean", channels_last=True)
    torch.testing.assert_close(pooled(images).global_, expected.mean((2, 3)))
    assert TappedEncoder(ChannelsLast(), **taps, channels_last=False)(images).local[12].shape == (3, 8, 8, 12)


@pytest.mark.parametrize(
    ("make", "taps", "message"),
    [
        (TimmViT, {"pool": "max"}, r"pool must be one of class, mean, or None, got 'max'"),
        (TimmViT, {"grid": (5, 5)}, r"'norm' gives 17 tokens .* fewer than 5×5; give grid"),
        (TimmViT, {"grid": (0, 5)}, r"grid must be \(rows, columns\) of patch tokens, got \(0, 5\)"),
        (
            TimmViT,
            {"global_": "head", "pool": "class"},
            r"gives no tokens, got \[2, 5\] and pool='class'",
        ),
        (
            lambda: TimmViT(num_prefix=0),
            {"pool": "class"},
            r"no token before its 16 of patches; set pool=",
        ),
        (TimmViT, {"method": "features"}, r"TimmViT has no method 'features'; leave it out"),
        (TimmViT, {"frozen": True}, r"every layer is frozen, .* set embedding_dim, or freeze fewer"),
        (TimmViT, {"frozen": ("block",)}, r"no layer 'block'; did you mean 'blocks"),
        (
            HuggingFaceViT,
            {"local": "", "global_": "", "image_shape": (3, 64, 64)},
            r"HuggingFaceViT fails on images \[2, 3, 64, 64\] \(Input image size doesn't match",
        ),
    ],
)
def test_what_is_refused(make, taps, message):
    with pytest.raises(ValueError, match=message):
        TappedEncoder(make(), **{"local": "norm", "global_": "norm", **taps})


def test_rebuilt_from_arguments_that_json_keeps(images):
    options = {"embedding_dim": 6, "frozen": ("blocks.0",), "method": "forward_features"}
    encoder = TappedEncoder(TimmViT(), local="blocks", global_="", **options).eval()
    arguments = json.loads(json.dumps(encoder.arguments))
    arguments = {key: tuple(value) if isinstance(value, list) else value for key, value in arguments.items()}
    twin = TappedEncoder(TimmViT(), **arguments)
    assert twin.arguments == encoder.arguments
    twin.load_state_dict(encoder.state_dict())
    torch.testing.assert_close(twin.eval()(images).global_, encoder(images).global_)


def test_frozen_layers_keep_weights_and_statistics(images):
    module = nn.Sequential(nn.Conv2d(3, 4, 4, 4), nn.BatchNorm2d(4), nn.Conv2d(4, 6, 2, 2), nn.BatchNorm2d(6))
    module.append(nn.AdaptiveAvgPool2d(1))
    encoder = TappedEncoder(module, local="3", global_="4", frozen=("0", "1"))
    before = copy.deepcopy(module.state_dict())
    encoder.train()
    assert module[3].training and not module[1].training
    optimizer = torch.optim.SGD([one for one in encoder.parameters() if one.requires_grad], lr=1.0)
    encoder(images).global_.pow(3).sum().backward()
    optimizer.step()
    same = {name for name, value in module.state_dict().items() if torch.equal(value, before[name])}
    assert {name for name in before if name[0] in "01"} == same - {"2.bias"}
    trunk = TappedEncoder(TimmViT(), local="norm", global_="norm", embedding_dim=6, frozen=True).train()
    assert not any(part.training for part in trunk.module.modules())
    learned = {name.split(".")[0] for name, one in trunk.named_parameters() if one.requires_grad}
    assert learned == {"embed_local", "embed_global"}
    assert "frozen: all but the embeddings" in trunk.description


def test_a_random_counterpart_draws_all_anew():
    encoder = TappedEncoder(TimmViT(), local="norm", global_="norm")
    torch.manual_seed(3)
    other = encoder.untrained()
    for name, one in encoder.named_parameters():
        drawn = other.get_parameter(name)
        assert one.std() == 0 or not torch.equal(one, drawn), name
    position = other.module.patch_embed.position
    assert 0.5 < position.std() / encoder.module.patch_embed.position.std() < 2


def test_layers_that_can_be_tapped_are_found():
    expected = {
        TimmViT: ("norm", "norm"),
        TorchvisionViT: ("encoder", "encoder"),
        HuggingFaceViT: ("layernorm", "layernorm"),
        ChannelsLast: ("conv", "head"),
    }
    for make, taps in expected.items():
        found = possible_taps(make(), (3, 32, 32))
        assert (found.local, found.global_) == taps, make
        if found.local is not None:
            TappedEncoder(make(), local=found.local, global_=found.global_)
    failing = possible_taps(HuggingFaceViT(), (3, 64, 64))
    assert failing.local is None and "Input image size doesn't match" in failing.failure
