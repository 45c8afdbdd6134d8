"""The linear support vector machine: against scikit-learn's, and by what defines it."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.svm import LinearSVC

from infomax.evaluation.probes.few_labels import few_labels
from infomax.evaluation.probes.linear import fit_linear
from infomax.evaluation.probes.rows import SCALINGS
from infomax.evaluation.probes.svm import SQUARED_HINGE, svm_probe


@pytest.fixture(scope="module")
def digits():
    x, y = load_digits(return_X_y=True)
    rows = np.random.default_rng(0).permutation(len(y))
    x, y = x[rows].astype(np.float32), y[rows]
    return x[:500], y[:500], x[500:1000], y[500:1000]


@pytest.mark.parametrize("variance", [0.1, 10.0])
@pytest.mark.parametrize("num_rows", [500, 40])  # 40 rows of 64 features: d > n
def test_the_optimum_is_that_of_liblinear(digits, variance, num_rows):
    x, y, test, _ = digits
    x, y = x[:num_rows], y[:num_rows]
    ours = fit_linear(x, y, logit_variances=[variance], loss=SQUARED_HINGE, tolerance=1e-6)
    scaling = SCALINGS[ours.settings["scaling"]](x)
    z, test_z = (scaling(rows, "cpu").double().numpy() for rows in (x, test))
    # liblinear penalises the intercept; a large scale of it makes the penalty vanish
    theirs = LinearSVC(
        C=ours.settings["C"], intercept_scaling=100, dual=False, tol=1e-10, max_iter=50_000
    ).fit(z, y)
    difference = np.abs(ours.scores(test).numpy() - theirs.decision_function(test_z))
    assert difference.mean() < 2e-3
    assert difference.max() < 0.02  # in float32


def test_on_digits_it_is_as_good_as_liblinear(digits):
    x, y, test, test_y = digits
    theirs = max(
        LinearSVC(C=c, dual=False, max_iter=5000).fit(x / 16, y).score(test / 16, test_y) for c in (0.01, 0.1)
    )
    result = svm_probe(x, y, test, test_y)
    assert result.probe == "svm" and result.std is None
    assert result.settings["converged"] and result.settings["validation"] == "5 folds"
    assert result.accuracy > theirs - 0.02
    json.dumps(asdict(result))


def test_the_loss_and_its_gradient_by_hand():
    scores = torch.tensor([[0.5, -2.0, 3.0]], requires_grad=True)
    loss, gradient = SQUARED_HINGE.of_rows(scores, torch.tensor([0]))
    assert loss.tolist() == [0.5**2 + 0 + 4.0**2]
    (expected,) = torch.autograd.grad(loss.sum(), scores)
    torch.testing.assert_close(gradient, expected)


def test_few_labels_take_it_as_any_probe(digits):
    result = few_labels(svm_probe, *digits, labels_per_class=5, num_draws=3)
    assert 0.7 < result.accuracy < 0.95 and result.num_labels == 50


def test_errors(digits):
    x, y, test, test_y = digits
    with pytest.raises(
        ValueError, match=r"svm_probe: train_features are \[500, 64\], test_features \[500, 63\]"
    ):
        svm_probe(x, y, test[:, 1:], test_y)
    with pytest.raises(ValueError, match=r"must be positive, at least one, got \[0.0\]"):
        svm_probe(x, y, test, test_y, score_variances=[0.0])
