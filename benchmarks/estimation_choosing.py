"""How near the truth is `infomax.estimate`, what did it pick, and how often does its 95 % interval hold it?

    python benchmarks/estimation_choosing.py --cache DIR --save --overwrite    # half an hour of processor
    python benchmarks/estimation_choosing.py --samples 500 --seeds 1           # a look, in five minutes
    … --redraw 1 --save --overwrite                                            # the page anew

The 40 tasks of "Beyond Normal" (Czyż et al. 2023), and hard cases: one dependent pair among 50 + 50 columns,
curves, heavy tails, labels with many columns but few that matter, noisy binary images. The rule was fixed on
other tasks before these were measured (`estimation/choosing/rule.py`). --cache keeps every draw, and a
stopped call continues there; --workers 0 measures nothing, and reports the kept draws.

bias: mean error over the draws. interval: how far the 95 % interval reaches below and above the value, on
average. covered: number of draws whose interval contains the truth, of all draws. The best single estimator
is from `estimation_accuracy.json`, chosen for each task with knowledge of the truth.
"""

import json
import math
import time

import numpy as np
from joblib import Memory, Parallel, delayed
from sklearn.datasets import load_digits

import infomax
from infomax.information.beyond_normal import beyond_normal_tasks
from infomax.information.distributions import JointGaussian, StudentT, UniformMixture
from recording import RESULTS, arguments_of, environment, markdown, save

NAME = "estimation_choosing"
BEYOND, HARD = "Beyond Normal", "Hard cases"


# ------------------------------------------------------------------ hard cases: (x, y, truth)


def of(distribution):
    return lambda n, rng: (*distribution.sample(n, rng), float(distribution.mutual_information))


def one_pair_of_50(n, rng):
    x, y = rng.standard_normal((2, n, 50))
    y[:, 0] = 0.9 * x[:, 0] + math.sqrt(1 - 0.81) * y[:, 0]
    return x, y, -math.log(1 - 0.81) / 2


def circle(n, rng):
    angle = rng.uniform(0, 2 * math.pi, n)
    x, y = np.stack([np.cos(angle), np.sin(angle)]) + 0.05 * rng.standard_normal((2, n))
    return x, y, 1.158


def plus_minus(n, rng):
    x = rng.standard_normal(n)
    return x, rng.choice([-1, 1], n) * x + 0.05 * rng.standard_normal(n), 2.334


def lognormals(n, rng):
    x, y = np.exp(2 * rng.standard_normal((2, n)))
    return x, y, 0.0


def images(num_pixels, noise):
    """Binary images of ten prototypes with flipped pixels; the truth is the mean of a simulation."""
    patterns = np.random.default_rng(1).integers(2, size=(10, num_pixels))

    def sample(n, rng):
        label = rng.integers(10, size=n)
        flipped = patterns[label] ^ (rng.random((n, num_pixels)) < noise)
        return label, flipped, truth

    def log_posterior(n, rng):
        label = rng.integers(10, size=n)
        flipped = patterns[label] ^ (rng.random((n, num_pixels)) < noise)
        distance = (flipped[:, None] != patterns).sum(axis=2)
        scores = -distance * math.log((1 - noise) / noise)
        log_sum = np.logaddexp.reduce(scores, axis=1)
        return scores[np.arange(n), label] - log_sum

    truth = math.log(10) + float(log_posterior(20_000, np.random.default_rng(2)).mean())
    return sample


def mixed(n, rng):
    x, y = UniformMixture(5).sample(n, rng)
    return x[:, 0].astype(int), y, float(UniformMixture(5).mutual_information)


def digits(n, rng):
    """The label of a digit, which its image tells with hardly a doubt: the truth is its entropy, log 10."""
    pixels, label = load_digits(return_X_y=True)
    rows = rng.permutation(len(label))[:n]
    counts = np.bincount(label) / len(label)
    return label[rows], pixels[rows], float(-(counts * np.log(counts)).sum())


