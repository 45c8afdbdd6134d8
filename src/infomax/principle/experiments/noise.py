"""Noise favours redundancy: what two units, and the units of a small retina, do as noise grows.

    I(L; M) = ½ log( 1 + (V₁ + V₂)/σ² + V₁V₂(1 − ρ₁₂²)/σ⁴ )

is what two units convey, in nats, whose responses have variances V and correlation ρ₁₂. Where the output
noise σ² is small, the last term counts, and the units should differ. Where it is large, the term before
counts, and both units should do the same: what is best for one.

Reference: Linsker (1988), Self-organization in a perceptual network; Atick and Redlich (1990), Towards a
theory of early visual processing.
"""

import math
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from infomax.principle.climbing import climb_with_norms
from infomax.principle.experiments.drawing import COLOURS, INK, SOFT, dress, panels, show_picture
from infomax.principle.experiments.evidence import Evidence, Statement
from infomax.principle.linear import LinearUnits
from infomax.principle.optima import (
    best_units_of_norm,
    best_units_of_power,
    share_norm_equally,
    share_power_equally,
)

Curves = Mapping[str, Float[np.ndarray, " noises"]]

CORRELATION, NUM_SAMPLES = 0.6, 20_000  # of two inputs
OUTPUT_NOISE = np.geomspace(0.01, 10, 31)  # of two units
SIDE = 12  # of the retina, in pixels
INPUT_NOISE, RETINA_NOISE = np.geomspace(1e-4, 100, 25), 3.0  # variances; that of the pixels is 1


def noise_redundancy(seed: int) -> Evidence:
    """Show that the best two units of norm 1 differ where noise is low, and are alike where it is high."""
    rng = np.random.default_rng(seed)
    signal, shuffled = two_inputs(rng)
    bits = _bits(signal)
    shares = {name: bits[name] / bits["best"] for name in ("decorrelated", "alike")}
    alikeness = _alikeness(signal, shuffled, rng)
    rho = float(signal[0, 1])
    threshold = (1 - rho**2) / rho
    apart, alike = shares["decorrelated"], shares["alike"]
    return Evidence(
        Statement.NOISE_FAVORS_REDUNDANCY,
        f"With little noise (variance {OUTPUT_NOISE[0]:g}) two decorrelated units convey "
        f"{100 * apart[0]:.0f} % of what two units with weights of norm 1 can convey, two alike only "
        f"{100 * alike[0]:.0f} %; with much noise ({OUTPUT_NOISE[-1]:g}) they convey {100 * apart[-1]:.0f} % "
        f"and {100 * alike[-1]:.0f} %. The best units become the same at a noise of (1 − ρ²)/ρ = "
        f"{threshold:.2f}, in closed form and by gradient ascent; when the inputs are shuffled, they do not.",
        {
            "input_correlation": rho,
            "noise_from_which_units_are_alike": threshold,
            "output_noise": OUTPUT_NOISE.tolist(),
            "bits": _lists(bits),
            "correlation_of_units": _lists(alikeness),
        },
        bool(
            apart[0] > 0.99 > 0.8 > alike[0]
            and alike[-1] > 0.99 > 0.8 > apart[-1]
            and alikeness["by gradient ascent"][-1] > 0.99 > 0.5 > alikeness["inputs shuffled"][-1]
        ),
        _draw_pair(bits, shares, alikeness, threshold),
    )


def one_aspect(seed: int) -> Evidence:
    """Show that a retina that sees photographs reduces redundancy in the light, and adds some in the dark."""
    patches = _patches(seed)
    shuffled = np.random.default_rng(seed).permuted(patches, axis=0)
    retina = _retina(np.cov(patches, rowvar=False))
    received = np.array([_correlation_of_neighbours(units.received) for units in retina])
    responded, control = (
        np.array([_correlation_of_neighbours(units.responses) for units in one])
        for one in (retina, _retina(np.cov(shuffled, rowvar=False)))
    )
    curves = {"inputs": received, "units": responded, "units, pixels shuffled": control}
    return Evidence(
        Statement.ONE_ASPECT,
        f"Neighbouring pixels of photographs have a correlation of {received[0]:.2f}, neighbours among the "
        f"units that convey most about them {responded[0]:.2f}: redundancy is reduced. Under noise of "
        f"{INPUT_NOISE[-1]:g} times the variance of pixels, neighbouring inputs have {received[-1]:.2f}, "
        f"units {responded[-1]:.2f}: redundancy is introduced, to counter the noise. If pixels are shuffled "
        f"there is nothing to average, and units never have more than {np.abs(control).max():.2f}.",
        {
            "input_noise": INPUT_NOISE.tolist(),
            "correlation_of_neighbours": _lists(curves),
            "bits": [units.information(base=2) for units in retina],
        },
        bool(
            responded[0] < 0.1 < 0.5 < received[0]
            and received[-1] < 0.1 < 0.5 < responded[-1]
            and np.abs(control).max() < 0.1
        ),
        _draw_retina(retina, curves),
    )


