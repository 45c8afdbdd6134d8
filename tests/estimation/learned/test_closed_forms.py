"""Learned estimators against closed forms: Gaussians, conditional Gaussians, bent Gaussians, labels."""

import math
import warnings
from functools import partial

import numpy as np
import pytest
import torch
from scipy.stats import chi2

from infomax.estimation import bounds
from infomax.estimation.estimate import Estimator
from infomax.estimation.gaussian import GaussianCopula
from infomax.estimation.learned.classifier import FromClassifier
from infomax.estimation.learned.conditional import CCMI, CLASSIFIER
from infomax.estimation.learned.dime import GAN_DIME, HELLINGER_DIME, KL_DIME
from infomax.estimation.learned.entropies import DifferenceOfEntropies, MixtureDensity
from infomax.estimation.learned.extrapolated import ExtrapolatedCritic, symmetric_infonce
from infomax.estimation.learned.flow import Coupling, GaussianFlow, PairedFlows, canonical_variables
from infomax.estimation.learned.telescoping import TelescopingRatios
from infomax.estimation.learned.training import Training
from infomax.estimation.neural import Neural
from infomax.information.distributions import StudentT, UniformMixture, correlated_gaussians

SHORT = Training(max_steps=100, num_folds=2)
STEEP = Training(max_steps=150, num_folds=2, lr=1e-2, weight_decay=0.01)
ESTIMATORS = {
    "entropies": DifferenceOfEntropies(training=STEEP),
    "telescoping": TelescopingRatios(training=STEEP),
    "extrapolated": ExtrapolatedCritic(training=SHORT),
    "flow": GaussianFlow(training=STEEP),
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_gaussian_pair(name):
    pair = correlated_gaussians(0.8)  # 0.511 nats
    x, y = pair.sample(1000, np.random.default_rng(0))
    found = ESTIMATORS[name].estimate(x, y)
    assert isinstance(ESTIMATORS[name], Estimator)
    assert found.value == pytest.approx(pair.mutual_information, abs=0.12)
    assert found.num_samples == 1000 and 0 < found.standard_error < 0.2


@pytest.mark.parametrize("name", ["entropies", "telescoping"])
def test_strong_dependence_beyond_the_ceiling_of_a_critic(name):
    pair = correlated_gaussians(math.sqrt(-math.expm1(-2 * 8 / 3)), dim=3)  # 8 nats; log 500 = 6.2
    x, y = pair.sample(1000, np.random.default_rng(0))
    assert ESTIMATORS[name].estimate(x, y).value == pytest.approx(8, abs=1.0)


def test_entropies_given_what_explains_all():
    rng = np.random.default_rng(0)
    z = rng.standard_normal((1500, 2))
    noise = rng.standard_normal((2, 1500))
    x, y = z[:, 0] + noise[0], z[:, 0] - z[:, 1] + noise[1]
    found = ESTIMATORS["entropies"].estimate(x, y, given=z)
    assert abs(found.value) < 0.05 < ESTIMATORS["entropies"].estimate(x, y).value


def test_a_mixture_density_integrates_to_one():
    density = MixtureDensity(1, 1, num_components=3, hidden=8)
    grid = torch.linspace(-15, 15, 3001)[:, None]
    values = density(torch.full_like(grid, 0.7), grid).exp()
    assert torch.trapezoid(values.flatten(), grid.flatten()).item() == pytest.approx(1, abs=1e-3)


def test_extrapolation_finds_what_a_bound_lacks_in_common_scales():
    task = StudentT(np.eye(6), 3, 2)  # no correlation at all
    x, y = task.sample(1500, np.random.default_rng(0))
    bound = ExtrapolatedCritic(extrapolated=False, training=SHORT).estimate(x, y)
    found = ExtrapolatedCritic(training=SHORT).estimate(x, y)
    assert bound.kind == "lower bound" and found.kind == "neither"
    assert 0.05 < bound.value < found.value < task.mutual_information + 0.1
    assert found.standard_error > bound.standard_error
    assert abs(GaussianCopula().estimate(x, y).value) < 0.05


def test_symmetric_infonce_is_the_mean_of_both_bounds():
    scores = torch.randn(6, 6, generator=torch.Generator().manual_seed(0))
    expected = (bounds.infonce(scores) + bounds.infonce(scores.T)) / 2
    torch.testing.assert_close(symmetric_infonce(scores).mean(), expected)


def test_a_critic_near_its_ceiling_says_so(monkeypatch):
    monkeypatch.setattr("infomax.estimation.learned.extrapolated.SATURATION_MARGIN", 1.5)
    x = np.random.default_rng(0).standard_normal(300)
    found = ExtrapolatedCritic(extrapolated=False, training=STEEP).estimate(x, x + 1e-3 * np.sin(x))
    assert found.has_caution("saturated")


# ------------------------------------------------------------------ flows


def test_log_determinants_are_those_of_the_jacobian():
    torch.manual_seed(0)
    coupling = Coupling([0, 2], [1], 8)
    for parameter in coupling.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    u = torch.randn(1, 3)
    jacobian = torch.autograd.functional.jacobian(lambda row: coupling(row[None])[0][0], u[0])
    torch.testing.assert_close(coupling(u)[1][0], torch.linalg.slogdet(jacobian)[1])


def test_flows_begin_as_a_gaussian_copula():
    x, y = correlated_gaussians(0.7, dim=3).sample(2000, np.random.default_rng(0))
    rows = np.arange(2000)
    (xi, eta), rho = canonical_variables(x, y @ np.array([[1, 1, 0], [0, 1, 1], [1, 0, 2.0]]), rows)
    np.testing.assert_allclose(xi.T @ eta / 2000, np.diag(rho), atol=1e-6)
    flows = PairedFlows(3, 3, rho)
    found = flows.log_ratio(*(torch.tensor(part, dtype=torch.float32) for part in (xi, eta))).mean()
    assert found.item() == pytest.approx(-np.log1p(-(rho**2)).sum() / 2, abs=5e-3)


def test_flows_undo_a_bend_that_a_copula_does_not():
    rng = np.random.default_rng(0)
    x, y = correlated_gaussians(0.8, dim=2).sample(1500, rng)  # 1.022 nats
    y[:, 1] += 2 * y[:, 0] ** 2
    found = ESTIMATORS["flow"].estimate(x, y)
    assert GaussianCopula().estimate(x, y).value < 0.8
    assert found.value == pytest.approx(1.022, abs=0.12) and found.kind == "model estimate"


# ------------------------------------------------------------------ classifiers, CCMI, f-DIME


def test_a_label_and_many_columns():
    rng = np.random.default_rng(0)
    label = rng.choice(["a", "b", "c"], 900)
    values = rng.standard_normal((900, 20))
    assert abs(FromClassifier().estimate(label, values).value) < 0.06
    values[:, 3] += 20 * (label == "b") + 40 * (label == "c")
    found = FromClassifier(labels="y").estimate(values, label)
    assert math.log(3) - 0.12 < found.value < math.log(3) + 0.01 and found.kind == "neither"


def test_a_label_of_which_numbers_tell_a_part():
    task = UniformMixture(3)
    x, y = task.sample(1500, np.random.default_rng(0))
    found = FromClassifier().estimate(x[:, 0].astype(int), y)
    assert task.mutual_information - 0.12 < found.value < task.mutual_information + 0.03


def test_a_label_that_only_the_scale_tells():
    """Gaussians of 6 columns with scales 1 and 2: the squared length tells all, and is chi-square."""
    rng = np.random.default_rng(0)
    label = rng.integers(2, size=1500)
    values = rng.standard_normal((1500, 6)) * (1 + label)[:, None]
    grid = np.linspace(1e-3, 250, 200_001)
    given = np.stack([chi2.pdf(grid, 6), chi2.pdf(grid / 4, 6) / 4])
    inside = given / 2 * np.log(np.maximum(given, 1e-300) / np.maximum(given.mean(axis=0), 1e-300))
    truth = np.trapezoid(inside.sum(axis=0), grid)
    assert FromClassifier().estimate(label, values).value == pytest.approx(truth, abs=0.03)


def test_labels_that_occur_once_are_predicted_by_their_frequency():
    rng = np.random.default_rng(0)
    label = np.r_[np.repeat([0, 1], 100), 2, 2, 3]
    values = rng.standard_normal((203, 8)) + 4 * np.minimum(label, 1)[:, None]
    values[:, 5] = 1.0  # and a constant column
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for seed in range(6):  # a label may be among the rows that choose, and not among those fitted
            found = FromClassifier(seed=seed).estimate(label, values)
            assert found.value == pytest.approx(math.log(2), abs=0.1)


def test_ccmi_of_gaussians():
    rng = np.random.default_rng(0)
    x, noise, z = rng.standard_normal((3, 2000))
    y = x + z + noise  # ½ log 2 given z; ½ log 3/2 without
    short = CCMI(2, Neural(bound=CLASSIFIER, canonical=False, max_steps=300))
    found = short.estimate(x, y, given=z)
    assert found.value == pytest.approx(0.347, abs=0.15) and found.kind == "neither"
    assert short.estimate(x, y).value == pytest.approx(0.203, abs=0.1)


def test_ccmi_says_where_rows_are_few_for_the_condition():
    rng = np.random.default_rng(0)
    x, y, z = (rng.standard_normal((600, columns)) for columns in (1, 1, 5))
    brief = CCMI(1, Neural(bound=CLASSIFIER, canonical=False, max_steps=5))
    caution = "undersampled: 600 rows are fewer than 500 for each of 7 columns"
    assert brief.estimate(x, y, given=z).cautions[0].startswith(caution)
    assert not brief.estimate(x, y).has_caution("undersampled")


@pytest.mark.parametrize("objective", [KL_DIME, GAN_DIME, HELLINGER_DIME])
def test_dime_reads_the_log_ratio_of_its_best_critic(objective):
    """The value of the best critic is the mean log ratio, and no scaled critic trains better."""
    rng = np.random.default_rng(0)
    rho, n = 0.8, 1500
    x = torch.tensor(rng.standard_normal(n))
    y = rho * x + 0.6 * torch.tensor(rng.standard_normal(n))
    log_ratio = (2 * rho * x[:, None] * y - rho**2 * (x[:, None] ** 2 + y**2)) / 0.72 - math.log(0.6)
    best_of = {KL_DIME: log_ratio + 1, GAN_DIME: log_ratio, HELLINGER_DIME: log_ratio / 2}[objective]
    assert objective.value(best_of).item() == pytest.approx(log_ratio.diagonal().mean().item())
    assert objective.value(best_of).item() == pytest.approx(0.511, abs=0.06)
    trained = [objective.train(best_of * (1 + h)).item() for h in (-0.3, 0, 0.3)]
    assert trained[1] == max(trained)


def test_dime_trains():
    x, y = correlated_gaussians(0.8).sample(1000, np.random.default_rng(0))
    found = Neural(bound=GAN_DIME, max_steps=200).estimate(x, y)
    assert found.value == pytest.approx(0.511, abs=0.2) and found.kind == "neither"


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    "estimator", [TelescopingRatios(), GaussianFlow(), ExtrapolatedCritic(), FromClassifier()]
)
def test_conditions_are_refused_with_a_remedy(estimator):
    rows = np.zeros(100)
    with pytest.raises(ValueError, match=rf"{type(estimator).__name__}: .*; use "):
        estimator.estimate(rows, rows, given=rows)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            partial(DifferenceOfEntropies().estimate, np.arange(100.0), np.zeros(100)),
            "one value in 100 of 100",
        ),
        (
            partial(GaussianFlow().estimate, np.zeros((200, 2)), np.arange(200.0)),
            "x has columns that are constant",
        ),
        (partial(FromClassifier().estimate, np.zeros(100), np.arange(100.0)), "at least 2 labels, got 1"),
        (partial(FromClassifier, labels="z"), "labels must be 'x' or 'y', got 'z'"),
        (partial(FromClassifier().estimate, [0, 1, 0], [1, 2, 3]), "5 folds need 10 rows, got 3; give more"),
        (partial(TelescopingRatios, num_bridges=0), "num_bridges must be from 1 to 1,000, got 0"),
        (partial(CCMI, num_repeats=0), "num_repeats must be at least 1"),
        (partial(GaussianFlow, num_couplings=0), "num_couplings must be from 1 to 1,000, got 0"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
