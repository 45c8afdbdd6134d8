"""What features tell of their label, of each other and of their input: against closed forms."""

import math
from inspect import unwrap

import numpy as np
import pytest
import torch

from infomax.estimation.bounds import (
    donsker_varadhan,
    infonce,
    jensen_shannon,
    mine,
    nwj,
    nwj_of_log_ratio,
)
from infomax.evaluation.probes.dependence import _scores, _shuffled, neural_dependence
from infomax.evaluation.probes.information import (
    ImageCritic,
    classifier_information,
    input_information,
    label_information,
)
from infomax.evaluation.probes.linear import fit_linear
from infomax.evaluation.probes.mlp import fit_mlps


def gaussians(correlation, n, seed=0):
    """Rows of a Gaussian vector and its total correlation −½ log det R."""
    z = np.random.default_rng(seed).standard_normal((n, len(correlation)))
    return z @ np.linalg.cholesky(correlation).T, -0.5 * np.linalg.slogdet(correlation)[1]


# ---------------------------------------------------------------------------------------------- of labels


@pytest.fixture(scope="module")
def two_normals():
    """z ~ N(±1, 1) with equal odds: I(Z; Y) by quadrature."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 6000)
    z = (rng.standard_normal(6000) + 2 * y - 1)[:, None]
    grid = np.linspace(-10, 10, 20_001)
    density = [np.exp(-((grid - mean) ** 2) / 2) / math.sqrt(2 * math.pi) for mean in (-1, 1)]
    posterior = density[1] / (density[0] + density[1])
    entropy = -(posterior * np.log(posterior) + (1 - posterior) * np.log1p(-posterior))
    conditional = (entropy * (density[0] + density[1]) / 2).sum() * (grid[1] - grid[0])
    return z, y, math.log(2) - conditional


def test_label_information_meets_the_truth_where_the_classifier_can(two_normals):
    z, y, truth = two_normals
    found = label_information(z[:3000], y[:3000], z[3000:], y[3000:])
    assert found.kind == "lower bound" and found.num_samples == 3000
    assert abs(found.value - truth) < 3 * found.standard_error
    assert found.standard_error < 0.02
    assert found.local.mean() == pytest.approx(found.value)


def test_its_standard_error_is_the_scatter_over_test_sets(two_normals):
    z, y, _ = two_normals
    classifier = fit_linear(z[:2000], y[:2000])
    blocks = np.split(np.arange(2000, 6000), 20)
    found = [classifier_information(classifier, z[rows], y[rows]) for rows in blocks]
    scatter = np.std([one.value for one in found], ddof=1)
    assert 0.6 < scatter / np.mean([one.standard_error for one in found]) < 1.5


def test_a_network_sees_what_no_linear_classifier_can():
    rng = np.random.default_rng(0)
    pair = rng.normal(size=(900, 2))
    y = (pair[:, 0] * pair[:, 1] > 0).astype(int)
    z = np.tile(pair, 8) + 0.1 * rng.normal(size=(900, 16))
    rows = z[:600], y[:600], z[600:], y[600:]
    assert label_information(*rows).bits < 0.05
    network = label_information(*rows, fit=lambda *r, seed: fit_mlps(*r, seed=seed, num_hidden=64)[0])
    assert 0.5 < network.bits <= 1


def test_shuffled_labels_tell_nothing(two_normals):
    z, y, _ = two_normals
    y = np.random.default_rng(1).permutation(y)
    found = label_information(z[:3000], y[:3000], z[3000:], y[3000:])
    assert abs(found.value) < 3 * found.standard_error + 1e-3


def test_rows_without_label_are_left_out(two_normals):
    z, y, _ = two_normals
    classifier = fit_linear(z[:500], y[:500])
    hidden = y[500:800].copy()
    hidden[100:] = -1
    found = classifier_information(classifier, z[500:800], hidden)
    assert found.value == classifier_information(classifier, z[500:600], y[500:600]).value


def test_errors_of_label_information(two_normals):
    z, y, _ = two_normals
    z, y = z[:40], y[:40]
    with pytest.raises(ValueError, match=r"classes \[7\] never occur among the training labels"):
        label_information(z, y, z, np.where(y == 1, 7, 0))
    with pytest.raises(ValueError, match=r"got 1 labelled test rows"):
        label_information(z, y, z[:1], y[:1])
    with pytest.raises(ValueError, match=r"label_information: train_features are \[40, 1\], test_features"):
        label_information(z, y, np.hstack([z, z]), y)
    with pytest.raises(ValueError, match=r"log_probabilities: features must have the 1 columns"):
        classifier_information(fit_linear(z, y), np.hstack([z, z]), y)


# ------------------------------------------------------------------------------------------ of each other


@pytest.mark.parametrize("bound", [jensen_shannon, donsker_varadhan, nwj])
def test_dependence_of_gaussians(bound):
    z, truth = gaussians(0.6 * np.eye(3) + 0.4, 4000)
    found = neural_dependence(z, bound=bound, hidden=(64,), lr=3e-3, max_steps=600)
    assert found.kind == ("neither" if bound is donsker_varadhan else "lower bound")
    assert found.num_samples == 800 and found.cautions == ()
    assert 0.6 * truth < found.value + 2 * found.standard_error
    assert found.value - 3 * found.standard_error < truth
    assert 0 < found.standard_error < 0.1


def test_independent_features_have_none():
    z = np.random.default_rng(0).exponential(size=(2000, 8))
    found = neural_dependence(z, hidden=(64,), max_steps=300)
    assert abs(found.value) < 3 * found.standard_error + 0.01


def test_more_dependence_is_more():
    values = [
        neural_dependence(gaussians((1 - r) * np.eye(4) + r, 1000)[0], hidden=(64,), max_steps=200).value
        for r in (0.1, 0.5, 0.9)
    ]
    assert values[0] < values[1] < values[2]


def test_beyond_the_logarithm_of_the_rows_it_is_no_bound():
    z = np.random.default_rng(0).standard_normal((400, 1)) + 0.01 * np.eye(30)[np.arange(400) % 30]
    found = neural_dependence(z, bound=donsker_varadhan, hidden=(64,), lr=1e-2, max_steps=300)
    assert found.value > math.log(2 * 80)
    assert found.kind == "neither"
    assert "biased: 160 shuffled rows cannot certify more than log 160 = 5.08 nats" in repr(found)
    z = np.random.default_rng(0).standard_normal((1000, 1)) + 0.01 * np.eye(30)[np.arange(1000) % 30]
    found = neural_dependence(z, hidden=(64,), lr=3e-3, max_steps=300)  # NWJ
    assert found.value > math.log(2 * 200)
    assert found.kind == "neither" and found.has_caution("biased")


class LogRatio(torch.nn.Module):
    """log p(z) / p(z_1) p(z_2) of two Gaussians with the correlation 0.8."""

    def forward(self, z):
        squares, product = z.square().sum(1, keepdim=True), z.prod(1, keepdim=True)
        return (1.6 * product - 0.64 * squares) / 0.72 - 0.5 * math.log(0.36)


@pytest.mark.parametrize("num_rows", [2, 5, 40])
def test_shuffling_the_same_few_rows_keeps_it_a_lower_bound(num_rows):
    z, truth = gaussians(np.array([[1, 0.8], [0.8, 1]]), 500 * num_rows)
    torch.manual_seed(0)
    parts = torch.from_numpy(z).split(num_rows)
    values = np.array([float(unwrap(nwj_of_log_ratio)(_scores(LogRatio(), part))) for part in parts])
    assert values.mean() < truth + 3 * values.std() / math.sqrt(len(values))


@pytest.mark.parametrize("num_rows", [5, 50])
def test_label_information_of_few_rows_is_a_lower_bound_on_average(num_rows):
    """Four classes, of which features name the right one with probability 0.7."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, 200 * num_rows + 2000)
    shown = np.where(rng.random(len(y)) < 0.7, y, rng.integers(0, 4, len(y)))
    right = 0.7 + 0.3 / 4
    truth = math.log(4) + right * math.log(right) + (1 - right) * math.log((1 - right) / 3)
    for scale in (1.0, 3.0):  # calibrated, and too sure of itself
        z = np.eye(4)[shown]
        classifier = fit_linear(z[:2000], y[:2000])
        tests = np.split(np.arange(2000, len(y)), 200)
        values = [classifier_information(classifier, scale * z[rows], y[rows]).value for rows in tests]
        assert np.mean(values) < truth + 3 * np.std(values) / math.sqrt(200)


