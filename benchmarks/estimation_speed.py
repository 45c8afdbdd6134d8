"""Time estimates beside peers that compute the same values, in one run on one machine.

    python benchmarks/estimation_speed.py                          # ten minutes on a quiet machine
    python benchmarks/estimation_speed.py --save --overwrite       # and writes results/estimation_speed.*
    python benchmarks/estimation_speed.py --largest 20000          # a look, in a minute
    python benchmarks/estimation_speed.py --redraw 1               # the picture anew

Times are wall-clock seconds, the smallest of several rounds. In each round every program has one turn, so
other work on the machine affects all programs alike. infomax uses all cores unless the row says one thread;
its peers use one core. `ratio` is a peer's time divided by infomax's; `value` shows that they compute the
same.

Settings are equal: k = 3, no noise (scikit-learn always adds 1e-10), columns of unit variance. scikit-learn
and ennemi take single columns; for variables of three columns, ennemi's inner function runs. Peers: pip
install scikit-learn ennemi infomeasure.
"""

import itertools
import time
import warnings
from functools import partial

import ennemi
import infomeasure
import matplotlib
import numpy as np
from ennemi._entropy_estimators import _estimate_single_mi
from matplotlib import pyplot
from sklearn.feature_selection import mutual_info_regression
from sklearn.metrics import mutual_info_score

from infomax.estimation.binning import EqualMassBins
from infomax.estimation.counting.counts import PlugIn
from infomax.estimation.gaussian import Gaussian, GaussianCopula
from infomax.estimation.kernel_density import KernelDensity, scott
from infomax.estimation.neighbors.ksg import KSG
from infomax.estimation.neighbors.mixed import MixedKSG, Ross
from infomax.estimation.neighbors.strong_dependence import ResidualKSG
from infomax.estimation.resampling.permutation import permutation_test
from infomax.estimation.tables.pairwise import pairwise
from infomax.information.distributions import correlated_gaussians
from infomax.pages.figures import save_for_light_and_dark
from recording import RESULTS, arguments_of, environment, recorded, report

matplotlib.use("Agg")

K = 3
GROWTH = "Seconds against n"


# ------------------------------------------------------------------ timing


def race(contestants, *, enough=6.0, most_rounds=9):
    """{name: (least seconds, value)}; rounds go on until they have taken enough seconds together."""
    values, times = {}, {name: [] for name in contestants}
    began = time.perf_counter()
    for _ in range(most_rounds):
        for name, function in contestants.items():
            start = time.perf_counter()
            values[name] = function()
            times[name].append(time.perf_counter() - start)
        if time.perf_counter() - began > enough:
            break
    return {name: (min(times[name]), values[name]) for name in contestants}


def rows_of(case, results):
    """Rows with the ratio to the first contestant, and what its value differs by from the others'."""
    (own_time, own_value), *_ = results.values()
    return [
        {
            "case": case,
            "name": name,
            "seconds": seconds,
            "ratio": f"{seconds / own_time:.1f}",
            "value, nats": f"{value:.8f}",
            "differs by": float(abs(value - own_value)),
        }
        for name, (seconds, value) in results.items()
    ]


# ------------------------------------------------------------------ KSG


def gaussians(num_samples, dim=1):
    x, y = correlated_gaussians(0.75, dim=dim).sample(num_samples, np.random.default_rng(0))
    return x / x.std(axis=0), y / y.std(axis=0)


def ksg_of(x, y):
    """All who estimate I(X;Y) of these samples by Kraskov's first algorithm."""
    ours = {
        "infomax": lambda: KSG(K).estimate(x, y).value,
        "infomax, one thread": lambda: KSG(K, num_workers=1).estimate(x, y).value,
    }
    by_infomeasure = partial(
        infomeasure.mutual_information, x, y, approach="ksg", k=K, noise_level=0, base="e"
    )
    if x.shape[1] > 1:
        inner = {"ennemi, its inner function": lambda: float(_estimate_single_mi(x, y, K))}
        return {**ours, **inner, "infomeasure": lambda: float(by_infomeasure())}
    column_x, column_y = x[:, 0], y[:, 0]
    return {
        **ours,
        "scikit-learn": lambda: mutual_info_regression(x, column_y, n_neighbors=K, random_state=0)[0],
        "ennemi": lambda: ennemi.estimate_mi(column_y, column_x, k=K, preprocess=False).item(),
        "infomeasure": lambda: float(by_infomeasure()),
    }


