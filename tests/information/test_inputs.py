"""Every public function on numbers of every kind: right, or refused in plain words."""

import ast
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import infomax.information as information
from infomax.information import Channel, Joint

TABLE = [[1 / 4, 1 / 8], [1 / 8, 1 / 2]]  # exact in every precision
OTHER = [[1 / 8, 1 / 8], [1 / 4, 1 / 2]]


def flat(t):
    return t.reshape(-1) if hasattr(t, "reshape") else [p for row in t for p in row]


def of_pairs(name, **options):
    return lambda t: getattr(information, name)(t, **options)


def of_three(t):
    return t[:, None, :] if hasattr(t, "ndim") else [[row] for row in t]


def divergence(name):
    return lambda t: getattr(information, name)(t, as_like(OTHER, t), axis=(-2, -1))


def as_like(values, t):
    return torch.tensor(values, dtype=t.dtype) if isinstance(t, torch.Tensor) else values


def ideal_like(t):
    return Channel(as_like(np.eye(4).tolist(), t))


TABLES = {
    "entropy": lambda t: information.entropy(t, axis=(-2, -1)),
    "renyi_entropy": lambda t: information.renyi_entropy(flat(t), 1 + 1e-9),
    "tsallis_entropy": lambda t: information.tsallis_entropy(flat(t), 1 - 1e-9),
    **{
        name: of_pairs(name)
        for name in (
            "joint_entropy",
            "conditional_entropy",
            "mutual_information",
            "pointwise_mutual_information",
            "variation_of_information",
            "normalized_mutual_information",
            "normalized_variation_of_information",
            "uncertainty_coefficient",
            "total_correlation",
            "dual_total_correlation",
            "interaction_information",
            "o_information",
            "directed_information",
        )
    },
    "conditional_mutual_information": lambda t: information.conditional_mutual_information(of_three(t)),
    "williams_beer_decomposition": lambda t: information.williams_beer_decomposition(of_three(t)).information,
    "broja_decomposition": lambda t: information.broja_decomposition(of_three(t)).information,
    **{
        name: divergence(name)
        for name in (
            "kl_divergence",
            "reverse_kl_divergence",
            "cross_entropy",
            "js_divergence",
            "chi_squared_divergence",
            "squared_hellinger",
            "total_variation",
        )
    },
    "Joint": lambda t: Joint(t, "x y").I("x ; y").value,
    "Discrete": lambda t: information.Discrete(t).mutual_information,
    "Channel": lambda t: Channel([flat(t)] if isinstance(t, list) else flat(t)[None, :]).transition,
    "Channel.mutual_information": lambda t: Channel(as_like(np.eye(4).tolist(), t)).mutual_information(
        flat(t)
    ),
    "rate_distortion": lambda t: information.rate_distortion(flat(t), 1 - np.eye(4), slopes=[1.0]).upper,
    "information_bottleneck": lambda t: information.information_bottleneck(t, 5.0).objective,
    "deterministic_information_bottleneck": lambda t: (
        information.deterministic_information_bottleneck(t, 5.0).objective
    ),
    "best_channel": lambda t: information.best_channel(flat(t), 2).information,
    "best_quantizer": lambda t: information.best_quantizer(flat(t), 2).information,
    "best_channel_before": lambda t: (
        information.best_channel_before(flat(t), Channel.binary_symmetric(0.1)).information
    ),
    "information_through_gaussian_noise": lambda t: (
        information.information_through_gaussian_noise([0, 1, 2, 3], flat(t)).lower
    ),
    "through_channel": lambda t: (
        information.through_channel(flat(t), Channel(as_like(np.eye(4).tolist(), t))).mutual_information
    ),
}

