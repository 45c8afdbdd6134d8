"""Probes of what is no class: numbers, and tags of which a row may have several; one target at a time.

>>> for kind, probes in TARGET_PROBES.items():
...     print(f"{kind:8}{', '.join(probes)}")
number  linear, knn
tag     linear, knn

A value that is missing is NaN; its row is left out of that target's fit and test, and counted.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infomax.registry import loaded

if TYPE_CHECKING:
    from infomax.evaluation.probes.targets.target import TargetResult


@dataclass(frozen=True)
class TargetProbe:
    """A probe of the table `TARGET_PROBES`; it is called as the function that it names, and loads it then.

    Attributes:
        summary: what it is, in one line.
        home: where the function is found, ``"module:function"``.
    """

    summary: str
    home: str

    def __call__(self, *rows: Any, **settings: Any) -> "TargetResult":
        """Return what the probe finds; see `infomax.evaluation.probes.targets.target`."""
        return loaded(self.home)(*rows, **settings)


TARGET_PROBES: Mapping[str, Mapping[str, Callable[..., "TargetResult"]]] = {
    "number": {
        "linear": TargetProbe(
            "ridge regression on standardised features",
            "infomax.evaluation.probes.targets.numbers:ridge_probe",
        ),
        "knn": TargetProbe(
            "the mean of the nearest training rows, by cosine similarity",
            "infomax.evaluation.probes.targets.numbers:number_neighbor_probe",
        ),
    },
    "tag": {
        "linear": TargetProbe(
            "logistic regression of having the tag, on standardised features",
            "infomax.evaluation.probes.targets.tags:tag_probe",
        ),
        "knn": TargetProbe(
            "the share of the nearest training rows that have the tag, by cosine similarity",
            "infomax.evaluation.probes.targets.tags:tag_neighbor_probe",
        ),
    },
}
"""The probes by the kind of the target, and by the names that options and tables use."""
