"""The self-adaptive network: what its layers become by Hebb's rule, and what they preserve by either rule.

Reference: Linsker (1986), From basic network principles to neural architecture, I–III; Linsker (1988),
Self-organization in a perceptual network.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from threadpoolctl import threadpool_limits

from infomax.principle.arbors import Arbor, gaussian_arbor, response_matrix
from infomax.principle.climbing import climb_within_arbors
from infomax.principle.experiments.drawing import COLOURS, SOFT, dress, panels, show_picture
from infomax.principle.experiments.evidence import Evidence, Statement
from infomax.principle.hebb import grow
from infomax.principle.linear import LinearUnits
from infomax.principle.network import Layer, develop, linsker_plans
from infomax.principle.optima import best_units_of_norm
from infomax.principle.receptive_fields import (
    OrientationTuning,
    alignment_of_neighbours,
    orientation_tuning,
    pictures,
    roundness,
)

SIDE = 40  # of the sheets of cells that grow by Hebb's rule
FREQUENCIES = np.linspace(0.03, 0.25, 12)  # of gratings, cycles a place
NEIGHBOURS = gaussian_arbor(1.2, reach=2)  # lateral connections within layer G
MIN_ROUND, MAX_ROUND_SHUFFLED = 0.8, 0.3  # roundness of opponent cells
MIN_SELECTIVE, MAX_SELECTIVE_SHUFFLED = 0.6, 0.5  # median selectivity of layer G
MIN_ALIGNED, MAX_ALIGNED_ALONE = 0.4, 0.2  # neighbours with lateral connections, and without

SMALL_SIDE = 16  # of the sheets whose determinants are computed
INPUT_NOISE, OUTPUT_NOISE = 0.1, 0.1  # of every layer, its inputs having variance 1
MIN_OF_BOUND, MAX_OF_BOUND_SHUFFLED = 0.99, 0.9  # the share of the most there is that InfoMax conveys
MIN_GAIN = 1.2  # times what Hebb's rule preserves

Matrix = Float[np.ndarray, "n n"]


# ---------------------------------------------------------------------------------- Hebb's rule


@threadpool_limits.wrap(limits=1)  # small matrices, for which more threads are slower
def layers_hebbian(seed: int) -> Evidence:
    """Show that layers grow from noise to opponent cells, then to cells that prefer an orientation."""
    layers = develop(linsker_plans(), SIDE, seed=seed)
    readings = {layer.plan.name: _read(layer, seed) for layer in layers[1:]}
    last, opponent = readings["G"], [readings[name] for name in "CDEF"]
    columns = _with_lateral_connections(layers[-1], seed)
    maps = {"alone": last.tuning, "laterally connected": columns}
    alignment = {name: alignment_of_neighbours(_sheet(tuning.preferred)) for name, tuning in maps.items()}
    least_round = min(reading.round for reading in opponent)
    most_round = max(reading.round_shuffled for reading in opponent)
    return Evidence(
        Statement.LAYER_TO_LAYER,
        "Layers of local units that receive nothing but noise and grow by Hebb's rule become, one after the "
        "other, sums (B), cells of excitatory centre and inhibitory surround (C to F; distance from the "
        f"centre explains at least {100 * least_round:.0f} % of the variance of their weights, at most "
        f"{100 * most_round:.0f} % when shuffled), and cells that prefer an orientation (G; median "
        f"selectivity {last.selectivity:.2f}, in F {readings['F'].selectivity:.2f}, shuffled "
        f"{last.selectivity_shuffled:.2f}). With lateral connections, neighbours in G prefer similar "
        f"orientations (mean cos 2Δθ {alignment['laterally connected']:.2f}; without, "
        f"{alignment['alone']:.2f}).",
        {
            "layers": {name: reading.numbers() for name, reading in readings.items()},
            "alignment_of_neighbours": alignment,
        },
        bool(
            least_round > MIN_ROUND > MAX_ROUND_SHUFFLED > most_round
            and all(reading.opponent for reading in opponent)
            and last.selectivity > MIN_SELECTIVE > MAX_SELECTIVE_SHUFFLED > last.selectivity_shuffled
            and alignment["laterally connected"] > MIN_ALIGNED > MAX_ALIGNED_ALONE > abs(alignment["alone"])
        ),
        _draw_layers(layers, readings, maps),
    )


@dataclass(frozen=True, eq=False)
class Reading:
    """Measures of a layer's cells, and of the same cells with their weights shuffled among synapses."""

    round: float
    round_shuffled: float
    opponent: bool
    tuning: OrientationTuning
    tuning_shuffled: OrientationTuning

    @property
    def selectivity(self) -> float:
        """The median over cells."""
        return float(np.median(self.tuning.selectivity))

    @property
    def selectivity_shuffled(self) -> float:
        """The median over shuffled cells."""
        return float(np.median(self.tuning_shuffled.selectivity))

    def numbers(self) -> dict[str, Any]:
        """Return what goes into JSON."""
        return {
            "roundness": self.round,
            "roundness_shuffled": self.round_shuffled,
            "centre_excitatory_surround_inhibitory": self.opponent,
            "selectivity": self.selectivity,
            "selectivity_shuffled": self.selectivity_shuffled,
            "circular_variance": float(np.median(self.tuning.circular_variance)),
            "circular_variance_shuffled": float(np.median(self.tuning_shuffled.circular_variance)),
        }