HARD_CASES = {
    "one pair of ρ = .9 among 50 + 50 columns": one_pair_of_50,
    "circle, noise .05": circle,
    "Y = ±X, noise .05": plus_minus,
    "independent lognormals, σ = 2": lognormals,
    "Student t of 2, ρ = .9": of(StudentT(np.array([[1, 0.9], [0.9, 1]]), 1, 2)),
    "three pairs of 10 nats together": of(
        JointGaussian(np.kron([[1, r := math.sqrt(-math.expm1(-20 / 3))], [r, 1]], np.eye(3)), 3)
    ),
    "label and number": mixed,
    "label and binary images of 64 pixels, a third flipped": images(64, 1 / 3),
    "label and digits of scikit-learn": digits,
}


# ------------------------------------------------------------------ measuring


def drawn(section, task, num_samples, seed):
    """Return what one draw gives; None where the samples are refused."""
    rng = np.random.default_rng(seed)
    if section == BEYOND:
        distribution = beyond_normal_tasks()[task]
        x, y = distribution.sample(num_samples, rng)
        truth = float(distribution.mutual_information)
    else:
        x, y, truth = HARD_CASES[task](num_samples, rng)
    start = time.process_time()
    found = infomax.estimate(x, y)
    seconds = time.process_time() - start
    low, high = found.confidence_interval()
    return {
        "truth": truth,
        "value": found.value,
        "low": low,
        "high": None if math.isinf(high) else high,
        "method": found.method,
        "second": None if found.second is None else [found.second.method, found.second.value],
        "cautions": [caution.partition(":")[0] for caution in found.cautions],
        "seconds": seconds,
        "rows": len(x),
    }


def measure(arguments):
    """{section: {rows asked for: {task: draws}}}."""
    seeds = {
        int(n): int(k) for n, k in zip(arguments.samples.split(","), arguments.seeds.split(","), strict=True)
    }
    tasks = {BEYOND: list(beyond_normal_tasks()), HARD: list(HARD_CASES)}
    most = max(seeds.values())
    jobs = [
        (section, task, n, seed)
        for seed in range(most)
        for n, num in seeds.items()
        if seed < num
        for section, names in tasks.items()
        for task in names
    ]
    kept = Memory(arguments.cache or None, verbose=0).cache(drawn)
    if arguments.workers == 0:
        jobs = [job for job in jobs if kept.check_call_in_cache(*job)]
    found = Parallel(n_jobs=arguments.workers or 1, verbose=1)(delayed(kept)(*job) for job in jobs)
    draws = {section: {} for section in tasks}
    for (section, task, n, _), one in zip(jobs, found, strict=True):
        draws[section].setdefault(n, {}).setdefault(task, []).append(one)
    return draws


# ------------------------------------------------------------------ tables


def covers(one):
    return one["low"] <= one["truth"] <= (math.inf if one["high"] is None else one["high"])


def bias(draws):
    return float(np.mean([one["value"] - one["truth"] for one in draws]))


def reach(draws):
    """Return how far the intervals reach below and above the values; the latter may be ∞."""
    highs = [math.inf if one["high"] is None else one["high"] for one in draws]
    below = [one["low"] - one["value"] for one in draws]
    return below, [high - one["value"] for high, one in zip(highs, draws, strict=True)]


def summary(by_size):
    """A row a number of samples, over all tasks."""
    rows = []
    for n, tasks in by_size.items():
        biases = np.abs([bias(draws) for draws in tasks.values()])
        covered = [np.mean([covers(one) for one in draws]) for draws in tasks.values()]
        every = [one for draws in tasks.values() for one in draws]
        rows.append(
            {
                "n": n,
                "draws a task, at least": min(map(len, tasks.values())),
                "tasks": len(tasks),
                "median of bias, size alone": round(float(np.median(biases)), 3),
                "largest": round(float(biases.max()), 2),
                "tasks with less than 0.05": int((biases < 0.05).sum()),
                "tasks covered in 9 of 10 draws": int((np.array(covered) >= 0.9).sum()),
                "draws covered": f"{sum(map(covers, every))} of {len(every)}",
                "median seconds": round(float(np.median([one["seconds"] for one in every])), 1),
                "largest seconds": round(max(one["seconds"] for one in every), 1),
            }
        )
    return rows


