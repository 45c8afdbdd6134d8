"""The AMDIM encoder: shapes, receptive fields, the residual unit re-derived, initialisation, errors."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from infomax.learning.encoders.amdim import AMDIMEncoder
from infomax.learning.encoders.amdim_layers import Embedding, ResidualUnit, average_pool, windowed
from infomax.learning.encoders.shrinking import shrinking


@pytest.mark.parametrize("image_size", [32, 64, 128])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_shapes(image_size, batch_norm):
    encoder = AMDIMEncoder(image_size, width=4, embedding_dim=12, depth=2, batch_norm=batch_norm)
    features = encoder(torch.randn(3, 3, image_size, image_size))
    assert features.global_.shape == (3, 12)
    assert {side: tuple(local.shape) for side, local in features.local.items()} == {
        7: (3, 12, 7, 7),
        5: (3, 12, 5, 5),
    }


@pytest.mark.parametrize(
    ("image_size", "field7", "stride7", "field5"), [(32, 8, 4, 16), (64, 16, 8, 32), (128, 35, 16, 67)]
)
def test_receptive_fields(image_size, field7, stride7, field5):
    """Which pixels change a cell: found by gradients, for the cells in the middle and beside it."""
    torch.manual_seed(0)
    encoder = AMDIMEncoder(image_size, width=4, embedding_dim=8, depth=2).eval().double()
    for parameter in encoder.parameters():  # so that no path starts at zero
        torch.nn.init.normal_(parameter, std=0.3)

    def seen(side, row):
        images = torch.randn(1, 3, image_size, image_size, dtype=torch.float64, requires_grad=True)
        encoder(images).local[side][0, :, row, side // 2].square().sum().backward()
        rows = np.flatnonzero(images.grad[0].abs().sum((0, 2)) > 0)
        return rows.min(), rows.max() + 1

    (top, bottom), (next_top, _) = seen(7, 3), seen(7, 4)
    assert bottom - top == field7
    assert next_top - top == stride7
    top, bottom = seen(5, 2)
    assert bottom - top == field5


def test_residual_unit_is_its_formula():
    torch.manual_seed(0)
    unit = ResidualUnit(2, 3, kernel=2, stride=2, batch_norm=False)
    torch.nn.init.normal_(unit.pointwise.weight)
    x = torch.randn(1, 2, 4, 4)
    y = unit(x)
    for row in range(2):
        for column in range(2):
            window = x[0, :, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
            hidden = torch.relu((unit.spatial.weight * window).sum((1, 2, 3)))
            pooled = torch.cat([window.mean((1, 2)), torch.zeros(1)])
            torch.testing.assert_close(
                y[0, :, row, column], unit.pointwise.weight[:, :, 0, 0] @ hidden + pooled
            )


@pytest.mark.parametrize(
    ("size", "kernel", "stride"),
    [
        ((6, 6), 2, 2),
        ((3, 3), 3, 1),
        ((5, 5), 3, 1),
        ((7, 7), 2, 2),
        ((4, 4), 1, 1),
        ((8, 8), 4, 2),
        ((6, 3), (2, 3), (2, 1)),
        ((1, 6), (1, 2), (1, 2)),
        ((9, 4), (5, 1), (2, 1)),
        ((3, 8), (3, 4), (1, 2)),
        ((8, 9), (4, 5), (2, 2)),
    ],
)
def test_quick_forms_equal_the_library(size, kernel, stride):
    """Convolution and pooling, values and gradients, windows overlapping or not, sides that do not divide."""
    torch.manual_seed(0)
    conv = torch.nn.Conv2d(3, 5, kernel, stride, bias=False).double()
    x = torch.randn(2, 3, *size, dtype=torch.float64, requires_grad=True)
    for quick, library in (
        (windowed(x, conv), conv(x)),
        (average_pool(x, kernel, stride), torch.nn.functional.avg_pool2d(x, kernel, stride)),
    ):
        torch.testing.assert_close(quick, library)
        torch.testing.assert_close(
            torch.autograd.grad(quick.square().sum(), x), torch.autograd.grad(library.square().sum(), x)
        )


@given(st.integers(7, 300))
def test_a_side_shrinks_to_seven_cells_and_each_cell_counts(side):
    """Windows laid out one by one: there are 7 at last, and together they cover the side."""
    covered = [{cell} for cell in range(side)]  # which cells of the side a cell saw
    for kernel, stride in shrinking(side):
        starts = range(0, len(covered) - kernel + 1, stride)
        covered = [set().union(*covered[start : start + kernel]) for start in starts]
    assert len(covered) == 7
    assert set().union(*covered) == set(range(side))


@given(st.integers(16, 300), st.integers(16, 300))
@settings(max_examples=12, deadline=None)
def test_any_size_ends_in_seven_five_three_one(height, width):
    """And every pixel reaches the global feature, so that no border is left out."""
    encoder = AMDIMEncoder((height, width), width=2, embedding_dim=4, depth=1, channels=1).eval()
    for parameter in encoder.parameters():  # positive, so that nothing cancels and no ReLU is shut
        torch.nn.init.constant_(parameter, 0.1)
    sides = []
    hooks = [
        layer.register_forward_hook(lambda *args: sides.append(args[2].shape[-2:]))
        for layer in encoder.layers
    ]
    images = torch.ones(1, 1, height, width, requires_grad=True)
    features = encoder(images)
    assert [tuple(side) for side in dict.fromkeys(sides)][-4:] == [(7, 7), (5, 5), (3, 3), (1, 1)]
    assert len(hooks) == len(sides)
    assert {side: tuple(local.shape) for side, local in features.local.items()} == {
        side: (1, 4, side, side) for side in (7, 5)
    }
    (gradient,) = torch.autograd.grad(features.global_.sum(), images)
    assert (gradient > 0).all()


@pytest.mark.parametrize("size", [(16, 40), (28, 28), (48, 64), (57, 30), (100, 60), (130, 224)])
def test_kernels_stay_small_and_cells_are_spread_over_the_image(size):
    """No kernel has more than 5 cells a side; each pixel is seen by some cell of the 7×7 map."""
    encoder = AMDIMEncoder(size, width=2, embedding_dim=4, depth=1, channels=1).eval()
    kernels = [
        side
        for layer in encoder.modules()
        if isinstance(layer, torch.nn.Conv2d)
        for side in layer.kernel_size
    ]
    assert max(kernels) <= 5
    for parameter in encoder.parameters():
        torch.nn.init.constant_(parameter, 0.1)
    images = torch.ones(1, 1, *size, requires_grad=True)
    (gradient,) = torch.autograd.grad(encoder(images).local[7].sum(), images)
    assert (gradient > 0).all()


def test_28_pixels_get_the_network_of_32():
    small, paper = (AMDIMEncoder(size, 4, 8, 2) for size in (28, 32))
    assert {k: v.shape for k, v in small.state_dict().items()} == {
        k: v.shape for k, v in paper.state_dict().items()
    }
    small.load_state_dict(paper.state_dict())
    images = torch.randn(2, 3, 28, 28)
    reflected = torch.nn.functional.pad(images, (2, 2, 2, 2), mode="reflect")
    torch.testing.assert_close(small.eval()(images).global_, paper.eval()(reflected).global_)


def test_units_start_as_their_shortcut():
    x = torch.randn(2, 4, 6, 6)
    torch.testing.assert_close(ResidualUnit(4, 4, 1, 1, batch_norm=True)(x), x)
    embedding = Embedding(4, 6, batch_norm=False)
    diagonal = embedding.shortcut.weight[range(4), range(4), 0, 0]
    torch.testing.assert_close(diagonal, torch.ones(4))
    off = embedding.shortcut.weight[:, :, 0, 0].clone().fill_diagonal_(0)
    assert 0 < off.abs().max().item() <= 0.01
    assert embedding.out.weight.abs().max().item() == 0


def test_arguments_rebuild_the_encoder():
    for size in (64, (40, 60)):
        encoder = AMDIMEncoder(size, 4, 8, 1, True, channels=1)
        twin = AMDIMEncoder(**encoder.arguments)
        assert {k: v.shape for k, v in twin.state_dict().items()} == {
            k: v.shape for k, v in encoder.state_dict().items()
        }


def test_errors():
    with pytest.raises(
        ValueError, match="image_size must be at least 16 pixels a side, got 15 x 48; enlarge"
    ):
        AMDIMEncoder((15, 48), 4, 8, 1)
    with pytest.raises(ValueError, match="depth must be from 1 to 1,000, got 0"):
        AMDIMEncoder(32, 4, 8, 0)
    with pytest.raises(ValueError, match=r"expected images \[b, 3, 32, 32\], got \[2, 3, 64, 64\]"):
        AMDIMEncoder(32, 4, 8, 1)(torch.zeros(2, 3, 64, 64))
