"""Critics of maps against loops over images and places."""

import math

import pytest
import torch
from torch.nn import functional as F

from infomax.learning.objectives.choices import CRITICS
from infomax.learning.objectives.map_critics import (
    EncodeAndDot,
    MapCritic,
    MapSummary,
    concat_and_convolve,
    sample_places,
)


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(3, 6, generator=generator), torch.randn(4, 5, 2, 3, generator=generator)


@pytest.mark.parametrize("name", CRITICS)
def test_every_place_is_scored_by_itself(batch, name):
    y, m = batch
    torch.manual_seed(0)
    critic = MapCritic(CRITICS[name](6, 5, 7)).eval()
    scores = critic(y, m)
    assert scores.shape == (3, 4, 2, 3)
    for i in range(3):
        for j in range(4):
            for h in range(2):
                for w in range(3):
                    alone = critic.critic(y[i : i + 1], m[j : j + 1, :, h, w])
                    assert scores[i, j, h, w].item() == pytest.approx(alone.item(), abs=1e-5)


def test_encode_and_dot_is_a_scaled_product_of_normalised_embeddings(batch):
    y, m = batch
    torch.manual_seed(0)
    critic, rows = EncodeAndDot(6, 5, 8).eval(), m[:, :, 0, 0]

    def embedded(encoding, x):
        hidden = F.relu(F.linear(x, encoding.hidden.weight) / math.sqrt(1 + 1e-5))  # untrained statistics
        total = F.linear(hidden, encoding.out.weight, encoding.out.bias)
        total = total + F.linear(x, encoding.shortcut.weight, encoding.shortcut.bias)
        centred = total - total.mean(1, keepdim=True)
        return centred / (centred.square().mean(1, keepdim=True) + 1e-5).sqrt()

    expected = embedded(critic.embed_x, y) @ embedded(critic.embed_y, rows).T / math.sqrt(8)
    torch.testing.assert_close(critic(y, rows), expected, rtol=1e-5, atol=1e-5)


def test_shortcuts_start_as_copies():
    encoding = EncodeAndDot(3, 5, 8).embed_x
    assert encoding.shortcut.weight.diagonal().tolist() == [1.0] * 3
    off_diagonal = encoding.shortcut.weight[~torch.eye(8, 3, dtype=torch.bool)]
    assert 0.005 < off_diagonal.max() <= 0.01
    assert -0.01 <= off_diagonal.min() < -0.005
    assert encoding.hidden.bias is None  # what follows takes the mean away


def test_a_whole_map_becomes_one_place():
    torch.manual_seed(0)
    for side, shape in ((4, (4, 4)), ((4, 6), (4, 6))):
        summary = MapSummary(5, side)
        critic = MapCritic(EncodeAndDot(6, summary.num_out, 8), summary)
        assert critic(torch.randn(3, 6), torch.randn(3, 5, *shape)).shape == (3, 3, 1, 1)


def test_a_summary_is_two_convolutions():
    """The reference: F.conv2d of the same weights."""
    torch.manual_seed(0)
    summary, m = MapSummary(5, (2, 3)), torch.randn(4, 5, 2, 3)
    first, second = (one for one in summary.layers if isinstance(one, torch.nn.Conv2d))
    hidden = F.conv2d(m, first.weight, first.bias, padding=1).clamp(min=0)
    expected = F.conv2d(hidden, second.weight, second.bias, padding=1).flatten(1)
    assert hidden.shape[1] == 64
    torch.testing.assert_close(summary(m)[..., 0, 0], expected)


def test_a_perceptron_of_both_rows_has_two_hidden_layers():
    sizes = [tuple(one.shape) for one in concat_and_convolve(6, 5, 7).parameters() if one.ndim == 2]
    assert sizes == [(7, 11), (7, 7), (1, 7)]


def test_scores_are_float32_under_autocast(batch):
    y, m = batch
    for make in CRITICS.values():
        with torch.autocast("cpu", torch.bfloat16):
            assert MapCritic(make(6, 5, 7))(y, m).dtype == torch.float32


def test_places_are_drawn_without_replacement():
    m = torch.arange(2 * 3 * 16.0).view(2, 3, 4, 4)
    drawn = sample_places(m, 5, torch.Generator().manual_seed(0))
    assert drawn.shape == (2, 3, 5, 1)
    cells = drawn[..., 0] - 16 * torch.arange(6.0).view(2, 3, 1)  # number of the cell, in each channel
    assert torch.equal(cells[:, :1].expand_as(cells), cells)  # the same places of all channels
    for image in cells[:, 0].tolist():
        assert len(set(image)) == 5
        assert set(image) <= set(range(16))
    all_of_them = sample_places(m, 16, torch.Generator().manual_seed(1)).flatten(2).sort(2).values
    assert torch.equal(all_of_them, m.flatten(2))


def test_places_come_from_the_generator_on_the_device_of_the_map():
    m = torch.arange(64.0).view(1, 1, 8, 8)
    first, again, other = (sample_places(m, 9, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert sample_places(m.to("meta"), 9).device.type == "meta"
    if torch.cuda.is_available():
        assert sample_places(m.cuda(), 9, torch.Generator().manual_seed(0)).cpu().equal(first)
