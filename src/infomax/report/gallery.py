"""The gallery of an encoder: a map of the features of images, their groups, and nearest neighbours."""

from collections.abc import Mapping
from typing import Any

import matplotlib
import numpy as np
from jaxtyping import Float, Int
from matplotlib.colors import hsv_to_rgb, to_hex
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from infomax.evaluation.probes.neighbors import nearest_neighbors
from infomax.report.groups import groups_shown
from infomax.report.pictures import sprites, words_of_channels

NUM_QUERIES, NUM_NEIGHBORS = 12, 10
NUM_NEAR = 8  # neighbours of a point of the map
THUMBNAIL_SIDE = 48  # pixels, the most
MAP_SIDE = 1000
NUM_COMPONENTS, PERPLEXITY = 50, 30  # of t-SNE, the most
MIN_FOR_TSNE = 10  # images; of fewer the first two principal components are shown
SAME = 1e-6
"""Directions that differ by no more are the same: float32 holds no finer ones."""

Embeddings = Float[np.ndarray, "m d"]
Labels = Int[np.ndarray, " m"]


def gallery(arrays: Mapping[str, np.ndarray], noun: str) -> dict[str, Any]:
    """Return what a page shows of the images of ``gallery.npz``, of this version or an earlier one.

    Args:
        arrays: those of the file.
        noun: one of the things that it shows.
    """
    embeddings, labels = arrays["embeddings"], arrays["labels"]
    what, num = str(arrays.get("what", f"test {noun}s")), len(embeddings)
    classes = _names_of_classes(labels, [str(name) for name in arrays["classes"]])
    collapsed = num > 1 and bool(np.ptp(_directions(embeddings), axis=0).max() <= SAME)
    groups = None if collapsed else groups_shown(embeddings, labels, classes)
    return {
        "what": what,
        "shown": str(arrays.get("shown", f"{num:,} {what}")),
        "sprites": sprites(arrays["thumbnails"], THUMBNAIL_SIDE),
        "channels": words_of_channels(arrays["thumbnails"].shape[-1]),
        "collapsed": collapsed,
        "has_map": num > 2 and not collapsed,
        "queries": [] if collapsed else neighbors(embeddings, labels),
        "captions": [str(name) for name in arrays["names"]] if "names" in arrays else None,
        "points": points_on_map(embeddings),
        "near": nearest_of_each(embeddings),
        "labels": labels.tolist(),
        "names": classes,
        "groups": groups,
        "colourings": _colourings(labels, classes, groups),
    }


def _names_of_classes(labels: Labels, names: list[str]) -> dict[int, str]:
    there = [int(one) for one in np.unique(labels) if one >= 0]
    return {one: names[one] if one < len(names) else str(one) for one in there}


def _colourings(
    labels: Labels, classes: Mapping[int, str], groups: Mapping[str, Any] | None
) -> list[dict[str, Any]]:
    """Return what points can be coloured by: classes first, where there are labels; then groups."""
    by = {"classes": (labels, classes)} if classes else {}
    by |= {"groups": (groups["of"], groups["names"])} if groups else {}
    return [
        {
            "title": title,
            "of": np.asarray(of).tolist(),
            "names": names,
            "colours": dict(zip(names, colours(len(names)), strict=True)),
        }
        for title, (of, names) in by.items()
    ]


def neighbors(embeddings: Embeddings, labels: Labels) -> list[tuple[int, list[tuple[int, float]]]]:
    """Return queries, one of each class in turn, each with the nearest others and their cosines."""
    num_neighbors = min(NUM_NEIGHBORS, len(embeddings) - 1)
    if num_neighbors < 1:
        return []
    queries = _queries(labels)
    indices, cosines = nearest_neighbors(embeddings[queries], embeddings, k=num_neighbors + 1)
    found = []
    for query, near, cosine in zip(queries, indices, cosines, strict=True):
        others = [(int(i), float(c)) for i, c in zip(near, cosine, strict=True) if i != query]
        found.append((int(query), others[:num_neighbors]))
    return found


def nearest_of_each(embeddings: Embeddings) -> list[list[int]]:
    """Return the rows nearest to each row by cosine, the nearest first."""
    num = min(NUM_NEAR, len(embeddings) - 1)
    if num < 1:
        return [[] for _ in embeddings]
    found, _ = nearest_neighbors(embeddings, embeddings, k=num + 1)
    return [[int(i) for i in near if i != row][:num] for row, near in enumerate(found)]


def _queries(labels: Labels) -> Int[np.ndarray, " q"]:
    """Images to show neighbours of, by a fixed seed: the first of every class, then the second, …"""
    order = np.random.default_rng(0).permutation(len(labels))
    turn = np.zeros(len(labels), int)
    for one in np.unique(labels):
        members = order[labels[order] == one]
        turn[members] = np.arange(len(members))
    return order[np.lexsort((labels[order], turn[order]))][:NUM_QUERIES]


def points_on_map(embeddings: Embeddings) -> list[list[float]]:
    """Return `places_on_map` as a page holds them."""
    return places_on_map(embeddings).round(1).tolist()


def places_on_map(embeddings: Embeddings) -> Float[np.ndarray, "m 2"]:
    """Return places from 0 to 1000: t-SNE of principal components, or two of these for very few images.

    Images whose features are all the same lie on one spot, in the middle.
    """
    m = len(embeddings)
    if m < 3:
        return np.stack([np.linspace(0, MAP_SIDE, m), np.full(m, MAP_SIDE / 2)], axis=1)
    directions = _directions(embeddings.astype(np.float64))
    if np.ptp(directions, axis=0).max() <= SAME:
        return np.full((m, 2), MAP_SIDE / 2)
    components = PCA(min(NUM_COMPONENTS, *embeddings.shape), random_state=0).fit_transform(directions)
    places = np.pad(components, ((0, 0), (0, 1)))[:, :2]
    if m >= MIN_FOR_TSNE:
        start = places / max(places[:, 0].std(), 1e-12) * 1e-4
        tsne = TSNE(perplexity=min(PERPLEXITY, (m - 1) / 3), init=start, random_state=0)
        places = tsne.fit_transform(components)
    low, span = places.min(0), max(float(np.ptp(places, axis=0).max()), 1e-12)
    return MAP_SIDE * (places - low) / span + MAP_SIDE / 2 * (1 - np.ptp(places, axis=0) / span)


def _directions(embeddings: Embeddings) -> Embeddings:
    """Return embeddings of length 1."""
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return embeddings / np.maximum(lengths, np.finfo(float).tiny)


def colours(num: int) -> list[str]:
    """Return ten or twenty well-known colours; of more, hues spread by the golden ratio."""
    if num <= 20:
        palette = matplotlib.colormaps["tab10" if num <= 10 else "tab20"]
        return [to_hex(palette(i)) for i in range(num)]
    return [to_hex(tuple(hsv_to_rgb((i * 0.618 % 1, 0.6, 0.8)))) for i in range(num)]
