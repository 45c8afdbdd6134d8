"""How near the truth are estimates of mutual information, and how often does the 95 % interval hold it?

    python benchmarks/estimation_accuracy.py --save --overwrite             # half an hour of processor time
    python benchmarks/estimation_accuracy.py --samples 1000 --seeds 2       # a look, in two minutes
    python benchmarks/estimation_accuracy.py --redraw 1 --save --overwrite  # page and pictures anew
    … --neural-seeds 2                          # critics as well, a minute of processor time a draw
    … --cache DIR                               # keep what was drawn, and go on there after a break

The 40 tasks of "Beyond Normal" (Czyż et al. 2023) with 5,000 samples, each drawn ten times (three times for
slow estimators); Gaussian pairs of 0.5 to 10 nats; pairs of a discrete and a continuous variable. Each
estimate is compared with the true value, which the distribution computes from a closed form.

bias: mean error over the draws; spread: their standard deviation; coverage: the share of draws whose 95 %
interval contains the truth. The interval does not include the bias, so coverage is 0.95 only without bias.
spread / error compares the spread with the standard error, and should be 1.
"""

import json
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import matplotlib
import numpy as np
from joblib import Memory, Parallel, delayed
from matplotlib import pyplot
from scipy.stats import norm, rankdata
from sklearn.feature_selection import mutual_info_classif, mutual_info_regression

from infomax.estimation.binning import EqualMassBins
from infomax.estimation.estimate import Estimate, Estimator
from infomax.estimation.gaussian import CCA, Gaussian, GaussianCopula
from infomax.estimation.kernel_density import KernelDensity
from infomax.estimation.neighbors.ksg import KSG
from infomax.estimation.neighbors.mixed import MixedKSG, Ross
from infomax.estimation.neighbors.strong_dependence import ResidualKSG
from infomax.estimation.neural import Neural
from infomax.information.beyond_normal import beyond_normal_tasks
from infomax.information.distributions import UniformMixture, ZeroInflatedPoisson, correlated_gaussians
from infomax.pages.figures import save_for_light_and_dark
from recording import RESULTS, arguments_of, environment, markdown, save

matplotlib.use("Agg")

NAME = "estimation_accuracy"
BEYOND, ONE_PAIR, THREE_PAIRS, MIXED = (
    "Beyond Normal",
    "A Gaussian pair",
    "Three Gaussian pairs",
    "Discrete and continuous",
)


# ------------------------------------------------------------------ estimators


@dataclass(frozen=True)
class ScikitLearn:
    """scikit-learn's estimates, which have no error bar; with `mutual_info_classif`, 1-D x is labels."""

    function: Callable

    def estimate(self, x, y):
        values, target = (y, x[:, 0]) if self.function is mutual_info_classif else (x, y[:, 0])
        return Estimate(float(self.function(values, target, random_state=0)[0]), 0.0, len(x))


@dataclass(frozen=True)
class OfNormalScores:
    """An estimator of Φ⁻¹(rank/(n + 1)) of every column: other margins, the same information."""

    estimator: Estimator

    def estimate(self, x, y):
        return self.estimator.estimate(*(norm.ppf(rankdata(v, axis=0) / (len(v) + 1)) for v in (x, y)))


CLASSICAL = {
    "KSG": KSG(num_neighbors=5, num_workers=1),
    "KSG, variant 2": KSG(num_neighbors=5, variant=2, num_workers=1),
    "KSG of normal scores": OfNormalScores(KSG(num_neighbors=5, num_workers=1)),
    "EqualMassBins": EqualMassBins(num_bins=10),
    "GaussianCopula": GaussianCopula(),
    "Gaussian": Gaussian(),
    "CCA": CCA(),
}
SLOW = {
    "ResidualKSG": ResidualKSG(num_neighbors=5, num_workers=1),
    "KernelDensity": KernelDensity(),
}
CRITICS = {"Neural, InfoNCE": Neural()}
STRONG = {"KSG": KSG(num_workers=1), "ResidualKSG": ResidualKSG(num_workers=1)}
STRONG_1D = {"scikit-learn": ScikitLearn(mutual_info_regression), **STRONG}
TIES = {
    "scikit-learn, x as labels": ScikitLearn(mutual_info_classif),
    "scikit-learn, x as numbers": ScikitLearn(mutual_info_regression),
    "Ross": Ross(num_workers=1),
    "MixedKSG": MixedKSG(num_workers=1),
}


