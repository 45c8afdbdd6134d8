"""InfoMax ICA beside MNE's infomax, picard and FastICA: time to the same likelihood, and Amari distance.

    pip install mne python-picard && python benchmarks/principle.py --save
    python benchmarks/principle.py --channels 16,32 --samples 20000 --budget 20     # a minute

Sources, a quarter each: Laplace, uniform, Student's with 5 degrees of freedom, and two humps. They are mixed
by a Gaussian matrix and made white, so only unmixing takes time. The second kind of data is patches of
scikit-learn's photographs. No model of independent sources describes them, so there is no truth to compare
with, but a likelihood.

Every method runs with a limit of 1, 2, 4, … iterations, until it has converged by its own test with its own
default tolerance, or until the next run would take longer than the budget. The likelihood is that of extended
InfoMax for all methods. Each row of W gets its best scale and the likelier of the two densities, as FastICA
and Picard-O do not set scales. "To reach the best" is the time of the first run within 0.001 nats a source of
the best of all.
"""

import json
import time
import warnings

import matplotlib
import numpy as np
from matplotlib import pyplot
from sklearn.datasets import load_sample_images
from sklearn.decomposition import FastICA
from sklearn.feature_extraction.image import extract_patches_2d

from infomax.files import replacing
from infomax.principle.ica import InfoMaxICA, amari_distance
from infomax.principle.unmixing.densities import SUPER_AND_SUB
from infomax.principle.unmixing.likelihood import WhiteSamples, threads
from recording import RESULTS, arguments_of, environment, report, save

matplotlib.use("Agg")
warnings.filterwarnings("ignore")

CLOSE = 1e-3  # nats a source

# ------------------------------------------------------------------ methods: white rows, limit -> W, finished


def infomax(rows, max_iter):
    ica = InfoMaxICA(whiten=False, max_iter=max_iter).fit(rows)
    return ica.components_.astype(float), ica.n_iter_ < max_iter


def infomax_float32(rows, max_iter):
    return infomax(rows.astype(np.float32), max_iter)


def mne_infomax(rows, max_iter):
    from mne.preprocessing import infomax as of_mne

    w, steps = of_mne(rows, extended=True, max_iter=max_iter, rng=0, return_n_iter=True, verbose="error")
    return w, steps < max_iter or max_iter >= 200  # 200 is its default


def picard_extended(rows, max_iter, ortho=False):
    from picard import picard

    _, w, _, steps = picard(
        rows.T,
        ortho=ortho,
        extended=True,
        whiten=False,
        centering=False,
        max_iter=max_iter,
        random_state=0,
        return_n_iter=True,
    )
    return w, steps + 1 < max_iter


def picard_o(rows, max_iter):
    return picard_extended(rows, max_iter, ortho=True)


def fast_ica(rows, max_iter):
    ica = FastICA(whiten=False, max_iter=max_iter, random_state=0).fit(rows)
    return ica.components_, ica.n_iter_ < max_iter


METHODS = {
    "InfoMaxICA": infomax,
    "InfoMaxICA, float32": infomax_float32,
    "MNE infomax, extended": mne_infomax,
    "picard, extended": picard_extended,
    "Picard-O": picard_o,
    "FastICA": fast_ica,
}

# ------------------------------------------------------------------ data