def test_units_and_the_seed():
    z, _ = gaussians(0.5 * np.eye(3) + 0.5, 500)
    first = neural_dependence(z, hidden=(16,), max_steps=50, seed=3)
    torch.rand(7)
    again = neural_dependence(z * [1, 1000, 1e-3] + [0, 5, -2], hidden=(16,), max_steps=50, seed=3)
    assert again.value == pytest.approx(first.value, abs=1e-3)
    assert neural_dependence(z, hidden=(16,), max_steps=50, seed=4).value != first.value


def test_shuffling_moves_each_column_by_itself():
    z = torch.arange(60.0).reshape(20, 3)
    mixed = _shuffled(z)
    assert torch.equal(mixed.sort(0).values, z)
    assert len({tuple(column.argsort().tolist()) for column in mixed.T}) == 3


def test_scores_stand_where_bounds_look_for_them():
    """Against Donsker–Varadhan written out: rows on the diagonal, two shuffled copies beside it."""
    network = torch.nn.Linear(3, 1)
    z = torch.randn(50, 3)
    torch.manual_seed(1)
    scores = _scores(network, z)
    torch.manual_seed(1)
    copies = torch.cat([_shuffled(z), _shuffled(z)])
    expected = network(z).mean() - network(copies).exp().mean().log()
    torch.testing.assert_close(donsker_varadhan(scores), expected)


