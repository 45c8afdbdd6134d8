"""The fused kernel against a loop and the dense formula: on a GPU, or else in Triton's interpreter, if there.

Triton has to be told before it is imported that it shall interpret, so that there the tests run in a process
of their own.
"""

import math
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp
from tests.untyped import unwrap

from infomax.learning.objectives.contrastive import choose
from infomax.learning.objectives.contrastive import fused as module
from infomax.learning.objectives.contrastive.choose import can_fuse, predict
from infomax.learning.objectives.contrastive.dense import dense_prediction
from infomax.learning.objectives.contrastive.fused import fused_prediction
from infomax.learning.objectives.scoring import Scoring

PLAIN = Scoring(clip=None, penalty_weight=0.0)
USUAL = Scoring(20.0, 0.05)

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
runs = pytest.mark.skipif(not INTERPRETED and DEVICE == "cpu", reason="neither a GPU nor the interpreter")


@pytest.mark.slow
@pytest.mark.skipif(INTERPRETED or DEVICE == "cuda", reason="the kernel runs in this process")
def test_in_the_interpreter():
    pytest.importorskip("triton", reason="Triton, which has the interpreter, is not installed")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", __file__]
    outcome = subprocess.run(
        command, env=os.environ | {"TRITON_INTERPRET": "1"}, capture_output=True, text=True
    )
    assert outcome.returncode == 0, outcome.stdout


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch):
    """Several tiles a row, the last one not full, although inputs are small."""
    monkeypatch.setattr(module, "TILE", 16)


def features(seed, n, k, places, d, scale=1.5, dtype=torch.float32):
    """Sources of k components, or with k = 0 single vectors; and targets."""
    generator = torch.Generator().manual_seed(seed)
    source = scale * torch.randn(n, *[k] * (k > 0), d, generator=generator)
    target = scale * torch.randn(n, places, d, generator=generator)
    return tuple(x.to(DEVICE, dtype).requires_grad_() for x in (source, target))


def in_float64(*inputs):
    return tuple(x.detach().double().requires_grad_() for x in inputs)


def slow_loop(source, target, clip, penalty_weight, temperature):
    """(value, log-probability, mean square, bound), by the words of the definition."""
    x, y = (features.detach().double().cpu().numpy() for features in (source, target))
    n, places, d = y.shape
    k = x.shape[1]
    by_place, by_image = np.empty((n, k, places)), np.empty((n, k, places))
    squares = []
    for i, j in np.ndindex(n, k):
        raw = np.array([[x[i, j] @ y[m, q] / math.sqrt(d) for q in range(places)] for m in range(n)])
        squares.append(raw**2)
        s = raw if clip is None else clip * np.tanh(raw / clip)
        others = [m for m in range(n) if m != i]
        images = [logsumexp(s[m]) - math.log(places) for m in others]
        for q in range(places):
            by_place[i, j, q] = s[i, q] - logsumexp([s[i, q], *s[others].ravel()])
            by_image[i, j, q] = s[i, q] - logsumexp([s[i, q], *images])
    v = np.mean(temperature * (logsumexp(by_place / temperature, axis=1) - math.log(k)))
    bound = math.log(n) + np.mean(logsumexp(by_image, axis=1) - math.log(k))
    return v - penalty_weight * np.mean(squares), v, np.mean(squares), bound


def gradients(compute, inputs, scoring):
    return torch.autograd.grad(3 * compute(*inputs, scoring).value, inputs)


def largest_relative_error(found, expected):
    """Of the gradients of sources and of targets, ‖found − expected‖∞ / ‖expected‖∞."""
    return max(
        float((f.double() - e.double()).abs().max() / e.double().abs().max())
        for f, e in zip(found, expected, strict=True)
    )


