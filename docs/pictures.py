"""Draw the pictures of docs/_static anew, each for light and for dark pages: `python docs/pictures.py`.

It runs the experiments of the principle, a few minutes on one core, and reads what the benchmarks recorded.
"""

import json
from pathlib import Path

from infomax.evaluation.ablation.tables import draw, rows_of
from infomax.pages.figures import save_for_light_and_dark
from infomax.principle.experiments import EXPERIMENTS

HERE = Path(__file__).parent
PICTURES, RESULTS = HERE / "_static", HERE.parent / "benchmarks" / "results"
DPI = 160
OF_EXPERIMENTS = {
    "two-terms": "terms",
    "noise-redundancy": "linear",
    "not-equivalent": "redundancy",
    "one-aspect": "retina",
    "ica-sources": "sources",
    "ica-edges": "edges",
    "near-neighbours": "maps",
    "frequent-patterns": "density",
    "signal-to-noise": "features",
    "temporal-correlation": "delays",
    "layers-hebbian": "network",
    "layers-infomax": "layers",
}
"""The picture of each experiment, whose file is called principle_NAME.png."""


def ablation():
    """Return the figure of the recorded ablation."""
    recorded = json.loads((RESULTS / "ablation.json").read_text())
    seeds = range(len(recorded[0]["steps"]))
    runs = {row["variant"]: [run_of(row, seed) for seed in seeds] for row in recorded}
    return draw(rows_of(runs))


def run_of(row, seed):
    """Return what one run of a variant had, as an ablation keeps it."""
    accuracies = {probe: row[probe][seed] for probe in ("linear", "neighbours")}
    return {"steps": row["steps"][seed], "accuracies": accuracies}


def main():
    save_for_light_and_dark(ablation(), PICTURES / "ablation.png", dpi=DPI)
    for experiment, name in OF_EXPERIMENTS.items():
        found = EXPERIMENTS[experiment](0)
        save_for_light_and_dark(found.figure, PICTURES / f"principle_{name}.png", dpi=DPI)


if __name__ == "__main__":
    main()
