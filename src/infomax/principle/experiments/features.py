"""Features that a layer represents: those of high signal-to-noise ratio, and correlations in time.

Reference: Linsker (1988), Self-organization in a perceptual network; Wiskott and Sejnowski (2002), Slow
feature analysis.
"""

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from scipy.linalg import eigh
from scipy.signal import lfilter

from infomax.estimation.lags import lagged
from infomax.information.channels.scalar import information_through_gaussian_noise
from infomax.principle.experiments.drawing import COLOURS, INK, SOFT, dress, panels
from infomax.principle.experiments.evidence import Evidence, Statement
from infomax.principle.linear import LinearUnits
from infomax.principle.maps import TopographicMap
from infomax.principle.optima import best_units_of_norm

LEVELS = math.sqrt(1.5) * np.array([-1, 0, 1])  # of a feature, equally likely: variance 1
GRADES = np.array([0.1, 0.3, 1.0, 3.0])  # noise of the features relative to one another, variances
NOISES = (0.1, 0.3, 1.0, 3.0)  # what the grades are multiplied by
SHEET, NUM_COPIES, NUM_TEST_COPIES = (6, 6), 16, 64
MIN_BITS = 0.1  # from which a feature counts as represented
MIN_FAVOUR = 8.0  # times more is held of the cleanest feature than of the noisiest

NUM_DELAYS, NUM_TIMES, NUM_UNITS, SENSOR_NOISE = 12, 4000, 4, 0.5
LAGS = range(-8, 9)  # of the second sensor behind the first
SOURCES = {"white": 0.0, "slow": 0.9}  # correlation of a source with itself, one sample later


def signal_to_noise(seed: int) -> Evidence:
    """Show which of four features a sheet holds, all received with equal variance but unequal noise."""
    available = np.array([[_available(grade * noise) for grade in GRADES] for noise in NOISES])
    aware, shuffled = (
        np.array([_held(noise, seed, shuffle=shuffle) for noise in NOISES]) for shuffle in (False, True)
    )
    shares, control = aware / available, shuffled / available
    favour, control_favour = (_favour(one) for one in (shares, control))
    survivors = [int((row > MIN_BITS).sum()) for row in aware]
    return Evidence(
        Statement.SIGNAL_TO_NOISE,
        f"Four features have noise in proportions {', '.join(f'{grade:g}' for grade in GRADES)}, and are all "
        f"received with the same variance. A sheet of {math.prod(SHEET)} cells represents {survivors[0]} of "
        f"them (with more than {MIN_BITS:g} bit) at the lowest noise and {survivors[-1]} at the highest. It "
        f"holds {100 * shares[:, 0].mean():.0f} % of what its input tells of the cleanest feature and "
        f"{100 * shares[:, -1].mean():.0f} % of what it tells of the noisiest, a ratio of {favour:.0f}. "
        "Trained on shuffled pairs of signal and input, so that nothing is known to be noise, it has a ratio "
        f"of {control_favour:.1f}.",
        {
            "noise": list(NOISES),
            "noise_of_features": GRADES.tolist(),
            "bits_available": available.tolist(),
            "bits_held": aware.tolist(),
            "bits_held_pairs_shuffled": shuffled.tolist(),
            "features_represented": survivors,
            "share_of_cleanest_over_noisiest": favour,
            "share_of_cleanest_over_noisiest_pairs_shuffled": control_favour,
        },
        bool(favour > MIN_FAVOUR > control_favour and survivors[0] > survivors[-1] >= 1),
        _draw_features(available, aware, shuffled),
    )


