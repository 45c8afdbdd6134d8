"""Similarity maps: where other images, or another view, hold what a feature tells.

    score(i, cell) = ⟨source, target_i(cell)⟩ / √d            nats-like: log odds, up to a constant, that the
    p(i, cell) = softmax of the scores over all cells of all i   cell is of the source's own image

The source is the global feature of a query image or one cell of a local map of it; targets are the cells of
local maps. An encoder that was trained by AMDIM has learned to make these scores high for two views of one
image, and low for two images. (Where training clipped scores, by c · tanh(s / c), the maps are not clipped.)

Fig. 4 of Bachman, Hjelm, Buchwalter (2019).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float, UInt8
from matplotlib import colormaps
from matplotlib.figure import Figure
from PIL import Image, ImageDraw
from scipy.ndimage import map_coordinates
from torch import Tensor, nn

from infomax.files import replacing
from infomax.learning.contexts import view_maker
from infomax.learning.encoders import Features, evaluating, example_features
from infomax.learning.images import Images, available_splits, decode_image, load_images
from infomax.learning.pairing import Seen
from infomax.learning.pretrained import PretrainedEncoder, load_encoder
from infomax.learning.runs import Run
from infomax.learning.views import Normalize, ViewsConfig

GLOBAL = 1
"""The source that is the global feature; otherwise (side of a map, row, column), of signals (side, place)."""
Source = int | tuple[int, ...]

_TILE = 128  # px of a picture in a panel
_BLOCK = 256  # images encoded at a time


@dataclass(frozen=True)
class SimilarityMaps:
    """scores: of every cell. probabilities: their softmax over all cells of all images."""

    scores: Float[Tensor, "n *places"]

    @property
    def probabilities(self) -> Float[Tensor, "n *places"]:
        """That a cell is the one that belongs to the source, if one of all these does; they sum to 1."""
        return self.scores.flatten().softmax(0).view_as(self.scores)

    @property
    def log_odds(self) -> Float[Tensor, " n"]:
        """Of each image: log Σ over its cells of exp(score); images are sorted by it."""
        return self.scores.flatten(1).logsumexp(1)


def similarity_maps(
    encoder: PretrainedEncoder,
    query: UInt8[Tensor, "c h w"] | Float[Tensor, "c t"],
    images: Seen,
    *,
    source: Source = GLOBAL,
    target: int = 7,
) -> SimilarityMaps:
    """⟨source of the query, each cell of each image⟩ / √d, streamed over the images.

    Args:
        encoder: with features all of one dimension d, as AMDIM's.
        query: an image as the encoder takes it (or a signal).
        images: to look into.
        source: `GLOBAL`, or (side, row, column) of a cell of a local map of the query.
        target: side of the local maps looked into.

    Raises:
        ValueError: no such map or cell; features of several dimensions.

    Example:
        ``similarity_maps(encoder, images.batch([0])[0], images).scores`` has the shape [n, 7, 7].
    """
    check_comparable(encoder.encoder, source, target)
    vector = source_vectors(encoder(query[None]), source)
    return SimilarityMaps(next(iter(_scores(encoder, [(vector, target)], images)))[0])


def source_vectors(features: Features, source: Source) -> Float[Tensor, "b d"]:
    """The global feature of each, or that of one cell."""
    if isinstance(source, int):
        return features.global_
    side, *place = source
    return features.local[side][(slice(None), slice(None), *place)]


def score(vectors: Float[Tensor, "q d"], local: Float[Tensor, "n d *places"]) -> Float[Tensor, "q n *places"]:
    """⟨vector, cell⟩ / √d, of every vector with every cell."""
    scores = torch.einsum("qd,ndl->qnl", vectors.float(), local.flatten(2).float())
    return scores.reshape(len(vectors), len(local), *local.shape[2:]) / vectors.shape[1] ** 0.5


def _scores(
    encoder: PretrainedEncoder, sources: Sequence[tuple[Float[Tensor, "q d"], int]], images: Seen
) -> list[Float[Tensor, "q n *places"]]:
    """Of each (vectors, side of the target map), in one pass over the images."""
    device = next(encoder.parameters()).device
    found: list[list[Tensor]] = [[] for _ in sources]
    for start in range(0, len(images), _BLOCK):
        local = encoder(images.batch(slice(start, start + _BLOCK)).to(device)).local
        for parts, (vectors, target) in zip(found, sources, strict=True):
            parts.append(score(vectors, local[target]).cpu())
    return [torch.cat(parts, dim=1) for parts in found]


def comparable(encoder: nn.Module) -> bool:
    """Whether global and local features are all of one dimension, so that they can be multiplied."""
    features = example_features(encoder)
    return {x.shape[1] for x in (features.global_, *features.local.values())} == {features.global_.shape[1]}


def check_comparable(encoder: nn.Module, source: Source, target: int) -> None:
    """Make sure that there are such a source and such a target.

    Raises:
        ValueError: there are not.
    """
    features = example_features(encoder)
    if not comparable(encoder):
        dimensions = {1: features.global_.shape[1], **{s: x.shape[1] for s, x in features.local.items()}}
        raise ValueError(
            f"similarity: features must be all of one dimension, got {dimensions} by side; Deep InfoMax "
            "compares them by critics, which are not kept: use an encoder trained by AMDIM"
        )
    side, *place = (source,) if isinstance(source, int) else source
    needed = {target} | ({side} if place else set())
    if needed - features.local.keys() or (side != GLOBAL and not place):
        raise ValueError(
            f"similarity: got source {source} and target {target}; the source is {GLOBAL} (global) or a cell "
            f"(side, row, column), and there are maps of sides {', '.join(map(str, sorted(features.local)))}"
        )
    shape = features.local[side].shape[2:] if place else ()
    if len(place) != len(shape) or any(not 0 <= at < most for at, most in zip(place, shape, strict=True)):
        raise ValueError(f"similarity: no cell {tuple(place)} in a map of {'×'.join(map(str, shape))} cells")


# ------------------------------------------------------------------------------------- what a cell can see


@dataclass(frozen=True)
class Field:
    """A rectangle of a view, px: rows top to bottom − 1, columns left to right − 1."""

    top: int
    left: int
    bottom: int
    right: int


def receptive_field(encoder: nn.Module, source: Source, *, num_probes: int = 4) -> Field:
    """What a feature depends on: where its gradient with respect to random images is not zero.

    Args:
        encoder: of images.
        source: `GLOBAL`, or (side, row, column).
        num_probes: random images; a pixel counts if the gradient reaches it in any of them.
    """
    with evaluating(encoder), torch.enable_grad():
        torch.manual_seed(0)
        device = next(encoder.parameters()).device
        views = torch.randn(num_probes, *cast(tuple[int, ...], encoder.input_shape), device=device)
        views.requires_grad_(True)
        (gradient,) = torch.autograd.grad(source_vectors(encoder(views), source).square().sum(), views)
    seen = (gradient != 0).any(dim=1).any(dim=0)
    rows, columns = (torch.nonzero(seen.any(dim=axis)).flatten() for axis in (1, 0))
    return Field(int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)


def cell_centers(
    encoder: nn.Module, side: int
) -> tuple[Float[np.ndarray, " side"], Float[np.ndarray, " side"]]:
    """Centres of the fields of a map's rows and of its columns, px; evenly spaced from first to last."""
    first, last = (receptive_field(encoder, (side, at, at)) for at in (0, side - 1))
    rows = np.linspace(first.top + first.bottom, last.top + last.bottom, side) / 2
    columns = np.linspace(first.left + first.right, last.left + last.right, side) / 2
    return rows, columns


