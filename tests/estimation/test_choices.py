"""Tables by name: complete, loaded on use, and true: a bound is one in simulations."""

import inspect
import math
from inspect import unwrap

import numpy as np
import pytest
import torch

from infomax.estimation import bounds
from infomax.estimation.choices import BOUND_KINDS, BOUNDS, CRITICS, ESTIMATORS
from infomax.estimation.critics import OBJECTIVES
from infomax.estimation.estimate import Estimator


def test_every_bound_has_a_name_and_a_kind():
    functions = {
        name
        for name, function in inspect.getmembers(bounds, inspect.isfunction)
        if function.__module__ == bounds.__name__ and not name.startswith("_") and name != "log_odds"
    }
    assert functions == set(BOUNDS) == set(BOUND_KINDS)
    for name in BOUNDS:
        assert BOUNDS[name] is getattr(bounds, name)


def test_kinds_are_those_that_the_docstrings_name():
    says = {
        "lower bound": "A lower bound",
        "upper bound of a known density": "upper bound",
        "divergence": "Not an estimate of I",
        "neither": "Not a bound",
    }
    further = {"kl": "the same function as `nwj`", "reverse_kl": "Not on I"}
    for name, kind in BOUND_KINDS.items():
        text = " ".join((inspect.getdoc(BOUNDS[name]) or "").replace("*", "").split())
        assert says[kind] in text or further[name] in text


def test_objectives_are_of_bounds_in_the_table():
    assert set(OBJECTIVES) <= {BOUNDS[name] for name in BOUNDS if "upper bound" not in BOUND_KINDS[name]}


def test_every_estimator_and_critic_loads():
    for name in ESTIMATORS:
        assert isinstance(ESTIMATORS[name](), Estimator)
    for name in CRITICS:
        assert CRITICS[name](2, 3) is not None


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(ValueError, match=r"measure: no estimator 'kgs'; did you mean ksg\?"):
        ESTIMATORS.find("kgs", "measure")


# ------------------------------------------------------------------ what the kind "lower bound" promises


def gaussians(information, runs, n, dim=2, num_locations=1, seed=0):
    """The information, log r of each pair [runs, n, n, locations], and another function of x and y."""
    rng = np.random.default_rng(seed)
    rho = math.sqrt(-math.expm1(-2 * information / dim))
    x = rng.standard_normal((runs, n, 1, dim))
    y = rho * x + math.sqrt(1 - rho**2) * rng.standard_normal((runs, n, num_locations, dim))
    x, y = x[:, :, None], y[:, None]
    squares = (x**2 + y**2).sum(-1)
    log_ratio = information + (2 * rho * (x * y).sum(-1) - rho**2 * squares) / (2 * (1 - rho**2))
    other = 3 * np.sin(5 * x[..., 0]) * np.cos(3 * y[..., -1])
    return information, torch.tensor(log_ratio), torch.tensor(other)


def letters(num_letters, share, runs, n, seed=0):
    """The same of letters: Y is X in this share of cases, and any letter in the others."""
    rng = np.random.default_rng(seed)
    x = rng.integers(num_letters, size=(runs, n))
    y = np.where(rng.random((runs, n)) < share, x, rng.integers(num_letters, size=(runs, n)))
    joint = share * np.eye(num_letters) / num_letters + (1 - share) / num_letters**2
    with np.errstate(divide="ignore"):
        log_ratios = np.log(joint * num_letters**2)
    truth = float(joint[joint > 0] @ log_ratios[joint > 0])
    other = 2 * rng.standard_normal((num_letters, num_letters))
    pairs = x[:, :, None], y[:, None]
    return truth, torch.tensor(log_ratios[pairs])[..., None], torch.tensor(other[pairs])[..., None]


CRITICS_OF = {  # (log r, another function of x and y) -> scores
    "log r": lambda log_ratio, other: log_ratio,
    "2 log r": lambda log_ratio, other: 2 * log_ratio,
    "½ log r": lambda log_ratio, other: log_ratio / 2,
    "log r + 3/2": lambda log_ratio, other: log_ratio + 1.5,
    "log r and other": lambda log_ratio, other: log_ratio + other,
    "other": lambda log_ratio, other: other,
}
WITH_ARGUMENTS = {
    "tuba": [lambda s: unwrap(bounds.tuba)(s, 0.5)],
    "interpolated": [
        lambda s: unwrap(bounds.interpolated)(s, 0.5, 0.01),
        lambda s: unwrap(bounds.interpolated)(s, 0.0, 0.5),
    ],
    "flo": [
        lambda s: unwrap(bounds.flo)(s, -s.diagonal().movedim(-1, 0)),
        lambda s: unwrap(bounds.flo)(s, 1 - s.diagonal().movedim(-1, 0) / 2),
    ],
}
LOWER = [name for name, kind in BOUND_KINDS.items() if kind == "lower bound"]


