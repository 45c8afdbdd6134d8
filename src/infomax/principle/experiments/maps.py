"""Ordered maps: near neighbours map to near neighbours, and frequent patterns get more cells.

Reference: Linsker (1989), How to generate ordered maps by maximizing the mutual information between input and
output signals; Kohonen (1982), Self-organized formation of topologically correct feature maps; Ritter and
Schulten (1986), for the exponent 2/3 of Kohonen's map.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.spatial.distance import cdist
from sklearn.datasets import make_s_curve
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness

from infomax.information.measures import mutual_information
from infomax.principle.experiments.drawing import COLOURS, INK, SOFT, dress, panels
from infomax.principle.experiments.evidence import Evidence, Statement
from infomax.principle.maps import CellChannel, TopographicMap, lattice
from infomax.principle.topography import (
    Magnification,
    TopographicProduct,
    cell_density_of_chain,
    continuity,
    magnification,
    topographic_product,
)

NUM_INPUTS, NUM_NEIGHBORS, NUM_STARTS, NUM_CONTROLS = 600, 100, 4, 5
MIN_ORDER, MAX_ORDER_OF_CONTROLS = 0.9, 0.85  # the lesser of trustworthiness and continuity

NUM_CELLS, NUM_PLACES = 60, 600  # of a chain, and of the inputs on an interval
PLACES = (np.arange(NUM_PLACES) + 0.5) / NUM_PLACES
DENSITY = 0.2 + np.exp(-0.5 * ((PLACES - 0.5) / 0.15) ** 2)
WIDTHS = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0)  # σ, in units of 1/NUM_CELLS; γ is 1
NUM_SHUFFLES = 200
EDGE = 5  # cells at either end that are left out of fits, as interaction ends there

Rows = Float[np.ndarray, "n d"]


def near_neighbors(seed: int) -> Evidence:
    """Show that chains and sheets of cells become ordered maps, from random weights."""
    worlds = {
        name: _world(draw(np.random.default_rng(seed)), shape, seed) for name, (draw, shape) in WORLDS.items()
    }
    orders = {method: [world.order[method] for world in worlds.values()] for method in METHODS}
    bits = {
        method: [world.bits[method] for world in worlds.values()] for method in METHODS if method != "PCA"
    }
    product, of_chain = worlds["square"].products["InfoMax"], _product_of_chain(seed)
    more = [
        100 * (1 - other / ours)
        for ours, other in zip(bits["InfoMax"], bits["self-organising map"], strict=True)
    ]
    return Evidence(
        Statement.NEAR_NEIGHBORS,
        "Chains and sheets trained from random weights to convey most keep neighbourhoods on all "
        f"{len(worlds)} kinds of input: the lesser of trustworthiness and continuity is at least "
        f"{min(orders['InfoMax']):.2f}; with cells shuffled it is on average at most "
        f"{max(orders['cells shuffled']):.2f}. A self-organising map has "
        f"{min(orders['self-organising map']):.2f} or more and conveys up to {max(more):.0f} % less; PCA, "
        f"which cannot unfold an arc, has {min(orders['PCA']):.2f} or more. The topographic product is "
        f"{product.value:.3f} for a sheet on a square and {of_chain.value:.3f} for a chain on it, which has "
        "one axis too few.",
        {
            "trustworthiness_or_continuity": {name: dict(world.order) for name, world in worlds.items()},
            "bits": {name: dict(world.bits) for name, world in worlds.items()},
            "topographic_product": {
                name: {method: asdict(one) | {"value": one.value} for method, one in world.products.items()}
                for name, world in worlds.items()
            },
            "topographic_product_of_a_chain_on_a_square": of_chain.value,
        },
        bool(
            min(orders["InfoMax"])
            > MIN_ORDER
            > MAX_ORDER_OF_CONTROLS
            > max(orders["cells shuffled"] + orders["random weights"])
            and of_chain.value < product.value - 0.005
        ),
        _draw_neighbors(worlds),
    )


def frequent_patterns(seed: int) -> Evidence:
    """Show how many cells of a chain represent frequent inputs, over the widths of the cells' responses."""
    chains = [_chain(DENSITY, width, seed) for width in WIDTHS]
    found = [_exponent(centers) for centers in chains]
    theory = [_theory(width) for width in WIDTHS]
    even = _exponent(_chain(np.ones(NUM_PLACES), WIDTHS[0], seed)).exponent
    shuffled = _largest_when_shuffled(chains[0], np.random.default_rng(seed))
    som = _exponent(kohonen(PLACES[:, None], lattice((NUM_CELLS,)), DENSITY / DENSITY.sum(), seed)[:, 0])
    error = max(abs(one.exponent - expected) for one, expected in zip(found, theory, strict=True))
    often, seldom = _cells_in(chains[0], 0.4, 0.6), _cells_in(chains[0], 0.0, 0.2)
    first, last = (f"{one.exponent:.2f} ± {one.standard_error:.2f}" for one in (found[0], found[-1]))
    return Evidence(
        Statement.FREQUENT_PATTERNS,
        f"The middle fifth of the inputs, which occurs most often, gets {often} of {NUM_CELLS} cells, the "
        f"first fifth {seldom}. Where responses are narrow beside the interaction, the density of cells is "
        f"the {first} power of that of inputs (theory: {theory[0]:.2f}, tending to 1); where they are wide, "
        f"the {last} power (theory: {theory[-1]:.2f}, tending to ⅓). Over all widths the exponent differs "
        f"from theory by at most {error:.2f}. With all inputs equally frequent it is {abs(even):.2f}, and in "
        f"{NUM_SHUFFLES} shuffles of the density never beyond ±{shuffled:.2f}. A self-organising map has "
        f"{som.exponent:.2f} (published: ⅔).",
        {
            "response_width_in_cells": list(WIDTHS),
            "exponent": [one.exponent for one in found],
            "standard_error": [one.standard_error for one in found],
            "exponent_in_theory": theory,
            "exponent_all_inputs_equally_frequent": even,
            "largest_exponent_when_shuffled": shuffled,
            "exponent_of_self_organising_map": som.exponent,
            "cells_of_middle_and_first_fifth": [often, seldom],
        },
        bool(
            found[0].exponent > 0.75 and error < 0.1 and max(abs(even), shuffled) < 0.5 and often > 2 * seldom
        ),
        _draw_density(chains, found, theory, som),
    )