def ksg(largest):
    rows = []
    for dim, num_samples in itertools.product((1, 3), (10_000, 100_000)):
        if num_samples <= largest:
            case = f"{dim}-D, n = {num_samples:,}"
            rows += rows_of(case, race(ksg_of(*gaussians(num_samples, dim))))
    return rows


def conditional_ksg(largest):
    num_samples = min(largest, 10_000)
    z = np.random.default_rng(1).standard_normal((num_samples, 1))
    x, y = ((v + z) / (v + z).std() for v in gaussians(num_samples))
    columns = {"x": x[:, 0], "y": y[:, 0], "cond": z[:, 0]}
    measure = infomeasure.conditional_mutual_information
    contestants = {
        "infomax": lambda: KSG(K).estimate(x, y, given=z).value,
        "infomax, one thread": lambda: KSG(K, num_workers=1).estimate(x, y, given=z).value,
        "ennemi": lambda: ennemi.estimate_mi(**columns, k=K, preprocess=False).item(),
        "infomeasure": lambda: float(measure(x, y, cond=z, approach="ksg", k=K, noise_level=0, base="e")),
    }
    return rows_of(f"1-D given 1-D, n = {num_samples:,}", race(contestants))


# ------------------------------------------------------------------ pairs and permutations


def pairs(largest, num_columns=200, num_timed=100):
    """All pairs of 200 columns of 2 to 10 labels; the loop over scikit-learn is timed on some and scaled."""
    num_rows = min(10 * largest, 100_000)
    rng = np.random.default_rng(0)
    common = rng.integers(10, size=num_rows)
    noise = rng.integers(10, size=(num_columns, num_rows))
    table = {f"{c}": (common + noise[c]) % (2 + c % 9) for c in range(num_columns)}
    every = list(itertools.combinations(table, 2))
    some = [every[i] for i in rng.choice(len(every), num_timed, replace=False)]

    def by_loop():
        return [mutual_info_score(table[a], table[b]) for a, b in some]

    results = race({"infomax": lambda: pairwise(table, PlugIn()).value, "loop": by_loop}, most_rounds=3)
    (own_time, matrix), (loop_time, of_some) = results.values()
    differences = [abs(matrix[int(a), int(b)] - v) for (a, b), v in zip(some, of_some, strict=True)]
    scaled = loop_time * len(every) / num_timed
    name = f"scikit-learn mutual_info_score, a loop ({num_timed} of {len(every):,} pairs timed, and scaled)"
    return [
        {"name": "infomax pairwise, with standard errors", "seconds": own_time, "ratio": "1.0"},
        {
            "name": name,
            "seconds": scaled,
            "ratio": f"{scaled / own_time:.1f}",
            "differs by at most": float(max(differences)),
        },
    ]


def permutations(largest, num_permutations=100):
    x, y = gaussians(min(largest, 10_000))
    test = partial(permutation_test, x, y, KSG(K), num_permutations=num_permutations)
    results = race({"one estimate": lambda: KSG(K).estimate(x, y), "test": test}, enough=20.0)
    (one, _), (whole, _) = results.values()
    return [
        {"name": "KSG, one estimate", "seconds": one, "ratio": "1.0"},
        {
            "name": f"a test by {num_permutations} permutations",
            "seconds": whole,
            "ratio": f"{whole / one:.1f}",
        },
    ]


# ------------------------------------------------------------------ cost against n

SIZES = [1000, 3000, 10_000, 30_000, 100_000, 300_000, 1_000_000]
TOO_LONG = 8.0  # seconds: an estimator that took longer meets no more samples


def growth(largest):
    """{name: {n: seconds}} of estimators, on a Gaussian pair, its bins, or three pairs."""
    curves = {}
    for name, function in of_size().items():
        curves[name] = {}
        function(*prepared(name, SIZES[0]))  # to warm up
        for num_samples in (n for n in SIZES if n <= 10 * largest):
            samples = prepared(name, num_samples)
            [(seconds, _)] = race({name: partial(function, *samples)}, enough=0.5, most_rounds=5).values()
            curves[name][num_samples] = seconds
            if seconds > TOO_LONG:
                break
    return curves