# ------------------------------------------------------------------------------------------------ pictures


@dataclass(frozen=True)
class Painter:
    """Lays maps over pictures. shape: of a view, px. centers: of the rows and columns of cells."""

    shape: tuple[int, int]
    centers: tuple[Float[np.ndarray, " side"], Float[np.ndarray, " side"]]

    @staticmethod
    def of(encoder: PretrainedEncoder, side: int) -> "Painter":
        """For maps of that side."""
        _, height, width = cast(tuple[int, int, int], encoder.encoder.input_shape)
        return Painter((height, width), cell_centers(encoder.encoder, side))

    def enlarged(self, values: Float[np.ndarray, "side side"], size: tuple[int, int]) -> np.ndarray:
        """A map at so many pixels, by cubic splines through the centres of cells; constant beyond them."""
        places = []
        for length, px, centers in zip(size, self.shape, self.centers, strict=True):
            at = (np.arange(length) + 0.5) * px / length
            places.append(np.interp(at, centers, np.arange(len(centers))))
        return map_coordinates(values, np.meshgrid(*places, indexing="ij"), order=3, mode="nearest")

    def overlay(
        self, picture: UInt8[np.ndarray, "h w c"], weights: Float[np.ndarray, "side side"], side: int = _TILE
    ) -> UInt8[np.ndarray, "h2 w2 3"]:
        """A picture in grey with its map in colours over it: 0 leaves it grey, 1 is the strongest colour."""
        large = enlarged_picture(picture, side)
        heat = self.enlarged(weights, large.shape[:2]).clip(0, 1)[..., None]
        grey = large.mean(-1, keepdims=True) * 0.75 + 20
        colours = 255 * colormaps["inferno"](0.25 + 0.7 * heat[..., 0])[..., :3]
        strength = 0.72 * heat
        return (grey * (1 - strength) + colours * strength).round().astype(np.uint8)


