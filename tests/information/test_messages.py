"""Every function of tables says its own name in its errors, and takes the axes that it is given."""

import re

import numpy as np
import pytest
import torch

import infomax.information as information
from infomax.information import Channel, Joint

PAIRS = ("joint_entropy", "conditional_entropy", "mutual_information", "pointwise_mutual_information",
         "variation_of_information", "normalized_mutual_information", "normalized_variation_of_information",
         "uncertainty_coefficient", "conditional_mutual_information", "total_correlation",
         "dual_total_correlation", "interaction_information")  # fmt: skip
DIVERGENCES = ("kl_divergence", "reverse_kl_divergence", "cross_entropy", "js_divergence", "total_variation",
               "squared_hellinger", "chi_squared_divergence")  # fmt: skip
SINGLE = {
    "entropy": information.entropy,
    "renyi_entropy": lambda p, **axis: information.renyi_entropy(p, 2.0, **axis),
    "tsallis_entropy": lambda p, **axis: information.tsallis_entropy(p, 2.0, **axis),
}
UNIFORM = np.full(4, 0.25)
BAD = {"negative": [1.5, -0.5], "sum": [0.5, 0.4], "nan": [np.nan, 1.0], "no axis": 1.0}


def shaped(values, num_axes):
    """Bad probabilities in a table of so many axes; a number as it is."""
    values = np.asarray(values)
    return values if values.ndim == 0 else values.reshape((1,) * (num_axes - 1) + (-1,))


@pytest.mark.parametrize("values", BAD.values(), ids=BAD)
@pytest.mark.parametrize("name", [*PAIRS, *SINGLE])
def test_errors_begin_with_the_name(name, values):
    num_axes = (
        1
        if name in SINGLE
        else 3
        if name in ("conditional_mutual_information", "interaction_information")
        else 2
    )
    with pytest.raises(ValueError, match=rf"^{re.escape(name)}: "):
        (SINGLE.get(name) or getattr(information, name))(shaped(values, num_axes))


@pytest.mark.parametrize("values", BAD.values(), ids=BAD)
@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("name", DIVERGENCES)
def test_errors_of_divergences_begin_with_the_name(name, side, values):
    given = [np.array([0.5, 0.5]), np.array([0.5, 0.5])]
    given[side] = shaped(values, 1)
    with pytest.raises(ValueError, match=rf"^{name}: "):
        getattr(information, name)(*given)
    with pytest.raises(ValueError, match=rf"^{name}: "):
        getattr(information, name)(UNIFORM, given[1 - side])


@pytest.mark.parametrize("name", PAIRS[:9])
def test_errors_of_too_few_axes_begin_with_the_name(name):
    with pytest.raises(ValueError, match=rf"^{name}: expected at least [23] axes"):
        getattr(information, name)(UNIFORM)


@pytest.mark.parametrize("order", [-1.0, float("nan")])
@pytest.mark.parametrize("name", ["renyi_entropy", "tsallis_entropy"])
def test_orders(name, order):
    with pytest.raises(ValueError, match=rf"^{name}: order "):
        getattr(information, name)(UNIFORM, order)
    if name == "tsallis_entropy":
        with pytest.raises(
            ValueError, match=r"^tsallis_entropy: order must be finite, got inf; the limit is 0 for every p$"
        ):
            information.tsallis_entropy(UNIFORM, float("inf"))


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("order", [1.0, 2.0, 0.5])
def test_axes_of_entropies(axis, order):
    p = np.random.default_rng(0).dirichlet(np.ones(6)).reshape(2, 3)
    p[0, 0], p[1, 1] = 0.0, p[1, 1] + p[0, 0]
    p = p / p.sum(axis, keepdims=True)
    rows = np.moveaxis(p, axis, -1)
    for name in ("renyi_entropy", "tsallis_entropy"):
        function = getattr(information, name)
        expected = [function(row, order) for row in rows]
        np.testing.assert_allclose(np.ravel(function(p, order, axis=axis)), expected, rtol=1e-12)
    expected = [information.entropy(row) for row in rows]
    np.testing.assert_allclose(np.ravel(information.entropy(p, axis=axis)), expected, rtol=1e-12)


