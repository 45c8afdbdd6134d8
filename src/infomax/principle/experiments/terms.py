"""I(L; M) = H(M) − H(M|L): both terms are needed, and maximising it differs from reducing redundancy.

Reference: Linsker (1988), Self-organization in a perceptual network.
"""

import math
from collections.abc import Mapping

import numpy as np
import scipy.linalg
from jaxtyping import Float
from matplotlib.figure import Figure

from infomax.principle.experiments.drawing import COLOURS, dress, panels
from infomax.principle.experiments.evidence import Evidence, Statement
from infomax.principle.experiments.noise import two_inputs
from infomax.principle.linear import LinearUnits

SIGNAL: np.ndarray = np.array([[1, 0.6], [0.6, 1]])
NOISE: np.ndarray = np.diag([0.1, 2.0])
OUTPUT_NOISE = 0.1
NUM_DRAWS, NUM_INPUTS = 300, 8
LEVELS = (0.01, 0.3, 1.0, 2.0)  # of noise, its variance
CORRELATIONS = np.linspace(0, 0.999, 1000)
REDUNDANCY = -np.log2(1 - CORRELATIONS**2) / 2

Pairs = Float[np.ndarray, "levels correlations"]


def two_terms(seed: int) -> Evidence:
    """Compare units of weights of norm 1 that convey most, that convey least noise, or both at once."""
    rng = np.random.default_rng(seed)
    draws = [_random_inputs(rng) for _ in range(NUM_DRAWS)]
    shares = {
        "(1) alone": [_share(_most_conveying(*draw), *draw) for draw in draws],
        "(2) alone": [_share(_least_noise(*draw), *draw) for draw in draws],
        "(1) alone, same noise on all inputs": [
            _share(_most_conveying(signal, np.eye(NUM_INPUTS)), signal, np.eye(NUM_INPUTS))
            for signal, _ in draws
        ],
    }
    first, second, control = (float(np.median(values)) for values in shares.values())
    return Evidence(
        Statement.TWO_TERMS,
        f"Over {NUM_DRAWS} random sets of {NUM_INPUTS} inputs that differ in signal and noise, a unit that "
        f"only maximises H(M) conveys {100 * first:.0f} % of the information it could (median), since it "
        "prefers loud inputs, signal or noise; one that only minimises H(M|L) conveys "
        f"{100 * second:.0f} %, since it prefers silent inputs. Where all inputs have the same noise, the "
        f"second term is the same for all units, and the first alone conveys {100 * control:.0f} %.",
        {
            "median_share_of_information": {
                name: float(np.median(values)) for name, values in shares.items()
            },
            "quartiles": {
                name: np.quantile(values, [0.25, 0.75]).tolist() for name, values in shares.items()
            },
            "example_bits": {
                name: _bits(weights) for name, weights in _chosen(SIGNAL, NOISE, OUTPUT_NOISE).items()
            },
        },
        bool(first < 0.8 and second < 0.8 and control > 0.999),
        _draw_terms(shares),
    )


def not_equivalent(seed: int) -> Evidence:
    """Show whether the pair of units of power 1 that conveys most is the least redundant one."""
    signal, shuffled = two_inputs(np.random.default_rng(seed))
    bits, control = (np.array([_pair_bits(one, noise) for noise in LEVELS]) for one in (signal, shuffled))
    best, best_control = REDUNDANCY[bits.argmax(axis=1)], REDUNDANCY[control.argmax(axis=1)]
    lost = 1 - bits[:, 0] / bits.max(axis=1)
    return Evidence(
        Statement.NOT_EQUIVALENT,
        f"With little noise (variance {LEVELS[0]:g} on inputs and outputs) the two criteria agree: the pair "
        f"of units that conveys most has a redundancy of {best[0]:.2f} bits. With much noise "
        f"({LEVELS[-1]:g}) it has {best[-1]:.2f} bits, and the pair without redundancy conveys "
        f"{100 * lost[-1]:.0f} % less. With inputs shuffled, so that they have nothing in common, the best "
        f"pair never has more than {best_control.max():.2f} bits.",
        {
            "noise": list(LEVELS),
            "most_bits": bits.max(axis=1).tolist(),
            "redundancy_of_best_bits": best.tolist(),
            "redundancy_of_best_bits_inputs_shuffled": best_control.tolist(),
            "share_lost_without_redundancy": lost.tolist(),
        },
        bool(best[0] < 0.1 and best[-1] > 0.5 and lost[-1] > 0.1 and best_control.max() < 0.1),
        _draw_pairs(bits, control),
    )


# ------------------------------------------------------------------------------------- one unit


