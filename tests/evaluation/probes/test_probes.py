"""The linear and the MLP probe, and draws of few labels: against scikit-learn, and what must not matter."""

import json
from dataclasses import asdict
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from infomax.evaluation.probes.classifiers import validation_parts
from infomax.evaluation.probes.few_labels import few_labels
from infomax.evaluation.probes.linear import fit_linear, linear_probe
from infomax.evaluation.probes.mlp import fit_mlps, mlp_probe
from infomax.evaluation.probes.neighbors import nearest_neighbor_probe
from infomax.evaluation.probes.rows import scale_each, scale_together

one_mlp = partial(mlp_probe, num_seeds=1, num_hidden=32)
PROBES = [linear_probe, one_mlp, nearest_neighbor_probe]


@pytest.fixture(scope="module")
def digits():
    x, y = load_digits(return_X_y=True)
    rows = np.random.default_rng(0).permutation(len(y))
    x, y = x[rows].astype(np.float32), y[rows]
    return x[:600], y[:600], x[600:1200], y[600:1200]


@pytest.fixture
def blobs():
    rng = np.random.default_rng(1)
    y = rng.integers(0, 4, 200)
    x = (rng.normal(size=(4, 12))[y] + 0.5 * rng.normal(size=(200, 12))).astype(np.float32)
    return x[:120], y[:120], x[120:], y[120:]


# ------------------------------------------------------------------------------------ linear, the optimum


@pytest.mark.parametrize("variance", [0.1, 10.0, 1000.0])
@pytest.mark.parametrize("num_rows", [600, 40])  # 40 rows of 64 features: d > n
def test_linear_finds_scikit_learns_optimum(digits, variance, num_rows):
    x, y, test, _ = digits
    x, y = x[:num_rows], y[:num_rows]
    ours = fit_linear(x, y, logit_variances=[variance], tolerance=1e-6)
    scale = {"each": scale_each, "together": scale_together}[ours.settings["scaling"]](x)
    z, test_z = scale(x, "cpu").double().numpy(), scale(test, "cpu").double().numpy()
    theirs = LogisticRegression(C=ours.settings["C"], tol=1e-10, max_iter=10_000).fit(z, y)
    # probabilities, since the intercepts are determined only up to a common constant
    difference = np.abs(ours.scores(test).softmax(1).numpy() - theirs.predict_proba(test_z))
    assert difference.mean() < 1e-3
    assert difference.max() < 0.02  # in float32; at v = 1000 the optimum is flat
    assert np.mean(ours.predict(test) == theirs.predict(test_z)) > 0.995


def test_linear_without_rotation_finds_the_same(digits, monkeypatch):
    x, y, test, _ = digits
    rotated = fit_linear(x, y, logit_variances=[10.0], tolerance=1e-6)
    monkeypatch.setattr("infomax.evaluation.probes.regression.MAX_ROTATED", 5)
    plain = fit_linear(x, y, logit_variances=[10.0], tolerance=1e-6)
    torch.testing.assert_close(plain.scores(test), rotated.scores(test), atol=2e-2, rtol=1e-2)


def test_linear_on_digits_is_as_good_as_scikit_learn(digits):
    x, y, test, test_y = digits
    theirs = LogisticRegression(C=0.01, max_iter=2000).fit(x, y).score(test, test_y)
    result = linear_probe(x, y, test, test_y)
    assert result.accuracy > theirs - 0.015
    assert result.settings["converged"]
    assert result.num_labels == 600 and result.num_test == 600 and result.std is None


def test_settings_state_the_strength_in_scikit_learns_convention():
    x = np.random.default_rng(0).normal(size=(30, 5))
    x[:, 3] = 2.0  # constant: 4 features vary
    assert fit_linear(x, np.arange(30) % 3, logit_variances=[8.0]).settings["C"] == pytest.approx(2.0)


# ---------------------------------------------------------------------------------------- awkward features


def test_units_of_features_do_not_matter_when_each_is_scaled():
    rng = np.random.default_rng(3)
    y = rng.integers(0, 3, 300)
    x = rng.normal(size=(3, 6))[y] * 2 + rng.normal(size=(300, 6))
    scales, offsets = 10.0 ** np.array([-12, -3, 0, 3, 9, 12]), np.array([0, 5, -100, 1e5, 0, 1e14])
    expected = linear_probe(x[:200], y[:200], x[200:], y[200:]).accuracy
    x = x * scales + offsets
    result = linear_probe(x[:200], y[:200], x[200:], y[200:])
    assert result.settings["scaling"] == "each"
    assert result.accuracy == pytest.approx(expected, abs=0.03)
    assert expected > 0.8


