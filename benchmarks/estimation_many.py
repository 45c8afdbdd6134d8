"""Are estimates for many variables as near the truth as their errors say? What do they cost?

    python benchmarks/estimation_many.py --save             # some minutes

Sums: total correlation, dual total correlation and O-information of four Gaussian columns and of four columns
of labels (2 × 3 × 2 × 3, a random table), whose truth is known. Decomposition: the atoms of four tables of
2 × 2 × 2 or 2 × 3 × 2 labels. Sliced: Gaussian pairs of columns with ρ = .8. mean − truth, spread over the
samples, mean standard error, and the share of samples whose value ± 1.96 errors contains the truth.

Network: the five processes of Montalto et al. (2014), the example of MuTE and of IDTxl, with the links
0 → 1 at lag 2 and 0 → 3 at lag 2 (squares, which no correlation shows), 0 → 2 at 3, 3 → 4 and 4 → 3 at 1.
"""

import math
import time

import numpy as np

from infomax.estimation import (
    KSG,
    Gaussian,
    SumsOfCounts,
    SumsOfCovariances,
    SumsOfNeighbors,
    decompose_columns,
    estimate_dual_total_correlation,
    estimate_o_information,
    estimate_total_correlation,
    multivariate_transfer_entropy,
    sliced_information,
)
from infomax.information import (
    broja_decomposition,
    dual_total_correlation,
    o_information,
    total_correlation,
    williams_beer_decomposition,
)
from recording import arguments_of, environment, report

CORRELATIONS = np.array([[1, 0.6, 0.3, 0.2], [0.6, 1, 0.5, 0.1], [0.3, 0.5, 1, -0.4], [0.2, 0.1, -0.4, 1]])
LABELS = np.random.default_rng(0).exponential(size=(2, 3, 2, 3)) ** 2
LABELS /= LABELS.sum()
AND = np.array([[[1 / 4, 0], [1 / 4, 0]], [[1 / 4, 0], [0, 1 / 4]]])
TABLES = {
    "and": AND,
    "and, a fifth noise": 0.8 * AND + 0.2 / 8,
    "independent": np.full((2, 2, 2), 1 / 8),
    "at random": np.random.default_rng(5).dirichlet(np.full(12, 0.7)).reshape(2, 3, 2),
}
QUANTITIES = {
    "total correlation": (estimate_total_correlation, total_correlation),
    "dual total correlation": (estimate_dual_total_correlation, dual_total_correlation),
    "O-information": (estimate_o_information, o_information),
}
LINKS = {1: [("0", 2)], 2: [("0", 3)], 3: [("0", 2), ("4", 1)], 4: [("3", 1)], 0: []}


def judged(truth, found, start):
    """A row: how the estimates of all samples compare with the truth."""
    values, errors = (np.array([getattr(one, name) for one in found]) for name in ("value", "standard_error"))
    return {
        "truth": truth,
        "mean − truth": float(values.mean() - truth),
        "spread": float(values.std(ddof=1)),
        "error": float(errors.mean()),
        "covered": float((np.abs(values - truth) <= 1.96 * errors + 1e-9).mean()),
        "seconds": (time.perf_counter() - start) / len(found),
    }


def log_det(keep):
    return np.linalg.slogdet(CORRELATIONS[np.ix_(keep, keep)])[1]


def gaussian_truth(name):
    total = -log_det(range(4)) / 2
    dual = (sum(log_det([j for j in range(4) if j != i]) for i in range(4)) - 3 * log_det(range(4))) / 2
    return {"total correlation": total, "dual total correlation": dual, "O-information": total - dual}[name]


def drawn(table, num, seed):
    cells = np.random.default_rng(seed).choice(table.size, num, p=table.ravel())
    return [*np.unravel_index(cells, table.shape)]


