"""How often does a 95 % interval contain the truth, and does the estimate say where it does not?

    python benchmarks/estimation_coverage.py --save --overwrite      # 15 minutes of two cores
    python benchmarks/estimation_coverage.py --repeats 20 --largest 1000
    … --redraw 1 --save --overwrite                                  # page and picture from the recorded run

Every estimator, on labels with labels, numbers with numbers and labels with numbers; independent, weakly and
strongly dependent; 50 to 10,000 samples. The true values are exact: of tables, of Gaussian pairs, and by
quadrature.

Slow estimators are repeated less often (SLOWNESS); the table says how often.

coverage: among estimates without a caution, the share whose interval contains the truth; empty for fewer than
20 such estimates. caution: the share of estimates with a caution. A setting is "silent and wrong" if at least
a tenth of the estimates have no caution, and these cover less than 90 % (beyond the error from the number of
repeats).
"""

import json
import math
import warnings
from dataclasses import dataclass
from itertools import pairwise

import matplotlib
import numpy as np
from joblib import Parallel, delayed
from matplotlib import pyplot
from scipy.integrate import quad
from scipy.stats import norm

from infomax.estimation.binning import AdaptivePartition, EqualMassBins, FixedBins
from infomax.estimation.counting.counts import NSB, ChaoShen, Grassberger, JamesStein, MillerMadow, PlugIn
from infomax.estimation.counting.suited import SuitedCounting
from infomax.estimation.gaussian import CCA, Gaussian, GaussianCopula
from infomax.estimation.kernel_density import KernelDensity
from infomax.estimation.neighbors.ksg import KSG
from infomax.estimation.neighbors.mixed import MixedKSG, Ross
from infomax.estimation.neighbors.strong_dependence import ResidualKSG
from infomax.information.measures import mutual_information
from infomax.pages.figures import save_for_light_and_dark
from recording import RESULTS, arguments_of, environment, markdown, save

matplotlib.use("Agg")

NAME = "estimation_coverage"
SAMPLES = (50, 100, 300, 1_000, 3_000, 10_000)
LABELS, NUMBERS, BOTH = "labels × labels", "number × number", "label × number"
ENOUGH = 20  # estimates without a caution, for a coverage


# ------------------------------------------------------------------ what is measured


@dataclass(frozen=True)
class Labels:
    """A table of so many labels: Zipf margins, and a share of the rows in which Y follows X."""

    num_x: int
    num_y: int
    share: float
    skewed: bool = False

    def __str__(self):
        return f"{self.num_x} × {self.num_y}{', Zipf' if self.skewed else ''}"

    @property
    def table(self):
        x, y = (1 / np.arange(1, k + 1) ** self.skewed for k in (self.num_x, self.num_y))
        x, y = x / x.sum(), y / y.sum()
        following = np.zeros((self.num_x, self.num_y))
        following[np.arange(self.num_x), np.arange(self.num_x) % self.num_y] = x
        return (1 - self.share) * np.outer(x, y) + self.share * following

    @property
    def truth(self):
        return float(mutual_information(self.table))

    def sample(self, n, rng):
        cells = rng.choice(self.table.size, size=n, p=self.table.ravel())
        return np.divmod(cells, self.num_y)


@dataclass(frozen=True)
class Numbers:
    """A Gaussian pair."""

    correlation: float

    def __str__(self):
        return "Gaussian"

    @property
    def truth(self):
        return -0.5 * math.log1p(-(self.correlation**2))

    def sample(self, n, rng):
        x, noise = rng.standard_normal((2, n))
        return x, self.correlation * x + math.sqrt(1 - self.correlation**2) * noise


@dataclass(frozen=True)
class LabelAndNumber:
    """A uniform label, and a number about a mean that is `distance` higher for each next label."""

    num_labels: int
    distance: float

    def __str__(self):
        return f"{self.num_labels} labels"

    @property
    def truth(self):
        return label_information(self.num_labels, self.distance)

    def sample(self, n, rng):
        label = rng.integers(self.num_labels, size=n)
        return label, self.distance * label + rng.standard_normal(n)