def by_task(by_size, best=None):
    """A row a task: the truth, and for each number of samples bias, interval and what was picked."""
    rows = []
    for task, of_task in next(iter(by_size.values()), {}).items():
        row = {"task": task, "truth": round(of_task[0]["truth"], 4)}
        for n, tasks in by_size.items():
            draws = tasks.get(task, [])
            if not draws:
                continue
            row[f"n = {n}: bias"] = f"{bias(draws):+.3f}"
            row[f"n = {n}: interval"] = " to ".join(f"{np.mean(ends):+.3f}" for ends in reach(draws))
            row[f"n = {n}: covered"] = f"{sum(map(covers, draws))} of {len(draws)}"
            row[f"n = {n}: picked"] = ", ".join(sorted({one["method"].split(",")[0] for one in draws}))
            row[f"n = {n}: cautions"] = (
                ", ".join(sorted({c for one in draws for c in one["cautions"]})) or "–"
            )
        if best:
            row["best single, n = 5000"] = best[task]
        rows.append(row)
    return rows


def best_single():
    """The estimator of `estimation_accuracy.json` with the smallest bias on each task, and that bias."""
    tasks = json.loads((RESULTS / "estimation_accuracy.json").read_text())["draws"][BEYOND]
    found = {}
    for task, of_task in tasks.items():
        usable = {name: e for name, e in of_task["estimates"].items() if None not in e}
        biases = {name: float(np.mean([v for v, _ in e])) - of_task["truth"] for name, e in usable.items()}
        name = min(biases, key=lambda one: abs(biases[one]))
        found[task] = f"{name} {biases[name]:+.3f}"
    return found


def near_best(by_size):
    """How often the bias at n = 5000 is within .05 nats or one error of that of the best single estimator."""
    best = {task: abs(float(text.rpartition(" ")[2])) for task, text in best_single().items()}
    near = []
    for task, draws in by_size.get(5000, {}).items():
        error = np.mean([min(-low, high) / 1.96 for low, high in zip(*reach(draws), strict=True)])
        near.append(abs(bias(draws)) <= best[task] + max(0.05, error))
    return [{"tasks": len(near), "within": int(sum(near))}] if near else []


def tables(draws):
    draws = {section: {int(n): tasks for n, tasks in sizes.items()} for section, sizes in draws.items()}
    return {
        f"{BEYOND}: all together": summary(draws[BEYOND]),
        f"{HARD}: all together": summary(draws[HARD]),
        "Beside the best single estimator of each task": near_best(draws[BEYOND]),
        HARD: by_task(draws[HARD]),
        BEYOND: by_task(draws[BEYOND], best_single()),
    }


def main():
    arguments = arguments_of(__doc__, samples="5000,500", seeds="2,2", workers=1, cache="", redraw=0)
    if arguments.redraw:
        measured = json.loads((RESULTS / f"{NAME}.json").read_text())
    else:
        about = environment("numpy", "scipy", "scikit-learn", "torch")
        measured = {"environment": about, "draws": measure(arguments)}
    measured["results"] = tables(measured["draws"])
    page = markdown("What infomax.estimate finds", measured["environment"], measured["results"])
    print(page)
    if arguments.save:
        save(f"{NAME}.json", json.dumps(measured, ensure_ascii=False) + "\n", arguments.overwrite)
        save(f"{NAME}.md", page, arguments.overwrite)


if __name__ == "__main__":
    main()