def of_size():
    """Estimators by name: those of three columns, or of labels, say so in it."""
    return {
        "Gaussian": Gaussian().estimate,
        "GaussianCopula": GaussianCopula().estimate,
        "PlugIn, labels": PlugIn().estimate,
        "EqualMassBins": EqualMassBins().estimate,
        "Ross, labels and numbers": Ross().estimate,
        "KSG": KSG(K).estimate,
        "MixedKSG": MixedKSG(K).estimate,
        "KSG, 3-D": KSG(K).estimate,
        "ResidualKSG": ResidualKSG().estimate,
        "KernelDensity, Scott": KernelDensity(bandwidth=scott).estimate,
        "scikit-learn": lambda x, y: mutual_info_regression(x, y[:, 0], n_neighbors=K, random_state=0),
        "infomeasure, 3-D": partial(
            infomeasure.mutual_information, approach="ksg", k=K, noise_level=0, base="e"
        ),
    }


def prepared(name, num_samples):
    x, y = gaussians(num_samples, 3 if "3-D" in name else 1)
    bins = [np.digitize(v[:, 0], [-1, 0, 1]) for v in (x, y)]
    if "labels and numbers" in name:
        return bins[0], y
    return bins if "labels" in name else (x, y)


def exponent(curve):
    """The slope of log seconds against log n, over the four largest n."""
    sizes, seconds = np.log(list(curve.items())[-4:]).T
    return float(np.polyfit(sizes, seconds, 1)[0])


def growth_rows(curves):
    return [
        {
            "name": name,
            **{f"n = {n:,}": f"{curve[n]:.2g}" if n in curve else "–" for n in SIZES},
            "exponent": f"{exponent(curve):.2f}",
        }
        for name, curve in curves.items()
    ]


def draw(rows, path):
    """Seconds against samples, from `growth_rows`, named in the order in which the curves end."""
    figure, axes = pyplot.subplots(figsize=(8, 5), layout="constrained")
    peers = {"scikit-learn": "--", "infomeasure, 3-D": ":"}
    for k, row in enumerate(rows):
        name, curve = row["name"], {n: row[f"n = {n:,}"] for n in SIZES}
        sizes, seconds = zip(*((n, float(text)) for n, text in curve.items() if text != "–"), strict=True)
        style = {"color": "black", "linestyle": peers[name]} if name in peers else {"color": f"C{k}"}
        label = f"{name}, n^{row['exponent']}"
        axes.plot(sizes, seconds, marker="o", markersize=3, label=label, **style)
    axes.set(xscale="log", yscale="log", xlabel="samples", ylabel="seconds")
    axes.spines[["top", "right"]].set_visible(False)
    lines = sorted(axes.lines, key=lambda line: -line.get_ydata()[-1] / line.get_xdata()[-1])
    figure.legend(handles=lines, loc="outside right center", frameon=False, fontsize=9)
    save_for_light_and_dark(figure, path, dpi=110)


# ------------------------------------------------------------------ report


def main():
    arguments = arguments_of(__doc__, largest=100_000, redraw=0)
    if arguments.redraw:
        draw(recorded("estimation_speed")[GROWTH], RESULTS / "estimation_speed.png")
        return
    warnings.filterwarnings("ignore", category=FutureWarning)
    about = environment("numpy", "scipy", "scikit-learn", "ennemi", "infomeasure", "numba")
    start = time.perf_counter()
    curves = growth(arguments.largest)
    results = {
        "KSG, k = 3": ksg(arguments.largest),
        "KSG given a third variable": conditional_ksg(arguments.largest),
        "All pairs of 200 columns of labels, 100,000 rows": pairs(arguments.largest),
        "KSG at n = 10,000: is it more than chance?": permutations(arguments.largest),
        GROWTH: growth_rows(curves),
    }
    about["minutes"] = round((time.perf_counter() - start) / 60, 1)
    report("estimation_speed", "What estimates cost", about, results, arguments)
    if arguments.save:
        draw(results[GROWTH], RESULTS / "estimation_speed.png")


if __name__ == "__main__":
    main()
