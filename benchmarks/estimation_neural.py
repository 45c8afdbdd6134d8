"""Neural estimates beside the truth: the staircase of 20-d Gaussians; self-consistency on images.

    OMP_NUM_THREADS=2 python benchmarks/estimation_neural.py             # a quarter of an hour, 2 cores
    OMP_NUM_THREADS=2 python benchmarks/estimation_neural.py --save      # writes results/estimation_neural.*
    … --steps 4000 --critic concatenated                                 # as published; hours on a CPU

Staircase: X and Y are 20 pairs of Gaussians. I rises from 2 to 10 nats in five stairs of --steps steps each,
with new samples at every step (batch 64, Adam, 5e-4, perceptrons of two layers of 256). The cubic form
replaces Y by Y³, unscaled; this does not change the information, but makes some bounds diverge. A table gives
each bound's median over the second half of each stair (single batches of a poor critic can give −1e9 and
spoil a mean). For comparison, it gives the bound's value with the *true* log density ratio as its critic:
training cannot add what is missing there. InfoNCE is limited by log 64 = 4.16 nats.

Self-consistency (Song and Ermon 2020), with `Neural`, on held-out images of handwritten digits. A noisy view
of the top t rows tells something about the image, and this cannot fall with t. A second, processed copy adds
nothing (ratio 1). Two independent images tell twice as much (ratio 2).

References: Poole et al. (2019), figure 2; Song and Ermon (2020), figures 1 to 4.
"""

import itertools
import math
import time
from functools import partial

import matplotlib
import numpy as np
import torch
from matplotlib import pyplot
from scipy.ndimage import median_filter
from sklearn.datasets import load_digits

from infomax.estimation import bounds
from infomax.estimation.critics import Concatenated, Separable, as_objective
from infomax.estimation.neural import Neural, initial_model
from infomax.files import replacing
from infomax.fitting import ascend_step
from recording import RESULTS, arguments_of, environment, report

matplotlib.use("Agg")

STAIRS = (2, 4, 6, 8, 10)
DIM, BATCH = 20, 64
CRITICS = {"separable": Separable, "concatenated": Concatenated}
BOUNDS = {  # shown as: bound
    "Donsker–Varadhan": bounds.donsker_varadhan,
    "MINE": bounds.mine,
    "NWJ": bounds.nwj,
    "TUBA": bounds.tuba,
    "interpolated, α = 0.01": bounds.interpolated,
    "InfoNCE": bounds.infonce,
    "JSD, read by NWJ(s + 1)": bounds.jensen_shannon,
    "SMILE, τ = 5": bounds.smile,
    "FLO": bounds.flo,
}
WITH_TRUE_RATIO = {  # what each is worth when nothing needs to be learned
    "Donsker–Varadhan": bounds.donsker_varadhan,
    "MINE": bounds.donsker_varadhan,
    "NWJ": bounds.nwj_of_log_ratio,
    "TUBA": lambda s: bounds.tuba(s, 0.0),
    "interpolated, α = 0.01": lambda s: bounds.interpolated(s, 0.0, 0.01),
    "InfoNCE": bounds.infonce,
    "JSD, read by NWJ(s + 1)": bounds.nwj_of_log_ratio,
    "SMILE, τ = 5": bounds.smile,
    "FLO": lambda s: bounds.flo(s, -s.diagonal()),
}


# ------------------------------------------------------------------ the staircase


def correlation_of(information):
    return math.sqrt(-math.expm1(-2 * information / DIM))


def gaussian_batch(information, rng):
    rho = correlation_of(information)
    x, noise = torch.from_numpy(rng.standard_normal((2, BATCH, DIM), dtype=np.float32))
    return x, rho * x + math.sqrt(1 - rho**2) * noise


def true_log_ratio(x, y, information):
    rho = correlation_of(information)
    squares = x.square().sum(1)[:, None] + y.square().sum(1)
    return information + (2 * rho * x @ y.T - rho**2 * squares) / (2 * (1 - rho**2))


def climb(bound, critic, steps, cubic):
    """The value that is reported, at each step and before it: [stairs, steps]."""
    objective = as_objective(bound)
    model = initial_model(DIM, DIM, critic, objective, seed=0)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-4, maximize=True)
    values = np.empty((len(STAIRS), steps))
    rng = np.random.default_rng(0)
    for stair, information in enumerate(STAIRS):
        for step in range(steps):
            x, y = gaussian_batch(information, rng)
            y = y**3 if cubic else y
            if objective.train is objective.value:
                values[stair, step] = ascend_step(optimizer, partial(model, x, y))
            else:
                values[stair, step] = model.held_out(objective.value, x, y)
                ascend_step(optimizer, partial(model, x, y))
    return values


def ceilings(num_batches=4000):
    """Mean value of each bound on batches of 64 with the true log ratio as critic, for each stair."""
    rng = np.random.default_rng(1)
    table = {name: [] for name in WITH_TRUE_RATIO}
    for information in STAIRS:
        batches = [gaussian_batch(information, rng) for _ in range(num_batches)]
        scores = [true_log_ratio(x.double(), y.double(), information) for x, y in batches]
        for name, bound in WITH_TRUE_RATIO.items():
            table[name].append(float(np.mean([bound(s).item() for s in scores])))
    return table