def two_inputs(rng: np.random.Generator) -> tuple[Float[np.ndarray, "2 2"], Float[np.ndarray, "2 2"]]:
    """Return the covariances of two correlated inputs of variance 1, and of the same samples shuffled."""
    inputs = rng.multivariate_normal([0, 0], [[1, CORRELATION], [CORRELATION, 1]], NUM_SAMPLES)
    scaled = inputs / inputs.std(axis=0)
    shuffled = rng.permuted(scaled, axis=0)
    return np.cov(scaled, rowvar=False, ddof=0), np.cov(shuffled, rowvar=False, ddof=0)


def _lists(curves: Curves) -> dict[str, list[float]]:
    return {name: values.tolist() for name, values in curves.items()}


# ------------------------------------------------------------------------------------- two units


def _bits(signal: Float[np.ndarray, "2 2"]) -> Curves:
    """Bits of two units of norm 1 at every noise: of the best, the best decorrelated, and the best alike."""
    best = [best_units_of_norm(signal, 2, 2, output_noise=float(noise)) for noise in OUTPUT_NOISE]
    first = np.linalg.eigh(signal)[1][:, -1]
    alike = [LinearUnits([first, first], signal, output_noise=float(noise)) for noise in OUTPUT_NOISE]
    return {
        "best": np.array([units.information(base=2) for units in best]),
        "decorrelated": np.array([_decorrelated_bits(signal, noise) for noise in OUTPUT_NOISE]),
        "alike": np.array([units.information(base=2) for units in alike]),
    }


def _decorrelated_bits(signal: Float[np.ndarray, "2 2"], noise: float) -> float:
    """Bits of the best two units of norm 1 with uncorrelated responses, among all angles of the first."""
    angles = np.linspace(0, math.pi, 721)
    first = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    image = first @ signal
    second = np.stack([-image[:, 1], image[:, 0]], axis=1) / np.linalg.norm(image, axis=1, keepdims=True)
    powers = [np.einsum("ad,de,ae->a", rows, signal, rows) for rows in (first, second)]
    return float(np.log2(1 + np.stack(powers) / noise).sum(axis=0).max() / 2)


def _alikeness(
    signal: Float[np.ndarray, "2 2"], shuffled: Float[np.ndarray, "2 2"], rng: np.random.Generator
) -> Curves:
    """The correlation of the responses of the best two units, under several limits and inputs."""

    def of_norm(covariance: np.ndarray, noise: float) -> LinearUnits:
        return share_norm_equally(best_units_of_norm(covariance, 2, 2, output_noise=noise))

    def of_power(noise: float) -> LinearUnits:
        best = best_units_of_power(signal, 2, 2, input_noise=0.1 * noise, output_noise=noise)
        return share_power_equally(best)

    def climbed(noise: float) -> LinearUnits:
        start = LinearUnits(rng.normal(size=(2, 2)), signal, output_noise=noise)
        return climb_with_norms(start, np.ones(2))

    units = {
        "weights limited": [of_norm(signal, float(noise)) for noise in OUTPUT_NOISE],
        "by gradient ascent": [climbed(float(noise)) for noise in OUTPUT_NOISE[::3]],
        "power limited": [of_power(float(noise)) for noise in OUTPUT_NOISE],
        "inputs shuffled": [of_norm(shuffled, float(noise)) for noise in OUTPUT_NOISE],
    }
    return {name: np.array([abs(one.correlations()[0, 1]) for one in row]) for name, row in units.items()}