def kohonen(
    x: Rows, positions: np.ndarray, probabilities: np.ndarray | None = None, seed: int = 0
) -> Float[np.ndarray, "m d"]:
    """Return the weights of a self-organising map: cells move to the mean input of their neighbourhood."""
    q = np.full(len(x), 1 / len(x)) if probabilities is None else probabilities
    weights = np.random.default_rng(seed).choice(x, len(positions), replace=False)
    for reach in np.geomspace(positions.max() / 2, 0.7, 100):
        winners = positions[cdist(x, weights).argmin(axis=1)]
        pull = q[:, None] * np.exp(-cdist(winners, positions, "sqeuclidean") / (2 * reach**2))
        weights = pull.T @ x / pull.sum(axis=0)[:, None]
    return weights


# ------------------------------------------------------------------------------------- near neighbours


@dataclass(frozen=True, eq=False)
class World:
    """One kind of input, and for every method that maps it: centres of cells, order, bits, product.

    Products are topographic ones. Controls are repeated: order and bits are means, centres and products those
    of the first.
    """

    x: Rows
    shape: tuple[int, ...]
    centers: Mapping[str, np.ndarray]
    order: Mapping[str, float]
    bits: Mapping[str, float]
    products: Mapping[str, TopographicProduct]


def _interval(rng: np.random.Generator) -> Rows:
    return rng.uniform(size=(NUM_INPUTS, 1))


def _arc(rng: np.random.Generator) -> Rows:
    angle = rng.uniform(0, 1.75 * np.pi, NUM_INPUTS)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _square(rng: np.random.Generator) -> Rows:
    return rng.uniform(size=(NUM_INPUTS, 2))


def _bent_sheet(rng: np.random.Generator) -> Rows:
    return make_s_curve(NUM_INPUTS, random_state=int(rng.integers(2**31)))[0]


WORLDS: Mapping[str, tuple[Callable[[np.random.Generator], Rows], tuple[int, ...]]] = {
    "interval": (_interval, (20,)),
    "square": (_square, (8, 8)),
    "arc": (_arc, (20,)),
    "bent sheet": (_bent_sheet, (12, 6)),
}
METHODS = ("InfoMax", "self-organising map", "PCA", "random weights", "cells shuffled")