@pytest.mark.parametrize("probe", [linear_probe, one_mlp])
def test_constant_features_change_nothing_even_if_the_test_set_varies(blobs, probe):
    x, y, test, test_y = blobs
    plain = probe(x, y, test, test_y)
    constant = np.full((len(x), 3), 0.1, np.float32)
    noise = 1e6 * np.random.default_rng(0).normal(size=(len(test), 3)).astype(np.float32)
    wide = probe(np.hstack([x, constant]), y, np.hstack([test, noise]), test_y)
    assert wide.accuracy == pytest.approx(plain.accuracy, abs=0.05)
    assert plain.accuracy > 0.8


@pytest.mark.parametrize("probe", PROBES)
def test_nothing_but_constant_features_gives_one_class(blobs, probe):
    x, y, test, test_y = blobs
    result = probe(np.ones_like(x), y, np.ones_like(test), test_y)
    assert result.accuracy in {np.mean(test_y == one) for one in range(4)}


@pytest.mark.parametrize("probe", PROBES)
def test_more_features_than_rows(probe):
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    x = (rng.normal(size=(3, 500))[y] + rng.normal(size=(60, 500))).astype(np.float32)
    assert probe(x[:30], y[:30], x[30:], y[30:]).accuracy > 0.9


@pytest.mark.parametrize("probe", PROBES)
def test_torch_tensors_of_any_precision_and_bytes(blobs, probe):
    x, y, test, test_y = blobs
    expected = probe(x, y, test, test_y).accuracy
    half = probe(torch.tensor(x).bfloat16(), torch.tensor(y), torch.tensor(test).half(), torch.tensor(test_y))
    assert half.accuracy == pytest.approx(expected, abs=0.05)
    bytes_, test_bytes = (np.clip(40 * rows + 128, 0, 255).astype(np.uint8) for rows in (x, test))
    assert probe(bytes_, y.astype(np.int32), test_bytes, test_y).accuracy > 0.5


def test_arguments_are_left_alone(blobs):
    copies = [part.copy() for part in blobs]
    for probe in PROBES:
        probe(*blobs)
    for part, copy in zip(blobs, copies, strict=True):
        np.testing.assert_array_equal(part, copy)


# ---------------------------------------------------------------------------------------------- labels


@pytest.mark.parametrize("probe", PROBES)
def test_rows_without_label_are_left_out_and_counted(blobs, probe):
    x, y, test, test_y = blobs
    alone = probe(x[:80], y[:80], test[:50], test_y[:50])
    y, test_y = y.copy(), test_y.copy()
    y[80:], test_y[50:] = -1, -1
    result = probe(x, y, test, test_y)
    assert result.settings["num_unlabelled_train"] == 40 and result.settings["num_unlabelled_test"] == 30
    assert (result.num_labels, result.num_test) == (80, 50)
    assert result.accuracies == alone.accuracies


@pytest.mark.parametrize("probe", PROBES)
def test_a_class_never_seen_in_training_counts_as_errors(blobs, probe):
    x, y, test, test_y = blobs
    known = test_y != 3
    result = probe(x[y != 3], y[y != 3], test, test_y)
    without = probe(x[y != 3], y[y != 3], test[known], test_y[known])
    assert result.accuracy == pytest.approx(without.accuracy * known.mean())


@pytest.mark.parametrize("probe", PROBES)
def test_names_of_classes_do_not_matter(blobs, probe):
    x, y, test, test_y = blobs
    names = np.array([2, 17, 400, 1_000_000])  # in the same order
    assert probe(x, names[y], test, names[test_y]).accuracies == probe(x, y, test, test_y).accuracies


@pytest.mark.parametrize("probe", PROBES)
def test_a_single_class_is_always_answered(blobs, probe):
    x, _, test, test_y = blobs
    assert probe(x, np.full(len(x), 2), test, test_y).accuracy == np.mean(test_y == 2)


@pytest.mark.parametrize("probe", PROBES)
def test_one_label_a_class_leaves_nothing_to_validate(blobs, probe):
    x, y, test, test_y = blobs
    first = [int(np.flatnonzero(y == one)[0]) for one in range(4)]
    result = probe(x[first], y[first], test, test_y)
    assert result.accuracy > 0.5
    assert result.settings.get("validation", "none") == "none"


def test_a_class_with_a_single_label_does_not_spoil_the_choice(blobs):
    x, y, test, test_y = blobs
    y = y.copy()
    y[np.flatnonzero(y == 3)[1:]] = -1
    assert linear_probe(x, y, test, test_y).accuracy > 0.6
    assert one_mlp(x, y, test, test_y).accuracy > 0.6


def test_chance_is_the_commonest_class_of_the_test_set(blobs):
    x, y, test, _ = blobs
    assert linear_probe(x, y, test[:10], np.array([0] * 7 + [1] * 3)).chance == 0.7


