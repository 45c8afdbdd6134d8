"""Neural estimates: held out, below the truth, of a measured error, the same again for the same seed."""

import math
from functools import partial
from inspect import unwrap

import numpy as np
import pytest
import torch
from torch import nn

from infomax.estimation import bounds
from infomax.estimation.critics import (
    FLO,
    INFONCE,
    JENSEN_SHANNON,
    MINE,
    OBJECTIVES,
    SMILE,
    Bilinear,
    Concatenated,
    CriticObjective,
    Distance,
    MovingAverage,
    Separable,
    as_objective,
)
from infomax.estimation.estimate import Estimator
from infomax.estimation.neural import Model, Neural, _halves, _standard_error, cautions_of
from infomax.information.distributions import correlated_gaussians

QUICK = Neural(
    critic=partial(Separable, hidden=(64,)),
    batch_size=64,
    max_steps=200,
    lr=3e-3,
    num_resamples=30,
    device="cpu",
)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Matrices are small here, and threads that wait for one another cost more than they bring."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def gaussians(n, correlation=0.8, dim=1, seed=0):
    return correlated_gaussians(correlation, dim=dim).sample(n, np.random.default_rng(seed))


class TrueLogRatio(nn.Module):
    """The critic that need not learn: log r of Gaussians with the correlation 0.8, standardised by chance."""

    def __init__(self, dim_x, dim_y, correlation=0.8):
        super().__init__()
        self.correlation, self.unused = correlation, nn.Parameter(torch.zeros(()))

    def forward(self, x, y):
        rho = self.correlation
        squares = x.square().sum(1)[:, None] + y.square().sum(1)
        log_ratio = (2 * rho * x @ y.T - rho**2 * squares) / (2 * (1 - rho**2))
        return log_ratio - x.shape[1] / 2 * math.log(1 - rho**2) + 0 * self.unused


def with_settings(estimator, **changes):
    return type(estimator)(**{**estimator.__dict__, **changes})


# ------------------------------------------------------------------ values


@pytest.mark.parametrize("bound", OBJECTIVES, ids=lambda bound: bound.__name__)
def test_every_bound_learns_half_a_nat(bound):
    x, y = gaussians(2500)
    estimate = with_settings(QUICK, bound=bound).estimate(x, y)
    if bound is not bounds.reverse_kl:  # it learns badly, and yet is no more than a lower bound
        assert estimate.value > 0.511 - 0.13
    assert estimate.value < 0.511 + 0.13
    neither = (bounds.donsker_varadhan, bounds.mine, bounds.smile)
    assert estimate.kind == OBJECTIVES[bound].kind == ("neither" if bound in neither else "lower bound")
    assert estimate.cautions == ()
    assert estimate.num_samples == 500


@pytest.mark.parametrize("critic", [Concatenated, partial(Distance, embedding=2)])
def test_other_critics(critic):
    x, y = gaussians(1500)
    estimate = with_settings(QUICK, critic=partial(critic, hidden=(32,)), max_steps=150).estimate(x, y)
    assert estimate.value == pytest.approx(0.511, abs=0.15)


def test_nothing_is_found_where_there_is_nothing():
    x, y = gaussians(2500, correlation=0.0, dim=10)
    fitted = with_settings(QUICK, lr=5e-4).fit(x, y)
    assert abs(fitted.estimate.value) < 0.03
    assert fitted.curve.steps[-1] < QUICK.max_steps or fitted.curve.best_step < QUICK.max_steps


def test_the_value_is_of_rows_that_were_not_trained_on():
    """Pure noise in 200 columns is learned by heart in training; the report must not show it."""
    x, y = gaussians(400, correlation=0.0, dim=200)
    fitted = with_settings(QUICK, patience=100).fit(x, y)
    assert fitted.curve.training[-1] > 1.0
    assert fitted.estimate.value < 0.1
    assert fitted.curve.best_step < 100


def test_jensen_shannon_is_read_by_nwj_of_the_score_plus_one():
    x, y = gaussians(2500)
    fitted = with_settings(QUICK, bound=bounds.jensen_shannon).fit(x, y)
    scores = torch.from_numpy(fitted.scores(x[fitted.test_rows], y[fitted.test_rows])).double()
    assert fitted.estimate.value == pytest.approx(float(bounds.nwj(scores + 1)), abs=1e-5)
    assert float(bounds.nwj(scores)) < fitted.estimate.value - 0.25  # low by about 1/e