def _world(x: Rows, shape: tuple[int, ...], seed: int) -> World:
    fitted = TopographicMap(shape, n_init=NUM_STARTS, random_state=seed).fit(x)
    channel = CellChannel(fitted.positions_, fitted.response_width_, fitted.lateral_range)
    rng, m = np.random.default_rng(seed), len(fitted.weights_)
    weights = {
        "InfoMax": [fitted.weights_],
        "self-organising map": [kohonen(x, fitted.positions_, seed=seed)],
        "random weights": [rng.choice(x, m, replace=False) for _ in range(NUM_CONTROLS)],
        "cells shuffled": [rng.permutation(fitted.weights_) for _ in range(NUM_CONTROLS)],
    }
    firing = {name: [channel.firing(x, one) for one in several] for name, several in weights.items()}
    places = {name: [one @ fitted.positions_ for one in several] for name, several in firing.items()}
    places["PCA"] = [PCA(len(shape)).fit_transform(x)]
    centers = {name: several[0].T @ x / several[0].sum(axis=0)[:, None] for name, several in firing.items()}
    return World(
        x,
        shape,
        centers,
        order={name: _mean(_order(x, one) for one in places[name]) for name in METHODS},
        bits={
            name: _mean(mutual_information(one / len(x), base=2) for one in several)
            for name, several in firing.items()
        },
        products={name: topographic_product(one, fitted.positions_) for name, one in centers.items()},
    )


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


def _order(x: Rows, places: Float[np.ndarray, "n axes"]) -> float:
    """The lesser of trustworthiness and continuity."""
    trusted = trustworthiness(x, places, n_neighbors=NUM_NEIGHBORS)
    return float(min(trusted, continuity(x, places, num_neighbors=NUM_NEIGHBORS)))


def _product_of_chain(seed: int) -> TopographicProduct:
    """The topographic product of a chain of 64 cells on a square."""
    chain = TopographicMap((64,), max_iter=5000, random_state=seed).fit(_square(np.random.default_rng(seed)))
    return topographic_product(chain.centers_, chain.positions_)


def _draw_neighbors(worlds: Mapping[str, World]) -> Figure:
    drawn = [(name, world, "InfoMax") for name, world in worlds.items() if world.x.shape[1] > 1]
    figure, panes = panels(len(drawn) + 2, size=(13, 3.0))
    _draw_lattice(panes[0], worlds["square"], "random weights", "square, random weights")
    for axes, (name, world, method) in zip(panes[1:], drawn, strict=False):
        _draw_lattice(axes, world, method, f"{name}, trained")
    _draw_orders(panes[-1], worlds)
    return figure


def _draw_lattice(axes: Axes, world: World, method: str, title: str) -> None:
    """Draw inputs as dots, and cells at what they stand for, with lines between neighbours on the lattice."""
    x, centers, shape = world.x, world.centers[method], world.shape
    seen = (0, -1)  # the axes of the input that are drawn: of three, the first and the last
    axes.plot(*x[:, seen].T, ".", ms=2.5, color=SOFT, alpha=0.35)
    grid = centers[:, seen].reshape(*shape, 2)
    for axis in range(len(shape)):
        for line in np.moveaxis(grid, axis, 0).reshape(shape[axis], -1, 2).transpose(1, 0, 2):
            axes.plot(*line.T, color=COLOURS[axis], lw=1.1)
    axes.plot(*centers[:, seen].T, "o", ms=2.5, color=INK)
    axes.set_title(title, loc="left", fontsize=10, color=INK)
    axes.set_aspect("equal")
    axes.set_axis_off()


def _draw_orders(axes: Axes, worlds: Mapping[str, World]) -> None:
    rows = np.arange(len(worlds))[::-1]
    for colour, marker, method in zip((*COLOURS[:3], SOFT, SOFT), "os^x+", METHODS, strict=True):
        axes.plot(
            [w.order[method] for w in worlds.values()], rows, marker, ms=5.5, color=colour, label=method
        )
    axes.set_yticks(rows, list(worlds))
    dress(axes, "Neighbours kept")
    axes.legend(fontsize=7, frameon=False, loc="upper center", bbox_to_anchor=(0.4, -0.1), ncols=2)


# ------------------------------------------------------------------------------------- frequent patterns