def temporal_correlation(seed: int) -> Evidence:
    """Show what units learn from the last samples of two sensors, one of which hears the source later."""
    heard = {name: [_hear(memory, lag, seed) for lag in LAGS] for name, memory in SOURCES.items()}
    recovered = {
        method: [_lag_of(one[method]) for one in heard["white"]]
        for method in ("InfoMax", "slow features", "shuffled")
    }
    right = {method: float(np.mean(np.array(lags) == LAGS)) for method, lags in recovered.items()}
    bits = {
        name: {
            method: float(
                np.mean([_bits(one[method], memory, lag) for one, lag in zip(heard[name], LAGS, strict=True)])
            )
            for method in recovered
        }
        for name, memory in SOURCES.items()
    }
    white, slow = bits["white"], bits["slow"]
    return Evidence(
        Statement.TEMPORAL_CORRELATION,
        f"The weights of {NUM_UNITS} units that convey most show {100 * right['InfoMax']:.0f} % of the "
        f"{len(LAGS)} lags of one sensor behind the other; with the second sensor shuffled in time they show "
        f"{100 * right['shuffled']:.0f} %. Slow features of the same inputs show "
        f"{100 * right['slow features']:.0f} %, as a white source has nothing slow: they convey "
        f"{white['slow features']:.2f} bits of it, InfoMax {white['InfoMax']:.2f}. For a slow source the "
        f"numbers are {slow['slow features']:.2f} bits and {slow['InfoMax']:.2f}.",
        {
            "lags": list(LAGS),
            "lags_recovered": recovered,
            "share_of_lags_right": right,
            "bits": bits,
        },
        bool(right["InfoMax"] > 0.9 and max(right["shuffled"], right["slow features"]) < 0.3),
        _draw_lags(heard["white"], recovered, bits),
    )


# ------------------------------------------------------------------------------------- signal to noise


def _available(noise: float) -> float:
    """Bits that a feature's noisy value tells of the feature."""
    return information_through_gaussian_noise(
        LEVELS, np.full(3, 1 / 3), noise_std=math.sqrt(noise), base=2
    ).lower


