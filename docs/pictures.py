"""Draw the pictures of docs/_static anew, each for light and for dark pages.

    python docs/pictures.py                             # a few minutes on one core
    python docs/pictures.py infomax-demo/report.html    # demo.png alone: the map of what `infomax demo` wrote

It runs the experiments of the principle, and reads what the benchmarks recorded.
"""

import json
import sys
from pathlib import Path

from site_check import find_chromium

from infomax.evaluation.ablation.tables import draw, rows_of
from infomax.pages.figures import dark_form, save_for_light_and_dark
from infomax.principle.experiments import EXPERIMENTS

HERE = Path(__file__).parent
PICTURES, RESULTS = HERE / "_static", HERE.parent / "benchmarks" / "results"
DPI = 160
WINDOW, SHOWN_POINT = {"width": 860, "height": 1200}, 20
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


def photograph_map(report):
    """Write demo.png and its dark form: the map of a report in Chromium, with a point and its neighbours."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium())
        for shade, path in {"light": PICTURES / "demo.png", "dark": dark_form(PICTURES / "demo.png")}.items():
            page = browser.new_page(color_scheme=shade, viewport=WINDOW)
            page.goto(report.resolve().as_uri())
            page.locator("#map0 .points circle").nth(SHOWN_POINT).click()
            page.evaluate("document.activeElement.blur()")
            page.locator("#map0").screenshot(path=path)


def main():
    if sys.argv[1:]:
        photograph_map(Path(sys.argv[1]))
        return
    save_for_light_and_dark(ablation(), PICTURES / "ablation.png", dpi=DPI)
    for experiment, name in OF_EXPERIMENTS.items():
        found = EXPERIMENTS[experiment](0)
        save_for_light_and_dark(found.figure, PICTURES / f"principle_{name}.png", dpi=DPI)


if __name__ == "__main__":
    main()