def test_large_samples_are_reported_in_blocks():
    x, y = gaussians(2600)
    whole = with_settings(QUICK, critic=TrueLogRatio, max_steps=1, evaluation_size=520).fit(x, y)
    parts = with_settings(QUICK, critic=TrueLogRatio, max_steps=1, evaluation_size=200).fit(x, y)
    assert whole.sizes.tolist() == [520] and parts.sizes.tolist() == [174, 173, 173]
    rows = whole.test_rows
    by_hand = [
        float(bounds.infonce(torch.from_numpy(parts.scores(x[part], y[part]))))
        for part in np.array_split(rows, 3)
    ]
    assert parts.estimate.value == pytest.approx(np.average(by_hand, weights=parts.sizes), abs=1e-5)
    assert parts.estimate.standard_error == pytest.approx(whole.estimate.standard_error, rel=0.3)


def test_conditional_information_is_a_difference():
    """Y = X + Z with X, Z and noise independent: I(X;Y|Z) = ½ log(1 + 1/σ²), I(X;Y) is less."""
    x, z, noise = np.random.default_rng(0).standard_normal((3, 3000))
    y = x + 2 * z + noise
    estimate = QUICK.estimate(x, y, given=z)
    assert estimate.value == pytest.approx(math.log(2) / 2, abs=0.1)
    assert estimate.kind == "neither" and 0.005 < estimate.standard_error < 0.1
    assert QUICK.estimate(x, y).value < 0.15


def test_scale_and_place_of_columns_do_not_matter():
    x, y = gaussians(1500, dim=2)
    moved = QUICK.estimate(1e6 + 1e-3 * x, 50 * y - 7)
    assert moved.value == pytest.approx(QUICK.estimate(x, y).value, abs=0.03)


def test_a_constant_column_says_nothing():
    x, y = gaussians(1500)
    assert QUICK.estimate(np.ones(1500), y).value == pytest.approx(0.0, abs=0.02)
    assert QUICK.estimate(np.hstack([x, np.ones((1500, 1))]), y).value == pytest.approx(0.511, abs=0.13)


# ------------------------------------------------------------------ error bars


@pytest.mark.parametrize(
    "bound, correlation",
    [
        (bounds.infonce, 0.8),
        pytest.param(bounds.infonce, 0.0, marks=pytest.mark.slow),
        pytest.param(bounds.nwj_of_log_ratio, 0.8, marks=pytest.mark.slow),
        pytest.param(bounds.nwj_of_log_ratio, 0.0, marks=pytest.mark.slow),
        pytest.param(bounds.donsker_varadhan, 0.8, marks=pytest.mark.slow),
        pytest.param(bounds.donsker_varadhan, 0.0, marks=pytest.mark.slow),
    ],
)
def test_the_error_is_the_spread_over_new_held_out_rows(bound, correlation):
    """A fixed critic, log r of ρ = 0.8, on 150 new test sets: spread and coverage of the interval."""
    model = Model(1, 1, TrueLogRatio, as_objective(bound)).eval()
    values, errors = [], []
    for seed in range(150):
        x, y = (torch.from_numpy(v).float() for v in gaussians(300, correlation, seed=seed))
        values.append(model.held_out(model.objective.value, x, y))
        replicates = np.array([_halves(model, x, y, 40, np.random.default_rng(seed))])
        errors.append(_standard_error(replicates, np.array([300])))
    values, errors = np.array(values), np.array(errors)
    assert errors.mean() == pytest.approx(values.std(ddof=1), rel=0.15)
    covered = np.abs(values - values.mean()) < 1.96 * errors
    assert 0.89 < covered.mean() < 0.99


def test_halves_of_a_mean_have_its_variance():
    """For the mean score of the positives the error is the usual one, std/√n."""
    model = Model(
        1,
        1,
        TrueLogRatio,
        CriticObjective(lambda s: s.diagonal().mean(), lambda s: s.diagonal().mean(), "neither"),
    )
    x, y = (torch.from_numpy(v).float() for v in gaussians(400))
    error = _standard_error(np.array([_halves(model, x, y, 4000, np.random.default_rng(0))]), np.array([400]))
    expected = model.scores(x, y).diagonal().std().item() / 20
    assert error == pytest.approx(expected, rel=0.05)


def test_blocks_combine_like_independent_means():
    replicates = np.random.default_rng(0).standard_normal((2, 100_000)) * [[3.0], [1.0]]
    expected = math.sqrt((0.25 * 3) ** 2 + (0.75 * 1) ** 2)
    assert _standard_error(replicates, np.array([100, 300])) == pytest.approx(expected, rel=0.02)


# ------------------------------------------------------------------ training


def test_the_same_seed_gives_the_same_answer_and_leaves_no_trace():
    x, y = gaussians(600)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = with_settings(QUICK, max_steps=50).estimate(x, y)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    again = with_settings(QUICK, max_steps=50).estimate(x, y)
    other = with_settings(QUICK, max_steps=50, seed=1).estimate(x, y)
    assert (
        (first.value, first.standard_error)
        == (again.value, again.standard_error)
        != (other.value, other.standard_error)
    )