UNIT, COVARIANCE = [[1.0, 0.0], [0.0, 1.0]], [[2.0, 0.5], [0.5, 1.0]]
REALS = {  # functions of real numbers that are no probabilities, with the numbers
    "gaussian_entropy": (lambda c: information.gaussian_entropy(c), COVARIANCE),
    "gaussian_mutual_information": (lambda c: information.gaussian_mutual_information(c, 1), COVARIANCE),
    "gaussian_conditional_mutual_information": (
        lambda c: information.gaussian_conditional_mutual_information(c, [0], [1], []),
        COVARIANCE,
    ),
    "gaussian_kl_divergence": (
        lambda c: information.gaussian_kl_divergence([0.0, 0.0], c, [1.0, 0.0], as_like(UNIT, c)),
        COVARIANCE,
    ),
    "canonical_correlations": (lambda c: information.canonical_correlations(c, 1), COVARIANCE),
    "gaussian_information_bottleneck": (
        lambda c: information.gaussian_information_bottleneck(c, 1, 10.0).rate,
        COVARIANCE,
    ),
    "best_linear_channel": (lambda c: information.best_linear_channel(c, 1.0, 1).information, COVARIANCE),
    "JointGaussian": (lambda c: information.JointGaussian(c, 1).mutual_information, COVARIANCE),
    "StudentT": (lambda c: information.StudentT(c, 1, 3.0).mutual_information, COVARIANCE),
    "awgn_capacity": (lambda snr: information.awgn_capacity(snr), [[1.0, 0.5], [2.0, 4.0]]),
    "parallel_gaussian_capacity": (
        lambda v: information.parallel_gaussian_capacity(flat(v), 1.0).capacity,
        [[1.0, 0.5], [2.0, 4.0]],
    ),
    "gaussian_rate_distortion": (
        lambda v: information.gaussian_rate_distortion(flat(v), 0.5),
        [[1.0, 0.5], [2.0, 4.0]],
    ),
    "Channel.capacity": (
        lambda c: Channel(np.eye(4)).capacity(costs=flat(c), budget=1.0).lower,
        [[1.0, 0.5], [2.0, 4.0]],
    ),
}

OF_NUMBERS = {  # of single numbers, functions or other distributions: no arrays
    *("AdditiveUniform", "Independent", "Transformed", "UniformMixture", "ZeroInflatedPoisson"),
    *("beyond_normal_tasks", "correlated_gaussians", "staircase", "equal_mass_thresholds"),
    *("differential_entropy", "differential_kl_divergence", "amplitude_limited_capacity"),
    *("arithmetic_mean", "geometric_mean"),  # of entropies
}
RESULTS = {  # returned, not called
    *("BestChannel", "Bottleneck", "Capacity", "GaussianBottleneck", "LinearChannel", "WaterFilling"),
    *("Decomposition", "RateDistortion", "Bracket", "ScalarCapacity", "Distribution"),
}

ALL = {**{name: (f, TABLE) for name, f in TABLES.items()}, **REALS}
every_function = pytest.mark.parametrize(("function", "numbers"), ALL.values(), ids=ALL)
every_table_function = pytest.mark.parametrize("function", TABLES.values(), ids=TABLES)