@runs
@pytest.mark.parametrize(
    ("clip", "weight", "temperature"), [(None, 0.0, 1.0), (20.0, 0.05, 0.3), (1.5, 0.5, 4.0)]
)
@pytest.mark.parametrize(("n", "k", "places"), [(2, 1, 1), (5, 1, 4), (5, 3, 4), (7, 2, 3)])
def test_equals_the_slow_loop(clip, weight, temperature, n, k, places):
    source, target = features(n, n, k, places, 6)
    result = fused_prediction(source, target, Scoring(clip, weight, temperature))
    found = result.value, result.log_probability, result.mean_square, result.bound
    expected = slow_loop(source, target, clip, weight, temperature)
    assert [float(f.detach()) for f in found] == pytest.approx(expected, abs=1e-5)
    assert [f.requires_grad for f in found] == [True, False, False, False]


@runs
@given(
    st.integers(0, 1000),
    st.integers(2, 9),
    st.integers(0, 3),
    st.integers(1, 7),
    st.sampled_from([8, 32, 128]),
    st.integers(10, 400),
    st.builds(Scoring, st.sampled_from([None, 0.7, 20.0]), st.floats(0, 2), st.floats(0.2, 5)),
)
@settings(max_examples=20, deadline=None)
def test_tiles_and_blocks_of_any_size_give_the_dense_value_and_gradients(
    seed, n, k, places, tile, block, scoring
):
    inputs = features(seed, n, k, places, 5)
    exact = in_float64(*inputs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "TILE", tile)
        patch.setattr(module, "MAX_DENSE_SCORES", block)
        fused, dense = fused_prediction(*inputs, scoring), dense_prediction(*exact, scoring)
        found = gradients(fused_prediction, inputs, scoring)
    for part in vars(dense):
        assert float(getattr(fused, part).detach()) == pytest.approx(
            float(getattr(dense, part).detach()), abs=1e-5, rel=1e-5
        )
    assert largest_relative_error(found, gradients(dense_prediction, exact, scoring)) < 2e-5


@runs
@pytest.mark.parametrize("clip", [None, 20.0])
@pytest.mark.parametrize("block", [2**28, 50_000])
def test_float32_within_1e_5(monkeypatch, clip, block):
    monkeypatch.setattr(module, "TILE", 1024)
    monkeypatch.setattr(module, "MAX_DENSE_SCORES", block)
    inputs = features(2, 48, 0, 49, 64, scale=1)
    exact = in_float64(*inputs)
    scoring = Scoring(clip, 0.05)
    found, expected = fused_prediction(*inputs, scoring), dense_prediction(*exact, scoring)
    for part in vars(expected):
        assert float(getattr(found, part).detach()) == pytest.approx(
            float(getattr(expected, part).detach()), abs=1e-5
        )
    found, expected = (
        gradients(fused_prediction, inputs, scoring),
        gradients(dense_prediction, exact, scoring),
    )
    assert largest_relative_error(found, expected) < 1e-5


@runs
@pytest.mark.parametrize("block", [2**28, 5_000])
def test_bfloat16_under_autocast(monkeypatch, block):
    """Scores are sums in float32; g, sources and gradients are rounded, each by 2⁻⁹ at most."""
    monkeypatch.setattr(module, "TILE", 256)
    monkeypatch.setattr(module, "MAX_DENSE_SCORES", block)
    inputs = features(3, 24, 0, 25, 64, scale=1, dtype=torch.bfloat16)
    exact = in_float64(*inputs)
    with torch.autocast(DEVICE, dtype=torch.bfloat16):
        result = fused_prediction(*inputs, USUAL)
        found = torch.autograd.grad(result.value, inputs)
    reference = dense_prediction(*exact, USUAL)
    assert result.value.dtype == torch.float32
    for part in vars(reference):
        assert float(getattr(result, part).detach()) == pytest.approx(
            float(getattr(reference, part).detach()), abs=1e-5
        )
    for f, e in zip(found, torch.autograd.grad(reference.value, exact), strict=True):
        assert f.dtype == torch.bfloat16
        assert float((f.double() - e).norm() / e.norm()) < 2**-8