def sums(seeds):
    for num in (100, 1000):
        for name, (estimate, exact) in QUANTITIES.items():
            for estimator in (SumsOfCovariances(), SumsOfNeighbors(), SumsOfCounts()):
                numbers = not isinstance(estimator, SumsOfCounts)
                truth = gaussian_truth(name) if numbers else float(exact(LABELS))
                start, found = time.perf_counter(), []
                for seed in range(seeds):
                    rng = np.random.default_rng(seed)
                    of_numbers = rng.multivariate_normal(np.zeros(4), CORRELATIONS, size=num)
                    found.append(estimate(of_numbers if numbers else drawn(LABELS, num, seed), estimator))
                about = {"quantity": name, "estimator": type(estimator).__name__, "n": num}
                yield about | judged(truth, found, start)


def decompositions(seeds):
    for measure in (williams_beer_decomposition, broja_decomposition):
        for table, p in TABLES.items():
            for num in (120, 1000):
                start, found = time.perf_counter(), []
                for seed in range(seeds):
                    *sources, target = drawn(p, num, seed)
                    found.append(decompose_columns(sources, target, measure=measure, num_resamples=50))
                for atom, truth in measure(p).atoms.items():
                    about = {"measure": found[0].measure, "table": table, "n": num, "atom": atom}
                    yield about | judged(truth, [one.atoms[atom] for one in found], start)


def slices(seeds, rho=0.8):
    for dim in (2, 10):
        first = np.random.default_rng(1).standard_normal((400_000, dim))
        cosine = first[:, 0] / np.linalg.norm(first, axis=1)
        truth = float(-np.log1p(-((rho * cosine) ** 2)).mean() / 2)
        for estimator in (Gaussian(), KSG(num_workers=1)):
            start, found = time.perf_counter(), []
            for seed in range(seeds):
                x, noise = np.random.default_rng(seed).standard_normal((2, 500, dim))
                y = rho * x + math.sqrt(1 - rho**2) * noise
                found.append(sliced_information(x, y, estimator, num_slices=50, seed=seed))
            about = {"columns": f"{dim} + {dim}", "estimator": type(estimator).__name__, "n": 500}
            yield about | judged(truth, found, start)


def network(num, seed=0):
    rng = np.random.default_rng(seed)
    x, noise, root = np.zeros((num + 100, 5)), rng.standard_normal((num + 100, 5)), 0.25 * math.sqrt(2)
    for t in range(3, num + 100):
        square = x[t - 2, 0] ** 2
        x[t] = noise[t] + [
            0.95 * math.sqrt(2) * x[t - 1, 0] - 0.9025 * x[t - 2, 0],
            0.5 * square,
            -0.4 * x[t - 3, 0],
            -0.5 * square + root * x[t - 1, 3] + root * x[t - 1, 4],
            -root * x[t - 1, 3] + root * x[t - 1, 4],
        ]
    return x[100:]


def networks(num):
    for estimator, permutations in ((Gaussian(), 200), (KSG(4), 40)):
        for target, links in LINKS.items():
            start = time.perf_counter()
            found = multivariate_transfer_entropy(
                network(num), target, 3, estimator, num_permutations=permutations
            )
            yield {
                "estimator": f"{type(estimator).__name__}, {permutations} permutations",
                "target": target,
                "links": ", ".join(f"{source} at {lag}" for source, lag in links) or "none",
                "found": ", ".join(f"{link.source} at {link.lag}" for link in found.links) or "none",
                "transfer entropy": 0.0 if found.estimate is None else found.estimate.value,
                "seconds": time.perf_counter() - start,
            }


def main():
    arguments = arguments_of(__doc__, seeds=40, rows=600)
    about = environment("numpy", "scipy")
    about["settings"] = f"{arguments.seeds} samples a row of the table, {arguments.rows} rows of the network"
    start = time.perf_counter()
    results = {
        "Sums of entropies": list(sums(arguments.seeds)),
        "Decompositions": list(decompositions(arguments.seeds)),
        "Sliced information": list(slices(arguments.seeds)),
        "Network": list(networks(arguments.rows)),
    }
    about["minutes"] = round((time.perf_counter() - start) / 60, 1)
    report("estimation_many", "Quantities of many variables from samples", about, results, arguments)


if __name__ == "__main__":
    main()