def _copies(noise: float, num_copies: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Features [n, 4] in all combinations, each `num_copies` times, and what is received, of variance 1."""
    combinations = np.array(list(itertools.product(LEVELS, repeat=len(GRADES))))
    features = np.repeat(combinations, num_copies, axis=0)
    variances = noise * GRADES
    received = features + np.sqrt(variances) * rng.standard_normal(features.shape)
    return features, received / np.sqrt(1 + variances)


def _held(noise: float, seed: int, *, shuffle: bool) -> Float[np.ndarray, " features"]:
    """Bits that the firing cell tells of each feature, with noise that it was not trained on."""
    rng = np.random.default_rng(seed)
    features, received = _copies(noise, NUM_COPIES, rng)
    signals = rng.permutation(features) if shuffle else features
    sheet = TopographicMap(SHEET, max_iter=5000, random_state=seed).fit(received, signals=signals)
    features, received = _copies(noise, NUM_TEST_COPIES, rng)
    return np.array([sheet.information(received, signals=column, base=2) for column in features.T])


def _favour(shares: Float[np.ndarray, "noises features"]) -> float:
    """The share held of the cleanest feature over the share held of the noisiest."""
    return float(shares[:, 0].mean() / shares[:, -1].mean())


def _draw_features(*tables: Float[np.ndarray, "noises features"]) -> Figure:
    figure, panes = panels(3, size=(10.5, 3.3))
    titles = ("Bits received of each feature", "Bits held by the sheet", "The same, pairs shuffled")
    for axes, table, title in zip(panes, tables, titles, strict=True):
        for colour, grade, bits in zip(COLOURS, GRADES, table.T, strict=False):
            axes.semilogx(NOISES, bits, "o-", ms=4, color=colour, label=f"noise × {grade:g}")
        dress(axes, title, "noise")
        axes.set_xticks(NOISES, [f"{noise:g}" for noise in NOISES])
        axes.minorticks_off()
        axes.set_ylim(-0.03, 1.65)
    panes[0].legend(fontsize=8, frameon=False)
    return figure


# ------------------------------------------------------------------------------------- correlation in time


def _hear(memory: float, lag: int, seed: int) -> dict[str, Float[np.ndarray, "units inputs"]]:
    """Weights of norm 1 of units that convey most, of the slowest, and of those from shuffled sensors."""
    rng = np.random.default_rng([seed, lag + NUM_DELAYS])
    sensors = _sensors(memory, lag, rng)
    together = _delayed(sensors)
    apart = _delayed(np.stack([sensors[:, 0], rng.permutation(sensors[:, 1])], axis=1))
    return {
        "InfoMax": _most_conveying(together),
        "slow features": _slowest(together),
        "shuffled": _most_conveying(apart),
    }


def _sensors(memory: float, lag: int, rng: np.random.Generator) -> Float[np.ndarray, "times 2"]:
    """Signals of two sensors: a source of variance 1, which reaches the second `lag` later, and noise."""
    noise = rng.standard_normal(NUM_TIMES + 200) * math.sqrt(1 - memory**2)
    source = lfilter([1], [1, -memory], noise)
    first, second = source[100:-100], source[100 - lag : NUM_TIMES + 100 - lag]
    return np.stack([first, second], axis=1) + math.sqrt(SENSOR_NOISE) * rng.standard_normal((NUM_TIMES, 2))


def _delayed(sensors: Float[np.ndarray, "times 2"]) -> Float[np.ndarray, "rows inputs"]:
    """The last samples of the first sensor, the latest first, then those of the second."""
    return np.hstack([lagged(column, range(NUM_DELAYS)) for column in sensors.T])


def _most_conveying(inputs: Float[np.ndarray, "rows inputs"]) -> Float[np.ndarray, "units inputs"]:
    return best_units_of_norm(np.cov(inputs, rowvar=False), NUM_UNITS, NUM_UNITS).weights


def _slowest(inputs: Float[np.ndarray, "rows inputs"]) -> Float[np.ndarray, "units inputs"]:
    """Slow features: the W of the least mean squared change, for uncorrelated outputs of variance 1."""
    changes = np.cov(np.diff(inputs, axis=0), rowvar=False)
    features = eigh(changes, np.cov(inputs, rowvar=False))[1][:, :NUM_UNITS].T
    return features / np.linalg.norm(features, axis=1, keepdims=True)


def _correlogram(weights: Float[np.ndarray, "units inputs"]) -> Float[np.ndarray, " lags"]:
    """Weights on the first sensor times those on the second, summed over units, for each lag between them.

    A rotation of the units does not change it: it is a function of WᵀW.
    """
    products = (weights.T @ weights)[:NUM_DELAYS, NUM_DELAYS:]
    return np.array([np.trace(products, -lag) for lag in LAGS])


def _lag_of(weights: Float[np.ndarray, "units inputs"]) -> int:
    return LAGS[int(np.argmax(_correlogram(weights)))]


def _bits(weights: Float[np.ndarray, "units inputs"], memory: float, lag: int) -> float:
    """I(source; units), exactly, with noise of variance 1 on each unit."""
    times = np.concatenate([np.arange(NUM_DELAYS), lag + np.arange(NUM_DELAYS)])  # ago
    signal = np.power(memory, np.abs(times[:, None] - times))
    return LinearUnits(weights, signal, SENSOR_NOISE).information(base=2)


def _draw_lags(
    heard: Sequence[Mapping[str, np.ndarray]],
    recovered: Mapping[str, Sequence[int]],
    bits: Mapping[str, Mapping[str, float]],
) -> Figure:
    figure, (correlogram, lags, conveyed) = panels(3, size=(11.5, 3.4))
    example = LAGS.index(5)
    for colour, marker, method in zip((*COLOURS[:2], SOFT), "os+", recovered, strict=True):
        correlogram.plot(LAGS, _correlogram(heard[example][method]), color=colour, label=method)
        lags.plot(LAGS, recovered[method], marker, ms=5, color=colour, label=method)
    correlogram.axvline(LAGS[example], color=INK, lw=0.8, ls=":")
    width, places = 0.25, np.arange(len(bits))
    for shift, colour, method in zip((-1, 0, 1), (*COLOURS[:2], SOFT), recovered, strict=True):
        heights = [of_source[method] for of_source in bits.values()]
        conveyed.bar(places + shift * width, heights, width * 0.9, color=colour, label=method)
    conveyed.set_xticks(places, [f"{name} source" for name in bits])
    dress(correlogram, f"Weights of both sensors, lag {LAGS[example]}", "lag between weights")
    dress(lags, "Lag read from the weights", "lag of the second sensor")
    dress(conveyed, f"Bits of the source in {NUM_UNITS} units")
    for axes in (correlogram, conveyed):
        axes.legend(fontsize=7.5, frameon=False)
    return figure
