"""The experiments by name, each a function of a seed that returns `Evidence`; imported when first called.

Their figures are made with `drawing`, to look alike.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from infomax.principle.evidence import Evidence


@dataclass(frozen=True)
class Experiment:
    """Where an experiment's function is, ``module.function`` of this package, and a line of what it does."""

    home: str
    summary: str

    def __call__(self, seed: int) -> "Evidence":
        """Run it."""
        module, function = self.home.split(".")
        return getattr(importlib.import_module(f"{__name__}.{module}"), function)(seed)


EXPERIMENTS: Mapping[str, Experiment] = {
    "two-terms": Experiment("terms.two_terms", "one unit that conveys most, least noise, or both at once"),
    "not-equivalent": Experiment(
        "terms.not_equivalent", "is the pair that conveys most the least redundant?"
    ),
    "noise-redundancy": Experiment("noise.noise_redundancy", "two units as output noise grows"),
    "one-aspect": Experiment(
        "noise.one_aspect", "photographs seen by a small retina, in light and in the dark"
    ),
}
