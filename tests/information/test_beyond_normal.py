"""The 40 tasks against those of the authors' package: parameters, and transforms of the same rows.

bmi_values.json holds what benchmark-mi computes, for at most three coordinates of X and of Y.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from infomax.information import beyond_normal_tasks
from infomax.information.beyond_normal import two_humps
from infomax.information.distributions import AdditiveUniform, JointGaussian, StudentT, Transformed

VALUES = json.loads((Path(__file__).parent / "bmi_values.json").read_text(encoding="utf-8"))["tasks"]


def test_names():
    assert beyond_normal_tasks().keys() == VALUES.keys()


def rows(dim, function):
    """The rows whose transforms are recorded."""
    return 1.5 * function(np.outer(np.arange(1, 5), np.arange(1, dim + 1)))


def base_and_transforms(task):
    """Return the distribution that a task transforms, and its transforms of X and of Y, in their order."""
    if not isinstance(task, Transformed):
        return task, [], []
    base, of_x, of_y = base_and_transforms(task.base)
    return base, [*of_x, task.x], [*of_y, task.y]


@pytest.mark.parametrize("name", VALUES)
def test_the_authors_task(name):
    task, expected = beyond_normal_tasks()[name], VALUES[name]
    assert task.mutual_information == pytest.approx(expected["mutual_information"], abs=1e-9)
    base, of_x, of_y = base_and_transforms(task)
    if isinstance(base, AdditiveUniform):
        assert base.epsilon == expected["epsilon"]
    elif isinstance(base, JointGaussian | StudentT):
        matrix = base.covariance if isinstance(base, JointGaussian) else base.dispersion
        d = base.dim_x
        np.testing.assert_allclose(matrix[:3, :3], expected["within"], atol=1e-9)
        np.testing.assert_allclose(matrix[:3, d : d + 3], expected["between"], atol=1e-9)
        assert getattr(base, "dof", None) == expected.get("dof")
    for transforms, function, part in ((of_x, np.sin, "x"), (of_y, np.cos, "y")):
        if part in expected:
            found = rows(base.dim_x, function)
            for transform in transforms:
                found = transform(found)
            np.testing.assert_allclose(found[:, :3], expected[part], atol=2e-5)


def test_two_humps_map_quantiles_to_quantiles():
    from scipy.stats import norm

    z = np.linspace(-6, 6, 25)[:, None]
    found = two_humps(0.3, 0, 5)(z)
    mass = 0.3 * norm.cdf(found) + 0.7 * norm.cdf(found, 5)
    np.testing.assert_allclose(mass, norm.cdf(z), rtol=1e-9, atol=1e-15)
    upper = 0.3 * norm.sf(found) + 0.7 * norm.sf(found, 5)
    np.testing.assert_allclose(upper, norm.sf(z), rtol=1e-9, atol=1e-15)
