"""Views of signals: stretches of the signal, factors, noise and silence as configured; traces."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from infomax.learning.views.signal_views import AugmentedSignals, SignalView
from infomax.learning.views.signals import SignalViewsConfig
from infomax.learning.views.traces import traces

PLAIN = {"gain": (1.0, 1.0), "flip_sign": 0.0, "noise": 0.0, "mask": 0.0}


def ramps(n, t=50):
    """Signal i is 1000 i + 0, 1, 2, ...: a sample tells where it comes from."""
    return torch.arange(t)[None, None] + 1000.0 * torch.arange(n)[:, None, None]


@given(length=st.integers(1, 50), num_views=st.integers(1, 3))
@settings(max_examples=20, deadline=None)
def test_views_are_stretches_of_their_signal(length, num_views):
    views = AugmentedSignals(SignalViewsConfig(stored_length=50, length=length, **PLAIN), num_views)(ramps(9))
    assert len(views) == num_views
    for view in views:
        assert view.shape == (9, 1, length)
        first = view[:, 0, :1]
        torch.testing.assert_close(view[:, 0], first + torch.arange(length))
        assert torch.equal(first[:, 0] // 1000, torch.arange(9.0))


def test_every_start_occurs_and_views_are_independent():
    torch.manual_seed(0)
    config = SignalViewsConfig(stored_length=50, length=46, **PLAIN)
    view1, view2 = AugmentedSignals(config)(ramps(400))
    starts1, starts2 = (view[:, 0, 0] % 1000 for view in (view1, view2))
    assert set(starts1.tolist()) == {0, 1, 2, 3, 4}
    assert 40 < int((starts1 == starts2).sum()) < 120  # 80 by chance


def test_gain_and_sign_are_even_and_about_the_mean():
    torch.manual_seed(0)
    config = SignalViewsConfig(
        **{**PLAIN, "gain": (0.5, 2.0), "flip_sign": 0.25},
        stored_length=10,
        length=10,
        mean=(3.0,),
        std=(2.0,),
    )
    (view,) = AugmentedSignals(config, 1)(torch.full((4000, 1, 10), 5.0))  # normalised: 1
    assert torch.equal(view, view[:, :, :1].expand(-1, -1, 10))
    factors = view[:, 0, 0]
    assert float((factors < 0).float().mean()) == pytest.approx(0.25, abs=0.03)
    assert float(factors.abs().mean()) == pytest.approx(1.25, abs=0.03)
    assert float(factors.abs().min()) == pytest.approx(0.5, abs=0.01)
    assert float(factors.abs().max()) == pytest.approx(2.0, abs=0.01)


def test_noise_has_its_size_in_units_of_std():
    torch.manual_seed(0)
    config = SignalViewsConfig(**{**PLAIN, "noise": 0.3}, stored_length=100, length=100, std=(50.0,))
    (view,) = AugmentedSignals(config, 1)(torch.zeros(200, 1, 100))
    assert float(view.std()) == pytest.approx(0.3, rel=0.02)
    assert float(view.mean()) == pytest.approx(0.0, abs=0.01)


def test_silence_is_one_stretch_up_to_its_longest():
    torch.manual_seed(0)
    config = SignalViewsConfig(
        **{**PLAIN, "mask": 0.4}, stored_length=20, length=20, mean=(0.0, 0.0), std=(1.0, 1.0)
    )
    (view,) = AugmentedSignals(config, 1)(torch.ones(1000, 2, 20))
    silent = view == 0
    assert torch.equal(silent[:, 0], silent[:, 1])
    assert set(silent[:, 0].sum(1).tolist()) == set(range(9))
    edges = silent[:, 0].float().diff(dim=1).abs().sum(1)
    assert float(edges.max()) <= 2
    assert silent[:, 0].any(0).all()


def test_plain_view_is_the_middle_and_the_seed_decides():
    config = SignalViewsConfig(stored_length=50, length=20, mean=(10.0,), std=(4.0,))
    expected = (ramps(3)[..., 15:35] - 10) / 4
    torch.testing.assert_close(SignalView(config)(ramps(3)), expected)
    torch.testing.assert_close(SignalView(config).normalize.inverse(expected), ramps(3)[..., 15:35])
    augment = AugmentedSignals(config)

    def made(seed):
        torch.manual_seed(seed)
        return torch.stack(augment(ramps(5)))

    assert torch.equal(made(1), made(1))
    assert not torch.equal(made(1), made(2))
    signals = ramps(2).requires_grad_()
    assert not any(view.requires_grad for view in (*augment(signals), SignalView(config)(signals)))


def test_shapes_of_the_configuration():
    config = SignalViewsConfig(stored_length=50, length=20, mean=(0.0, 1.0), std=(1.0, 1.0))
    assert (config.channels, config.input_shape, config.stored_shape) == (2, (2, 20), (2, 50))


@given(t=st.integers(1, 700), seed=st.integers(0, 10))
@settings(max_examples=25, deadline=None)
def test_traces_show_every_sample_and_hang_together(t, seed):
    values = np.random.default_rng(seed).uniform(-1, 1, (3, 1, t))
    height, width = 65, 40
    drawn = traces(values, height=height, width=width, reach=1.0)
    assert drawn.shape == (3, height, width, 3)
    inked = (drawn < 255).all(-1)
    assert inked.any(1).all()
    joined = inked[:, :, :-1] & inked[:, :, 1:]
    assert joined.any(1).all()
    if t > 1:  # the extreme samples: near the line drawn, whose points lie between samples
        columns = np.minimum(np.arange(t) * width // (t - 1), width - 1)
        for picture, signal in zip(inked, values[:, 0], strict=True):
            for sample in (signal.argmax(), signal.argmin()):
                row = round((1 - signal[sample]) / 2 * (height - 1))
                rows = np.flatnonzero(picture[:, columns[sample]])
                assert rows.min() - 9 <= row <= rows.max() + 9


def test_traces_of_known_signals():
    flat = traces(np.zeros((1, 1, 30)), height=9, width=12)
    assert np.flatnonzero((flat[0] < 255).all(-1).any(1)).tolist() == [4]
    ramp = (traces(np.linspace(-1, 1, 100)[None, None], height=64, width=64)[0] < 255).all(-1)
    middles = [np.flatnonzero(column).mean() for column in ramp.T]
    np.testing.assert_allclose(middles, 63 - np.arange(64) * 63 / 64 - 0.5, atol=1)
    two = traces(np.stack([np.full((1, 5), 1.0), np.full((1, 5), -1.0)], axis=1), height=9, width=3)
    assert two[0, 0, 0].tolist() == [32, 32, 32]
    assert two[0, 8, 0].tolist() == [31, 119, 180]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"length": 2000},
            "length must be at most stored_length, got length 2000 and stored_length 1024",
        ),
        ({"mean": (0.0, 0.0)}, "one value for each channel, got mean"),
        ({"std": (0.0,)}, "std must be above 0, got 0.0 in"),
        ({"gain": (0.0, 1.0)}, "gain must be above 0, got 0.0 in"),
        ({"flip_sign": 1.5}, "flip_sign must be from 0 to 1, got 1.5"),
        ({"mask": -0.1}, "mask must be from 0 to 1, got -0.1"),
        ({"noise": -1.0}, "noise must be at least 0, got -1.0"),
    ],
)
def test_errors_of_the_configuration(changes, message):
    with pytest.raises(ValueError, match=message):
        SignalViewsConfig(**changes)


def test_signals_that_are_too_short():
    config = SignalViewsConfig(stored_length=50, length=20)
    for view, name in ((AugmentedSignals(config), "AugmentedSignals"), (SignalView(config), "SignalView")):
        with pytest.raises(ValueError, match=f"{name}: signals have 19 samples, expected at least 20"):
            view(torch.zeros(2, 1, 19))
