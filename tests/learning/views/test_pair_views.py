"""Views of pairs and of frames: what they share, what is theirs alone."""

import pytest
import torch

from infomax.learning.views.images import ViewsConfig
from infomax.learning.views.pair_views import PairedViews, TemporalViews
from infomax.learning.views.paired import PairedViewsConfig
from infomax.learning.views.signals import SignalViewsConfig
from infomax.learning.views.temporal import TemporalViewsConfig

GREY = ViewsConfig(stored_size=16, image_size=16, crop_scale=None, jitter=(0.0,) * 4, mean=(0.0,), std=(1.0,))
SIGNAL = SignalViewsConfig(stored_length=40, length=32)


def ramp(num):
    """Pictures that a flip changes."""
    return torch.arange(16, dtype=torch.uint8).expand(num, 1, 16, 16).contiguous() * 10


def is_flipped(view):
    return view[:, 0, 0, 0] > view[:, 0, 0, -1]


def test_frames_share_the_coin_of_the_flip():
    torch.manual_seed(0)
    first, second = TemporalViews(TemporalViewsConfig(frames=GREY))((ramp(40), ramp(40) + 5))
    assert torch.equal(is_flipped(first), is_flipped(second))
    assert 5 < is_flipped(first).sum() < 35
    torch.testing.assert_close(second - first, torch.full_like(first, 5 / 255))


@pytest.mark.parametrize("shared", [True, False])
def test_pairs_flip_together_or_apart(shared):
    torch.manual_seed(0)
    one = GREY if not shared else ViewsConfig(**{**vars(GREY), "flip": 0.0})
    config = PairedViewsConfig(first=one, second=one, flip=0.5 if shared else 0.0)
    first, second = PairedViews(config)((ramp(40), ramp(40)))
    assert torch.equal(is_flipped(first), is_flipped(second)) == shared
    assert 5 < is_flipped(first).sum() < 35


def test_views_of_two_kinds():
    views = PairedViews(PairedViewsConfig(columns=("picture", "tone"), first=GREY, second=SIGNAL))
    picture, tone = views((ramp(3), torch.randn(3, 1, 40)))
    assert (picture.shape, tone.shape) == ((3, 1, 16, 16), (3, 1, 32))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": ("a", "a")}, "columns must be two different names"),
        ({"columns": ("a/b", "c")}, "columns must be two different names without / and ."),
        ({"flip": 1.5}, "flip must be from 0 to 1, got 1.5"),
        ({"second": SIGNAL, "flip": 0.5}, "only two pictures can be flipped together"),
        (
            {"second": SIGNAL, "shared_encoder": True},
            r"one encoder needs views of one shape, got \[1, 16, 16\] and \[1, 32\]",
        ),
    ],
)
def test_bad_pairs(options, message):
    with pytest.raises(ValueError, match=message):
        PairedViewsConfig(**{"first": GREY, "second": GREY, **options})


def test_bad_frames():
    with pytest.raises(ValueError, match="views: lag must be at least 1, got 0; the default is 1"):
        TemporalViewsConfig(lag=0)