@runs
def test_products_are_float32_under_autocast_and_with_other_types():
    inputs = features(5, 6, 2, 4, 8)
    exact = in_float64(*inputs)
    with torch.autocast(DEVICE, dtype=torch.bfloat16):
        found = gradients(fused_prediction, inputs, USUAL)
    expected = gradients(dense_prediction, exact, USUAL)
    assert largest_relative_error(found, expected) < 1e-5
    mixed = inputs[0].detach().requires_grad_(), inputs[1].detach().half().requires_grad_()
    found = gradients(fused_prediction, mixed, USUAL)
    assert [f.dtype for f in found] == [torch.float32, torch.float16]
    assert largest_relative_error(found, gradients(dense_prediction, in_float64(*mixed), USUAL)) < 1e-3


@runs
@pytest.mark.parametrize("k", [0, 3])
@pytest.mark.parametrize("block", [2**28, 40])
def test_some_of_the_rows(monkeypatch, k, block):
    """Values of parts average to that of the whole, and their gradients add up to its own."""
    monkeypatch.setattr(module, "MAX_DENSE_SCORES", block)
    source, target = features(6, 6, k, 4, 5)
    scoring = Scoring(2.0, 0.1, 0.5)
    parts = [fused_prediction(source[i : i + 2], target, scoring, first=i) for i in (0, 2, 4)]
    exact = in_float64(source, target)
    whole = dense_prediction(*exact, scoring)
    value = sum(part.value for part in parts) / 3
    assert float(value.detach()) == pytest.approx(float(whole.value.detach()), abs=1e-5)
    found = torch.autograd.grad(value, (source, target))
    assert largest_relative_error(found, torch.autograd.grad(whole.value, exact)) < 1e-5


@runs
def test_own_image_is_no_negative():
    """Its other places may score as high as they like, and learn from the penalty only."""
    source, target = (x.detach() for x in features(7, 5, 0, 3, 8))
    before = fused_prediction(source, target, PLAIN)
    target[2, 1] = 100 * source[2]
    odds_of_others = slow_loop(source[:, None], target, None, 0.0, 1.0)[1]
    result = fused_prediction(source, target, PLAIN)
    assert float(result.log_probability) == pytest.approx(odds_of_others, abs=1e-4)
    assert float(result.bound) != float(before.bound)


@runs
def test_large_scores_without_a_clip():
    """e^s overflows float32 beyond s = 88."""
    source, target = features(4, 6, 0, 3, 8, scale=20)
    assert float((source.detach() @ target.detach().flatten(0, 1).T).max() / 8**0.5) > 500
    value = fused_prediction(source, target, PLAIN).value
    assert float(value.detach()) == pytest.approx(
        slow_loop(source[:, None], target, None, 0.0, 1.0)[0], rel=1e-5
    )
    value.backward()
    assert bool(source.grad.isfinite().all()) and bool(target.grad.isfinite().all())


@runs
def test_small_scores_with_a_large_clip():
    """tanh is as exact there as elsewhere: with 2σ(2u) − 1 the scores would be off by 1e-7 of the clip."""
    inputs, scoring = features(8, 6, 0, 3, 8, scale=0.1), Scoring(1e4, 0.0)
    found = gradients(fused_prediction, inputs, scoring)
    expected = gradients(dense_prediction, in_float64(*inputs), scoring)
    assert largest_relative_error(found, expected) < 2e-6


@runs
def test_features_that_are_not_last_in_memory():
    source, target = features(9, 5, 0, 4, 8)
    inputs = (
        source.detach().T.contiguous().T.requires_grad_(),
        target.detach().mT.contiguous().mT.requires_grad_(),
    )
    found = gradients(fused_prediction, inputs, USUAL)
    assert largest_relative_error(found, gradients(dense_prediction, (source, target), USUAL)) < 1e-5