def _random_inputs(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Covariances of correlated signals and of independent noise, both very unequal among inputs."""
    mixing = rng.lognormal(0, 1, (NUM_INPUTS, 1)) * rng.normal(size=(NUM_INPUTS, NUM_INPUTS))
    return mixing @ mixing.T / NUM_INPUTS, np.diag(rng.lognormal(0, 2, NUM_INPUTS))


def _most_conveying(signal: np.ndarray, noise: np.ndarray) -> Float[np.ndarray, " d"]:
    """Weights of norm 1 with the largest H(M): the first principal axis of signal and noise together."""
    return np.linalg.eigh(signal + noise)[1][:, -1]


def _least_noise(_: np.ndarray, noise: np.ndarray) -> Float[np.ndarray, " d"]:
    """Weights of norm 1 with the smallest H(M|L): the last principal axis of the noise."""
    return np.linalg.eigh(noise)[1][:, 0]


def _most_informative(signal: np.ndarray, noise: np.ndarray, output_noise: float) -> Float[np.ndarray, " d"]:
    """Weights of norm 1 with the largest I(L; M): those with the largest ratio of signal to noise."""
    direction = scipy.linalg.eigh(signal, noise + output_noise * np.eye(len(noise)))[1][:, -1]
    return direction / np.linalg.norm(direction)


def _chosen(signal: np.ndarray, noise: np.ndarray, output_noise: float) -> dict[str, np.ndarray]:
    return {
        "H(M) alone": _most_conveying(signal, noise),
        "H(M|L) alone": _least_noise(signal, noise),
        "I(L; M)": _most_informative(signal, noise, output_noise),
    }


def _share(weights: np.ndarray, signal: np.ndarray, noise: np.ndarray) -> float:
    """The share that a unit conveys of what the best unit of norm 1 does."""
    best = _most_informative(signal, noise, OUTPUT_NOISE)
    this, most = (LinearUnits(w[None], signal, noise, OUTPUT_NOISE).information() for w in (weights, best))
    return this / most


def _bits(weights: np.ndarray) -> dict[str, float]:
    units = LinearUnits(weights[None], SIGNAL, NOISE, OUTPUT_NOISE)
    return {
        "H(M)": units.output_entropy(base=2),
        "H(M|L)": units.conditional_entropy(base=2),
        "I(L; M)": units.information(base=2),
    }


def _draw_terms(shares: Mapping[str, list[float]]) -> Figure:
    figure, (turning, drawn) = panels(2, size=(10, 3.6))
    angles = np.linspace(-math.pi / 2, math.pi / 2, 361)
    curves = [_bits(np.array([math.cos(a), math.sin(a)])) for a in angles]
    for colour, (name, best) in zip(
        COLOURS, (("H(M)", max), ("H(M|L)", min), ("I(L; M)", max)), strict=False
    ):
        values = [curve[name] for curve in curves]
        at = values.index(best(values))
        turning.plot(np.degrees(angles), values, color=colour, label=name)
        turning.plot(np.degrees(angles[at]), values[at], "o", color=colour)
    dress(turning, "A unit turned from one input to another, bits", "angle of the weights")
    turning.set_xticks([-90, 0, 90], ["-90°\nnoisy input", "0°\nquiet input", "90°\nnoisy input"])
    turning.legend(fontsize=8, frameon=False)
    names = [name.replace(", ", ",\n") for name in shares]
    boxes = drawn.boxplot(list(shares.values()), tick_labels=names, widths=0.5, showfliers=False)
    for line in boxes["medians"]:
        line.set_color(COLOURS[1])
    dress(drawn, "Share of the information a unit could convey")
    drawn.set_ylim(0, 1.03)
    return figure


# ------------------------------------------------------------------------------------- two units


def _pair_bits(signal: Float[np.ndarray, "2 2"], noise: float) -> Float[np.ndarray, " correlations"]:
    """Bits of the best two units of power 1 whose responses have a correlation c, for all c.

    Their powers along the principal axes are then 1 + c and 1 − c.
    """
    variances = np.linalg.eigvalsh(signal)[::-1]
    powers = np.stack([1 + CORRELATIONS, 1 - CORRELATIONS])
    shares = (noise / (variances + noise))[:, None]
    return np.log2((powers + noise) / (shares * powers + noise)).sum(0) / 2


def _draw_pairs(bits: Pairs, control: Pairs) -> Figure:
    figure, panes = panels(2, size=(10, 3.6))
    titles = ("Information of two units, % of the most", "The same, inputs shuffled")
    for axes, rows, title in zip(panes, (bits, control), titles, strict=True):
        for colour, level, values in zip(COLOURS, LEVELS, rows, strict=False):
            label = f"noise {level:g}: {values.max():.2g} bits"
            axes.plot(REDUNDANCY, 100 * values / values.max(), color=colour, label=label)
            axes.plot(REDUNDANCY[values.argmax()], 100, "o", color=colour, clip_on=False)
        axes.set(xlim=(0, 2.5), ylim=(50, 101))
        dress(axes, title, "redundancy of their responses, bits")
        axes.legend(fontsize=8, frameon=False)
    return figure
