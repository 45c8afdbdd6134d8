"""Tables that a configuration of Deep InfoMax chooses from by name; an entry is loaded when it is used."""

from collections.abc import Callable
from typing import Any

from infomax.registry import Registry

BOUNDS: Registry[Callable[..., Any]] = Registry(
    "bound",
    {
        name: f"infomax.estimation.bounds:{name}"
        for name in (
            "infonce",
            "jensen_shannon",
            "donsker_varadhan",
            "nwj",
            "kl",
            "reverse_kl",
            "squared_hellinger",
        )
    },
)
"""Functions of scores ``[n, n, *locations]`` that Deep InfoMax can maximise; `estimation.choices` has all."""

CRITICS: Registry[Callable[[int, int, int], Any]] = Registry(
    "critic",
    {
        "encode-and-dot": "infomax.learning.objectives.map_critics:EncodeAndDot",
        "dot": "infomax.learning.objectives.map_critics:dot",
        "concat-and-convolve": "infomax.learning.objectives.map_critics:concat_and_convolve",
    },
)
"""(columns of x, columns of y, number of hidden units) to a critic of rows; the names are the paper's."""

PRIORS: Registry[Callable[[], Any]] = Registry(
    "prior",
    {
        "uniform": "infomax.learning.objectives.priors:UniformPrior",
        "gaussian": "infomax.learning.objectives.priors:GaussianPrior",
        "spherical": "infomax.learning.objectives.priors:SphericalPrior",
    },
)
"""Classes of priors."""