def test_arguments_stay_as_they_are():
    x, y = gaussians(600)
    copies = x.copy(), y.copy()
    with_settings(QUICK, max_steps=10).estimate(x, y)
    assert np.array_equal(x, copies[0]) and np.array_equal(y, copies[1])


def test_an_epoch_visits_each_row_once():
    data = [torch.arange(130)]
    batches = QUICK._batches(data)
    epochs = [torch.cat([next(batches)[0], next(batches)[0]]) for _ in range(2)]
    assert all(len(set(epoch.tolist())) == 128 for epoch in epochs)
    assert epochs[0].tolist() != epochs[1].tolist()


def few_of_many_columns(n, dim=50, correlation=0.9, seed=0):
    """One pair of 50 + 50 columns is correlated."""
    x, y = np.random.default_rng(seed).standard_normal((2, n, dim))
    y[:, 3] = correlation * x[:, 7] + math.sqrt(1 - correlation**2) * y[:, 3]
    return x, y


def test_the_default_finds_one_pair_among_50_and_50_columns():
    """A critic of all columns finds 0.35 of the 0.830 nats in 4,000 rows."""
    estimate = Neural(device="cpu", max_steps=300, num_resamples=30).estimate(*few_of_many_columns(4000))
    assert estimate.value == pytest.approx(0.830, abs=0.12)
    assert "canonical directions" in estimate.method


def test_the_validation_rows_choose_between_all_columns_and_directions():
    x, y = few_of_many_columns(1200, dim=20)
    settings = with_settings(QUICK, max_steps=100)
    fitted, plain = settings.fit(x, y), with_settings(settings, canonical=False).fit(x, y)
    assert fitted.curve.validation.max() > plain.curve.validation.max()
    assert fitted.model.critic.dim_x < plain.model.critic.dim_x == 20
    assert fitted.standardised(x[:5], y[:5])[0].shape == (5, fitted.model.critic.dim_x)
    independent = settings.fit(x, np.roll(y, 1, axis=0))
    assert independent.model.critic.dim_x == 20


def test_columns_with_heavy_tails_are_read_by_their_ranks():
    x, y = gaussians(2500)
    cubed, as_it_is = QUICK.estimate(x, y**7), QUICK.estimate(x, y)
    assert cubed.value == pytest.approx(as_it_is.value, abs=0.06)


def test_every_row_is_reported_on_once_by_cross_fitting():
    settings = with_settings(QUICK, max_steps=60)
    parts = [settings._split(1003, fold)[2] for fold in range(5)]
    assert sorted(np.concatenate(parts)) == list(range(1003))
    assert all(len(set(np.concatenate(settings._split(1003, fold)))) == 1003 for fold in range(5))
    x, y = gaussians(1000)
    found, once = settings.cross_fit(x, y), settings.estimate(x, y)
    assert found.num_samples == 1000 and found.kind == "lower bound"
    assert found.method == "Neural, 5 parts, infonce, Separable"
    assert found.value == pytest.approx(0.511, abs=0.15)
    assert found.standard_error == pytest.approx(once.standard_error / math.sqrt(5), rel=0.4)
    with pytest.raises(ValueError, match=r"cross_fit needs a test_fraction of at most 0.5, got 0.6"):
        with_settings(settings, test_fraction=0.6).cross_fit(x, y)


def test_a_value_near_its_ceiling_or_beyond_what_rows_certify_says_so():
    x, y = gaussians(800, correlation=math.sqrt(1 - math.exp(-2 * 6)))
    near = with_settings(QUICK, critic=partial(TrueLogRatio, correlation=0.9999), max_steps=1).estimate(x, y)
    assert near.has_caution("saturated") and "the ceiling log 160 = 5.08 nats" in repr(near)
    assert near.confidence_interval()[1] == math.inf
    assert cautions_of(INFONCE, math.log(100) - 1.1, 100) == ()
    assert cautions_of(JENSEN_SHANNON, 4.5, 100) == cautions_of(as_objective(torch.sum), 99.0, 100) == ()
    for objective in (JENSEN_SHANNON, MINE, SMILE, FLO):
        (caution,) = cautions_of(objective, 4.7, 100)
        assert caution.startswith("biased: 100 rows cannot certify more than log 100 = 4.61 nats")


def test_the_parts_share_no_row():
    parts = QUICK._split(1000)
    assert [len(part) for part in parts] == [600, 200, 200]
    assert len(set(np.concatenate(parts).tolist())) == 1000


