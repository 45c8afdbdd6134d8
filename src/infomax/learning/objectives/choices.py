"""Tables that the configuration of a method chooses from by name; an entry is loaded when it is used.

A part of one's own is chosen by its place, ``package.module:function``, or registered under a name.
"""

from collections.abc import Callable
from typing import Any, Literal

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
    group="infomax.bounds",
)
"""Functions of scores ``[n, n, *locations]`` that Deep InfoMax can maximise; `estimation.choices` has all."""

CRITICS: Registry[Callable[[int, int, int], Any]] = Registry(
    "critic",
    {
        "encode-and-dot": "infomax.learning.objectives.map_critics:EncodeAndDot",
        "dot": "infomax.learning.objectives.map_critics:dot",
        "concat-and-convolve": "infomax.learning.objectives.map_critics:concat_and_convolve",
    },
    group="infomax.critics",
)
"""(columns of x, columns of y, number of hidden units) to a critic of rows; the names are the paper's."""

PRIORS: Registry[Callable[[], Any]] = Registry(
    "prior",
    {
        "uniform": "infomax.learning.objectives.priors:UniformPrior",
        "gaussian": "infomax.learning.objectives.priors:GaussianPrior",
        "spherical": "infomax.learning.objectives.priors:SphericalPrior",
    },
    group="infomax.priors",
)
"""Classes of priors."""

Negatives = Literal["all", "host", "device"]
"""Whose things are negatives, where several processes train together: those of all, of a host, of a process.

The objective is the mean, over the parts that this makes, of what one process would compute of the part.
"""


def register_bound(name: str, bound: Callable[..., Any]) -> Callable[..., Any]:
    """Add a bound to the table, under a name that recipes can hold.

    Args:
        name: for ``--method.bound`` and ``recipe.yaml``.
        bound: scores ``[n, n, *locations]``, positives on the diagonal of the first two axes, to a scalar in
            nats, differentiable.

    Raises:
        ValueError: there is another bound of that name.
    """
    return BOUNDS.register(name, bound)


def register_critic(name: str, critic: Callable[[int, int, int], Any]) -> Callable[[int, int, int], Any]:
    """Add a critic to the table, under a name that recipes can hold.

    Args:
        name: for ``--method.critic`` and ``recipe.yaml``.
        critic: (columns of x, columns of y, number of hidden units) to a module that scores rows x, [n, dx],
            against rows y, [m, dy]: [n, m].

    Raises:
        ValueError: there is another critic of that name.
    """
    return CRITICS.register(name, critic)
