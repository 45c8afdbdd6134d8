"""The encoders of Deep InfoMax: sizes, what a local cell sees, parameters counted by hand, errors."""

import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from infomax.learning.encoders.architectures import dim_encoder
from infomax.learning.encoders.config import DIMEncoderConfig
from infomax.learning.encoders.dim import AlexNetEncoder, DCGANEncoder, ResNetEncoder, StridedCropEncoder
from infomax.learning.encoders.dim_layers import Output, ResidualBlock

SMALL = {"width": 4, "num_hidden": 12, "num_units": 5}
KINDS = [(DCGANEncoder, 32), (AlexNetEncoder, 64), (StridedCropEncoder, 32), (ResNetEncoder, 32)]


@pytest.mark.parametrize(
    ("kind", "image_size", "local", "conv"),
    [
        (DCGANEncoder, 16, (4, 8), (8, 4)),
        (DCGANEncoder, 32, (8, 8), (16, 4)),
        (DCGANEncoder, 64, (16, 8), (32, 4)),
        (DCGANEncoder, 128, (32, 8), (32, 4)),
        (AlexNetEncoder, 15, (16, 3), (8, 1)),
        (AlexNetEncoder, 32, (16, 7), (8, 3)),
        (AlexNetEncoder, 64, (16, 15), (8, 7)),
        (StridedCropEncoder, 16, (8, 7), (8, 5)),
        (StridedCropEncoder, 32, (16, 7), (16, 5)),
        (StridedCropEncoder, 64, (32, 7), (32, 5)),
        (ResNetEncoder, 7, (4, 7), (32, 1)),
        (ResNetEncoder, 28, (16, 7), (32, 4)),
        (ResNetEncoder, 32, (16, 8), (32, 4)),
        (ResNetEncoder, 64, (8, 8), (32, 2)),
        (ResNetEncoder, 96, (8, 12), (32, 3)),
        (ResNetEncoder, 128, (16, 8), (32, 4)),
        (ResNetEncoder, 224, (32, 7), (32, 7)),
    ],
)
def test_sizes(kind, image_size, local, conv):
    """(channels, side) of the local and of the last map."""
    features = kind(image_size, **SMALL)(torch.randn(2, 3, image_size, image_size))
    assert {side: tuple(x.shape) for side, x in features.local.items()} == {
        local[1]: (2, local[0], local[1], local[1])
    }
    assert features.layers["conv"].shape == (2, conv[0], conv[1], conv[1])
    assert features.layers["fc"].shape == (2, 12)
    assert features.global_.shape == (2, 5)


def test_sizes_of_the_paper():
    features = DCGANEncoder(32)(torch.zeros(2, 3, 32, 32))
    assert features.local[8].shape == (2, 128, 8, 8)
    assert features.layers["conv"].shape == (2, 256, 4, 4)
    assert features.layers["fc"].shape == (2, 1024)
    assert features.global_.shape == (2, 64)


def conv_bn(num_in, num_out, kernel):
    return num_in * num_out * kernel**2 + 2 * num_out


def head(num_in, *hidden, units=64):
    sizes = [num_in, *hidden]
    layers = sum(i * o + 2 * o for i, o in pairwise(sizes))
    return layers + sizes[-1] * units + units


def resnet18_trunk(stem):
    """Weights of a ResNet-18 below its classifier; with the 7×7 stem 11,176,512, as is well known."""
    w = 64
    total = conv_bn(3, w, stem) + 4 * conv_bn(w, w, 3)
    for i in (w, 2 * w, 4 * w):
        total += conv_bn(i, 2 * i, 3) + 3 * conv_bn(2 * i, 2 * i, 3) + conv_bn(i, 2 * i, 1)
    return total