def excesses(name, truth, log_ratio, other):
    """How far the mean over runs lies above the truth, in its standard errors, for each critic."""
    for critic, of in CRITICS_OF.items():
        for function in WITH_ARGUMENTS.get(name, [unwrap(BOUNDS[name])]):
            values = torch.vmap(function)(of(log_ratio, other))
            error = float(values.std()) / math.sqrt(len(values))
            yield critic, (float(values.mean()) - truth) / max(error, 1e-12)


@pytest.fixture(scope="module")
def few_runs():
    return [
        *(gaussians(information, 200, n) for information, n in ((0.5, 8), (2, 16), (5, 24), (10, 32))),
        gaussians(2, 200, 12, num_locations=3),
        letters(4, 0.7, 200, 16),
        letters(100, 1.0, 200, 16),
    ]


@pytest.mark.parametrize("name", LOWER)
def test_no_mean_of_200_runs_exceeds_the_information_by_more_than_its_error(name, few_runs):
    chosen = few_runs[1::3] if name == "interpolated" else few_runs  # it is slow; see below
    for truth, log_ratio, other in chosen:
        for critic, excess in excesses(name, truth, log_ratio, other):
            assert excess < 3, (truth, critic)


@pytest.mark.slow
@pytest.mark.parametrize("name", LOWER)
@pytest.mark.parametrize("n", [3, 8, 100])
def test_no_mean_of_2000_runs_does(name, n):
    """Of 3.5 errors: there are 800 means here."""
    runs = 2000 if n < 100 else 300
    for dim in (2, 20):
        for information in (0.0, 0.5, 2):
            for critic, excess in excesses(name, *gaussians(information, runs, n, dim=dim, seed=1)):
                assert excess < 3.5, (dim, information, critic)


def test_means_of_what_is_no_lower_bound_do():
    """So that the test above can fail: with log r of 10 nats as the critic."""
    found = gaussians(10, 200, 24)
    for name in ("donsker_varadhan", "smile"):
        assert dict(excesses(name, *found))["log r"] > 10
    of_mine = torch.vmap(lambda s: unwrap(bounds.mine)(s)[0])(found[1])
    assert float(of_mine.mean()) > 20


def test_donsker_varadhan_of_64_samples_and_10_nats_is_high_by_more_than_a_nat():
    """With log r as the critic: 11.29 in the 4,000 batches of benchmarks/results/estimation_neural.md."""
    _, log_ratio, _ = gaussians(10, 200, 64, dim=20)
    values = torch.vmap(unwrap(bounds.donsker_varadhan))(log_ratio)
    assert float(values.mean()) == pytest.approx(11.29, abs=0.3)


def test_images_drawn_without_replacement_give_infonce_no_bound():
    """32 images, all of them in every batch; Y names the image with probability .2, and is blank else."""
    rng = np.random.default_rng(0)
    truth = 0.2 * math.log(32)

    def mean_value(images):  # log r: log 32 for the image that is named, 0 for a blank, −∞ for another image
        names = rng.random(images.shape) < 0.2
        same = images[:, :, None] == images[:, None]
        log_ratio = np.where(names[:, None], np.where(same, math.log(32), -math.inf), 0.0)
        values = torch.vmap(unwrap(bounds.infonce))(torch.tensor(log_ratio))
        return float(values.mean()), float(values.std()) / math.sqrt(len(values))

    value, error = mean_value(np.tile(np.arange(32), (4000, 1)))
    assert value == pytest.approx(0.755, abs=0.01) and value > truth + 5 * error
    value, error = mean_value(rng.integers(32, size=(4000, 32)))
    assert value < truth + 3 * error


def test_leave_one_out_and_club_bound_from_above_with_the_true_density_alone():
    truth, log_ratio, other = gaussians(1.0, 400, 16)
    for name in ("leave_one_out", "club"):
        function = unwrap(BOUNDS[name])
        assert float(torch.vmap(function)(log_ratio).mean()) > truth  # log r is log p(y|x) − log p(y)
        assert float(torch.vmap(function)(other).mean()) < truth - 0.5


@pytest.mark.parametrize(
    "dim, information, expected", [(1, 3.12, 2.85), (20, 3.12, 2.59), (1, 4.16, 3.50), (20, 4.16, 3.14)]
)
def test_infonce_within_a_nat_of_its_ceiling_is_low_by_half_a_nat_and_more(dim, information, expected):
    """With log r as the critic, and 64 samples: the ceiling is log 64 = 4.16."""
    _, log_ratio, _ = gaussians(information, 60, 64, dim=dim)
    value = float(torch.vmap(unwrap(bounds.infonce))(log_ratio).mean())
    assert value == pytest.approx(expected, abs=0.06)
    assert value < information - 0.6 or value < math.log(64) - 1.2