def enlarged_picture(picture: UInt8[np.ndarray, "h w c"], side: int) -> UInt8[np.ndarray, "h2 w2 3"]:
    """A picture whose longer side is `side`; of other than 1 and 3 channels the first."""
    height, width, channels = picture.shape
    image = Image.fromarray(picture if channels == 3 else picture[..., 0]).convert("RGB")
    scale = side / max(height, width)
    return np.asarray(image.resize((round(width * scale), round(height * scale)), Image.Resampling.BICUBIC))


def marked(
    picture: UInt8[np.ndarray, "h w c"], field: Field, side: int = _TILE
) -> UInt8[np.ndarray, "h2 w2 3"]:
    """A picture with a field framed."""
    large = Image.fromarray(enlarged_picture(picture, side))
    scale = side / max(picture.shape[:2])
    corners = [scale * one for one in (field.left, field.top, field.right, field.bottom)]
    box = [corners[0], corners[1], corners[2] - 1, corners[3] - 1]
    draw = ImageDraw.Draw(large)
    draw.rectangle(box, outline="black", width=4)
    draw.rectangle([box[0] + 1, box[1] + 1, box[2] - 1, box[3] - 1], outline="#ffd23f", width=2)
    return np.asarray(large)


def plain_pictures(encoder: PretrainedEncoder, images: UInt8[Tensor, "b c h w"]) -> np.ndarray:
    """What the encoder sees of images, uint8 [b, h, w, c]."""
    return view_pictures(encoder, encoder.view(images))


def view_pictures(encoder: PretrainedEncoder, views: Float[Tensor, "b c h w"]) -> np.ndarray:
    """Views as pictures, uint8 [b, h, w, c]."""
    normalize = cast(Normalize, encoder.view.normalize)
    return normalize.inverse(views).permute(0, 2, 3, 1).cpu().numpy()


def scaled(scores: Float[np.ndarray, "m *places"], typical: float) -> Float[np.ndarray, "m *places"]:
    """Scores as weights: 0 at the typical score and below, 1 at the highest of these."""
    return ((scores - typical) / max(float(scores.max()) - typical, 1e-6)).clip(0, 1)


# ------------------------------------------------------------------------------------------- for the report