def _chain(density: np.ndarray, width: float, seed: int) -> Float[np.ndarray, " m"]:
    """The input that each cell of a chain stands for, after training on inputs of a density."""
    fitted = TopographicMap(
        (NUM_CELLS,), response_width=width / NUM_CELLS, num_steps=400, learning_rate=1.0, random_state=seed
    ).fit(PLACES[:, None], sample_weight=density)
    return fitted.centers_[:, 0]


def _cell_densities(centers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places between neighbouring cells, and the density of cells there; without the ends of the chain."""
    inner = np.sort(centers)[EDGE:-EDGE]
    return (inner[1:] + inner[:-1]) / 2, 1 / np.diff(inner)


def _exponent(centers: np.ndarray) -> Magnification:
    middles, cells = _cell_densities(centers)
    return magnification(cells, np.interp(middles, PLACES, DENSITY))


def _largest_when_shuffled(centers: np.ndarray, rng: np.random.Generator) -> float:
    """The exponent furthest from 0 when the inputs' density at the cells is shuffled."""
    middles, cells = _cell_densities(centers)
    density = np.interp(middles, PLACES, DENSITY)
    shuffles = (magnification(cells, rng.permutation(density)).exponent for _ in range(NUM_SHUFFLES))
    return max(abs(exponent) for exponent in shuffles)


def _theory(width: float) -> float:
    """The exponent fitted to the density of cells that is best in theory, where its cells are."""
    cells = cell_density_of_chain(
        DENSITY / DENSITY.mean(),
        np.full(NUM_PLACES, 1 / NUM_PLACES),
        NUM_CELLS,
        response_width=width / NUM_CELLS,
        lateral_range=1.0,
    )
    up_to = np.cumsum(cells) / NUM_PLACES
    return _exponent(np.interp(np.arange(NUM_CELLS) + 0.5, up_to, PLACES)).exponent


def _cells_in(centers: np.ndarray, low: float, high: float) -> int:
    return int(((centers >= low) & (centers < high)).sum())


def _draw_density(
    chains: list[np.ndarray], found: list[Magnification], theory: list[float], som: Magnification
) -> Figure:
    figure, (density, power, exponents) = panels(3, size=(11.5, 3.4))
    density.plot(PLACES, DENSITY / DENSITY.mean(), color=INK, label="inputs")
    for colour, index in zip(COLOURS, (0, len(WIDTHS) - 1), strict=False):
        _draw_cells(density, power, chains[index], found[index], colour, f"cells, σ = {WIDTHS[index]:g}")
    _draw_exponents(exponents, found, theory, som)
    dress(density, "Density on the interval", "input")
    dress(power, "Density of cells", "density of inputs")
    dress(exponents, "Exponent", "σ, width of the response, in cells")
    for axes in (density, power, exponents):
        axes.minorticks_off()
        axes.legend(fontsize=7.5, frameon=False)
    power.set_xticks([0.5, 1, 2], ["0.5", "1", "2"])
    power.set_yticks([0.5, 1, 2], ["0.5", "1", "2"])
    exponents.set_xticks(WIDTHS, [f"{width:g}" for width in WIDTHS])
    return figure


def _draw_cells(
    density: Axes, power: Axes, centers: np.ndarray, fit: Magnification, colour: str, label: str
) -> None:
    middles, cells = _cell_densities(centers)
    cells = cells / NUM_CELLS
    relative = np.interp(middles, PLACES, DENSITY / DENSITY.mean())
    line = relative**fit.exponent
    density.plot(middles, cells, ".", color=colour, label=label)
    power.loglog(relative, cells, ".", color=colour, label=f"{label}: power {fit.exponent:.2f}")
    power.loglog(relative, line * np.exp(np.log(cells / line).mean()), color=colour, lw=1)


def _draw_exponents(axes: Axes, found: list[Magnification], theory: list[float], som: Magnification) -> None:
    exponents, errors = [one.exponent for one in found], [one.standard_error for one in found]
    axes.semilogx(WIDTHS, theory, color=INK, label="theory")
    axes.errorbar(WIDTHS, exponents, errors, fmt="o", ms=5, color=COLOURS[0], label="measured")
    axes.axhline(som.exponent, color=COLOURS[1], lw=1, ls="--", label="self-organising map")
    for level, name in ((1, "1"), (1 / 3, "⅓")):
        axes.axhline(level, color=SOFT, lw=0.8, ls=":")
        axes.annotate(name, (WIDTHS[0], level), (0, 2), textcoords="offset points", fontsize=8, color=SOFT)
