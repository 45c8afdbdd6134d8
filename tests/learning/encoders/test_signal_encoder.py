"""The encoder of signals: the network again in loops, shapes of every length, what cells hear, errors."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from infomax.learning.encoders.amdim import AMDIMEncoder
from infomax.learning.encoders.amdim_signals import SignalEncoder
from infomax.learning.encoders.shrinking import shrinking
from infomax.learning.objectives.amdim import amdim_objective


def random_weights(encoder):
    """Weights of which none is zero, and statistics of batch norm that change something."""
    for parameter in encoder.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    for name, buffer in encoder.named_buffers():
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 2.0)
    return encoder.eval().double()


def slow_convolution(x, weight, stride):
    """x [i, t], weight [o, i, k] -> [o, t2], one window after the other."""
    kernel = weight.shape[-1]
    starts = range(0, x.shape[1] - kernel + 1, stride)
    return np.stack([(weight * x[:, s : s + kernel]).sum((1, 2)) for s in starts], axis=1)


def slow_unit(x, unit, kernel, stride):
    w1, w2 = (layer.weight.detach().numpy()[:, :, 0] for layer in (unit.spatial, unit.pointwise))
    starts = range(0, x.shape[1] - kernel + 1, stride)
    pooled = np.stack([x[:, s : s + kernel].mean(1) for s in starts], axis=1)
    pooled = np.concatenate([pooled, np.zeros((len(w2) - len(x), pooled.shape[1]))])
    return w2[:, :, 0] @ np.maximum(slow_convolution(x, w1, stride), 0) + pooled


def slow_norm(x, norm):
    mean, var, weight, bias = (
        tensor.detach().numpy()[:, None]
        for tensor in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    )
    return (x - mean) / np.sqrt(var + norm.eps) * weight + bias


def slow_embedding(x, embed):
    def product(layer, x):
        return layer.weight.detach().numpy()[:, :, 0, 0] @ x

    shortcut = product(embed.shortcut, x) + embed.shortcut.bias.detach().numpy()[:, None]
    return slow_norm(product(embed.out, np.maximum(product(embed.hidden, x), 0)) + shortcut, embed.norm)


def test_equals_the_network_in_loops():
    """A signal of 50 samples: 48 cells, then 23, then 10, then 7, 5, 3, 1; two units in every block."""
    torch.manual_seed(0)
    encoder = random_weights(SignalEncoder(length=50, channels=2, width=3, embedding_dim=30, depth=2))
    signal = torch.randn(1, 2, 50, dtype=torch.float64)
    stem, *blocks = (layer for layer in encoder.layers if not isinstance(layer, torch.nn.Identity))
    x = slow_convolution(signal[0].numpy(), stem.conv.weight.detach().numpy()[:, :, 0], 1)
    x = np.maximum(x + stem.conv.bias.detach().numpy()[:, None], 0)
    rows = {}
    for (kernel, stride), block in zip([(4, 2), (5, 2), (4, 1), (3, 1), (3, 1)], blocks, strict=False):
        x = slow_unit(slow_unit(x, block[0], kernel, stride), block[1], 1, 1)
        rows[x.shape[1]] = x
    assert list(rows) == [23, 10, 7, 5, 3]
    x = slow_norm(slow_unit(x, blocks[5], 3, 1), blocks[6])
    features = encoder(signal)
    np.testing.assert_allclose(features.global_[0].detach(), x[:, 0], atol=1e-10)
    for cells in (7, 5):
        expected = slow_embedding(rows[cells], encoder.embed[str(cells)])
        np.testing.assert_allclose(features.local[cells][0].detach(), expected, atol=1e-10)


@given(length=st.integers(16, 1500), channels=st.integers(1, 3), batch_norm=st.booleans())
@settings(max_examples=12, deadline=None)
def test_any_length_ends_in_the_same_rows_and_no_sample_is_left_out(length, channels, batch_norm):
    encoder = random_weights(SignalEncoder(length, channels, 2, 3, depth=1, batch_norm=batch_norm))
    signals = torch.ones(1, channels, length, dtype=torch.float64, requires_grad=True)
    for convolution in (module for module in encoder.modules() if isinstance(module, torch.nn.Conv2d)):
        torch.nn.init.uniform_(convolution.weight, 0.5, 1.0)  # positive: no path ends at a ReLU
    features = encoder(signals)
    assert features.global_.shape == (1, 3)
    assert {cells: tuple(row.shape) for cells, row in features.local.items()} == {7: (1, 3, 7), 5: (1, 3, 5)}
    (gradient,) = torch.autograd.grad(features.global_.sum(), signals)
    assert bool((gradient != 0).all())


@given(side=st.integers(7, 5000))
@settings(deadline=None)
def test_stages_fit_exactly_and_end_at_seven(side):
    stages = shrinking(side)
    for kernel, stride in stages:
        assert kernel >= stride
        assert (side - kernel) % stride == 0
        side = (side - kernel) // stride + 1
    assert side == 7
    assert max(kernel for kernel, _ in stages) <= 7


def test_lengths_of_images_shrink_as_images_do():
    """32, 64 and 128 (whose stem halves it) as in the published encoder of images."""
    assert shrinking(32 - 2) == [(4, 2), (2, 2)]
    assert shrinking(64 - 2) == [(4, 2), (4, 2), (2, 2)]
    assert shrinking(128 // 2 - 2) == [(4, 2), (4, 2), (2, 2)]


def test_cells_hear_stretches_and_memory_stays():
    torch.manual_seed(0)
    encoder = random_weights(SignalEncoder(64, 1, 4, 8, depth=2))

    def heard(cells, cell):
        signals = torch.randn(1, 1, 64, dtype=torch.float64, requires_grad=True)
        (gradient,) = torch.autograd.grad(encoder(signals).local[cells][..., cell].square().sum(), signals)
        where = torch.nonzero(gradient[0, 0])
        return int(where.min()), int(where.max()) + 1

    assert [heard(7, cell) for cell in (0, 1, 6)] == [(0, 16), (8, 24), (48, 64)]
    assert [heard(5, cell) for cell in (0, 1, 4)] == [(0, 32), (8, 40), (32, 64)]
    first = SignalEncoder(16_000, 1, 4, 8, 1).layers[0](torch.zeros(1, 1, 1, 16_000))
    assert first.shape[-1] == 499


def test_amdim_objective_of_signals():
    torch.manual_seed(0)
    encoder = SignalEncoder(100, 1, 4, 8, 1)
    view1, view2 = (encoder(torch.randn(6, 1, 100)) for _ in range(2))
    objective = amdim_objective(view1, view2)
    assert torch.isfinite(objective.value)
    assert set(objective.terms) == {"1to5", "1to7", "5to5"}
    picture = AMDIMEncoder(32, 4, 8, 1)(torch.randn(6, 3, 32, 32))
    for pair in ((picture, view1), (view1, picture)):
        assert torch.isfinite(amdim_objective(*pair).value)


def test_arguments_rebuild_the_encoder():
    encoder = SignalEncoder(700, 2, 4, 8, 2, True)
    arguments = json.loads(json.dumps(encoder.arguments))
    SignalEncoder(**arguments).load_state_dict(encoder.state_dict())
    assert encoder.input_shape == (2, 700)


def test_errors():
    with pytest.raises(ValueError, match="length must be at least 16 samples, got 15; record longer signals"):
        SignalEncoder(15, 1, 4, 8, 1)
    with pytest.raises(ValueError, match="depth must be from 1 to 1,000, got 0"):
        SignalEncoder(16, 1, 4, 8, 0)
    with pytest.raises(ValueError, match=r"expected signals \[b, 1, 32\], got \[2, 1, 33\]; bring them"):
        SignalEncoder(32, 1, 4, 8, 1)(torch.zeros(2, 1, 33))