# ------------------------------------------------------------------ tasks


def gaussian_pairs(dim):
    """`dim` independent Gaussian pairs that hold so many nats together."""
    truths = (0.5, 1, 2, 3, 5, 7, 10)
    correlations = [math.sqrt(-math.expm1(-2 * truth / dim)) for truth in truths]
    return {
        f"{truth:g} nats": correlated_gaussians(c, dim=dim)
        for truth, c in zip(truths, correlations, strict=True)
    }


def mixed_pairs():
    uniform = {f"X uniform on {m} values, Y uniform on [X, X + 2]": UniformMixture(m) for m in (2, 5, 20)}
    poisson = {
        f"Y zero-inflated (p = {p:g}) Poisson of mean X": ZeroInflatedPoisson(p) for p in (0, 0.15, 0.5)
    }
    return {**uniform, **poisson}


# ------------------------------------------------------------------ measuring

SECTIONS = {
    BEYOND: (beyond_normal_tasks, {**CLASSICAL, **SLOW, **CRITICS}),
    ONE_PAIR: (partial(gaussian_pairs, 1), STRONG_1D),
    THREE_PAIRS: (partial(gaussian_pairs, 3), STRONG),
    MIXED: (mixed_pairs, TIES),
}


def measure(num_samples, num_seeds, num_slow_seeds, num_neural_seeds, cache):
    """{section: {task: {"truth": nats, "estimates": {estimator: [[value, standard error] a draw]}}}}."""
    seeds_of = {**dict.fromkeys(SLOW, num_slow_seeds), **dict.fromkeys(CRITICS, num_neural_seeds)}
    jobs = [
        (section, task, name, seed)
        for section, (tasks, estimators) in SECTIONS.items()
        for name in estimators
        for task in tasks()
        for seed in range(seeds_of.get(name, num_seeds) if section == BEYOND else num_seeds)
    ]
    kept = Memory(cache or None, verbose=0).cache(draw)
    found = Parallel(n_jobs=-1, verbose=1)(delayed(kept)(*job, num_samples) for job in jobs)
    draws = {
        section: {task: {"truth": truth_of(d), "estimates": {}} for task, d in tasks().items()}
        for section, (tasks, _) in SECTIONS.items()
    }
    for (section, task, name, _), estimate in zip(jobs, found, strict=True):
        draws[section][task]["estimates"].setdefault(name, []).append(estimate)
    return draws


def truth_of(distribution):
    return float(distribution.mutual_information)


def draw(section, task, name, seed, num_samples):
    """[value, standard error]; None where the estimator refuses the samples."""
    warnings.filterwarnings("ignore", category=FutureWarning)
    tasks, estimators = SECTIONS[section]
    x, y = tasks()[task].sample(num_samples, np.random.default_rng(seed))
    try:
        estimate = estimators[name].estimate(x, y)
    except ValueError:
        return None
    return [estimate.value, estimate.standard_error]


# ------------------------------------------------------------------ tables


def errors(truth, estimates):
    """Bias, spread, coverage and mean standard error over the draws; NaN if samples were refused."""
    if None in estimates:
        return dict.fromkeys(("bias", "spread", "coverage", "error"), math.nan)
    values, deviations = np.array(estimates).T
    inside = np.abs(values - truth) <= norm.ppf(0.975) * deviations
    return {
        "bias": float(values.mean() - truth),
        "spread": float(values.std(ddof=1)),
        "coverage": float(inside.mean()) if deviations.any() else None,
        "error": float(deviations.mean()),
    }


def by_task(tasks):
    """A row a task: the truth, and bias ± spread (coverage) of every estimator."""
    return [
        {
            "task": task,
            "truth": round(found["truth"], 4),
            **{name: cell(found["truth"], estimates) for name, estimates in found["estimates"].items()},
        }
        for task, found in tasks.items()
    ]