def similarity_panel(
    encoder: PretrainedEncoder,
    images: Images,
    *,
    num_queries: int = 4,
    num_others: int = 6,
    max_images: int = 1000,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """Some images, each with the maps of another view of itself and of the most similar others.

    Two rows a query: the global feature against the 7×7 maps, and the middle cell of the 5×5 map against the
    5×5 maps. Images are drawn from different classes where there are labels.

    Returns:
        pictures: uint8 [rows, 2 + num_others, h, w, 3]: the query with what the source sees framed, the other
        view, the others. sources: what each row asks. names: of the image in each place.
    """
    randomness = np.random.default_rng(seed)
    some = images.subset(np.sort(randomness.permutation(len(images))[:max_images]))
    queries = _from_different_classes(some, min(num_queries, len(some)), randomness)
    batch = some.batch(queries)
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        (others,) = view_maker(encoder.views, 1)(batch)
    with torch.no_grad():
        of_views = encoder.encoder(others)
    features, plain, other = encoder(batch), plain_pictures(encoder, batch), view_pictures(encoder, others)
    asked = [(GLOBAL, 7), ((5, 2, 2), 5)]
    found = _scores(encoder, [(source_vectors(features, source), side) for source, side in asked], some)
    rows: list[tuple[np.ndarray, str, list[str]]] = []
    for (source, side), scores in zip(asked, found, strict=True):
        field, painter = receptive_field(encoder.encoder, source), Painter.of(encoder, side)
        own = torch.einsum("qd,qdhw->qhw", source_vectors(features, source), of_views.local[side])
        own = own / features.global_.shape[1] ** 0.5
        for q, query in enumerate(queries):
            near = [i for i in _sorted(scores[q]) if i != query][:num_others]
            maps = torch.cat([own[q : q + 1], scores[q][near]]).numpy()
            shown = [other[q], *plain_pictures(encoder, some.batch(np.array(near, int)))]
            weights = scaled(maps, float(scores[q].median()))
            tiles = [painter.overlay(*one) for one in zip(shown, weights, strict=True)]
            names = [some.names[int(i)] for i in (query, query, *near)]
            rows.append((np.stack([marked(plain[q], field), *tiles]), describe(source, side), names))
    rows = [rows[i] for q in range(len(queries)) for i in range(q, len(rows), len(queries))]
    return {
        "pictures": np.stack([row[0] for row in rows]),
        "sources": np.array([row[1] for row in rows], dtype=str),
        "names": np.array([row[2] for row in rows], dtype=str),
    }


def _sorted(scores: Float[Tensor, "n *places"]) -> list[int]:
    """Images, the most similar first."""
    return SimilarityMaps(scores).log_odds.argsort(descending=True, stable=True).tolist()


def _from_different_classes(images: Images, number: int, randomness: np.random.Generator) -> np.ndarray:
    order = randomness.permutation(len(images))
    turn = np.zeros(len(images), int)
    for one in np.unique(images.labels):
        members = order[images.labels[order] == one]
        turn[members] = np.arange(len(members))
    return order[np.argsort(turn[order], kind="stable")][:number]


def describe(source: Source, target: int) -> str:
    """A prediction in words."""
    if isinstance(source, int):
        return f"global → {target}×{target}"
    side, *place = source
    return f"cell {', '.join(map(str, place))} of {side}×{side} → {target}×{target}"


# ------------------------------------------------------------------------------------------ for the command


def similarity_of_run(
    run: Run,
    query: str,
    source: str,
    *,
    split: str | None = None,
    column: str | None = None,
    cell: tuple[int, int] | None = None,
    source_side: int = 5,
    target: int | None = None,
    num_images: int = 12,
    out: str | Path = "similarity.png",
) -> dict[str, Any]:
    """Maps of the images most similar to a query, drawn, and their scores.

    Args:
        run: a finished run, or any folder with an encoder.
        query: a file, or the number or the name of an image of `source`; then it is left out of the others.
        source: of the images to look into, as for `load_images`.
        split: default: test, if there is one.
        cell: (row, column) of the query's map of `source_side`; default: the global feature.
        target: side of the maps looked into; default: 7, but that of the source for a cell.
        num_images: drawn.
        out: .png, .svg or .pdf, replaced if there is one.

    Raises:
        ValueError: an encoder of signals, or whose features have several dimensions; no such cell or query.
    """
    if Path(out).suffix not in (".png", ".svg", ".pdf"):
        raise ValueError(f"similarity: the suffix of {out} says no format; expected .png, .svg or .pdf")
    if num_images < 1:
        raise ValueError(f"similarity: at least 1 image must be drawn, got {num_images}")
    encoder = load_encoder(run.folder)
    asked: Source = GLOBAL if cell is None else (source_side, *cell)
    side = target or (7 if cell is None else source_side)
    _check_images(encoder)
    check_comparable(encoder.encoder, asked, side)
    images = _load(encoder, source, split, column)
    name, pixels, row = _query(encoder, query, images)
    maps = similarity_maps(encoder, pixels, images, source=asked, target=side)
    others = [i for i in _sorted(maps.scores) if i != row]
    probabilities = _shares(maps.scores, others)
    field = receptive_field(encoder.encoder, asked)
    shown = others[:num_images]
    _draw(Path(out), encoder, (name, pixels), images, maps.scores, row, shown, asked, side, probabilities)
    return {
        "picture": str(out),
        "query": name,
        "source": describe(asked, side),
        "field": [field.top, field.left, field.bottom, field.right],
        "num_images": len(others),
        "images": [
            {"name": images.names[i], **_best(maps.scores[i]), "probability": probabilities[i]} for i in shown
        ],
    }


def _check_images(encoder: PretrainedEncoder) -> None:
    if not isinstance(encoder.views, ViewsConfig):
        raise ValueError("similarity: pictures are of images, got an encoder of signals; use similarity_maps")


def _load(encoder: PretrainedEncoder, source: str, split: str | None, column: str | None) -> Images:
    views = cast(ViewsConfig, encoder.views)
    there = available_splits(source, column)
    split = split or ("test" if "test" in there else there[0])
    size = views.stored_shape[1:]
    return load_images(source, split=split, column=column, size=size, channels=views.channels)


def _query(
    encoder: PretrainedEncoder, query: str, images: Images
) -> tuple[str, UInt8[Tensor, "c h w"], int | None]:
    """Name, pixels, and row if it is one of the images."""
    names = [*images.names]
    row = names.index(query) if query in names else None
    if row is None and query.isdecimal() and int(query) < len(names):
        row = int(query)
    if row is not None:
        return names[row], images.batch(np.array([row]))[0], row
    if not Path(query).is_file():
        raise ValueError(
            f"similarity: {query!r} is no file, and neither the name nor the number of one of {len(names)} "
            f"images, such as {names[0]!r}"
        )
    channels, *size = cast(ViewsConfig, encoder.views).stored_shape
    pixels = decode_image(query, size=(size[0], size[1]), channels=channels)
    return Path(query).name, torch.from_numpy(pixels.copy()).permute(2, 0, 1), None


def _shares(scores: Float[Tensor, "n s s2"], rows: list[int]) -> dict[int, float]:
    """Of each of the rows, its part of the probability."""
    shares = SimilarityMaps(scores[rows]).probabilities.double().sum((1, 2)).tolist()
    return dict(zip(rows, shares, strict=True))


def _best(scores: Float[Tensor, "s s2"]) -> dict[str, Any]:
    row, column = divmod(int(scores.argmax()), scores.shape[1])
    return {"score": float(scores.max()), "cell": [row, column]}


def _draw(
    out: Path,
    encoder: PretrainedEncoder,
    query: tuple[str, Tensor],
    images: Images,
    scores: Float[Tensor, "n s s2"],
    row: int | None,
    shown: list[int],
    asked: Source,
    side: int,
    probabilities: dict[int, float],
) -> None:
    """The query framed, its own map if it is one of the images, and the others, most similar first."""
    name, pixels = query
    painter = Painter.of(encoder, side)
    framed = marked(
        plain_pictures(encoder, pixels[None])[0], receptive_field(encoder.encoder, asked), side=256
    )
    rows = shown if row is None else [row, *shown]
    weights = scaled(scores[rows].numpy(), float(scores.median()))
    pictures = plain_pictures(encoder, images.batch(np.array(rows)))
    tiles = [painter.overlay(*one, side=256) for one in zip(pictures, weights, strict=True)]
    titles = ["itself" if i == row else f"{_short(images, i)}\n{_percent(probabilities[i])}" for i in rows]
    figure = _grid(
        [framed, *tiles], [f"query: {name}", *titles], f"{describe(asked, side)}, most similar first"
    )
    with replacing(out) as path:
        figure.savefig(path, dpi=110)


def _short(images: Images, i: int) -> str:
    label = int(images.labels[i])
    return images.classes[label] if 0 <= label < len(images.classes) else images.names[i]


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share >= 0.001 else "< 0.1 %"


def _grid(pictures: Sequence[np.ndarray], titles: Sequence[str], heading: str) -> Figure:
    columns = min(len(pictures), 7)
    rows = -(-len(pictures) // columns)
    figure = Figure(figsize=(1.7 * columns, 2.15 * rows + 0.35), layout="constrained")
    figure.suptitle(heading, fontsize=10)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    for axis, picture, title in zip(axes, pictures, titles, strict=False):
        axis.imshow(picture)
        axis.set_title(title if len(title) < 40 else f"{title[:38]}…", fontsize=8, parse_math=False)
    return figure