DCGAN_TRUNK = conv_bn(3, 64, 4) + conv_bn(64, 128, 4) + conv_bn(128, 256, 4)
ALEXNET_TRUNK = sum(conv_bn(i, o, 3) for i, o in [(3, 96), (96, 192), (192, 384), (384, 384), (384, 192)])


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: DCGANEncoder(32), DCGAN_TRUNK + head(4 * 4 * 256, 1024)),
        (lambda: DCGANEncoder(64), DCGAN_TRUNK + conv_bn(256, 512, 4) + head(4 * 4 * 512, 1024)),
        (lambda: AlexNetEncoder(64), ALEXNET_TRUNK + head(7 * 7 * 192, 4096, 4096)),
        (
            lambda: StridedCropEncoder(32),
            conv_bn(3, 64, 4)
            + conv_bn(64, 128, 4)
            + conv_bn(128, 256, 2)
            + conv_bn(256, 256, 3)
            + head(5 * 5 * 256, 1024),
        ),
        (lambda: ResNetEncoder(32), resnet18_trunk(3) + head(4 * 4 * 512, 1024)),
        (lambda: ResNetEncoder(64), 11_176_512 + head(2 * 2 * 512, 1024)),
    ],
    ids=["dcgan-32", "dcgan-64", "alexnet-64", "strided-crops-32", "resnet-32", "resnet-64"],
)
def test_parameters_counted_by_hand(make, expected):
    with torch.device("meta"):
        encoder = make()
    assert sum(parameter.numel() for parameter in encoder.parameters()) == expected


def test_the_known_count_of_a_resnet18():
    assert resnet18_trunk(7) == 11_176_512


def in_general_position(encoder):
    """Evaluation mode in float64, every weight positive: no path from a pixel cancels or is cut by a ReLU."""
    for parameter in encoder.parameters():
        nn.init.uniform_(parameter, 0.1, 0.2)
    return encoder.eval().double()


def seen(encoder, row, column):
    """First and one past the last (row, column) of the pixels that change a local cell, by gradients."""
    images = torch.rand(1, *encoder.input_shape, dtype=torch.float64, requires_grad=True)
    (local,) = encoder(images).local.values()
    local[0, :, row, column].sum().backward()
    rows, columns = np.nonzero(images.grad[0].abs().sum(0).numpy())
    return (rows.min(), columns.min()), (rows.max() + 1, columns.max() + 1)


@pytest.mark.parametrize(
    ("kind", "image_size", "field", "stride"),
    [
        (DCGANEncoder, 16, 4, 2),
        (DCGANEncoder, 32, 10, 4),
        (DCGANEncoder, 64, 22, 8),
        (StridedCropEncoder, 32, 8, 4),
        (StridedCropEncoder, 64, 16, 8),
    ],
)
def test_receptive_fields(kind, image_size, field, stride):
    """A cell in the middle sees a square of pixels; its neighbour one that is moved by the stride."""
    torch.manual_seed(0)
    encoder = in_general_position(kind(image_size, **SMALL))
    (top, left), (bottom, right) = seen(encoder, 3, 4)
    assert (bottom - top, right - left) == (field, field)
    assert seen(encoder, 4, 4)[0] == (top + stride, left)
    assert seen(encoder, 3, 5)[0] == (top, left + stride)


def test_receptive_field_of_alexnet():
    """A maximum passes the gradient of one pixel only, so that fields are gathered over images."""
    torch.manual_seed(0)
    encoder = in_general_position(AlexNetEncoder(64, **SMALL))
    images = torch.rand(128, 3, 64, 64, dtype=torch.float64, requires_grad=True)

    def field(row):
        (gradient,) = torch.autograd.grad(encoder(images).local[15][:, :, row, 7].sum(), images)
        rows = np.flatnonzero(gradient.abs().sum((0, 1, 3)).numpy())
        return rows.min(), rows.max() + 1

    (top, bottom), (next_top, _) = field(7), field(8)
    assert (bottom - top, next_top - top) == (21, 4)


def test_receptive_field_of_resnet():
    """A stem and a block at full size and a block that halves it: by the usual recursion over kernels."""
    torch.manual_seed(0)
    encoder = in_general_position(ResNetEncoder(32, blocks=(1, 1), **SMALL))
    field, step = 1, 1
    for kernel, stride in [(3, 1), (3, 1), (3, 1), (3, 2), (3, 1)]:  # stem, first block, second block
        field, step = field + (kernel - 1) * step, step * stride
    (top, left), (bottom, right) = seen(encoder, 8, 8)
    assert (bottom - top, right - left) == (field, field)
    assert seen(encoder, 9, 8)[0] == (top + step, left)