def _read(layer: Layer, seed: int) -> Reading:
    arbor, weights = layer.plan.arbor, layer.weights
    shuffled = np.random.default_rng(seed).permuted(weights, axis=1)
    tuning, tuning_shuffled = (_tuning(w, arbor) for w in (weights, shuffled))
    distance = np.hypot(*arbor.offsets.T)
    centre, surround = distance < arbor.reach / 3, distance > 2 * arbor.reach / 3
    return Reading(
        float(roundness(weights, arbor.offsets).mean()),
        float(roundness(shuffled, arbor.offsets).mean()),
        bool(weights[:, centre].mean() > 0 > weights[:, surround].mean()),
        tuning,
        tuning_shuffled,
    )


def _tuning(weights: Float[np.ndarray, "n k"], arbor: Arbor) -> OrientationTuning:
    return orientation_tuning(arbor.density * weights, arbor.offsets, FREQUENCIES)


def _with_lateral_connections(layer: Layer, seed: int) -> OrientationTuning:
    rule = replace(layer.plan.rule, lateral=NEIGHBOURS)
    return _tuning(grow(layer.plan.arbor, layer.received, rule, seed=seed), layer.plan.arbor)


def _sheet(values: Float[np.ndarray, " n"]) -> Float[np.ndarray, "side side"]:
    side = math.isqrt(len(values))
    return values.reshape(side, side)


# ----------------------------------------------------------------------------- most information


@dataclass(frozen=True, eq=False)
class Sheet:
    """A layer's activity: the covariance [n, n] of what comes from layer A, and that of noise added since."""

    signal: Matrix
    noise: Matrix

    def onward(self, weights: Matrix) -> "Sheet":
        """Return the activity of the next layer, scaled to a mean variance of 1."""
        units = self.seen_from_first(weights)
        scale = len(weights) / np.trace(units.output_covariance)
        return Sheet(scale * weights @ self.signal @ weights.T, scale * units.noise_covariance)

    def next_layer(self, weights: Matrix) -> LinearUnits:
        """Return the next layer, with all activity here as its input."""
        return LinearUnits(weights, self.signal + self.noise, INPUT_NOISE, OUTPUT_NOISE)

    def seen_from_first(self, weights: Matrix) -> LinearUnits:
        """Return the next layer with only layer A as its input; noise added anywhere since is noise."""
        noise = self.noise + INPUT_NOISE * np.eye(len(self.noise))
        return LinearUnits(weights, self.signal, noise, OUTPUT_NOISE)


@threadpool_limits.wrap(limits=1)
def layers_infomax(seed: int) -> Evidence:
    """Compare layers grown by Hebb's rule with layers that preserve most information, of one architecture."""
    layers = develop(linsker_plans(), SMALL_SIDE, seed=seed)
    rng = np.random.default_rng(seed)
    networks = {
        "InfoMax": _infomax_network(layers, rng),
        "Hebb": [_of_norm_1(layer.matrix) for layer in layers],
    }
    bits = {name: _bits(network, rng) for name, network in networks.items()}
    informed, hebbian = bits["InfoMax"], bits["Hebb"]
    of_bound, of_bound_shuffled = (
        informed[name][1:] / informed["most there is"][1:] for name in ("preserved", "preserved, shuffled")
    )
    gain = informed["preserved"][1:] / hebbian["preserved"][1:]
    return Evidence(
        Statement.LAYER_TO_LAYER,
        "Above the same layer B, and with the same arbors, noise and norms, layers that maximise information "
        f"preserve {_range(informed['preserved'][1:])} bits a unit from each layer to the next. This is at "
        f"least {100 * of_bound.min():.2f} % of what layers that are not local could preserve, and at most "
        f"{100 * of_bound_shuffled.max():.0f} % when their weights are shuffled. Hebb's layers preserve "
        f"{_range(hebbian['preserved'][1:])} bits. G still has {informed['about A'][-1]:.2f} and "
        f"{hebbian['about A'][-1]:.2f} bits a unit about layer A. A Hebbian cell by itself conveys more, "
        f"{_range(hebbian['a cell alone'][1:])} bits against {_range(informed['a cell alone'][1:])}, but its "
        "neighbours convey the same.",
        {
            "layers": [layer.plan.name for layer in layers],
            "input_noise": INPUT_NOISE,
            "output_noise": OUTPUT_NOISE,
            "bits_a_unit": {
                name: {k: v.tolist() for k, v in values.items()} for name, values in bits.items()
            },
        },
        bool(
            of_bound.min() > MIN_OF_BOUND > MAX_OF_BOUND_SHUFFLED > of_bound_shuffled.max()
            and gain.min() > MIN_GAIN
        ),
        _draw_information(layers, networks, bits),
    )


