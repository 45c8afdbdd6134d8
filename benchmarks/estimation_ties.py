"""How near the truth are estimates of rounded numbers?

    python benchmarks/estimation_ties.py --save             # a minute

Gaussian pairs of known information, both numbers rounded to a twentieth and to a fifth of their standard
deviation. `MixedKSG` gets the rounded numbers as they are. "Tables" is what `pairwise` does with continuous
columns: normal scores with equal numbers ranked in random order, then `KSG`.

truth: before rounding; truth, rounded: of the rounded numbers, by integrals over the cells. mean: mean
estimate over all samples; spread: standard deviation of the estimates; error: their mean standard error;
cautioned: share of estimates with the caution "biased".
"""

import math
import time

import numpy as np
from scipy.stats import norm

from infomax.estimation import MixedKSG
from infomax.estimation.tables.pairwise import pairwise
from infomax.information import mutual_information
from recording import arguments_of, environment, report

TRUTHS = (0.0, 0.223, 1.164)
STEPS = {"1/20": 1 / 20, "1/5": 1 / 5}


def by_mixed(x, y, seed):
    del seed  # nothing is drawn
    found = MixedKSG().estimate(x, y)
    return found.value, found.standard_error, any(c.startswith("biased") for c in found.cautions)


def by_tables(x, y, seed):
    both = {"x": "continuous", "y": "continuous"}
    (row,) = pairwise({"x": x, "y": y}, kinds=both, seed=seed, num_workers=1).to_frame().to_dicts()
    return row["value"], row["standard_error"], "biased" in str(row)


METHODS = {"MixedKSG": by_mixed, "tables": by_tables}


def rounded_truth(correlation, step, reach=8.0, points=8):
    """The information of the rounded numbers: P(cell) is an integral over x of the chance of y's cell."""
    cells = np.arange(round(-reach / step), round(reach / step) + 1) * step
    nodes, shares = np.polynomial.legendre.leggauss(points)
    x = cells[:, None] + step / 2 * nodes
    density = norm.pdf(x) * shares * step / 2
    edges = np.append(cells - step / 2, cells[-1] + step / 2)
    below = norm.cdf((edges - correlation * x[..., None]) / math.sqrt(1 - correlation**2))
    table = np.einsum("xp,xpy->xy", density, np.diff(below, axis=-1))
    return float(mutual_information(table / table.sum()))


def row(truth, name, num_samples, seeds):
    correlation, step = math.sqrt(1 - math.exp(-2 * truth)), STEPS[name]
    found = {"truth": truth, "step": name, "truth, rounded": rounded_truth(correlation, step)}
    answers = {method: [] for method in METHODS}
    for seed in range(seeds):
        x, noise = np.random.default_rng(seed).standard_normal((2, num_samples))
        y = correlation * x + math.sqrt(1 - correlation**2) * noise
        x, y = (np.round(numbers / step) * step for numbers in (x, y))
        for method, estimate in METHODS.items():
            answers[method].append(estimate(x, y, seed))
    for method, every in answers.items():
        values, errors, cautions = np.array(every, float).T
        found[f"{method}, mean"] = float(values.mean())
        found[f"{method}, spread"] = float(values.std(ddof=1))
        found[f"{method}, error"] = float(errors.mean())
        found[f"{method}, cautioned"] = float(cautions.mean())
    return found


def main():
    arguments = arguments_of(__doc__, samples=2_000, seeds=20)
    about = environment("numpy", "scipy", "polars")
    about["settings"] = f"{arguments.samples} rows, {arguments.seeds} samples a row of the table"
    start = time.perf_counter()
    rows = [row(truth, name, arguments.samples, arguments.seeds) for name in STEPS for truth in TRUTHS]
    about["minutes"] = round((time.perf_counter() - start) / 60, 1)
    results = {"Rounded Gaussian pairs, nats": rows}
    report("estimation_ties", "Estimates of rounded numbers", about, results, arguments)


if __name__ == "__main__":
    main()