def test_no_public_name_is_forgotten():
    stub = ast.parse((Path(information.__file__).parent / "__init__.pyi").read_text())
    public = {alias.name for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert public == {name.split(".")[0] for name in ALL} | OF_NUMBERS | RESULTS


def value(result):
    return np.asarray(result.detach() if isinstance(result, torch.Tensor) else result, dtype=float)


@every_function
@pytest.mark.parametrize("dtype", ["float16", "float32", "longdouble"])
def test_every_precision_of_numpy(function, numbers, dtype):
    expected = value(function(numbers))
    tolerance = 2e-6 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(value(function(np.array(numbers, dtype=dtype))), expected, atol=tolerance)


@every_function
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_every_precision_of_torch(function, numbers, dtype):
    expected = value(function(numbers))
    result = function(torch.tensor(numbers, dtype=dtype))
    np.testing.assert_allclose(value(result), expected, atol=2e-6 if dtype == torch.float32 else 1e-12)


@every_function
def test_masked_entries_are_refused_and_a_mask_of_none_is_nothing(function, numbers):
    array = np.array(numbers)
    np.testing.assert_array_equal(value(function(np.ma.masked_array(array))), value(function(array)))
    with pytest.raises(ValueError, match=r"got 1 masked entries, which have no value; fill them"):
        function(np.ma.masked_array(array, mask=[[False, True], [False, False]]))


ANSWERS = {  # what has a meaning: signals without noise, sources of infinite variance, negative costs
    ("awgn_capacity", math.inf): math.inf,
    ("gaussian_rate_distortion", math.inf): math.inf,
    ("Channel.capacity", -1e300): math.log(4),
}


SAID_BY = {  # whose name stands before the message, where that is another function
    "through_channel": "Channel.joint",
    "JointGaussian": "gaussian_mutual_information",
    "StudentT": "gaussian_mutual_information",
    "gaussian_information_bottleneck": "(gaussian_information_bottleneck|canonical_correlations)",
}


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("entry", [math.nan, math.inf, -math.inf, -1e300])
def test_what_is_no_number_is_refused(name, entry):
    function, numbers = ALL[name]
    if (name, entry) in ANSWERS:
        array = np.array(numbers)
        array[0, 1] = entry
        assert np.max(value(function(array))) == pytest.approx(ANSWERS[name, entry])
        return
    for array in (np.array(numbers), torch.tensor(numbers, dtype=torch.float64)):
        array[0, 1] = entry
        array[1, 0] = entry
        with pytest.raises(ValueError, match=rf"^{SAID_BY.get(name, re.escape(name))}: (?s:.)* "):
            function(array)


@every_table_function
@pytest.mark.parametrize(
    ("entry", "dtype"), [(1e300, "float64"), (1e38, "float32"), (6e4, "float16"), (2, "int64")]
)
def test_large_numbers_are_no_probabilities(function, entry, dtype):
    with pytest.raises(ValueError, match=r"must sum to 1|are these counts"):
        function(np.array([[entry, 0], [0, entry]], dtype=dtype))


@every_function
@pytest.mark.parametrize("array", [np.eye(2, dtype=bool), np.eye(2, dtype=complex), np.full((2, 2), "a")])
def test_what_is_not_real_is_refused(function, numbers, array):
    with pytest.raises(TypeError, match=r"^[\w.]+: expected real numbers, got (bool|complex128|<U1)"):
        function(array)


def test_integers_are_probabilities_if_they_sum_to_one():
    for dtype in (np.int64, np.uint8):
        assert float(information.entropy(np.array([1, 0], dtype=dtype))) == 0
    with pytest.raises(TypeError, match="entropy: expected numbers, or rows of equally many"):
        information.entropy([[0.5, 0.5], [1.0]])


def test_sums_of_short_numbers_do_not_lose_what_they_hold():
    """A million entries of 1e-6, stored as 1.0133e-6, and ten thousand of 1e-4 in bfloat16."""
    table = np.full((1000, 1000), 1e-6, np.float16)
    assert float(information.mutual_information(table)) == pytest.approx(0, abs=1e-12)
    table = torch.full((100, 100), 1e-4, dtype=torch.bfloat16)
    assert float(information.entropy(table, axis=(0, 1))) == pytest.approx(math.log(10_000), abs=1e-12)
    for order in (1 - 1e-9, 1 + 1e-9):
        half = np.array([0.5, 0.5], np.float16)
        assert float(information.renyi_entropy(half, order)) == pytest.approx(math.log(2))
        assert float(information.tsallis_entropy(half, order)) == pytest.approx(math.log(2), abs=1e-8)


@pytest.mark.parametrize("scale", [1e-300, 1e-150, 1e150, 1e300])
def test_gaussians_of_any_scale(scale):
    covariance = np.array([[1, 0.5], [0.5, 1]]) * scale
    expected = -math.log(0.75) / 2
    assert float(information.gaussian_mutual_information(covariance, 1)) == pytest.approx(expected)
    assert information.canonical_correlations(covariance, 1) == pytest.approx([0.5])
    entropy = float(information.gaussian_entropy([[scale]]))
    assert entropy == pytest.approx((math.log(2 * math.pi * math.e) + math.log(scale)) / 2)
    shift = [math.sqrt(scale)]
    assert float(information.gaussian_kl_divergence([0.0], [[scale]], shift, [[scale]])) == pytest.approx(0.5)


def test_large_whole_numbers_stay_apart():
    for column in (
        np.array([2**53, 2**53 + 1]),
        [2**53, 2**53 + 1],
        [2**63, 2**63 + 1],
        [2**53 + 1, 2**53, -1, 0.5],
        [2**64, 2**64 + 1],
    ):
        assert float(Joint.from_samples({"x": column}).H("x")) == pytest.approx(math.log(len(column)))
    with pytest.raises(ValueError, match="column 'x' mixes text and other values"):
        Joint.from_samples({"x": ["1", 1]})


WRONG = """
import math, sys, numpy as np
import infomax.information as i
fair, pair, cov = [.5, .5], [[.25, .25], [.25, .25]], [[1, .5], [.5, 1]]
joint, bsc = i.Joint(pair, "x y"), i.Channel.binary_symmetric(.1)
with_base = [
    lambda b: i.entropy(fair, base=b), lambda b: i.renyi_entropy(fair, 2, base=b),
    lambda b: i.joint_entropy(pair, base=b), lambda b: i.conditional_entropy(pair, base=b),
    lambda b: i.mutual_information(pair, base=b), lambda b: i.pointwise_mutual_information(pair, base=b),
    lambda b: i.variation_of_information(pair, base=b), lambda b: i.total_correlation(pair, base=b),
    lambda b: i.dual_total_correlation(pair, base=b), lambda b: i.interaction_information(pair, base=b),
    lambda b: i.conditional_mutual_information([pair, [[0, 0], [0, 0]]], base=b),
    lambda b: i.kl_divergence(fair, fair, base=b), lambda b: i.reverse_kl_divergence(fair, fair, base=b),
    lambda b: i.cross_entropy(fair, fair, base=b), lambda b: i.js_divergence(fair, fair, base=b),
    lambda b: joint.H("x", base=b), lambda b: joint.I("x ; y", base=b), lambda b: joint.kl(joint, base=b),
    lambda b: bsc.capacity(base=b), lambda b: bsc.mutual_information(fair, base=b),
    lambda b: bsc.equivocation(fair, base=b), lambda b: bsc.noise(fair, base=b),
    lambda b: i.rate_distortion(fair, np.eye(2), base=b), lambda b: i.best_channel(fair, 2, base=b),
    lambda b: i.best_quantizer(fair, 2, base=b), lambda b: i.best_channel_before(fair, bsc, base=b),
    lambda b: i.gaussian_entropy(cov, base=b), lambda b: i.gaussian_mutual_information(cov, 1, base=b),
    lambda b: i.gaussian_conditional_mutual_information(cov, [0], [1], [], base=b),
    lambda b: i.gaussian_kl_divergence([0, 0], cov, [0, 0], cov, base=b),
    lambda b: i.awgn_capacity(1., base=b), lambda b: i.parallel_gaussian_capacity([1.], 1, base=b),
    lambda b: i.gaussian_rate_distortion([1.], .5, base=b),
    lambda b: i.best_linear_channel(cov, 1, 1, base=b),
    lambda b: i.information_through_gaussian_noise([0, 1], fair, base=b),
    lambda b: i.amplitude_limited_capacity(1., base=b),
    lambda b: i.differential_entropy(lambda x: 0., 0, 1, base=b),
    lambda b: i.differential_kl_divergence(lambda x: 0., lambda x: 0., 0, 1, base=b),
]
others = [
    lambda b: i.renyi_entropy(fair, b), lambda b: i.tsallis_entropy(fair, b),
    lambda b: bsc.capacity(tolerance=b), lambda b: bsc.capacity(costs=[0, 1], budget=b),
    lambda b: i.rate_distortion(fair, 1 - np.eye(2)).bracket(b),
    lambda b: i.rate_distortion(fair, 1 - np.eye(2), tolerance=b),
    lambda b: i.information_bottleneck(pair, b), lambda b: i.deterministic_information_bottleneck(pair, b),
    lambda b: i.conditional_entropy(pair, given=b), lambda b: i.uncertainty_coefficient(pair, given=b),
    lambda b: i.total_correlation(pair, num_variables=b) if b is not None else i.renyi_entropy(fair, b),
    lambda b: i.joint_entropy(pair, num_variables=b),
    lambda b: i.differential_entropy(lambda x: 0., b, 1),
]
failures = []
for functions, bad in (
    (with_base, ["2", None, 2j, True, [2], 1, 0, -2, .5, math.nan, math.inf]),
    (others, ["2", None, 2j, [2], math.nan]),
):
    for k, function in enumerate(functions):
        for b in bad:
            try:
                failures.append((k, b, function(b)))
            except (TypeError, ValueError) as error:
                told = str(error).startswith("base") or ": " in str(error)
                if not told or not any(s in str(error) for s in ("must be", "is NaN", "from -")):
                    failures.append((k, b, repr(error)))
            except Exception as error:
                failures.append((k, b, repr(error)))
print(failures)
sys.exit(bool(failures))
"""


def test_parameters_of_the_wrong_kind_are_named():
    """In a process of its own, where annotations are not checked, as for users."""
    done = subprocess.run([sys.executable, "-c", WRONG], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("axis", [1, -2, (0, 1), "x", 0.0, None])
def test_an_axis_that_is_not_there(axis):
    with pytest.raises((ValueError, TypeError)):
        information.entropy([0.5, 0.5], axis=axis)
