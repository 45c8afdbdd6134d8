"""Probes: functions of features and labels that know no encoder; the table of them, by name.

>>> for name, probe in PROBES.items():
...     print(f"{name:8}{probe.summary}")
linear  logistic regression on standardised features
mlp     networks with one hidden layer
knn     the vote of the nearest training rows, by cosine similarity
svm     linear support vector machines, one for each class
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from infomax.registry import Registry, loaded

if TYPE_CHECKING:
    from infomax.evaluation.probes.probe import ProbeResult

DEFAULT_LABELS_PER_CLASS = 5
"""How many labels of each class "few labels" are."""
DEFAULT_NUM_DRAWS = 10
"""How often few labels are drawn."""


@dataclass(frozen=True)
class NamedProbe:
    """A probe of the table `PROBES`; it is called as the function that it names, and loads it then.

    Attributes:
        name: in options and tables.
        summary: what it is, in one line.
        home: where the function is found, ``"module:function"``.
        settings: arguments that the function is called with.
        settings_of_draws: further ones for a probe that is fitted to several draws of few labels.
    """

    name: str
    summary: str
    home: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    settings_of_draws: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, *rows: Any, **settings: Any) -> "ProbeResult":
        """Return what the probe finds; see `infomax.evaluation.probes.probe`."""
        return loaded(self.home)(*rows, **{**self.settings, **settings})

    @property
    def for_draws(self) -> "NamedProbe":
        """The probe as it is fitted to several draws of few labels."""
        return replace(self, settings={**self.settings, **self.settings_of_draws})


_TABLE = (
    NamedProbe(
        "linear",
        "logistic regression on standardised features",
        "infomax.evaluation.probes.linear:linear_probe",
    ),
    NamedProbe(
        "mlp",
        "networks with one hidden layer",
        "infomax.evaluation.probes.mlp:mlp_probe",
        settings_of_draws={"num_seeds": 1},
    ),
    NamedProbe(
        "knn",
        "the vote of the nearest training rows, by cosine similarity",
        "infomax.evaluation.probes.neighbors:nearest_neighbor_probe",
    ),
    NamedProbe(
        "svm",
        "linear support vector machines, one for each class",
        "infomax.evaluation.probes.svm:svm_probe",
    ),
)

PROBES: Registry[NamedProbe] = Registry("probe", {probe.name: probe for probe in _TABLE})
"""The probes, by the names that options and tables use; `Registry.register` adds one."""