def cell(truth, estimates):
    if None in estimates:
        return "refused"
    result = errors(truth, estimates)
    text = f"{result['bias']:+.3f} ± {result['spread']:.3f}"
    return text if result["coverage"] is None else f"{text} ({result['coverage']:.0%})"


def together(tasks):
    """A row an estimator, over all tasks."""
    return [summary(name, results_of(tasks, name)) for name in estimators_of(tasks)]


def estimators_of(tasks):
    return list(next(iter(tasks.values()))["estimates"])


def results_of(tasks, name):
    return [errors(found["truth"], found["estimates"][name]) for found in tasks.values()]


def summary(name, results):
    results = [result for result in results if not math.isnan(result["bias"])]
    biases = np.abs([result["bias"] for result in results])
    near = [result["coverage"] for result in results if abs(result["bias"]) < 0.01]
    return {
        "estimator": name,
        "tasks": len(results),
        "median of bias, size alone": round(float(np.median(biases)), 3),
        "largest": round(float(biases.max()), 2),
        "tasks with less than 0.05": int((biases < 0.05).sum()),
        "median spread": round(float(np.median([r["spread"] for r in results])), 3),
        "median spread / error": round(float(np.median([r["spread"] / r["error"] for r in results])), 2),
        "mean coverage": f"{np.mean([r['coverage'] for r in results]):.0%}",
        "coverage where bias is below 0.01": f"{np.mean(near):.0%} of {len(near)} tasks" if near else "–",
    }


def tables(draws):
    beyond = draws[BEYOND]
    return {
        f"{BEYOND}: all {len(beyond)} tasks together": together(beyond),
        **{f"{section}: bias ± spread (coverage)": by_task(tasks) for section, tasks in draws.items()},
    }


# ------------------------------------------------------------------ pictures


def draw_biases(tasks):
    """Bias of every estimator on every task, as colours."""
    names = estimators_of(tasks)
    biases = np.array([[result["bias"] for result in results_of(tasks, name)] for name in names]).T
    figure, axes = pyplot.subplots(figsize=(2.5 + 0.75 * len(names), 11), layout="constrained")
    image = axes.imshow(biases, cmap="RdBu_r", vmin=-0.5, vmax=0.5, aspect="auto")
    for (i, j), bias in np.ndenumerate(biases):
        colour = "white" if abs(bias) > 0.35 else "black"
        axes.text(
            j,
            i,
            "–" if math.isnan(bias) else f"{bias:+.2f}",
            ha="center",
            va="center",
            fontsize=7,
            color=colour,
        )
    labels = [f"{task}  {found['truth']:.2f}" for task, found in tasks.items()]
    axes.set_xticks(range(len(names)), names, rotation=40, ha="right", fontsize=8)
    axes.set_yticks(range(len(tasks)), labels, fontsize=7)
    axes.set_title("Bias in nats (blue: too low), beside the truth", fontsize=10)
    figure.colorbar(image, ax=axes, shrink=0.3, extend="both")
    return figure


