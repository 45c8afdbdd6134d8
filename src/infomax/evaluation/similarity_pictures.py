"""Similarity maps as pictures: of a run for the command, of some test images for the report."""

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
from torch import Tensor

from infomax.evaluation.similarity import (
    GLOBAL,
    Field,
    SimilarityMaps,
    Source,
    cell_centers,
    check_comparable,
    describe,
    receptive_field,
    score,
    similarity_maps,
    source_vectors,
    target_scores,
)
from infomax.files import replacing
from infomax.learning.data.images import Images, available_splits, decode_image, load_images
from infomax.learning.encoders.saving import PretrainedEncoder, load_encoder
from infomax.learning.training.run import Run
from infomax.learning.views.contexts import view_maker
from infomax.learning.views.images import Normalize, ViewsConfig

_TILE = 128  # px of a picture in a panel


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


def typical(scores: Float[Tensor, "n *places"]) -> float:
    """What nine in ten cells stay below."""
    return float(np.quantile(scores.numpy(), 0.9))


def scaled(scores: Float[np.ndarray, "m *places"], low: float) -> Float[np.ndarray, "m *places"]:
    """Scores as weights: 0 at the low score and below, 1 at the highest of these."""
    return ((scores - low) / max(float(scores.max()) - low, 1e-6)).clip(0, 1)


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
    asked: list[tuple[Source, int]] = [(GLOBAL, 7), ((5, 2, 2), 5)]
    features = encoder(some.batch(queries))
    sources = [(source_vectors(features, source), side) for source, side in asked]
    found = target_scores(encoder, sources, some)
    own = _own_views(encoder, some.batch(queries), sources, seed)
    painters = [Painter.of(encoder, side) for _, side in asked]
    fields = [receptive_field(encoder.encoder, source) for source, _ in asked]
    rows = []
    for q, query in enumerate(queries):
        framed = plain_pictures(encoder, some.batch(np.array([query])))[0]
        for k, (source, side) in enumerate(asked):
            near = [i for i in most_similar(found[k][q]) if i != query][:num_others]
            maps = torch.cat([own.scores[k][q : q + 1], found[k][q][near]]).numpy()
            shown = [own.pictures[q], *plain_pictures(encoder, some.batch(np.array(near, int)))]
            weights = scaled(maps, typical(found[k][q]))
            tiles = [painters[k].overlay(*one) for one in zip(shown, weights, strict=True)]
            names = [some.names[int(i)] for i in (query, query, *near)]
            rows.append((np.stack([marked(framed, fields[k]), *tiles]), describe(source, side), names))
    pictures, descriptions, names = zip(*rows, strict=True)
    return {
        "pictures": np.stack(pictures),
        "sources": np.array(descriptions, dtype=str),
        "names": np.array(names, dtype=str),
    }


@dataclass(frozen=True)
class _OwnViews:
    """Another view of each query: its picture, and for each source the scores of its cells."""

    pictures: UInt8[np.ndarray, "q h w c"]
    scores: list[Float[Tensor, "q _ _"]]


def _own_views(
    encoder: PretrainedEncoder,
    queries: UInt8[Tensor, "q c h w"],
    sources: Sequence[tuple[Float[Tensor, "q d"], int]],
    seed: int,
) -> _OwnViews:
    with torch.random.fork_rng([]), torch.no_grad():
        torch.manual_seed(seed)
        (views,) = view_maker(encoder.views, 1)(queries)
        local = encoder.encoder(views).local
    every = torch.arange(len(queries))
    scores = [score(vectors, local[side])[every, every] for vectors, side in sources]
    return _OwnViews(view_pictures(encoder, views), scores)


def most_similar(scores: Float[Tensor, "n *places"]) -> list[int]:
    """Images, the most similar first."""
    return SimilarityMaps(scores).log_odds.argsort(descending=True, stable=True).tolist()


def _from_different_classes(images: Images, number: int, randomness: np.random.Generator) -> np.ndarray:
    order = randomness.permutation(len(images))
    turn = np.zeros(len(images), int)
    for one in np.unique(images.labels):
        members = order[images.labels[order] == one]
        turn[members] = np.arange(len(members))
    return order[np.argsort(turn[order], kind="stable")][:number]


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
    scores = similarity_maps(encoder, pixels, images, source=asked, target=side).scores
    others = [i for i in most_similar(scores) if i != row]
    shares = _shares(scores, others)
    shown = others if row is None else [row, *others]
    figure = _draw(
        encoder, name, pixels, images, scores, shown[: num_images + (row is not None)], asked, shares
    )
    with replacing(out) as path:
        figure.savefig(path, dpi=110)
    field = receptive_field(encoder.encoder, asked)
    return {
        "picture": str(out),
        "query": name,
        "source": describe(asked, side),
        "field": [field.top, field.left, field.bottom, field.right],
        "num_images": len(others),
        "images": [
            {"name": images.names[i], **_best(scores[i]), "probability": shares[i]}
            for i in others[:num_images]
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
    encoder: PretrainedEncoder,
    name: str,
    query: UInt8[Tensor, "c h w"],
    images: Images,
    scores: Float[Tensor, "n s s2"],
    shown: list[int],
    asked: Source,
    shares: dict[int, float],
) -> Figure:
    """The query framed, and images with their maps; of one without a share, the query itself, it says so."""
    side = scores.shape[-1]
    painter, field = Painter.of(encoder, side), receptive_field(encoder.encoder, asked)
    framed = marked(plain_pictures(encoder, query[None])[0], field, side=256)
    weights = scaled(scores[shown].numpy(), typical(scores))
    pictures = plain_pictures(encoder, images.batch(np.array(shown)))
    tiles = [painter.overlay(*one, side=256) for one in zip(pictures, weights, strict=True)]
    titles = [f"{_short(images, i)}\n{_percent(shares[i])}" if i in shares else "itself" for i in shown]
    heading = f"{describe(asked, side)}, most similar first"
    return _grid([framed, *tiles], [f"query: {name}", *titles], heading)


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