def _infomax_network(layers: Sequence[Layer], rng: np.random.Generator) -> list[Matrix]:
    """Weights of the layers, with B as it is: from white noise a unit of B could only copy an input."""
    network = [_of_norm_1(layers[0].matrix)]
    sheet = _first_sheet(len(network[0])).onward(network[0])
    for layer in layers[1:]:
        random = rng.standard_normal(layer.weights.shape)
        start = _of_norm_1(response_matrix(random, layer.plan.arbor, len(layer.received)))
        network.append(climb_within_arbors(sheet.next_layer(start), tolerance=1e-5).weights)
        sheet = sheet.onward(network[-1])
    return network


def _bits(network: Sequence[Matrix], rng: np.random.Generator) -> dict[str, Float[np.ndarray, " layers"]]:
    """Bits a unit, layer by layer."""
    rows = []
    sheet = _first_sheet(len(network[0]))
    for weights in network:
        units, shuffled = (sheet.next_layer(w) for w in (weights, _shuffled(weights, rng)))
        n = len(weights)
        most = best_units_of_norm(units.signal, n, n, input_noise=INPUT_NOISE, output_noise=OUTPUT_NOISE)
        about_first = sheet.seen_from_first(weights)
        layerwise = [which.information(base=2) / n for which in (units, shuffled, most, about_first)]
        rows.append([*layerwise, _bits_of_a_cell(units)])
        sheet = sheet.onward(weights)
    names = ("preserved", "preserved, shuffled", "most there is", "about A", "a cell alone")
    return dict(zip(names, np.array(rows).T, strict=True))


def _first_sheet(num_units: int) -> Sheet:
    """Layer A: independent activities."""
    return Sheet(np.eye(num_units), np.zeros((num_units, num_units)))


def _of_norm_1(weights: Matrix) -> Matrix:
    return weights / np.linalg.norm(weights, axis=1, keepdims=True)


def _shuffled(weights: Matrix, rng: np.random.Generator) -> Matrix:
    """Each unit's weights, permuted among its synapses."""
    shuffled = np.zeros_like(weights)
    for row, new in zip(weights, shuffled, strict=True):
        new[row != 0] = rng.permutation(row[row != 0])
    return shuffled


def _bits_of_a_cell(units: LinearUnits) -> float:
    """The mean I(L; Mᵢ): what a unit conveys by itself."""
    ratio = np.diagonal(units.output_covariance) / np.diagonal(units.noise_covariance)
    return float(np.log2(ratio).mean() / 2)


def _range(values: Float[np.ndarray, " k"]) -> str:
    return f"{values.min():.2f} to {values.max():.2f}"


# -------------------------------------------------------------------------------------- figures


def _draw_layers(
    layers: Sequence[Layer], readings: Mapping[str, Reading], maps: Mapping[str, OrientationTuning]
) -> Figure:
    figure = Figure(figsize=(11, 6.4), layout="constrained")
    axes_of = figure.subplot_mosaic("BBCCDDEEFFGG;qqqtttmmmnnn", height_ratios=(1, 1.7))
    for layer in layers:
        fields = pictures(layer.weights[:9], layer.plan.arbor.offsets)
        show_picture(axes_of[layer.plan.name], _mosaic(fields), layer.plan.name)
    _draw_profiles(axes_of["q"], layers)
    _draw_tuning(axes_of["t"], readings)
    for place, (name, tuning) in zip("mn", maps.items(), strict=True):
        axes = axes_of[place]
        axes.imshow(_sheet(tuning.preferred), cmap="hsv", vmin=0, vmax=math.pi, interpolation="nearest")
        axes.set_title(f"Orientations in G, {name}", fontsize=9, loc="left")
        axes.set_axis_off()
    return figure


def _mosaic(images: Float[np.ndarray, "9 height width"]) -> Float[np.ndarray, "h w"]:
    """Nine cells, three by three, with a line of zeros between."""
    padded = np.pad(images, [(0, 0), (1, 1), (1, 1)])
    return np.block([[padded[3 * row + column] for column in range(3)] for row in range(3)])