@runs
@pytest.mark.parametrize("block", [2**28, 40])
def test_backward_may_run_again(monkeypatch, block):
    monkeypatch.setattr(module, "MAX_DENSE_SCORES", block)
    source, target = features(10, 5, 0, 4, 8)
    value = fused_prediction(source, target, USUAL).value
    first, second = (torch.autograd.grad(value, (source, target), retain_graph=True) for _ in range(2))
    torch.testing.assert_close(first, second)


@runs
def test_without_gradients():
    source, target = features(11, 5, 0, 3, 4)
    with torch.no_grad():
        value = fused_prediction(source, target, Scoring(20.0, 0.1)).value
    assert not value.requires_grad
    expected = slow_loop(source[:, None], target, 20.0, 0.1, 1.0)[0]
    assert float(value) == pytest.approx(expected, abs=1e-5)


@pytest.mark.skipif(DEVICE == "cpu", reason="memory of a GPU")
def test_memory_does_not_grow_with_the_square_of_the_images(monkeypatch):
    monkeypatch.setattr(module, "MAX_DENSE_SCORES", 2**20)
    extra = []
    for n in (512, 1024):
        inputs = features(0, n, 0, 16, 64, dtype=torch.bfloat16)
        fused_prediction(*inputs, USUAL).value.backward()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        fused_prediction(*inputs, USUAL).value.backward()
        extra.append(torch.cuda.max_memory_allocated() - before)
    assert extra[1] < 2 * extra[0]


def test_bad_shapes():
    with pytest.raises(ValueError, match=r"must be of the same images and dimension, got \[4, 5\] and \["):
        unwrap(fused_prediction)(torch.zeros(4, 5), torch.zeros(3, 2, 5), PLAIN)
    with pytest.raises(ValueError, match="at least one negative, n ≥ 2, got n = 1; use a larger batch"):
        fused_prediction(torch.zeros(1, 5), torch.zeros(1, 2, 5), PLAIN)


def test_choice(monkeypatch):
    """Fused where that can be; not in float64, nor while a compiler looks on; else as without."""
    used = []
    monkeypatch.setattr(module, "fused_prediction", lambda *_: used.append("fused"))
    for name in ("streamed", "dense"):
        monkeypatch.setattr(choose, f"{name}_prediction", lambda *_, name=name: used.append(name))
    inputs = torch.zeros(3, 4, device="meta"), torch.zeros(3, 2, 4, device="meta")
    for possible in (True, False):
        monkeypatch.setattr(choose, "can_fuse", lambda _, possible=possible: possible)
        unwrap(predict)(*inputs, PLAIN)
        unwrap(predict)(*(x.double() for x in inputs), PLAIN)
        with monkeypatch.context() as patch:
            patch.setattr(torch.compiler, "is_compiling", lambda: True)
            unwrap(predict)(*inputs, PLAIN)
    assert used == ["fused", *["dense"] * 5]


def test_where_it_can_be(monkeypatch):
    """On NVIDIA's GPUs from Ampere on, if Triton is there."""
    for device in ("cpu", "meta", "mps"):
        assert not can_fuse(torch.device(device))
    gpu = torch.device("cuda", 0)
    for triton, capability, possible in (
        (object(), (9, 0), True), (object(), (8, 0), True), (object(), (7, 5), False), (None, (9, 0), False)
    ):  # fmt: skip
        monkeypatch.setattr(choose, "find_spec", lambda _, triton=triton: triton)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _, capability=capability: capability)
        assert can_fuse(gpu) == possible


@pytest.mark.skipif(DEVICE == "cpu", reason="the rule of a GPU")
def test_prediction_on_a_gpu_is_fused():
    inputs = features(12, 5, 0, 3, 8)
    if can_fuse(inputs[0].device):
        assert float(predict(*inputs, PLAIN).value) == float(fused_prediction(*inputs, PLAIN).value)