def _draw_pair(bits: Curves, shares: Curves, alikeness: Curves, threshold: float) -> Figure:
    figure, (absolute, relative, correlation) = panels(3, size=(10.5, 3.3))
    colours = {"best": INK, "decorrelated": COLOURS[0], "alike": COLOURS[1]}
    for name, values in bits.items():
        absolute.loglog(
            OUTPUT_NOISE, values, color=colours[name], lw=3 if name == "best" else 1.5, label=name
        )
    absolute.set_yticks([0.2, 0.5, 1, 2, 5], ["0.2", "0.5", "1", "2", "5"])
    absolute.minorticks_off()
    for name, values in shares.items():
        relative.semilogx(OUTPUT_NOISE, 100 * values, color=colours[name], label=name)
    styles = {
        "weights limited": "-",
        "by gradient ascent": "o",
        "power limited": "-",
        "inputs shuffled": "--",
    }
    for colour, (name, values) in zip(
        (COLOURS[2], COLOURS[2], COLOURS[3], SOFT), alikeness.items(), strict=True
    ):
        noise = OUTPUT_NOISE[::3] if len(values) < len(OUTPUT_NOISE) else OUTPUT_NOISE
        correlation.semilogx(noise, values, styles[name], ms=4, color=colour, label=name)
    titles = (
        "Information of two units, bits",
        "Share of what the best convey, %",
        "Correlation of the best units",
    )
    for axes, title in zip((absolute, relative, correlation), titles, strict=True):
        dress(axes, title, "variance of the output noise")
        axes.axvline(threshold, color=SOFT, lw=0.8, ls=":")
        axes.legend(fontsize=8, frameon=False)
    return figure


# ------------------------------------------------------------------------------------- a small retina


def _patches(seed: int) -> Float[np.ndarray, "n d"]:
    """Grey patches of scikit-learn's two photographs, a third as large, in log intensity."""
    from sklearn.datasets import load_sample_images
    from sklearn.feature_extraction.image import extract_patches_2d

    pictures = [_third(np.log1p(image.mean(axis=2))) for image in load_sample_images().images]
    patches = [
        extract_patches_2d(picture / picture.std(), (SIDE, SIDE), max_patches=8000, random_state=seed)
        for picture in pictures
    ]
    rows = np.concatenate(patches).reshape(-1, SIDE * SIDE)
    return rows - rows.mean(axis=0)


def _third(picture: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h3 w3"]:
    """Means of 3 × 3 pixels."""
    h, w = (size // 3 for size in picture.shape)
    return picture[: 3 * h, : 3 * w].reshape(h, 3, w, 3).mean(axis=(1, 3))


def _retina(covariance: Float[np.ndarray, "d d"]) -> list[LinearUnits]:
    """The units that convey most, for every input noise: as many as pixels, and of mean power 1.

    Their outputs are rotated from principal axes back to pixels, which makes the units local, and alike
    except for their place.
    """
    d = len(covariance)
    signal = covariance * (d / np.trace(covariance))
    axes = np.linalg.eigh(signal)[1][:, ::-1]
    best = [
        best_units_of_power(signal, d, d, input_noise=float(noise), output_noise=RETINA_NOISE)
        for noise in INPUT_NOISE
    ]
    return [LinearUnits(axes @ units.weights, signal, units.input_noise, RETINA_NOISE) for units in best]


def _correlation_of_neighbours(covariance: Float[np.ndarray, "d d"]) -> float:
    """Mean correlation of horizontal and of vertical neighbours among SIDE × SIDE variables."""
    scale = np.sqrt(np.diagonal(covariance))
    correlation = covariance / np.outer(scale, scale)
    at = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)
    pairs = [(at[:, :-1], at[:, 1:]), (at[:-1], at[1:])]
    return float(np.mean([correlation[one.ravel(), other.ravel()].mean() for one, other in pairs]))


def _draw_retina(retina: list[LinearUnits], curves: Curves) -> Figure:
    figure = Figure(figsize=(10.5, 3.2), layout="constrained")
    grid = figure.add_gridspec(1, 5, width_ratios=[2.2, 1, 1, 1, 1])
    axes = figure.add_subplot(grid[0])
    styles = ((COLOURS[1], "-"), (COLOURS[0], "-"), (SOFT, "--"))
    for (name, values), (colour, style) in zip(curves.items(), styles, strict=True):
        axes.semilogx(INPUT_NOISE, values, style, color=colour, label=name)
    dress(axes, "Correlation of neighbours", "input noise, in units of the pixels' variance")
    axes.legend(fontsize=8, frameon=False, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.2))
    middle = SIDE // 2 * SIDE + SIDE // 2
    for column, level in enumerate(range(0, len(INPUT_NOISE), len(INPUT_NOISE) // 3), start=1):
        field = retina[level].weights[middle].reshape(SIDE, SIDE)
        show_picture(
            figure.add_subplot(grid[column]), field, f"weights of a unit\nnoise {INPUT_NOISE[level]:g}"
        )
    return figure