# ----------------------------------------------------------------------- what must not influence the fit


@pytest.mark.parametrize("fit", [fit_linear, lambda x, y, seed: fit_mlps(x, y, seed=seed, num_hidden=32)[0]])
def test_test_labels_cannot_influence_the_fit(blobs, fit):
    x, y, test, test_y = blobs
    probe = linear_probe if fit is fit_linear else one_mlp
    predictions = fit(x, y, seed=0).predict(test)
    results = [probe(x, y, test, labels) for labels in (test_y, np.random.default_rng(0).permutation(test_y))]
    assert results[0].settings == results[1].settings
    assert results[0].accuracy == np.mean(predictions == test_y)
    assert results[1].accuracy == np.mean(predictions == np.random.default_rng(0).permutation(test_y))


@pytest.mark.parametrize("probe", PROBES)
def test_shuffled_labels_give_chance(digits, probe):
    x, y, test, test_y = digits
    result = probe(x, np.random.default_rng(5).permutation(y), test, test_y)
    assert abs(result.accuracy - 0.1) < 0.05  # four standard errors of 600 guesses


@pytest.mark.parametrize("probe", PROBES)
def test_everything_is_a_function_of_the_seed(blobs, probe):
    torch.manual_seed(0)
    first = probe(*blobs, seed=3)
    after = torch.rand(1)
    torch.manual_seed(123)
    assert probe(*blobs, seed=3) == first
    torch.manual_seed(0)
    assert torch.rand(1) == after  # and the probes leave the global generator alone
    json.dumps(asdict(first))


def test_the_networks_of_the_mlp_probe_differ_and_are_summarised(digits):
    x, y, test, test_y = digits
    result = mlp_probe(x, y, test, test_y, num_seeds=3, num_hidden=16)
    assert len(result.accuracies) == 3 and len(set(result.accuracies)) > 1
    assert result.accuracy == pytest.approx(np.mean(result.accuracies))
    assert result.std == pytest.approx(np.std(result.accuracies, ddof=1))
    assert result.settings["seeds"] == [0, 1, 2]
    assert result.accuracy > 0.85


def test_the_mlp_sees_what_no_linear_probe_can():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1200, 2)).astype(np.float32)
    y = (x[:, 0] * x[:, 1] > 0).astype(int)
    linear = linear_probe(x[:600], y[:600], x[600:], y[600:]).accuracy
    assert linear < 0.65
    assert mlp_probe(x[:600], y[:600], x[600:], y[600:], num_seeds=1, num_hidden=64).accuracy > 0.9


# ------------------------------------------------------------------------------------------- few labels


def test_few_labels_draws_are_stratified_and_reproducible(digits):
    x, y, test, test_y = digits
    seen = []

    def spy(train, labels, *test_set, seed):
        seen.append((train, labels, seed))
        return nearest_neighbor_probe(train, labels, *test_set, seed=seed)

    result = few_labels(spy, x, y, test, test_y, labels_per_class=4, num_draws=5, seed=2)
    assert all((np.bincount(labels) == 4).all() for _, labels, _ in seen)
    assert all(len(np.unique(train, axis=0)) == 40 for train, *_ in seen)  # without replacement
    assert len({seed for *_, seed in seen}) == 5 and len({train.tobytes() for train, *_ in seen}) == 5
    assert result.num_labels == 40 and len(result.accuracies) == 5
    assert result.std == pytest.approx(np.std(result.accuracies, ddof=1))
    assert few_labels(spy, x, y, test, test_y, labels_per_class=4, num_draws=5, seed=2) == result
    # another representation of the same rows meets the same draws
    few_labels(spy, 2 * x, y, test, test_y, labels_per_class=4, num_draws=5, seed=2)
    np.testing.assert_array_equal(seen[-1][0], 2 * seen[4][0])
    assert few_labels(spy, x, y, test, test_y, labels_per_class=4, num_draws=5, seed=3) != result


def test_few_labels_of_pixels_as_logistic_regression_knows_them(digits):
    x, y, test, test_y = digits
    ours = few_labels(linear_probe, x, y, test, test_y, num_draws=5)
    theirs = few_labels(_scikit_learn, x / 16, y, test / 16, test_y, num_draws=5)
    assert ours.accuracy > theirs.accuracy - 0.02
    assert 0.75 < ours.accuracy < 0.92
    assert ours.settings["validation"] == "5 folds" and ours.settings["num_validation"] == 50
    assert len(ours.settings["seed"]) == 5  # differing settings are listed
    json.dumps(asdict(ours))


def _scikit_learn(train, labels, test, test_labels, *, seed):
    """A probe of someone else's, with the strength known to be good for pixels in 0…1."""
    result = nearest_neighbor_probe(train, labels, test, test_labels, seed=seed)
    accuracy = float(LogisticRegression(max_iter=1000).fit(train, labels).score(test, test_labels))
    return type(result)(**{**asdict(result), "accuracy": accuracy})