def test_errors_of_neural_dependence():
    z = np.random.default_rng(0).standard_normal((50, 3))
    with pytest.raises(ValueError, match=r"at least 40 rows of at least 2 features, got \[39, 3\]"):
        neural_dependence(z[:39])
    with pytest.raises(ValueError, match=r"at least 40 rows of at least 2 features, got \[50, 1\]"):
        neural_dependence(z[:, :1])
    with pytest.raises(ValueError, match=r"mine then donsker_varadhan needs a network beside the critic"):
        neural_dependence(z, bound=mine)
    with pytest.raises(ValueError, match="infonce compares each row with the shuffled ones, which share"):
        neural_dependence(z, bound=infonce)
    with pytest.raises(ValueError, match=r"values are no longer finite .* use a lower learning rate"):
        neural_dependence(z, bound=nwj, lr=1e3, max_steps=50)


# ------------------------------------------------------------------------------------------ of their input


def blots(n, seed=0):
    """Images with one bright quarter: features that name it know 2 bits."""
    rng = np.random.default_rng(seed)
    quarter = rng.integers(0, 4, n)
    images = rng.integers(0, 80, (n, 1, 8, 8))
    for image, q in zip(images, quarter, strict=True):
        row, column = 4 * (q // 2), 4 * (q % 2)
        image[0, row : row + 4, column : column + 4] += 120
    return images.astype(np.uint8), np.eye(4)[quarter]


def test_input_information_of_features_that_tell_one_in_four():
    images, features = blots(1000)
    found = input_information(images, features, max_steps=200)
    assert found.kind == "lower bound"
    assert 1.5 < found.bits < 2 + 3 * found.standard_error / math.log(2)


def test_features_of_nothing_tell_nothing():
    images, features = blots(500)
    found = input_information(images, np.random.default_rng(1).permutation(features), max_steps=100)
    assert abs(found.value) < 0.05


def test_other_inputs_are_rows_and_other_critics_are_taken():
    x, _ = gaussians(np.array([[1, 0.9], [0.9, 1]]), 1000)
    found = input_information(torch.from_numpy(x[:, :1]), x[:, 1:], max_steps=200)
    assert 0.4 < found.value < 0.83 + 0.15  # −½ log(1 − 0.81) = 0.83
    images, features = blots(300)
    seen = []

    def critic(dim_x, dim_y):
        seen.append((dim_x, dim_y))
        return ImageCritic(dim_x, dim_y, shape=(1, 8, 8), width=4)

    input_information(images, features, critic=critic, max_steps=1)
    assert seen == [(64, 4)]


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 9, 13), (3, 64, 64), (2, 3, 3)])
def test_the_image_critic_takes_any_size(shape):
    size = math.prod(shape)
    critic = ImageCritic(size, 5, shape=shape, width=4)
    x, y = torch.randn(3, size), torch.randn(2, 5)
    scores = critic(x, y)
    torch.testing.assert_close(scores, critic.embed_x(x) @ critic.embed_y(y).T)
    assert scores.shape == (3, 2)


def test_errors_of_input_information():
    images, features = blots(50)
    with pytest.raises(ValueError, match=r"images must be .* got \[50, 8, 8\] and \[50, 4\]"):
        input_information(images[:, 0], features)
    with pytest.raises(ValueError, match=r"as many as features, got \[49, 1, 8, 8\] and \[50, 4\]"):
        input_information(images[1:], features)
    with pytest.raises(ValueError, match="Neural: 50 rows leave 30 to train"):
        input_information(images, features)
    with pytest.raises(ValueError, match=r"ImageCritic: 63 columns are no images of \[1, 8, 8\]"):
        ImageCritic(63, 4, shape=(1, 8, 8))