def test_training_stops_where_validation_no_longer_rises():
    x, y = gaussians(600, correlation=0.0, dim=20)
    curve = with_settings(QUICK, max_steps=5000, evaluate_every=20, patience=3).fit(x, y).curve
    assert curve.steps[-1] == curve.best_step + 3 * 20 < 5000
    assert curve.validation.argmax() == len(curve.steps) - 4


def test_the_best_critic_is_kept():
    x, y = gaussians(600, correlation=0.0, dim=20)
    estimator = with_settings(QUICK, evaluate_every=20, patience=3)
    fitted = estimator.fit(x, y)
    rows = estimator._split(600)[1]
    value = float(bounds.infonce(torch.from_numpy(fitted.scores(x[rows], y[rows]))))
    assert value == pytest.approx(fitted.curve.validation.max(), abs=1e-5)


def test_mines_average_moves_in_training_alone():
    average, scores = MovingAverage(1, 1), torch.randn(5, 5)
    x = torch.zeros(5, 1)
    assert average(x, x, scores) is None
    first = average.log_average
    assert first.item() == pytest.approx(bounds.mine(scores)[1].item())
    average.eval()
    assert average(x, x, 10 * scores) is first and average.log_average is first


# ------------------------------------------------------------------ what it takes and refuses


def test_it_is_an_estimator():
    assert isinstance(QUICK, Estimator)


def test_a_bound_alone_means_its_objective():
    assert as_objective(bounds.jensen_shannon) is JENSEN_SHANNON and as_objective(bounds.mine) is MINE
    assert as_objective(INFONCE) is INFONCE and as_objective(bounds.flo) is FLO
    own = as_objective(lambda scores: scores.mean())
    assert own.kind == "neither" and own.train is own.value
    assert SMILE.name == "jensen_shannon then smile" and INFONCE.name == "infonce"
    assert as_objective(partial(bounds.smile, clip=1.0)).name == "smile"


def test_the_method_names_bound_and_critic():
    x, y = gaussians(400)
    estimate = with_settings(QUICK, max_steps=1, critic=Bilinear, bound=bounds.smile).estimate(x, y)
    assert estimate.method == "Neural, jensen_shannon then smile, Bilinear"


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"batch_size": 1}, "Neural: batch_size must be at least 2, got 1"),
        ({"max_steps": 0}, "Neural: max_steps must be at least 1, got 0"),
        ({"seed": -1}, "Neural: seed must be from 0 to 4,294,967,295, got -1"),
        ({"lr": 0.0}, "Neural: lr must be above 0, got 0.0; 5e-4 is usual"),
        ({"test_fraction": 0.8}, "together below 1, got 0.2 and 0.8; 0.2 and 0.2 are usual"),
        ({"validation_fraction": 0.0}, "validation_fraction must be above 0 and below 1, got 0.0"),
        ({"bound": bounds.club}, "Neural: club is an upper bound for known densities, .*use a lower bound"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        Neural(**settings)


def test_a_bound_by_name_is_refused():
    with pytest.raises(
        ValueError, match="Neural: bound must be a function of scores or a CriticObjective, got 'nwj'"
    ):
        unwrap(as_objective)("nwj")


def test_too_few_rows():
    x, y = gaussians(60)
    with pytest.raises(
        ValueError, match=r"Neural: 60 rows leave 36 to train, 12 to validate and 12 to test; .*64"
    ):
        QUICK.estimate(x, y)
    with pytest.raises(ValueError, match="a smaller batch_size"):
        with_settings(QUICK, batch_size=512).estimate(*gaussians(800))


def test_bad_samples():
    x, y = gaussians(400)
    with pytest.raises(ValueError, match=r"Neural: x must be \[n\] or \[n, d\], got \[400, 1, 1\]"):
        QUICK.estimate(x[:, :, None], y)
    with pytest.raises(ValueError, match="Neural: variables must have equally many samples"):
        QUICK.estimate(x[:-1], y)
    with pytest.raises(ValueError, match="Neural: y must be finite, got NaN or infinity in 1 of 400 rows"):
        QUICK.estimate(x, np.where(np.arange(400) == 7, np.nan, y[:, 0]))


def test_values_that_are_no_longer_finite():
    x, y = gaussians(400)
    with pytest.raises(ValueError, match=r"Neural: values are no longer finite after .*lower lr"):
        with_settings(QUICK, lr=1e4, bound=bounds.nwj).estimate(x, y)


def test_new_samples_of_other_columns():
    x, y = gaussians(400)
    fitted = with_settings(QUICK, max_steps=1).fit(x, y)
    with pytest.raises(
        ValueError, match="FittedNeural: x must have the 1 columns of the fitted samples, got 2"
    ):
        fitted.scores(np.hstack([x, x]), y)