def mixed_sources(num_channels, num_samples, seed=0):
    """White rows [n, d], and the mixing matrix that is left to find."""
    rng = np.random.default_rng(seed)
    shape = (num_samples, num_channels // 4)
    humps = rng.choice([-1, 1], shape) + 0.5 * rng.standard_normal(shape)
    kinds = [rng.laplace(size=shape), rng.uniform(size=shape), rng.standard_t(5, shape), humps]
    sources = np.concatenate(kinds, axis=1)
    mixing = rng.standard_normal((num_channels, num_channels))
    rows, whitening = white(sources @ mixing.T, num_channels)
    return rows, whitening @ mixing


def photograph_patches(num_components, num_samples, side=12, seed=0):
    pictures = [np.log1p(image.mean(axis=2)) for image in load_sample_images().images]
    each = num_samples // len(pictures)
    patches = np.concatenate(
        [extract_patches_2d(p, (side, side), max_patches=each, random_state=seed) for p in pictures]
    )
    rows = np.random.default_rng(seed).permutation(patches.reshape(-1, side**2))
    return white(rows - rows.mean(axis=1, keepdims=True), num_components)[0], None


def white(rows, num_components):
    centred = rows - rows.mean(axis=0)
    variances, axes = np.linalg.eigh(centred.T @ centred / len(rows))
    whitening = (axes[:, -num_components:] / np.sqrt(variances[-num_components:])).T
    return np.ascontiguousarray(centred @ whitening.T), whitening


# ------------------------------------------------------------------ measuring


def likelihood(rows, unmixing):
    """The mean log-likelihood, each row of W at its best scale and with the likeliest density, nats."""
    unmixing = unmixing / np.sqrt(
        np.sum(unmixing**2, axis=1, keepdims=True)
    )  # unit variance, as rows are white
    with threads() as over_threads:
        samples = WhiteSamples(rows, SUPER_AND_SUB, over_threads)
        for _ in range(5):
            here = samples.moments(unmixing, samples.likeliest(unmixing))
            unmixing = unmixing * (1 + np.diag(here.gradient) / here.curvature)[:, None]
    return here.value


def series(method, rows, mixing, budget):
    """Runs of 1, 2, 4, … iterations at most: seconds, likelihood and distance of each."""
    runs, max_iter, seconds, finished = [], 1, 0.0, False
    while not finished and 2 * seconds < budget:
        start = time.perf_counter()
        unmixing, finished = method(rows, max_iter)
        seconds = time.perf_counter() - start
        run = {"iterations at most": max_iter, "seconds": seconds, "finished": bool(finished)}
        run["likelihood"] = likelihood(rows, unmixing)
        if mixing is not None:
            run["Amari distance"] = amari_distance(unmixing @ mixing)
        runs.append(run)
        max_iter *= 2
    return runs


def summary(data, num_sources, all_runs):
    best = max(run["likelihood"] for runs in all_runs.values() for run in runs)
    rows = []
    for name, runs in all_runs.items():
        last = runs[-1]
        reached = [run["seconds"] for run in runs if run["likelihood"] > best - CLOSE * num_sources]
        rows.append(
            {
                "data": data,
                "method": name,
                "seconds to reach the best": f"{min(reached):.3g}" if reached else f"> {last['seconds']:.3g}",
                "seconds to finish": f"{last['seconds']:.3g}"
                if last["finished"]
                else f"> {last['seconds']:.3g}",
                "nats below the best": best - last["likelihood"],
                "Amari distance": last.get("Amari distance", "–"),
            }
        )
    return rows


# ------------------------------------------------------------------ picture and report


def draw(curves, path):
    """Nats a source below the best against seconds, a panel for each set of data."""
    figure, axes = pyplot.subplots(
        1, len(curves), figsize=(2.9 * len(curves), 3.6), sharey=True, squeeze=False, layout="constrained"
    )
    for ax, (data, (num_sources, all_runs)) in zip(axes[0], curves.items(), strict=True):
        best = max(run["likelihood"] for runs in all_runs.values() for run in runs)
        for number, (name, runs) in enumerate(all_runs.items()):
            gaps = [max((best - run["likelihood"]) / num_sources, 1e-7) for run in runs]
            ax.loglog([run["seconds"] for run in runs], gaps, ".-", color=f"C{number}", label=name)
        ax.axhline(CLOSE, color="black", linewidth=0.7, linestyle=":")
        ax.set_title(data, fontsize=10)
        ax.set_xlabel("seconds")
        ax.spines[["top", "right"]].set_visible(False)
    axes[0][0].set_ylabel("nats a source below the best")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    with replacing(path) as beside:
        figure.savefig(beside, dpi=110, format="png")
    pyplot.close(figure)


def main():
    arguments = arguments_of(__doc__, channels="16,32,64,128,256", samples=100_000, budget=120.0)
    about = environment("numpy", "scipy", "scikit-learn", "mne", "python-picard")
    about["settings"] = f"{arguments.samples} samples; a run may take {arguments.budget:g} s"
    start = time.perf_counter()
    tasks = {
        f"{d} sources": (d, lambda d=d: mixed_sources(d, arguments.samples))
        for d in map(int, arguments.channels.split(","))
    }
    tasks["photographs, 64"] = (64, lambda: photograph_patches(64, arguments.samples))
    for method in METHODS.values():  # so that nothing is imported or set up on the clock
        method(mixed_sources(4, 1000)[0], 2)
    rows, every, curves = [], [], {}
    for data, (num_sources, make) in tasks.items():
        white_rows, mixing = make()
        all_runs = {}
        for name, method in METHODS.items():
            all_runs[name] = series(method, white_rows, mixing, arguments.budget)
            every += [{"data": data, "method": name, **run} for run in all_runs[name]]
            print(f"{time.perf_counter() - start:5.0f} s  {data}, {name}: {all_runs[name][-1]}", flush=True)
        rows += summary(data, num_sources, all_runs)
        curves[data] = (num_sources, all_runs)
    about["minutes"] = round((time.perf_counter() - start) / 60, 1)
    results = {f"Within {CLOSE:g} nats a source of the best, and at the end": rows}
    report("principle", "InfoMax ICA beside others", about, results, arguments)
    if arguments.save:
        save("principle_runs.json", json.dumps(every, indent=1) + "\n", arguments.overwrite)
        draw(curves, RESULTS / "principle.png")


if __name__ == "__main__":
    main()