def staircase_rows(curves, limits):
    rows = []
    for name, values in curves.items():
        second_half = values[:, values.shape[1] // 2 :]
        row = {"bound": name}
        for i, information in enumerate(STAIRS):
            shown = spread_of(second_half[i])
            row[f"{information} nats"] = f"{shown} ({limits[name][i]:.2f})"
        rows.append(row)
    return rows


def spread_of(values):
    """Median ± half of the central 68 %; no number where training has lost its way."""
    low, middle, high = np.quantile(values, [0.16, 0.5, 0.84])
    return f"{middle:.2f} ± {(high - low) / 2:.2f}" if middle > -10 else "diverged"


# ------------------------------------------------------------------ self-consistency


def digits(num_images=20_000, seed=0):
    """Images [n, 8, 8] from scikit-learn's 1,797 digits: each shifted by up to a pixel, with a little noise.

    The noise makes the pixels continuous, and the information finite.
    """
    rng = np.random.default_rng(seed)
    images = load_digits().images / 16
    chosen = images[rng.integers(len(images), size=num_images)]
    shifts = rng.integers(-1, 2, size=(num_images, 2))
    moved = np.stack([np.roll(image, shift, (0, 1)) for image, shift in zip(chosen, shifts, strict=True)])
    return moved + 0.3 * rng.standard_normal(moved.shape)


def top(images, num_rows, seed=0):
    """The top rows seen through noise, the others blank, as vectors: some 0.7 nats a row."""
    rng = np.random.default_rng((seed, num_rows))
    seen = images[:, :num_rows] + rng.standard_normal(images[:, :num_rows].shape)
    return np.pad(seen, ((0, 0), (0, images.shape[1] - num_rows), (0, 0))).reshape(len(images), -1)


def self_consistency(max_steps):
    x, other = digits(seed=0), digits(seed=1)
    flat = x.reshape(len(x), -1)
    rows = []
    for name in ("InfoNCE", "JSD, read by NWJ(s + 1)", "SMILE, τ = 5", "Donsker–Varadhan"):
        neural = Neural(bound=BOUNDS[name], max_steps=max_steps, evaluate_every=100, patience=10)
        by_rows = [neural.estimate(flat, top(x, t)) for t in range(9)]
        copies = neural.estimate(np.hstack([flat, flat]), np.hstack([top(x, 3), np.tanh(top(x, 3)) ** 3]))
        two = neural.estimate(
            np.hstack([flat, other.reshape(len(x), -1)]), np.hstack([top(x, 3), top(other, 3, seed=1)])
        )
        drops = [max(0.0, a.value - b.value) for a, b in itertools.pairwise(by_rows)]
        rows.append(
            {
                "bound": name,
                "kind": by_rows[0].kind,
                **{f"t = {t}": f"{e.value:.2f} ± {e.standard_error:.2f}" for t, e in enumerate(by_rows)},
                "largest fall": max(drops),
                "processed copy, 1 is right": copies.value / by_rows[3].value,
                "two images, 2 is right": two.value / by_rows[3].value,
            }
        )
    return rows


# ------------------------------------------------------------------ picture and report


def draw(curves, limits, path):
    """A panel a bound: values at each step, smoothed, beside the truth and the value with the true ratio."""
    figure, axes = pyplot.subplots(3, 3, figsize=(10.5, 8.5), sharex=True, sharey=True, layout="constrained")
    for ax, name in zip(axes.flat, BOUNDS, strict=True):
        for color, values in zip(("tab:blue", "tab:green"), (c[name] for c in curves.values()), strict=False):
            steps = values.shape[1]
            ax.plot(values.ravel(), color=color, alpha=0.2, linewidth=0.3, rasterized=True)
            ax.plot(median_filter(values.ravel(), max(steps // 20, 1)), color=color, linewidth=1.5)
        ax.plot(np.repeat(STAIRS, steps), color="black", linewidth=1)
        ax.plot(np.repeat(limits[name], steps), color="tab:red", linewidth=1, linestyle="--")
        ax.set_ylim(-0.5, 14)
        ax.set_title(name, fontsize=10)
        ax.spines[["top", "right"]].set_visible(False)
    for ax in axes[:, 0]:
        ax.set_ylabel("nats")
    for ax in axes[-1]:
        ax.set_xlabel("step")
    lines = [("black", "-", "truth"), ("tab:red", "--", "mean with the true log ratio as critic")]
    lines += [
        (c, "-", f"learned, {form}") for c, form in zip(("tab:blue", "tab:green"), curves, strict=False)
    ]
    handles = [pyplot.Line2D([], [], color=c, linestyle=s, label=text) for c, s, text in lines]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False)
    with replacing(path) as beside:
        figure.savefig(beside, dpi=110, format="png")
    pyplot.close(figure)


def main():
    arguments = arguments_of(__doc__, steps=2000, critic="separable", max_steps=1000)
    about = environment("torch", "numpy", "scikit-learn")
    about["settings"] = (
        f"{arguments.steps} steps a stair, {arguments.critic} critic; {arguments.max_steps} steps for digits"
    )
    start = time.perf_counter()
    limits, curves = ceilings(), {}
    for form, cubic in (("Gaussian", False), ("Y³", True)):
        curves[form] = {}
        for name, bound in BOUNDS.items():
            curves[form][name] = climb(bound, CRITICS[arguments.critic], arguments.steps, cubic)
            print(f"{time.perf_counter() - start:5.0f} s  {form}, {name}", flush=True)
    heading = "median ± half of the central 68 % over batches (mean with the true log ratio)"
    results = {f"Staircase, {form}: {heading}": staircase_rows(curves[form], limits) for form in curves}
    results["Self-consistency: I(image; its top t rows), nats, on held-out digits"] = self_consistency(
        arguments.max_steps
    )
    about["minutes"] = round((time.perf_counter() - start) / 60, 1)
    report("estimation_neural", "Neural estimates beside the truth", about, results, arguments)
    if arguments.save:
        draw(curves, limits, RESULTS / "estimation_neural.png")


if __name__ == "__main__":
    main()
