"""Priors against SciPy's distributions; what lies at the edge of one, beyond it, and on another device."""

import math
import re

import pytest
import torch
from scipy import stats

from infomax.learning.objectives.priors import GaussianPrior, SphericalPrior, UniformPrior

PRIORS = [UniformPrior(), GaussianPrior(), SphericalPrior()]


@pytest.mark.parametrize("prior", PRIORS)
def test_samples_are_made_on_the_device_that_is_asked_for(prior):
    assert prior.sample(3, 4, device=torch.device("meta")).device.type == "meta"


@pytest.mark.parametrize("dim", [2, 5])
@pytest.mark.parametrize("prior", PRIORS)
def test_the_marginal_distribution_is_that_of_scipy(prior, dim):
    shape = (dim - 1) / 2
    of = {
        "UniformPrior": stats.uniform(),
        "GaussianPrior": stats.norm(),
        "SphericalPrior": stats.beta(shape, shape, loc=-1, scale=2),
    }[type(prior).__name__]
    x = torch.linspace(-1.5, 2.5, 41)[:, None].expand(-1, dim)
    found = prior.marginal_cdf(x)
    assert found.dtype == x.dtype
    torch.testing.assert_close(found, torch.as_tensor(of.cdf(x), dtype=x.dtype))


@pytest.mark.parametrize("dim", [2, 40])
def test_vectors_of_the_sphere_have_length_1(dim):
    torch.testing.assert_close(SphericalPrior().sample(50, dim).norm(dim=1), torch.ones(50))


@pytest.mark.parametrize(
    ("prior", "inside", "outside"),
    [
        (UniformPrior(), [[0.0, 1.0]], [[[-0.01, 0.5]], [[0.5, 1.01]]]),
        (GaussianPrior(), [[-1e30, 1e30]], [[[0.0, math.inf]], [[0.0, math.nan]]]),
        (SphericalPrior(), [[0.99, 0.0], [0.0, 1.01]], [[[0.97, 0.0]], [[0.0, 1.03]], [[math.nan, 0.0]]]),
    ],
)
def test_what_lies_at_the_edge_and_what_beyond(prior, inside, outside):
    prior.check(torch.tensor(inside))
    for rows in outside:
        with pytest.raises(ValueError, match="prior matching: "):
            prior.check(torch.tensor(rows))


def test_messages_name_a_remedy():
    words = "1 of 3 features are not finite; did training diverge? lower the learning rate"
    with pytest.raises(ValueError, match=re.escape(words)):
        GaussianPrior().check(torch.tensor([[0.0, math.nan, 1.0]]))
    with pytest.raises(ValueError, match=r"by the length \(method\.encoder\.output: unit\)$"):
        SphericalPrior().check(torch.tensor([[3.0, 4.0]]))