def _draw_profiles(axes: Axes, layers: Sequence[Layer]) -> None:
    """Draw the autocovariance of what each layer receives, along an axis."""
    names = ["A", *(layer.plan.name for layer in layers)]
    for colour, name, layer in zip(COLOURS, names, layers, strict=False):
        axes.plot(layer.received[0, : SIDE // 2], color=colour, label=name)
    dress(axes, "Correlation in each layer", "places apart")
    axes.legend(frameon=False, fontsize=8)


def _draw_tuning(axes: Axes, readings: Mapping[str, Reading]) -> None:
    """Draw mean responses around the preferred orientation, as a share of the response there."""
    curves = {
        "F": readings["F"].tuning,
        "G": readings["G"].tuning,
        "G, shuffled": readings["G"].tuning_shuffled,
    }
    for colour, (name, tuning) in zip((SOFT, *COLOURS[:2]), curves.items(), strict=True):
        best = tuning.responses.argmax(axis=1)
        half = len(tuning.orientations) // 2
        around = (best[:, None] + np.arange(-half, half + 1)) % len(tuning.orientations)
        centred = np.take_along_axis(tuning.responses, around, axis=1)
        mean = (centred / centred.max(axis=1, keepdims=True)).mean(axis=0)
        axes.plot(np.linspace(-90, 90, len(mean)), mean, color=colour, label=name)
    dress(axes, "Response to gratings", "degrees from the best")
    axes.set(ylim=(0, 1.05), xticks=(-90, 0, 90))
    axes.legend(frameon=False, fontsize=8)


def _draw_information(
    layers: Sequence[Layer],
    networks: Mapping[str, Sequence[Matrix]],
    bits: Mapping[str, Mapping[str, Float[np.ndarray, " layers"]]],
) -> Figure:
    names = [layer.plan.name for layer in layers]
    figure, (onward, first, alone, gains, *fields) = panels(3, num_rows=2, size=(11, 6.4))
    steps = [f"{low}→{high}" for low, high in zip(["A", *names[:-1]], names, strict=True)]
    for colour, (network, values) in zip(COLOURS, bits.items(), strict=False):
        onward.plot(steps, values["preserved"], "o-", color=colour, label=network)
        onward.plot(
            steps[1:], values["preserved, shuffled"][1:], "--", color=colour, label=f"{network}, shuffled"
        )
        first.plot(names, values["about A"], "o-", color=colour, label=network)
        alone.plot(steps, values["a cell alone"], "o-", color=colour, label=network)
        gains.plot(*_gain_by_frequency(networks[network][1]), "o-", color=colour, label=network)
    onward.plot(
        steps[1:], bits["InfoMax"]["most there is"][1:], "x", color=SOFT, label="if not local (InfoMax)"
    )
    dress(onward, "Preserved from layer to layer", "", "bits a unit")
    dress(first, "Left of layer A", "layer", "bits a unit")
    dress(alone, "Conveyed by a cell alone", "", "bits")
    dress(gains, "Gain of layer C", "spatial frequency, cycles a place", "sum of squared weights")
    for axes in (onward, first, alone, gains):
        axes.set_ylim(bottom=0)
    onward.legend(frameon=False, fontsize=7)
    first.legend(frameon=False, fontsize=8)
    for axes, (network, weights) in zip(fields, networks.items(), strict=True):
        show_picture(axes, _mosaic(_fields(weights[1], layers[1].plan.arbor)), f"Layer C, {network}")
    return figure


def _fields(weights: Matrix, arbor: Arbor) -> Float[np.ndarray, "9 height width"]:
    """The weights of nine units, each seen from its own place."""
    side, reach = math.isqrt(len(weights)), arbor.reach
    around = np.arange(-reach, reach + 1)
    images = weights.reshape(side, side, side, side)
    return np.array(
        [images[y, x][np.ix_((y + around) % side, (x + around) % side)] for y, x in np.ndindex(3, 3)]
    )


def _gain_by_frequency(weights: Matrix) -> tuple[Float[np.ndarray, " f"], Float[np.ndarray, " f"]]:
    """Mean over units of |Fourier transform of the weights|², by spatial frequency."""
    side = math.isqrt(len(weights))
    power = (np.abs(np.fft.fft2(weights.reshape(-1, side, side))) ** 2).mean(axis=0)
    frequency = np.fft.fftfreq(side)
    bins = np.rint(np.hypot(frequency[:, None], frequency) * side).astype(int).ravel()
    kept = np.arange(side // 2 + 1)
    mean = np.bincount(bins, power.ravel())[kept] / np.bincount(bins)[kept]
    return kept / side, mean