def label_information(num_labels, distance):
    """h(Y) − h(Y|X) of a mixture of normal densities, by quadrature."""
    means = distance * np.arange(num_labels)

    def term(y):
        density = norm.pdf(y, means).mean()
        return -density * math.log(density) if density > 0 else 0.0

    edges = np.unique(np.concatenate([[means[0] - 10], means, [means[-1] + 10]]))
    whole = sum(quad(term, low, high, limit=200)[0] for low, high in pairwise(edges))
    return whole - 0.5 * math.log(2 * math.pi * math.e)


SETTINGS = {
    LABELS: {
        strength: [
            *(Labels(*shape, share) for shape in ((2, 2), (5, 5), (10, 10), (30, 10), (100, 5), (100, 100))),
            Labels(30, 10, share, skewed=True),
        ]
        for strength, share in {"independent": 0.0, "weak": 0.2, "strong": 0.8}.items()
    },
    NUMBERS: {
        strength: [Numbers(rho)]
        for strength, rho in {"independent": 0.0, "weak": 0.5, "strong": 0.95}.items()
    },
    BOTH: {
        strength: [LabelAndNumber(k, distance) for k in (2, 5, 30)]
        for strength, distance in {"independent": 0.0, "weak": 0.7, "strong": 3.0}.items()
    },
}
COUNTING = (SuitedCounting(), PlugIn(), MillerMadow(), Grassberger(), ChaoShen(), JamesStein(), NSB())
NEIGHBORS = {"KSG": KSG(num_workers=1), "KSG, k = 10": KSG(num_neighbors=10, num_workers=1)}
ESTIMATORS_OF = {
    LABELS: {type(estimator).__name__: estimator for estimator in COUNTING},
    NUMBERS: {
        **NEIGHBORS,
        "MixedKSG": MixedKSG(num_workers=1),
        "ResidualKSG": ResidualKSG(num_workers=1),
        "KernelDensity": KernelDensity(),
        "Gaussian": Gaussian(),
        "GaussianCopula": GaussianCopula(),
        "CCA": CCA(),
        "FixedBins": FixedBins(),
        "EqualMassBins": EqualMassBins(),
        "AdaptivePartition": AdaptivePartition(),
    },
    BOTH: {"Ross": Ross(num_workers=1), "MixedKSG": MixedKSG(labels="x", num_workers=1)},
}
SLOWNESS = {
    "ResidualKSG": 4,
    "KernelDensity": 4,
    "NSB": 4,
    "AdaptivePartition": 2,
}  # repeats are divided by it


# ------------------------------------------------------------------ measuring