def test_a_measure_without_a_yardstick_says_its_name():
    certain = np.array([[1.0, 0.0], [0.0, 0.0]])
    for name in (
        "normalized_mutual_information",
        "normalized_variation_of_information",
        "uncertainty_coefficient",
    ):
        with pytest.raises(ValueError, match=rf"^{name}: "):
            getattr(information, name)(certain)


@pytest.mark.parametrize("bad", [[-1.0, 2.0], [np.nan, 1.0]])
def test_counts(bad):
    with pytest.raises(ValueError, match=r"^Joint\.from_counts: "):
        Joint.from_counts(np.array(bad), "x")


COVARIANCES = {
    "no square": np.zeros((2, 3)),
    "nan": np.diag([1.0, np.nan]),
    "not symmetric": np.array([[1.0, 0.5], [0.0, 1.0]]),
    "singular": np.ones((2, 2)),
    "text": np.array([["a", "b"], ["c", "d"]]),
}
OF_COVARIANCES = {
    "gaussian_entropy": information.gaussian_entropy,
    "gaussian_mutual_information": lambda c: information.gaussian_mutual_information(c, 1),
    "gaussian_conditional_mutual_information": lambda c: information.gaussian_conditional_mutual_information(
        c, [0], [1], []
    ),
    "gaussian_kl_divergence": lambda c: information.gaussian_kl_divergence(
        [0.0, 0.0], c, [0.0, 0.0], np.eye(2)
    ),
    "gaussian_kl_divergence of the second": lambda c: information.gaussian_kl_divergence(
        [0.0, 0.0], np.eye(2), [0.0, 0.0], c
    ),
    "canonical_correlations": lambda c: information.canonical_correlations(c, 1),
    "gaussian_information_bottleneck": lambda c: information.gaussian_information_bottleneck(c, 1, 3.0),
    "best_linear_channel": lambda c: information.best_linear_channel(c, 1.0, 1),
}


HAVE_A_VALUE = ("best_linear_channel", "canonical_correlations", "gaussian_information_bottleneck")
"""Functions that answer for a singular covariance: an axis has no signal, or a correlation is 1."""


@pytest.mark.parametrize("values", COVARIANCES)
@pytest.mark.parametrize("name", OF_COVARIANCES)
def test_errors_about_covariances_begin_with_the_name(name, values):
    if values == "singular" and name in HAVE_A_VALUE:
        return
    with pytest.raises((ValueError, TypeError), match=rf"^{name.partition(' ')[0]}: "):
        OF_COVARIANCES[name](COVARIANCES[values])


