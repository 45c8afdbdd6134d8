"""The maps that convey most without noise: they unmix sources, and detect edges in photographs.

The outputs y of a linear map go through sigmoids g. What is conveyed is, up to a constant, their entropy

    H(g(Y)) = H(X) + log |det W| + Σᵢ E log gᵢ′(yᵢ)

and a rotation of white outputs changes it only if inputs are not Gaussian.

Reference: Bell and Sejnowski (1995, 1997), The "independent components" of natural scenes are edge filters.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from infomax.principle.experiments.drawing import COLOURS, SOFT, dress, panels
from infomax.principle.experiments.evidence import Evidence, Statement
from infomax.principle.gabor import Gabor, fit_gabor
from infomax.principle.ica import InfoMaxICA, amari_distance
from infomax.principle.unmixing.densities import SUPER_AND_SUB, logistic

NUM_SOURCES, NUMS_SAMPLES = 8, (500, 2000, 8000, 32_000)
SIDE, NUM_FILTERS, NUM_PATCHES = 12, 64, 20_000  # pixels; filters; patches of each photograph
MIN_EXPLAINED, MIN_OCTAVES = 0.7, 0.5  # of an edge filter: the fit of a Gabor function, and its bandwidth
MAX_WIDTH = 0.5  # of an edge filter: σ, in sides of a patch

Rows = Float[np.ndarray, "n d"]


def ica_sources(seed: int) -> Evidence:
    """Show that the map that conveys most unmixes sources of heavy and light tails, but not Gaussian ones."""
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((NUM_SOURCES, NUM_SOURCES))
    mixed = _sources(rng, max(NUMS_SAMPLES)) @ mixing.T
    gaussian = rng.standard_normal(mixed.shape) @ mixing.T
    maps = {
        "principal components": [_principal(mixed[:n]) for n in NUMS_SAMPLES],
        "Gaussian sources": [InfoMaxICA().fit(gaussian[:n]).components_ for n in NUMS_SAMPLES],
        "InfoMax": [InfoMaxICA().fit(mixed[:n]).components_ for n in NUMS_SAMPLES],
    }
    distances = {name: [amari_distance(w @ mixing) for w in weights] for name, weights in maps.items()}
    first, found = maps["principal components"][-1], maps["InfoMax"][-1]
    bits = _bits_conveyed(mixed, found) - _bits_conveyed(mixed, first)
    return Evidence(
        Statement.CHOOSE_THE_MAP,
        f"The linear map from {NUM_SOURCES} mixed inputs to sigmoid outputs that conveys most finds the "
        f"sources, each on an output of its own: its Amari distance from the truth is "
        f"{distances['InfoMax'][-1]:.4f} with {max(NUMS_SAMPLES)} samples, and falls with their number. "
        f"Principal components are uncorrelated too, but convey {bits:.2f} bits less and mix all sources "
        f"({distances['principal components'][-1]:.2f}); InfoMax also mixes them where sources are Gaussian "
        f"({distances['Gaussian sources'][-1]:.2f}), since all rotations then convey the same.",
        {
            "num_samples": list(NUMS_SAMPLES),
            "amari_distance": distances,
            "bits_more_than_principal_components": bits,
        },
        bool(
            distances["InfoMax"][-1] < 0.02 < distances["InfoMax"][0]
            and distances["principal components"][-1] > 0.1
            and distances["Gaussian sources"][-1] > 0.1
            and bits > 0.1
        ),
        _draw_sources(found @ mixing, first @ mixing, distances),
    )


def ica_edges(seed: int) -> Evidence:
    """Show that filters that convey most about patches of photographs detect edges.

    Beside them: filters of the same photographs with scrambled phases, and principal axes.
    """
    filters, gains = _learned_filters(seed)
    fits = {name: [fit_gabor(_picture(f)) for f in weights] for name, weights in filters.items()}
    shares = {name: float(np.mean([is_edge_filter(fit) for fit in found])) for name, found in fits.items()}
    edges = [fit for fit in fits["InfoMax"] if is_edge_filter(fit)]
    octaves = [fit.frequency_bandwidth for fit in edges]
    degrees = [math.degrees(fit.orientation_bandwidth) for fit in edges]
    share, scrambled_share, principal_share = shares.values()
    return Evidence(
        Statement.CHOOSE_THE_MAP,
        f"The {NUM_FILTERS} filters that convey most about patches of two photographs detect edges: "
        f"{100 * share:.0f} % are local, oriented Gabor functions (median bandwidths "
        f"{np.median(octaves):.1f} octaves and {np.median(degrees):.0f}°). They convey {gains[0]:.1f} bits a "
        f"patch more than principal axes, of which {100 * principal_share:.0f} % are such functions. With "
        "the phases of the photographs scrambled, which keeps correlations and removes edges, "
        f"{100 * scrambled_share:.0f} % of the filters are, and they gain {gains[1]:.1f} bits.",
        {
            "share_of_edge_filters": shares,
            "median_explained_by_gabor": {
                n: float(np.median([f.explained for f in fs])) for n, fs in fits.items()
            },
            "bits_more_than_principal_axes": dict(zip(("photographs", "scrambled"), gains, strict=True)),
            "frequency_bandwidth_octaves": octaves,
            "orientation_bandwidth_degrees": degrees,
            "orientation_degrees": [math.degrees(fit.orientation) for fit in edges],
            "frequency_cycles_a_pixel": [fit.frequency for fit in edges],
        },
        bool(share > 1 / 3 and max(scrambled_share, principal_share) < 0.1 and gains[0] > 4 * abs(gains[1])),
        _draw_edges(filters, fits),
    )


def _learned_filters(seed: int) -> tuple[dict[str, np.ndarray], list[float]]:
    """Return filters by name, and the bits a patch that they convey beyond principal axes.

    The bits are those of the photographs, and of the photographs with scrambled phases.
    """
    photographs = _photographs()
    rng = np.random.default_rng(seed)
    patches = _patches(photographs, seed)
    scrambled = _patches([_scrambled(picture, rng) for picture in photographs], seed)
    ica, control = (
        InfoMaxICA(NUM_FILTERS, densities=(logistic,), random_state=seed).fit(rows)
        for rows in (patches, scrambled)
    )
    filters = {
        "InfoMax": ica.components_,
        "InfoMax, phases scrambled": control.components_,
        "principal axes": ica.whitening_,
    }
    gains = [
        _bits_conveyed(rows, one.components_) - _bits_conveyed(rows, one.whitening_)
        for rows, one in ((patches, ica), (scrambled, control))
    ]
    return filters, gains


def is_edge_filter(fit: Gabor) -> bool:
    """Return whether a Gabor function describes a filter well, with few bars that end within the patch."""
    few_bars = MIN_OCTAVES < fit.frequency_bandwidth < math.inf
    local = max(fit.width_across, fit.width_along) < MAX_WIDTH * SIDE
    return fit.explained > MIN_EXPLAINED and few_bars and local


def _bits_conveyed(rows: Rows, weights: Float[np.ndarray, "k d"]) -> float:
    """H(g(Y)) − H(X), each output at unit variance and through the sigmoid that gives most."""
    weights = weights / (rows @ weights.T).std(axis=0)[:, None]
    outputs = (rows - rows.mean(axis=0)) @ weights.T
    log_p = np.max([density(outputs)[0].mean(axis=0) for density in (*SUPER_AND_SUB, logistic)], axis=0)
    return float(np.linalg.slogdet(weights @ weights.T)[1] / 2 + log_p.sum()) / math.log(2)


def _principal(rows: Rows) -> Float[np.ndarray, "d d"]:
    """Weights of white outputs, along principal axes."""
    variances, axes = np.linalg.eigh(np.cov(rows, rowvar=False))
    return (axes / np.sqrt(variances)).T


# ------------------------------------------------------------------------------------- inputs


def _sources(rng: np.random.Generator, num_samples: int) -> Float[np.ndarray, "n d"]:
    """Sources of unit variance: Laplace, uniform, Student's with 5 degrees of freedom, and with two humps."""
    shape = (num_samples, NUM_SOURCES // 4)
    humps = rng.choice([-1, 1], shape) + 0.5 * rng.standard_normal(shape)
    kinds = [rng.laplace(size=shape), rng.uniform(size=shape), rng.standard_t(5, shape), humps]
    return _standardised(np.concatenate(kinds, axis=1), axis=0)


def _photographs() -> list[Float[np.ndarray, "h w"]]:
    """scikit-learn's two sample photographs, grey, in log intensity."""
    from sklearn.datasets import load_sample_images

    return [_standardised(np.log1p(image.mean(axis=2))) for image in load_sample_images().images]


def _standardised(values: Float[np.ndarray, "..."], axis: int | None = None) -> Float[np.ndarray, "..."]:
    return (values - values.mean(axis=axis)) / values.std(axis=axis)


def _scrambled(picture: Float[np.ndarray, "h w"], rng: np.random.Generator) -> Float[np.ndarray, "h w"]:
    """A picture of the same power spectrum, with the phases of noise."""
    noise = np.fft.rfft2(rng.standard_normal(picture.shape))
    return np.fft.irfft2(np.abs(np.fft.rfft2(picture)) * noise / np.abs(noise), picture.shape)


def _patches(pictures: Sequence[Float[np.ndarray, "h w"]], seed: int) -> Rows:
    """Patches as rows, less the mean of each."""
    from sklearn.feature_extraction.image import extract_patches_2d

    taken = [
        extract_patches_2d(picture, (SIDE, SIDE), max_patches=NUM_PATCHES, random_state=seed)
        for picture in pictures
    ]
    rows = np.concatenate(taken).reshape(-1, SIDE**2)
    return rows - rows.mean(axis=1, keepdims=True)


def _picture(weights: Float[np.ndarray, " d"]) -> Float[np.ndarray, "side side"]:
    return weights.reshape(SIDE, SIDE)


# ------------------------------------------------------------------------------------- pictures


def _draw_sources(
    found: Float[np.ndarray, "d d"], first: Float[np.ndarray, "d d"], distances: Mapping[str, Sequence[float]]
) -> Figure:
    figure, (before, after, curves) = panels(3, size=(9.6, 3.2))
    for axes, gains, title in ((before, first, "principal components"), (after, found, "InfoMax")):
        dress(axes, title, "source", "output")
        shares = np.abs(gains) / np.abs(gains).max(axis=1, keepdims=True)
        axes.imshow(shares[np.argsort(shares.argmax(axis=1), kind="stable")], cmap="Blues", vmin=0, vmax=1)
        axes.set(xticks=[], yticks=[])
        axes.grid(False)
    dress(curves, "Distance from the sources", "samples", "Amari distance")
    for (name, values), colour in zip(distances.items(), COLOURS, strict=False):
        curves.loglog(NUMS_SAMPLES, values, marker="o", markersize=4, color=colour, label=name)
    curves.legend(frameon=False, fontsize=8)
    return figure


def _draw_edges(filters: Mapping[str, Rows], fits: Mapping[str, Sequence[Gabor]]) -> Figure:
    figure, axes = panels(3, num_rows=2, size=(9.6, 6.6))
    for ax, (name, weights) in zip(axes[:3], filters.items(), strict=True):
        ax.imshow(_mosaic(weights), cmap="gray", vmin=-1, vmax=1, interpolation="nearest")
        ax.set_title(name, loc="left", fontsize=10)
        ax.set_axis_off()
    explained, places, widths = axes[3:]
    dress(explained, "Gabor fits", "share of a filter explained", "filters")
    for (name, found), colour in zip(fits.items(), COLOURS, strict=False):
        shares = np.sort([fit.explained for fit in found])
        explained.plot(shares, np.arange(len(shares), 0, -1), color=colour, label=name)
    explained.legend(frameon=False, fontsize=8, loc="lower left")
    explained.axvline(MIN_EXPLAINED, color=SOFT, linewidth=0.8, linestyle=":")
    edges = [fit for fit in fits["InfoMax"] if is_edge_filter(fit)]
    _draw_waves(places, edges)
    dress(widths, "Bandwidths of edge filters", "octaves", "degrees")
    octaves = [fit.frequency_bandwidth for fit in edges]
    widths.scatter(
        octaves, [math.degrees(fit.orientation_bandwidth) for fit in edges], s=14, color=COLOURS[0]
    )
    return figure


def _draw_waves(axes: Axes, edges: Sequence[Gabor]) -> None:
    """Draw wave vectors, in the upper half plane: directions are orientations, lengths frequencies."""
    dress(axes, "Waves of edge filters", "cycles a pixel, along columns", "along rows")
    angle, length = (np.array(v) for v in zip(*((f.orientation, f.frequency) for f in edges), strict=True))
    axes.scatter(length * np.cos(angle), length * np.sin(angle), s=14, color=COLOURS[0])
    axes.set_aspect("equal")
    axes.set(xlim=(-0.55, 0.55), ylim=(-0.05, 0.55))


def _mosaic(weights: Rows) -> Float[np.ndarray, "h w"]:
    """Filters in rows and columns, each scaled to its largest weight, with white lines between."""
    across = math.ceil(math.sqrt(len(weights)))
    tiles = np.ones((across**2, SIDE + 1, SIDE + 1))
    tiles[: len(weights), :SIDE, :SIDE] = [_picture(w / np.abs(w).max()) for w in weights]
    return tiles.reshape(across, across, SIDE + 1, SIDE + 1).swapaxes(1, 2).reshape(across * (SIDE + 1), -1)
