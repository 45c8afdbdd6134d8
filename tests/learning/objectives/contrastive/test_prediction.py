"""Predictions, dense and streamed: against a loop, bounds, each other and finite differences."""

import math
import weakref

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp
from tests.untyped import unwrap
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from infomax.estimation.bounds import infonce, infonce_by_image
from infomax.learning.objectives.contrastive import choose, streamed
from infomax.learning.objectives.contrastive.choose import predict
from infomax.learning.objectives.contrastive.dense import dense_prediction
from infomax.learning.objectives.contrastive.prediction import clipped
from infomax.learning.objectives.contrastive.streamed import streamed_prediction
from infomax.learning.objectives.scoring import Scoring

PLAIN = Scoring(clip=None, penalty_weight=0.0)
USUAL = Scoring(20.0, 0.05)


def features(seed, n, places, d, scale=1.0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    source = scale * torch.randn(n, d, generator=generator, dtype=torch.float64)
    target = scale * torch.randn(n, places, d, generator=generator, dtype=torch.float64)
    return source.to(dtype).requires_grad_(), target.to(dtype).requires_grad_()


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of one or a few rows, so that small inputs are streamed."""
    monkeypatch.setattr(streamed, "MAX_BLOCK_SCORES", 60)
    monkeypatch.setattr(streamed, "MAX_CACHED_SCORES", 25)


def slow_loop(source, target, clip, penalty_weight):
    """(value, log-probability, mean square, bound), by the words of the definition."""
    x, y = source.detach().numpy(), target.detach().numpy()
    n, places, d = y.shape
    raw = np.array(
        [[[x[i] @ y[j, k] / math.sqrt(d) for k in range(places)] for j in range(n)] for i in range(n)]
    )
    scores = raw if clip is None else clip * np.tanh(raw / clip)
    log_probabilities, by_image = [], []
    for i in range(n):
        others = [j for j in range(n) if j != i]
        negatives = [scores[i, j, k] for j in others for k in range(places)]
        images = [logsumexp(scores[i, j]) - math.log(places) for j in others]
        log_probabilities += [s - logsumexp([s, *negatives]) for s in scores[i, i]]
        by_image += [math.log(n) + s - logsumexp([s, *images]) for s in scores[i, i]]
    log_probability, mean_square = np.mean(log_probabilities), np.mean(raw**2)
    value = log_probability - penalty_weight * mean_square
    return value, log_probability, mean_square, np.mean(by_image)


@pytest.mark.parametrize("clip", [None, 20.0, 1.5])
def test_the_definition_is_that_of_the_bounds(clip):
    source, target = features(5, 6, 4, 8, scale=2)
    raw = torch.einsum("id,jkd->ijk", source, target) / math.sqrt(8)
    scores = raw if clip is None else clip * torch.tanh(raw / clip)
    found = dense_prediction(source, target, Scoring(clip, 0.3))
    torch.testing.assert_close(found.log_probability, infonce(scores).detach() - math.log(6))
    torch.testing.assert_close(found.bound, infonce_by_image(scores).detach())
    torch.testing.assert_close(found.value, infonce(scores) - math.log(6) - 0.3 * raw.square().mean())


def gradients(compute, source, target, scoring):
    return torch.autograd.grad(3 * compute(source, target, scoring).value, (source, target))


@pytest.mark.parametrize("compute", [streamed_prediction, dense_prediction, predict])
@pytest.mark.parametrize(("clip", "weight"), [(None, 0.0), (None, 0.3), (20.0, 0.05), (1.5, 0.5)])
@pytest.mark.parametrize(("n", "places"), [(2, 1), (5, 4), (7, 3)])
def test_equals_the_slow_loop(small_blocks, compute, clip, weight, n, places):
    source, target = features(n, n, places, 6, scale=2)
    result = compute(source, target, Scoring(clip, weight))
    found = result.value, result.log_probability, result.mean_square, result.bound
    assert [float(f.detach()) for f in found] == pytest.approx(
        slow_loop(source, target, clip, weight), abs=1e-10
    )
    assert [f.requires_grad for f in found] == [True, False, False, False]


scorings = st.builds(Scoring, st.sampled_from([None, 0.7, 20.0]), st.floats(0, 2))


@given(
    st.integers(0, 1000),
    st.integers(2, 9),
    st.integers(1, 7),
    st.integers(1, 90),
    st.integers(1, 40),
    scorings,
)
@settings(max_examples=60, deadline=None)
def test_blocks_of_any_size_give_the_dense_value_and_gradients(seed, n, places, block, in_cache, scoring):
    source, target = features(seed, n, places, 5, scale=1.5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streamed, "MAX_BLOCK_SCORES", block)
        patch.setattr(streamed, "MAX_CACHED_SCORES", in_cache)
        found, expected = (f(source, target, scoring) for f in (streamed_prediction, dense_prediction))
        assert float(found.value.detach()) == pytest.approx(float(expected.value.detach()), abs=1e-10)
        found = gradients(streamed_prediction, source, target, scoring)
    torch.testing.assert_close(found, gradients(dense_prediction, source, target, scoring))


class Again(torch.autograd.Function):
    """The value, with streamed gradients kept for as many backward passes as gradcheck makes."""

    @staticmethod
    def forward(ctx, source, target, scoring):
        with torch.enable_grad():
            inputs = source.detach().requires_grad_(), target.detach().requires_grad_()
            value = streamed_prediction(*inputs, scoring).value
            ctx.save_for_backward(*torch.autograd.grad(value, inputs))
        return value.detach()

    @staticmethod
    def backward(ctx, grad):
        return (*(grad * saved for saved in ctx.saved_tensors), None)


@pytest.mark.parametrize(("clip", "weight"), [(None, 0.0), (2.0, 0.4)])
@pytest.mark.parametrize("n", [2, 5])
def test_gradients_are_those_of_finite_differences(small_blocks, clip, weight, n):
    inputs = features(1, n, 3, 4)
    assert torch.autograd.gradcheck(lambda x, y: Again.apply(x, y, Scoring(clip, weight)), inputs)


@pytest.mark.parametrize("clip", [None, 20.0])
def test_float32_within_1e_5(clip, monkeypatch):
    monkeypatch.setattr(streamed, "MAX_BLOCK_SCORES", 50_000)
    source, target = features(2, 48, 49, 64, dtype=torch.float32)
    exact = [x.detach().double().requires_grad_() for x in (source, target)]
    scoring = Scoring(clip, 0.05)
    found, expected = (
        f(*x, scoring) for f, x in ((streamed_prediction, (source, target)), (dense_prediction, exact))
    )
    for part in vars(expected):
        assert float(getattr(found, part).detach()) == pytest.approx(
            float(getattr(expected, part).detach()), abs=1e-5
        )
    for g, e in zip(
        gradients(streamed_prediction, source, target, scoring),
        gradients(dense_prediction, *exact, scoring),
        strict=True,
    ):
        assert float((g - e).abs().max() / e.abs().max()) < 1e-5


@pytest.mark.parametrize(
    ("dtype", "of_value", "of_gradients"), [(torch.float32, 1e-5, 1e-5), (torch.bfloat16, 1e-3, 5e-3)]
)
def test_products_in_the_numbers_of_the_features_under_autocast(monkeypatch, dtype, of_value, of_gradients):
    """float32 stays float32; bfloat16 is multiplied as it is, with sums in float32."""
    monkeypatch.setattr(streamed, "MAX_BLOCK_SCORES", 10_000)
    source, target = features(3, 32, 25, 256, dtype=dtype)
    exact = [x.detach().double().requires_grad_() for x in (source, target)]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = streamed_prediction(source, target, USUAL).value
        found = torch.autograd.grad(value, (source, target))
    reference = dense_prediction(*exact, USUAL).value
    assert value.dtype == torch.float32
    assert float(value.detach()) == pytest.approx(float(reference.detach()), abs=of_value)
    for g, e in zip(found, torch.autograd.grad(reference, exact), strict=True):
        assert g.dtype == dtype
        assert float((g.double() - e).norm() / e.norm()) < of_gradients


@pytest.mark.parametrize("compute", [dense_prediction, streamed_prediction])
def test_autocast_changes_nothing_of_float32(compute):
    source, target = features(3, 8, 5, 16, dtype=torch.float32)
    expected = compute(source, target, USUAL)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = compute(source, target, USUAL)
    assert [float(one.detach()) for one in vars(found).values()] == [
        float(one.detach()) for one in vars(expected).values()
    ]


@pytest.mark.parametrize("clip", [0.5, 100.0, 101.0, 1e4])
def test_clipped_is_c_tanh_of_a_over_c(clip):
    """Small scores beside a large clip keep their digits."""
    a = torch.tensor([-1e4, -3.0, -1e-3, 0.0, 1e-2, 2.0, 500.0])
    exact = torch.tanh(a.double() / clip)
    s, slope = clipped(a.clone(), clip)
    torch.testing.assert_close(s.double(), clip * exact, rtol=1e-6, atol=2e-7 * min(clip, 100))
    torch.testing.assert_close(slope.double(), 1 - exact**2, rtol=1e-6, atol=1e-6)


def test_large_scores_without_a_clip(small_blocks):
    """e^s overflows float32 beyond s = 88."""
    source, target = features(4, 6, 3, 8, scale=20, dtype=torch.float32)
    expected = slow_loop(source.double(), target.double(), None, 0.0)[0]
    assert float((source.detach() @ target.detach().flatten(0, 1).T).max() / 8**0.5) > 500
    value = streamed_prediction(source, target, PLAIN).value
    assert float(value.detach()) == pytest.approx(expected, rel=1e-5)
    value.backward()
    assert bool(source.grad.isfinite().all()) and bool(target.grad.isfinite().all())


@given(st.integers(0, 1000), st.integers(2, 6), st.integers(1, 5))
@settings(max_examples=25, deadline=None)
def test_laws(seed, n, places):
    source, target = (x.detach() for x in features(seed, n, places, 4))
    scoring = Scoring(20.0, 0.1)
    result = streamed_prediction(source, target, scoring)
    assert float(result.log_probability) <= 0 <= float(result.mean_square)
    assert float(result.bound) <= math.log(n) + 1e-9

    generator = torch.Generator().manual_seed(seed)
    images, order = torch.randperm(n, generator=generator), torch.randperm(places, generator=generator)
    shuffled = streamed_prediction(source[images], target[images][:, order], scoring)
    assert float(shuffled.value) == pytest.approx(float(result.value))

    twice = streamed_prediction(source, target.repeat(1, 2, 1), scoring)  # places count twice, images once
    assert float(twice.bound) == pytest.approx(float(result.bound))
    assert float(twice.log_probability) < float(result.log_probability)


def test_nothing_to_choose_between():
    result = streamed_prediction(torch.zeros(6, 3), torch.zeros(6, 4, 3), PLAIN)
    assert float(result.log_probability) == pytest.approx(-math.log(1 + 5 * 4))
    assert float(result.bound) == pytest.approx(0, abs=1e-6)


class Memory(TorchDispatchMode):
    """Bytes held by tensors made under it: now, and at most; numbers in the largest."""

    def __init__(self):
        super().__init__()
        self.held = self.peak = self.largest = 0
        self.storages = weakref.WeakKeyDictionary()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        before = {
            x.untyped_storage().data_ptr() for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)
        }
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor) and tensor.untyped_storage().data_ptr() not in before:
                storage = tensor.untyped_storage()
                self.held += storage.nbytes()
                self.largest = max(self.largest, tensor.numel())
                self.peak = max(self.peak, self.held)
                weakref.finalize(storage, self.released, storage.nbytes())
        return result

    def released(self, num_bytes):
        self.held -= num_bytes


def held_by(compute, n, places=6, d=32):
    """Peak and largest of what a forward and backward pass hold beyond inputs and gradients, in numbers."""
    source, target = features(0, n, places, d, dtype=torch.float32)
    with Memory() as memory:
        compute(source, target, USUAL).value.backward()
    assert memory.held // 4 == pytest.approx(
        source.numel() + target.numel(), abs=64
    )  # the gradients, no more
    return memory.peak // 4 - source.numel() - target.numel(), memory.largest


def test_memory_does_not_grow_with_the_square_of_the_images(monkeypatch):
    monkeypatch.setattr(streamed, "MAX_BLOCK_SCORES", 8_000)
    monkeypatch.setattr(streamed, "MAX_CACHED_SCORES", 2_000)
    for n in (64, 128, 256):
        peak, largest = held_by(streamed_prediction, n)
        row, source, target = n * 6, n * 32, n * 6 * 32
        assert largest == max(8_000 // row * row, target)
        assert peak < 8_000 + 6 * 2_000 + 2 * source
        assert held_by(dense_prediction, n)[0] > 4 * n * n * 6


def test_choice(monkeypatch):
    """On a CPU always streamed; elsewhere, here a device without data, only when scores are many."""
    used = []
    for compute in (streamed_prediction, dense_prediction):
        name = compute.__name__
        monkeypatch.setattr(choose, name, lambda *_, name=name: used.append(name))
    for device in ("cpu", "meta"):
        for most in (3 * 3 * 2, 3 * 3 * 2 - 1):
            monkeypatch.setattr(choose, "MAX_DENSE_SCORES", most)
            inputs = torch.zeros(3, 4, device=device), torch.zeros(3, 2, 4, device=device)
            unwrap(predict)(*inputs, PLAIN)
    assert used == ["streamed_prediction", "streamed_prediction", "dense_prediction", "streamed_prediction"]


def test_without_gradients():
    source, target = features(0, 5, 3, 4)
    with torch.no_grad():
        value = streamed_prediction(source, target, USUAL).value
    assert not value.requires_grad
    assert float(value) == pytest.approx(float(dense_prediction(source, target, USUAL).value.detach()))
    fixed = target.detach()
    streamed_prediction(source, fixed, PLAIN).value.backward()
    expected = torch.autograd.grad(dense_prediction(source, fixed, PLAIN).value, source)[0]
    torch.testing.assert_close(source.grad, expected)


def test_backward_runs_once():
    source, target = features(0, 5, 3, 4)
    value = streamed_prediction(source, target, PLAIN).value
    value.backward(retain_graph=True)
    with pytest.raises(
        RuntimeError, match=r"streamed_prediction: backward has run before.*use dense_prediction"
    ):
        value.backward()


@pytest.mark.parametrize("compute", [dense_prediction, streamed_prediction])
def test_some_of_the_rows(compute):
    """Parts of the sources among all targets: their mean is the whole, in value and gradients."""
    generator = torch.Generator().manual_seed(3)
    source = torch.randn(6, 2, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    target = torch.randn(6, 3, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    scoring = Scoring(2.0, 0.3, 0.5)
    whole = dense_prediction(source, target, scoring)
    parts = [compute(source[first : first + 2], target, scoring, first) for first in (0, 2, 4)]
    for name in ("value", "log_probability", "mean_square", "bound"):
        mean = sum(getattr(part, name) for part in parts) / 3
        torch.testing.assert_close(mean, getattr(whole, name), atol=1e-12, rtol=0)
    expected = torch.autograd.grad(whole.value, (source, target))
    found = torch.autograd.grad(sum(part.value for part in parts) / 3, (source, target))
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)
    with pytest.raises(ValueError, match=r"with sources of the images from 5 on"):
        unwrap(compute)(source[:2], target, scoring, 5)


@pytest.mark.parametrize("compute", [streamed_prediction, dense_prediction])
def test_bad_shapes(compute):
    for target in (torch.zeros(3, 2, 5), torch.zeros(4, 2, 6)):
        with pytest.raises(
            ValueError, match=r"must be of the same images and dimension, got \[4, 5\] and \["
        ):
            unwrap(compute)(torch.zeros(4, 5), target, PLAIN)
    with pytest.raises(ValueError, match="at least one negative, n ≥ 2, got n = 1; use a larger batch"):
        compute(torch.zeros(1, 5), torch.zeros(1, 2, 5), PLAIN)