NOISY = Channel.symmetric(2, 0.1)
BAD_CALLS = {
    "Channel.ideal": [lambda: Channel.ideal(0)],
    "Channel.fully_disturbed": [
        lambda: Channel.fully_disturbed([0.5, 0.6], 2),
        lambda: Channel.fully_disturbed([0.5, 0.5], 0),
    ],
    "Channel.symmetric": [
        lambda: Channel.symmetric(2, 1.5),
        lambda: Channel.symmetric(2, "x"),
        lambda: Channel.symmetric(1, 0.1),
    ],
    "Channel.erasure": [lambda: Channel.erasure(-0.1), lambda: Channel.erasure("x")],
    "Channel.z": [lambda: Channel.z(2.0), lambda: Channel.z("x")],
    **{
        f"Channel.{name}": [lambda name=name: getattr(NOISY, name)([0.5, 0.6])]
        for name in ("output", "joint", "mutual_information", "equivocation", "noise")
    },
    "Channel.product": [lambda: NOISY.product(Channel(torch.eye(2, dtype=torch.float64)))],
    "capacity": [
        lambda: NOISY.capacity(tolerance=1e-30),
        lambda: NOISY.capacity(costs=[1.0, 2.0], budget=0.5),
        lambda: NOISY.capacity(costs=[1.0, 2.0], budget=1.2, tolerance=1e-30),
    ],
    "gaussian_kl_divergence": [
        lambda: information.gaussian_kl_divergence(["x"], np.eye(1), [0.0], np.eye(1)),
        lambda: information.gaussian_kl_divergence([0.0], np.eye(1), ["x"], np.eye(1)),
        lambda: information.gaussian_kl_divergence([0.0], np.eye(2), [0.0], np.eye(2)),
        lambda: information.gaussian_kl_divergence([0.0, 0.0], np.eye(2), [0.0, 0.0], np.eye(3)),
        lambda: information.gaussian_kl_divergence(torch.zeros(1), np.eye(1), [0.0], torch.eye(1)),
    ],
    "canonical_correlations": [
        lambda: information.canonical_correlations(np.eye(2), 0),
        lambda: information.canonical_correlations(np.diag([0.0, 1.0]), 1),
    ],
    "Channel.then": [lambda: NOISY.then(Channel.ideal(3))],
    "awgn_capacity": [lambda: information.awgn_capacity(-1.0), lambda: information.awgn_capacity("x")],
    "parallel_gaussian_capacity": [
        lambda: information.parallel_gaussian_capacity([1.0, 0.0], 1.0),
        lambda: information.parallel_gaussian_capacity(["x"], 1.0),
        lambda: information.parallel_gaussian_capacity([1.0], float("inf")),
    ],
    "gaussian_information_bottleneck": [
        lambda beta=beta: information.gaussian_information_bottleneck(np.eye(2), 1, beta)
        for beta in (0.0, -1.0, float("inf"), float("nan"))
    ],
    "gaussian_rate_distortion": [
        lambda: information.gaussian_rate_distortion([1.0, 0.0], 1.0),
        lambda: information.gaussian_rate_distortion([1.0], 0.0),
        lambda: information.gaussian_rate_distortion([1.0, -1.0], 1.0),
        lambda: information.gaussian_rate_distortion(["x"], 1.0),
    ],
    "information_through_gaussian_noise": [
        lambda: information.information_through_gaussian_noise(["x"], [1.0]),
        lambda: information.information_through_gaussian_noise([0.0, 1.0], [0.5, 0.6]),
        lambda: information.information_through_gaussian_noise([0.0, 1.0], [0.5, 0.5], noise_std=0.0),
    ],
    "amplitude_limited_capacity": [
        lambda: information.amplitude_limited_capacity(0.0),
        lambda: information.amplitude_limited_capacity(1.0, noise_std=float("inf")),
    ],
    "best_channel": [
        lambda: information.best_channel([0.5, 0.6], 2),
        lambda: information.best_channel([1.0], 0),
    ],
    "best_quantizer": [lambda: information.best_quantizer([0.5, 0.6], 2)],
    "best_channel_before": [lambda: information.best_channel_before([0.5, 0.6], NOISY)],
    "rate_distortion": [
        lambda: information.rate_distortion([0.5, 0.6], 1 - np.eye(2)),
        lambda: information.rate_distortion([0.5, 0.5], [["x", "y"], ["y", "x"]]),
    ],
    "joint_entropy": [lambda: information.joint_entropy(UNIFORM, num_variables=0)],
    "o_information": [lambda: information.o_information(UNIFORM)],
    "directed_information": [lambda: information.directed_information(UNIFORM[:, None, None])],
    "Discrete": [lambda: information.Discrete([0.5, 0.5]), lambda: information.Discrete([[0.5, 0.6]])],
    "StudentT": [
        lambda: information.StudentT(np.eye(2), 1, float("inf")),
        lambda: information.StudentT(np.eye(2), 1, 0),
    ],
}


@pytest.mark.parametrize(
    ("name", "call"), [(name, call) for name, calls in BAD_CALLS.items() for call in calls]
)
def test_errors_of_other_functions_begin_with_the_name(name, call):
    with pytest.raises((ValueError, TypeError, RuntimeError), match=rf"^{re.escape(name)}: ") as refused:
        call()
    assert "None" not in str(refused.value)
