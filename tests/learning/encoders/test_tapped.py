"""A module's layers as features: a ResNet such as torchvision's, plugged in by names; what is refused."""

import copy
import json
import pickle
import threading

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from infomax.learning.encoders.amdim_layers import Embedding
from infomax.learning.encoders.tapped import TappedEncoder
from infomax.learning.objectives.amdim import amdim_objective


class Block(nn.Module):
    def __init__(self, num_in, num_out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(num_in, num_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(num_out)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(num_out, num_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(num_out)
        self.downsample = None
        if stride != 1 or num_in != num_out:
            self.downsample = nn.Sequential(
                nn.Conv2d(num_in, num_out, 1, stride, bias=False), nn.BatchNorm2d(num_out)
            )

    def forward(self, x):
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class ResNet(nn.Module):
    """Layers and names of torchvision's, narrow, for 32 px."""

    def __init__(self, width=8):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = nn.Sequential(Block(width, width, 1), Block(width, width, 1))
        self.layer2 = nn.Sequential(Block(width, 2 * width, 2), Block(2 * width, 2 * width, 1))
        self.layer3 = nn.Sequential(Block(2 * width, 4 * width, 2), Block(4 * width, 4 * width, 1))
        self.layer4 = nn.Sequential(Block(4 * width, 8 * width, 2), Block(8 * width, 8 * width, 1))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(8 * width, 10)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


@pytest.fixture
def resnet():
    torch.manual_seed(0)
    return ResNet()


@pytest.fixture
def images():
    return torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def direct(resnet, images):
    """The maps of the four layers, and the pooled vector, without hooks."""
    x = resnet.maxpool(F.relu(resnet.bn1(resnet.conv1(images))))
    maps = []
    for layer in (resnet.layer1, resnet.layer2, resnet.layer3, resnet.layer4):
        x = layer(x)
        maps.append(x)
    return maps, x.mean((2, 3))


def test_features_are_the_outputs_of_the_layers(resnet, images):
    encoder = TappedEncoder(resnet, local=("layer2", "layer3"), global_="avgpool", layers=["layer4", "fc"])
    encoder.eval()
    features = encoder(images)
    maps, pooled = direct(resnet, images)
    assert features.local.keys() == {8, 4}
    torch.testing.assert_close(features.local[8], maps[1])
    torch.testing.assert_close(features.local[4], maps[2])
    torch.testing.assert_close(features.global_, pooled)
    torch.testing.assert_close(features.layers["layer4"], maps[3])
    torch.testing.assert_close(features.layers["fc"], resnet.fc(pooled))


def test_in_training_the_module_is_as_without_the_encoder(resnet, images):
    """Same outputs from batch statistics, same running statistics after, same gradients."""
    resnet, images = resnet.double(), images.double()
    twin = copy.deepcopy(resnet)
    encoder = TappedEncoder(resnet, local="layer2", global_="avgpool", layers=("fc",))
    features = encoder(images)
    maps, pooled = direct(twin, images)
    torch.testing.assert_close(features.local[8], maps[1])
    torch.testing.assert_close(features.global_.float(), pooled.float())
    (features.layers["fc"].square().sum() + features.local[8].sum()).backward()
    (twin.fc(pooled).square().sum() + maps[1].sum()).backward()
    for (name, mine), theirs in zip(resnet.named_parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad, msg=name)
    for mine, theirs in zip(resnet.buffers(), twin.buffers(), strict=True):
        torch.testing.assert_close(mine, theirs)
    assert resnet.layer1[0].bn1.num_batches_tracked == 1


def test_construction_leaves_the_module_as_it_was():
    """Weights, statistics, which parts train, hooks, and the random numbers that come next."""
    module = nn.Sequential(ResNet(), nn.Dropout(), nn.Linear(10, 3))
    module[0].bn1.eval()
    before, modes = copy.deepcopy(module.state_dict()), [part.training for part in module.modules()]

    class Noisy(nn.Module):
        def forward(self, x):
            return x + torch.randn_like(x)

    module.append(Noisy())
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    TappedEncoder(module, local="0.layer2", global_="3")
    torch.testing.assert_close(torch.rand(3), expected)
    torch.testing.assert_close(dict(module.state_dict()), dict(before))
    assert [part.training for part in module.modules()] == [*modes, True]
    assert not any(part._forward_hooks for part in module.modules())


def test_embeddings_give_all_features_one_size(resnet, images):
    encoder = TappedEncoder(resnet, local=("layer2", "layer3"), global_="avgpool", embedding_dim=6)
    features = encoder.eval()(images)
    maps, pooled = direct(resnet, images)
    assert {side: x.shape[1] for side, x in features.local.items()} == {8: 6, 4: 6}
    assert isinstance(encoder.embed_global, Embedding)
    torch.testing.assert_close(features.local[4], encoder.embed_local["4"](maps[2]))
    torch.testing.assert_close(features.global_, encoder.embed_global(pooled[..., None, None])[..., 0, 0])


@pytest.mark.parametrize("embedding_dim", [None, 6])
def test_gradients_reach_all_that_the_features_use(resnet, images, embedding_dim):
    resnet.fc = nn.Identity()
    encoder = TappedEncoder(resnet, local="layer2", global_="fc", embedding_dim=embedding_dim)
    for module in encoder.modules():  # so that no path starts at zero
        if isinstance(module, Embedding):
            nn.init.normal_(module.out.weight)
    features = encoder(images)
    (features.global_.pow(3).sum() + features.local[8].pow(3).sum()).backward()
    for name, parameter in encoder.named_parameters():
        if name.endswith("shortcut.bias"):  # the norm after it takes it away
            continue
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_embedded_features_serve_amdim(resnet, images):
    encoder = TappedEncoder(resnet, local=("layer2", "layer3"), global_="avgpool", embedding_dim=6)
    objective = amdim_objective(encoder(images), encoder(-images), scales=((1, 8), (4, 4)))
    objective.value.backward()
    assert objective.terms.keys() == {"1to8", "4to4"}
    assert resnet.conv1.weight.grad.abs().max() > 0


def test_output_of_the_global_feature(resnet, images):
    unit = TappedEncoder(resnet, local="layer2", global_="fc", output="unit").eval()
    torch.testing.assert_close(unit(images).global_, F.normalize(resnet(images)))
    sigmoid = TappedEncoder(resnet, local="layer2", global_="fc", output="sigmoid").eval()
    torch.testing.assert_close(sigmoid(images).global_, torch.sigmoid(resnet(images)))


def test_the_module_itself_may_be_tapped(resnet, images):
    encoder = TappedEncoder(resnet, local="layer1", global_="").eval()
    torch.testing.assert_close(encoder(images).global_, resnet(images))


@pytest.mark.parametrize("embedding_dim", [None, 6])
def test_rebuilt_from_a_module_and_arguments_that_json_keeps(resnet, images, embedding_dim):
    encoder = TappedEncoder(
        resnet,
        local=("layer2",),
        global_="fc",
        layers=("layer4",),
        embedding_dim=embedding_dim,
        output="unit",
    )
    encoder(images)  # moves the statistics
    arguments = json.loads(json.dumps(encoder.arguments))
    arguments = {key: tuple(value) if isinstance(value, list) else value for key, value in arguments.items()}
    assert arguments == encoder.arguments
    twin = TappedEncoder(ResNet(), **arguments)
    twin.load_state_dict(encoder.state_dict())
    torch.testing.assert_close(twin.eval()(images).global_, encoder.eval()(images).global_)
    assert encoder.module_class.endswith("test_tapped.ResNet")
    assert {key.removeprefix("module.") for key in encoder.state_dict() if key.startswith("module.")} == set(
        resnet.state_dict()
    )


def test_copies_are_independent(resnet, images):
    encoder = TappedEncoder(resnet, local="layer2", global_="fc").eval()
    expected = encoder(images)
    for twin in (copy.deepcopy(encoder), pickle.loads(pickle.dumps(encoder))):
        nn.init.zeros_(twin.module.fc.weight)
        nn.init.zeros_(twin.module.fc.bias)
        assert twin(images).global_.abs().max() == 0
        torch.testing.assert_close(twin(images).local[8], expected.local[8])
    torch.testing.assert_close(encoder(images).global_, expected.global_)


def test_threads_keep_their_outputs_apart(images):
    """While one thread is inside the module, another encodes other images with it."""
    seen = {}

    class Meeting(nn.Module):
        def forward(self, x):
            if "other" not in seen and armed:
                seen["other"] = None
                thread = threading.Thread(target=lambda: seen.update(other=encoder(-images)))
                thread.start()
                thread.join()
            return x

    armed = False
    module = nn.Sequential(nn.Conv2d(3, 2, 3), Meeting(), nn.AdaptiveAvgPool2d(1))
    encoder = TappedEncoder(module, local="0", global_="2").eval()
    armed = True
    features = encoder(images)
    for got, given in ((features, images), (seen["other"], -images)):
        torch.testing.assert_close(got.local[30], module[0](given))
        torch.testing.assert_close(got.global_, module[0](given).mean((2, 3)))


@pytest.mark.filterwarnings("ignore:Dynamo does not know how to trace")
def test_the_module_may_be_compiled(resnet, images):
    encoder = TappedEncoder(resnet, local="layer2", global_="fc").eval()
    expected = [encoder(batch) for batch in (images, -images)]
    resnet.compile(backend="eager")
    for batch, features in zip((images, -images), expected, strict=True):
        torch.testing.assert_close(encoder(batch).global_, features.global_)
        torch.testing.assert_close(encoder(batch).local[8], features.local[8])


def test_without_gradients_versions_are_not_asked_for(resnet, images):
    encoder = TappedEncoder(resnet, local="layer2", global_="fc").eval()
    with torch.inference_mode():
        inferred = encoder(images).global_
    torch.testing.assert_close(inferred.clone(), encoder(images).global_.detach())


@pytest.mark.parametrize(
    ("taps", "message"),
    [
        ({"local": "layer22"}, r"ResNet has no layer 'layer22'; did you mean 'layer2'\? it has conv1, bn1"),
        ({"global_": "head"}, r"ResNet has no layer 'head'; it has conv1, .*, …$"),
        ({"layers": ("layer4.3",)}, r"no layer 'layer4.3'; did you mean 'layer4"),
        ({"local": "avgpool"}, r"'avgpool' must give a local map .* several places, .* got \[2, 64, 1, 1\]"),
        ({"local": "fc"}, r"'fc' must give a local map .* or tokens \[b, n, d\], got \[2, 10\]"),
        ({"local": ("layer1", "maxpool")}, r"different sides, got \{'layer1': 16, 'maxpool': 16\}"),
        ({"local": "layer1.0.relu"}, r"'layer1.0.relu' must be called once in a forward pass, was called 2"),
        (
            {"global_": "layer4"},
            r"global vector .* got \[2, 64, 2, 2\]; tap the layer that pools it, or set pool='mean'",
        ),
        ({"layers": ("bn1",)}, r"'bn1' is changed in place by a later layer, such as ReLU"),
        ({"embedding_dim": 0}, r"embedding_dim must be at least 1, got 0"),
        ({"output": "tanh"}, r"Output: the output must be one of linear, sigmoid, unit, got 'tanh'"),
        ({"image_shape": (1, 32, 32)}, r"test_tapped.ResNet fails on images \[2, 1, 32, 32\].*channels"),
    ],
)
def test_what_cannot_be_tapped(resnet, taps, message):
    with pytest.raises(ValueError, match=message):
        TappedEncoder(resnet, **({"local": "layer2", "global_": "fc"} | taps))


def test_layers_that_give_no_map_of_the_batch():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.unused = nn.Conv2d(3, 2, (3, 5)), nn.ReLU()
            self.pair, self.batchless = Pair(), nn.Flatten(0)

        def forward(self, x):
            return self.batchless(self.pair(self.conv(x))[0])

    class Pair(nn.Module):
        def forward(self, x):
            return x.mean((2, 3)), x

    for taps, message in (
        ({"local": "conv", "global_": ""}, r"'' must give a tensor .* the b = 2 images, got \[4\]"),
        ({"local": "pair", "global_": "pair"}, r"'pair' must give a tensor .* got tuple; tap a layer within"),
        ({"local": "unused", "global_": "conv"}, r"'unused' must be called once .* was called 0 times"),
        ({"local": "conv", "global_": "conv"}, r"'conv' must give a global vector .* got \[2, 2, 30, 28\]"),
    ):
        with pytest.raises(ValueError, match=message):
            TappedEncoder(Odd(), **taps)


def test_images_of_another_shape_are_refused(resnet):
    encoder = TappedEncoder(resnet, local="layer2", global_="fc")
    with pytest.raises(
        ValueError, match=r"TappedEncoder: expected images \[b, 3, 32, 32\], got \[2, 3, 64, 64\]"
    ):
        encoder(torch.zeros(2, 3, 64, 64))