def draw_coverage(tasks):
    """A panel an estimator: coverage against bias, beside what a right error bar gives with that bias."""
    names = estimators_of(tasks)
    figure, panels = pyplot.subplots(
        2, math.ceil(len(names) / 2), figsize=(12, 5), sharex=True, sharey=True, layout="constrained"
    )
    ratios = np.geomspace(0.02, 200, 200)
    for axes, name in zip(panels.flat, names, strict=False):
        results = results_of(tasks, name)
        axes.plot(ratios, norm.cdf(1.96 - ratios) - norm.cdf(-1.96 - ratios), color="black", linewidth=1)
        distances = [abs(r["bias"]) / max(r["spread"], 1e-9) for r in results]
        axes.plot(
            np.clip(distances, ratios[0], ratios[-1]),
            [r["coverage"] for r in results],
            "o",
            alpha=0.4,
            markersize=5,
            clip_on=False,
        )
        axes.set_xscale("log")
        axes.set_title(name, fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
    for axes in panels.flat[len(names) :]:
        axes.set_axis_off()
    figure.supxlabel("bias / spread", fontsize=10)
    figure.supylabel("share of 95 % intervals that hold the truth", fontsize=10)
    figure.suptitle("One dot a task; line: what a right standard error gives with such a bias", fontsize=10)
    return figure


def draw_pairs(sections):
    """Error against truth for Gaussian pairs, a panel a section."""
    figure, panels = pyplot.subplots(
        1, len(sections), figsize=(9, 3.6), sharex=True, sharey=True, layout="constrained"
    )
    for axes, (title, tasks) in zip(panels, sections.items(), strict=True):
        truths = [found["truth"] for found in tasks.values()]
        axes.axhline(0, color="black", linewidth=1)
        for name, colour in zip(("KSG", "ResidualKSG", "scikit-learn"), ("C0", "C1", "C2"), strict=True):
            if name in estimators_of(tasks):
                results = results_of(tasks, name)
                biases, spreads = [r["bias"] for r in results], [r["spread"] for r in results]
                style = {"linestyle": "none" if name == "scikit-learn" else "-", "markersize": 4}
                marker = "x" if name == "scikit-learn" else "o"
                axes.errorbar(truths, biases, spreads, marker=marker, color=colour, label=name, **style)
        axes.set(title=title, xlabel="I(X;Y), nats")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, loc="lower left")
    panels[0].set_ylabel("bias, nats")
    return figure


def draw_mixed(tasks):
    """Bias and spread on each task with ties."""
    names = estimators_of(tasks)
    figure, axes = pyplot.subplots(figsize=(9, 3.6), layout="constrained")
    axes.axvline(0, color="black", linewidth=1)
    for k, name in enumerate(names):
        places, biases, spreads = [], [], []
        for i, found in enumerate(tasks.values()):
            if None not in found["estimates"][name]:
                result = errors(found["truth"], found["estimates"][name])
                places.append(i + 0.18 * (k - (len(names) - 1) / 2))
                biases.append(result["bias"])
                spreads.append(result["spread"])
        axes.errorbar(biases, places, xerr=spreads, fmt="o", markersize=4, label=name)
    labels = [f"{task}\n{found['truth']:.3f} nats" for task, found in tasks.items()]
    axes.set_yticks(range(len(tasks)), labels, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("bias ± spread, nats (none: refused)")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(frameon=False, fontsize=8, loc="outside right upper")
    return figure


def save_pictures(draws):
    pictures = {
        NAME: draw_biases(draws[BEYOND]),
        "estimation_accuracy_coverage": draw_coverage(draws[BEYOND]),
        "estimation_strong": draw_pairs({s: draws[s] for s in (ONE_PAIR, THREE_PAIRS)}),
        "estimation_mixed": draw_mixed(draws[MIXED]),
    }
    for name, figure in pictures.items():
        save_for_light_and_dark(figure, RESULTS / f"{name}.png", dpi=110)
        pyplot.close(figure)


# ------------------------------------------------------------------ the report


def main():
    arguments = arguments_of(
        __doc__, samples=5000, seeds=10, slow_seeds=3, neural_seeds=0, cache="", redraw=0
    )
    if arguments.redraw:
        measured = json.loads((RESULTS / f"{NAME}.json").read_text())
    else:
        about = environment("numpy", "scipy", "scikit-learn", "torch")
        seeds = arguments.seeds, arguments.slow_seeds, arguments.neural_seeds
        draws = measure(arguments.samples, *seeds, arguments.cache)
        about["draws"] = f"{arguments.seeds} of {arguments.samples} samples"
        about["draws of ResidualKSG and KernelDensity"] = arguments.slow_seeds
        about["draws of Neural"] = arguments.neural_seeds
        measured = {"environment": about, "draws": draws}
    measured["results"] = tables(measured["draws"])
    page = markdown("Estimates beside the truth", measured["environment"], measured["results"])
    print(page)
    if arguments.save:
        save(f"{NAME}.json", json.dumps(measured, ensure_ascii=False) + "\n", arguments.overwrite)
        save(f"{NAME}.md", page, arguments.overwrite)
        save_pictures(measured["draws"])


if __name__ == "__main__":
    main()