@pytest.mark.parametrize("image_size", [32, 64])
def test_a_cell_sees_its_crop_and_nothing_else(image_size):
    torch.manual_seed(0)
    encoder = StridedCropEncoder(image_size, **SMALL).eval()
    images, noise = torch.randn(2, 2, 3, image_size, image_size)
    size = image_size // 4
    for row, column in [(0, 0), (2, 5), (6, 6)]:
        inside = torch.zeros(image_size, image_size, dtype=torch.bool)
        inside[row * size // 2 :, column * size // 2 :][:size, :size] = True
        before = encoder(images).local[7][:, :, row, column]
        same = encoder(torch.where(inside, images, noise)).local[7][:, :, row, column]
        other = encoder(torch.where(inside, noise, images)).local[7][:, :, row, column]
        torch.testing.assert_close(same, before, rtol=0, atol=1e-6)
        assert (other - before).abs().max() > 1e-3


def test_crops_alike_have_features_alike():
    """The same module encodes every crop: an image of one repeated patch has one feature everywhere."""
    torch.manual_seed(0)
    encoder = StridedCropEncoder(32, **SMALL).eval()
    local = encoder(torch.randn(2, 3, 4, 4).tile(1, 1, 8, 8)).local[7]
    torch.testing.assert_close(local, local[:, :, :1, :1].expand_as(local))


def test_residual_block_is_its_formula():
    torch.manual_seed(0)
    block = ResidualBlock(3, 6, 2)
    x = torch.randn(4, 3, 8, 8)

    def normalised(y):  # batch norm as it starts
        return (y - y.mean((0, 2, 3), keepdim=True)) / (
            y.var((0, 2, 3), keepdim=True, unbiased=False) + 1e-5
        ).sqrt()

    hidden = normalised(F.conv2d(x, block.first[0].weight, stride=2, padding=1)).relu()
    sum_ = normalised(F.conv2d(hidden, block.second[0].weight, padding=1))
    sum_ += normalised(F.conv2d(x, block.shortcut[0].weight, stride=2))
    torch.testing.assert_close(block(x), sum_.relu(), rtol=1e-4, atol=1e-5)
    assert isinstance(ResidualBlock(6, 6, 1).shortcut, nn.Identity)


@pytest.mark.parametrize(("kind", "image_size"), KINDS)
def test_layers_lead_to_each_other(kind, image_size):
    """fc is the hidden layer of conv, and Y the output of fc."""
    torch.manual_seed(0)
    encoder = kind(image_size, output="sigmoid", **SMALL).eval()
    features = encoder(torch.randn(3, 3, image_size, image_size))
    hidden = features.layers["conv"].flatten(1)
    for linear, norm, _ in list(encoder.body.head.hidden)[1:]:
        hidden = norm(hidden @ linear.weight.T).relu()
    torch.testing.assert_close(features.layers["fc"], hidden)
    last = encoder.body.head.last
    torch.testing.assert_close(features.global_, torch.sigmoid(hidden @ last.weight.T + last.bias))


@pytest.mark.parametrize(("kind", "image_size"), KINDS)
def test_gradients_reach_every_parameter(kind, image_size):
    torch.manual_seed(0)
    encoder = kind(image_size, **(SMALL | {"width": 8}))  # with 4, oneDNN's backward goes out of bounds
    encoder(torch.randn(6, 3, image_size, image_size)).global_.pow(3).sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize(("kind", "image_size"), KINDS)
def test_arguments_and_weights_rebuild_the_encoder(kind, image_size):
    encoder = kind(image_size, channels=1, output="unit", **SMALL)
    images = torch.randn(3, 1, image_size, image_size)
    encoder(images)  # moves the statistics
    arguments = json.loads(json.dumps(encoder.arguments))
    arguments = {key: tuple(value) if isinstance(value, list) else value for key, value in arguments.items()}
    twin = kind(**arguments)
    twin.load_state_dict(encoder.state_dict())
    torch.testing.assert_close(twin.eval()(images).global_, encoder.eval()(images).global_)
    assert twin.arguments == encoder.arguments


@pytest.mark.parametrize(("kind", "image_size"), KINDS)
def test_half_precision_and_channels_last(kind, image_size):
    """Maps in bfloat16 and channels last; the global feature in float32, near that of full precision."""
    torch.manual_seed(0)
    encoder = kind(image_size, **SMALL).eval()
    images = torch.randn(2, 3, image_size, image_size)
    with torch.autocast("cpu", torch.bfloat16):
        features = encoder(images)
    (local,) = features.local.values()
    assert local.dtype == torch.bfloat16
    assert local.is_contiguous(memory_format=torch.channels_last)
    assert features.global_.dtype == torch.float32
    torch.testing.assert_close(features.global_, encoder(images).global_, rtol=0.05, atol=0.05)


def test_outputs():
    y = torch.tensor([[3.0, -4.0], [0.0, 2.0]])
    torch.testing.assert_close(Output("linear")(y), y)
    torch.testing.assert_close(Output("sigmoid")(y), 1 / (1 + torch.exp(-y)))
    torch.testing.assert_close(Output("unit")(y), torch.tensor([[0.6, -0.8], [0.0, 1.0]]))
    half = torch.randn(8, 64, generator=torch.Generator().manual_seed(0)).bfloat16()
    lengths = Output("unit")(half).norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones(8), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("architecture", "kind", "image_size"),
    [
        ("dcgan", DCGANEncoder, 32),
        ("alexnet", AlexNetEncoder, 64),
        ("strided-crops", StridedCropEncoder, 32),
        ("resnet", ResNetEncoder, 32),
    ],
)
def test_configurations_describe_encoders(architecture, kind, image_size):
    config = DIMEncoderConfig(architecture, output="sigmoid", **SMALL)
    encoder = dim_encoder(config, (1, image_size, image_size))
    assert type(encoder) is kind
    expected = {"image_size": image_size, "channels": 1, "output": "sigmoid", **SMALL}
    assert expected.items() <= encoder.arguments.items()


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        (DCGANEncoder, {"image_size": 48}, "DCGANEncoder: image_size must be 16, 32, .* got 48; resize"),
        (DCGANEncoder, {"image_size": 8}, "DCGANEncoder: image_size must be 16, 32, .* got 8; resize"),
        (StridedCropEncoder, {"image_size": 28}, "StridedCropEncoder: image_size must be 16, .* got 28"),
        (AlexNetEncoder, {"image_size": 14}, "AlexNetEncoder: image_size must be at least 15, got 14"),
        (ResNetEncoder, {"image_size": 6}, "ResNetEncoder: image_size must be at least 7, got 6"),
        (ResNetEncoder, {"blocks": ()}, r"ResNetEncoder: blocks must be a count of each stage, got \(\)"),
        (ResNetEncoder, {"blocks": (2, 0)}, r"blocks must be a count of each stage, got \(2, 0\); try"),
        (DCGANEncoder, {"width": 0}, "DCGANEncoder: width must be from 1 to 1,000,000, got 0"),
        (AlexNetEncoder, {"num_units": 0}, "AlexNetEncoder: num_units must be from 1 to 1,000,000, got 0"),
        (DCGANEncoder, {"output": "tanh"}, "Output: .* one of linear, sigmoid, unit, got 'tanh'"),
    ],
)
def test_what_cannot_be_built(kind, arguments, message):
    with pytest.raises(ValueError, match=message):
        kind(**({"image_size": 32} | SMALL | arguments))


@pytest.mark.parametrize(("kind", "image_size"), KINDS)
def test_images_of_another_shape_are_refused(kind, image_size):
    encoder = kind(image_size, **SMALL)
    expected = rf"{kind.__name__}: expected images \[b, 3, {image_size}, {image_size}\], got \[2, 1, 8, 8\]"
    with pytest.raises(ValueError, match=expected):
        encoder(torch.zeros(2, 1, 8, 8))
