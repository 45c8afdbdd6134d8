"""The experiments by name, and what they show of each statement about the InfoMax principle.

Each experiment is a function of a seed that returns `Evidence`; its module is imported when it is first
called. `drawing` gives figures one look, `running` runs experiments, `results` keeps what they find in a
folder, and `page` shows it.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from infomax.principle.experiments.evidence import Evidence


@dataclass(frozen=True)
class Experiment:
    """An experiment that can be called with a seed.

    Args:
        home: where its function is, ``module.function`` of this package.
        summary: what it does, in a line.
    """

    home: str
    summary: str

    def __call__(self, seed: int) -> "Evidence":
        """Run it."""
        module, function = self.home.split(".")
        return getattr(importlib.import_module(f"{__name__}.{module}"), function)(seed)


EXPERIMENTS: Mapping[str, Experiment] = {
    "two-terms": Experiment(
        "terms.two_terms", "one unit with the largest output, the least noise, or most information"
    ),
    "not-equivalent": Experiment(
        "terms.not_equivalent", "is the pair with most information the least redundant?"
    ),
    "noise-redundancy": Experiment("noise.noise_redundancy", "two units as output noise grows"),
    "one-aspect": Experiment(
        "noise.one_aspect", "photographs seen by a small retina, in light and in the dark"
    ),
    "ica-sources": Experiment(
        "ica.ica_sources", "mixed sources, and the map with most information about them"
    ),
    "ica-edges": Experiment(
        "ica.ica_edges", "filters with most information about patches of photographs: edges"
    ),
    "near-neighbours": Experiment("maps.near_neighbors", "chains and sheets of cells become ordered maps"),
    "frequent-patterns": Experiment(
        "maps.frequent_patterns", "how many cells stand for rare and for frequent inputs"
    ),
    "signal-to-noise": Experiment("features.signal_to_noise", "which of four features a sheet represents"),
    "temporal-correlation": Experiment(
        "features.temporal_correlation", "two sensors of one source, one of them late"
    ),
    "layers-hebbian": Experiment("network.layers_hebbian", "layers that grow from noise by Hebb's rule"),
    "layers-infomax": Experiment(
        "network.layers_infomax", "bits preserved from layer to layer, with both rules"
    ),
}
"""The experiments, by the names that the command `infomax principle` takes."""