def test_one_draw_has_no_spread(blobs):
    assert few_labels(nearest_neighbor_probe, *blobs, num_draws=1).std is None


# -------------------------------------------------------------------------------------- validation parts


@pytest.mark.parametrize("n", [23, 600, 2000])
def test_folds_are_stratified_and_hold_out_every_row_once(n):
    y = np.random.default_rng(0).choice(4, n, p=[0.5, 0.3, 0.15, 0.05])
    folds = validation_parts(y, seed=0)
    assert len(folds) == 5
    np.testing.assert_array_equal(np.sum(folds, axis=0), 1)
    for fold in folds:
        assert np.all(np.abs(np.bincount(y[fold], minlength=4) - np.bincount(y, minlength=4) / 5) < 1)
    assert not np.array_equal(folds[0], validation_parts(y, seed=1)[0])


def test_many_labels_hold_out_one_stratified_tenth():
    y = np.arange(5000) % 10
    (part,) = validation_parts(y, seed=0)
    np.testing.assert_array_equal(np.bincount(y[part]), 50)


# ----------------------------------------------------------------------------------------------- errors


def _spoilt(x, value):
    x = x.copy()
    x[7, 2] = value
    return x


@pytest.mark.parametrize("probe", PROBES)
def test_errors_say_what_was_received(blobs, probe):
    x, y, test, test_y = blobs
    with pytest.raises(ValueError, match=r"train_features must be finite.* 1 of 120 rows, first in row 7"):
        probe(_spoilt(x, np.nan), y, test, test_y)
    with pytest.raises(ValueError, match=r"test_features must be finite.* 1 of 80 rows, first in row 7"):
        probe(x, y, _spoilt(test, np.inf), test_y)
    with pytest.raises(
        ValueError, match=r"train_features must be numbers \[n, d\], got float32 \[120, 12, 1\]"
    ):
        probe(x[:, :, None], y, test, test_y)
    with pytest.raises(ValueError, match=r"train_labels must be integers \[120\].* got int64 \[119\]"):
        probe(x, y[1:], test, test_y)
    with pytest.raises(ValueError, match=r"train_labels must be integers \[120\].* got float64 \[120\]"):
        probe(x, y.astype(float), test, test_y)
    with pytest.raises(ValueError, match=r"all \d+ train_labels are −1"):
        probe(x, np.full_like(y, -1), test, test_y)
    with pytest.raises(ValueError, match=r"all \d+ test_labels are −1"):
        probe(x, y, test, np.full_like(test_y, -1))
    with pytest.raises(ValueError, match=r"train_labels must be ≥ 0, or −1 for none, got -2"):
        probe(x, y - 2, test, test_y)
    with pytest.raises(ValueError, match=r"train_features are \[120, 12\], test_features \[80, 11\]"):
        probe(x, y, test[:, 1:], test_y)


def test_errors_of_single_probes(blobs):
    x, y, _, _ = blobs
    with pytest.raises(ValueError, match=r"the 12 columns of the training features, got \[120, 11\]"):
        fit_linear(x, y).predict(x[:, 1:])
    with pytest.raises(ValueError, match=r"logit_variances must be positive, at least one, got \[0.0, 1.0\]"):
        fit_linear(x, y, logit_variances=[0.0, 1.0])
    with pytest.raises(ValueError, match=r"batch normalisation needs at least 2 labelled rows, got 1"):
        fit_mlps(x[:1], y[:1])
    with pytest.raises(ValueError, match=r"num_seeds and num_hidden must be at least 1, got 0 and 8"):
        fit_mlps(x, y, num_seeds=0, num_hidden=8)
    with pytest.raises(ValueError, match=r"99 labels of each class are to be drawn, but class \d has \d+"):
        few_labels(linear_probe, *blobs, labels_per_class=99)
    with pytest.raises(ValueError, match=r"must be at least 1, got 5 and 0"):
        few_labels(linear_probe, *blobs, num_draws=0)


def test_axes_that_float32_does_not_find(monkeypatch):
    """LAPACK now and then finds no eigenvectors of moments of nearly one rank; in float64 it does."""
    features = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
    labels = np.arange(40) % 2
    expected = linear_probe(features, labels, features, labels).accuracy
    found = torch.linalg.eigh

    def failing(moments):
        if moments.dtype == torch.float32:
            raise torch.linalg.LinAlgError("linalg.eigh: the algorithm failed to converge")
        return found(moments)

    monkeypatch.setattr(torch.linalg, "eigh", failing)
    assert linear_probe(features, labels, features, labels).accuracy == expected