def jobs(repeats, largest):
    for group, by_strength in SETTINGS.items():
        for strength, settings in by_strength.items():
            for setting in settings:
                for n in (n for n in SAMPLES if n <= largest):
                    for name in ESTIMATORS_OF[group]:
                        times = max(repeats // SLOWNESS.get(name, 1), ENOUGH)
                        yield group, strength, setting, setting.truth, n, name, times


def measured(group, strength, setting, truth, n, name, repeats):
    """A row of the result."""
    warnings.filterwarnings("ignore")
    estimator = ESTIMATORS_OF[group][name]
    found = [drawn(estimator, setting, n, seed) for seed in range(repeats)]
    clear = [estimate for estimate in found if not estimate.cautions]
    intervals = [estimate.confidence_interval() for estimate in clear]
    covered = [low <= truth <= high for low, high in intervals]
    return {
        "group": group,
        "setting": str(setting),
        "dependence": strength,
        "n": n,
        "estimator": name,
        "truth": truth,
        "mean error": float(np.mean([estimate.value for estimate in found])) - truth,
        "spread": float(np.std([estimate.value for estimate in found])),
        "mean standard error": float(np.mean([estimate.standard_error for estimate in found])),
        "coverage": float(np.mean(covered)) if len(clear) >= ENOUGH else None,
        "caution": 1 - len(clear) / repeats,
        "repeats": repeats,
    }


def drawn(estimator, setting, n, seed):
    x, y = setting.sample(n, np.random.default_rng([seed, n]))
    return estimator.estimate(x, y)


# ------------------------------------------------------------------ showing


def is_silent_and_wrong(row):
    """Whether estimates without a caution cover less than 90 %, beyond the error of so many repeats."""
    if row["coverage"] is None or row["caution"] > 0.9:
        return False
    clear = round(row["repeats"] * (1 - row["caution"]))
    return row["coverage"] < 0.9 - 2 * math.sqrt(0.9 * 0.1 / clear)


def summary(rows):
    """A row for every estimator of every group."""
    of = {}
    for row in rows:
        of.setdefault((row["group"], row["estimator"]), []).append(row)
    return [summed(*key, found) for key, found in of.items()]


def summed(group, name, rows):
    known = [row["coverage"] for row in rows if row["coverage"] is not None]
    return {
        "columns": group,
        "estimator": name,
        "settings": len(rows),
        "repeats": rows[0]["repeats"],
        "coverage, mean": f"{np.mean(known):.0%}" if known else "–",
        "lowest": f"{min(known):.0%}" if known else "–",
        "estimates with a caution": f"{np.mean([row['caution'] for row in rows]):.0%}",
        "silent and wrong": sum(map(is_silent_and_wrong, rows)),
    }


def draw(rows):
    """A panel a group: estimators down, settings and sizes across; grey where estimates carry a caution."""
    figure, panels = pyplot.subplots(
        3, 1, figsize=(15, 13), height_ratios=[len(ESTIMATORS_OF[g]) for g in SETTINGS], layout="constrained"
    )
    for axes, group in zip(panels, SETTINGS, strict=True):
        panel(axes, group, [row for row in rows if row["group"] == group])
    colours = pyplot.cm.ScalarMappable(pyplot.Normalize(0.5, 1), "RdYlGn")
    label = "share of 95 % intervals that contain the truth; grey: estimates that carry a caution"
    figure.colorbar(colours, ax=panels, label=label, shrink=0.5, extend="min")
    return figure


def panel(axes, group, rows):
    names = list(ESTIMATORS_OF[group])
    places = list(dict.fromkeys((row["dependence"], row["setting"], row["n"]) for row in rows))
    image = np.ones((len(names), len(places), 3))
    for row in rows:
        at = names.index(row["estimator"]), places.index((row["dependence"], row["setting"], row["n"]))
        image[at] = colour(row)
    axes.imshow(image, aspect="auto", interpolation="nearest")
    axes.set_yticks(range(len(names)), names)
    sizes = ", ".join(f"{n:,}" for n in dict.fromkeys(place[2] for place in places))
    axes.set_title(f"{group}: in each block {sizes} samples", fontsize=10, loc="left")
    blocks = list(dict.fromkeys(place[:2] for place in places))
    width = len(places) / len(blocks)
    middles = [width * (block + 0.5) - 0.5 for block in range(len(blocks))]
    axes.set_xticks(middles, [f"{setting}\n{strength}" for strength, setting in blocks], fontsize=6)
    for block in range(1, len(blocks)):
        axes.axvline(width * block - 0.5, color="white", linewidth=2)


def colour(row):
    """By coverage, paler towards grey the more estimates carry a caution."""
    grey = np.array([0.85, 0.85, 0.85])
    if row["coverage"] is None:
        return grey
    shown = np.array(pyplot.get_cmap("RdYlGn")(2 * row["coverage"] - 1)[:3])
    return (1 - row["caution"]) * shown + row["caution"] * grey


def main():
    arguments = arguments_of(__doc__, repeats=100, largest=SAMPLES[-1], redraw=0)
    if arguments.redraw:
        recorded = json.loads((RESULTS / f"{NAME}.json").read_text())
        about, rows = recorded["environment"], recorded["results"]["Settings"]
    else:
        about = environment("numpy", "scipy")
        tasks = jobs(arguments.repeats, arguments.largest)
        rows = Parallel(n_jobs=-1, verbose=1)(delayed(measured)(*job) for job in tasks)
    wrong = [row for row in rows if is_silent_and_wrong(row)]
    results = {"Estimators": summary(rows), "Silent and wrong": wrong, "Settings": rows}
    short = {name: results[name] for name in ("Estimators", "Silent and wrong")}
    print(markdown("Coverage of 95 % intervals", about, short))
    if arguments.save:
        page = markdown("Coverage of 95 % intervals", about, results)
        data = {"environment": about, "results": results}
        save(f"{NAME}.json", json.dumps(data, indent=1, ensure_ascii=False) + "\n", arguments.overwrite)
        save(f"{NAME}.md", page, arguments.overwrite)
        save_for_light_and_dark(draw(rows), RESULTS / f"{NAME}.png", dpi=110)


if __name__ == "__main__":
    main()
