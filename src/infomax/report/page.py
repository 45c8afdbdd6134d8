"""A run folder to one HTML page that needs nothing else: no network, no files beside it.

What is missing in the folder is left out of the page, with a note of the command that makes it.
"""

import base64
import io
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import jinja2
import matplotlib
import numpy as np
import polars as pl
from jaxtyping import Float, Int, UInt8
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.colors import hsv_to_rgb, to_hex
from matplotlib.figure import Figure
from PIL import Image
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from infomax.evaluation.probes.neighbors import nearest_neighbors
from infomax.files import replacing
from infomax.learning.training.run import Run

T = TypeVar("T")

_BASELINES = ("random encoder", "raw pixels", "raw signal")
_COLOURS = ("#3a7ebf", "#d17a22", "#2f9e77", "#a05fb5", "#c2504e", "#7f8c3b")  # legible on white and on black
_INK = "#0b0c0d"  # becomes the text colour of the page
_NUM_QUERIES, _NUM_NEIGHBORS, _NUM_VIEWS = 12, 10, 12


def write_report(run: Path) -> Path:
    """Write ``report.html`` into a run folder, from what else lies in it.

    Args:
        run: a run folder with recipe.yaml (or the folder of one of its encoders), and what there is of
            environment.json, metrics.csv, views.npz, evaluation.json (and those of other protocols),
            finetuning.json, gallery.npz, similarity.npz.

    Returns:
        The path of the page. An earlier one is replaced: it can be made again at any time.

    Raises:
        FileNotFoundError: not a run folder.
        ValueError: a file of the folder cannot be read.
    """
    files, trained = Run(run), Run(run).training
    recipe = trained.read_recipe()
    environment = _read(trained.environment, _read_json)
    metrics = _read(trained.metrics, _read_metrics)
    evaluations = _evaluations(files)
    finetuning = _read(files.finetuning, _read_json)
    similarity = _read(files.similarity, _read_arrays)
    gallery = _read(files.gallery, _read_arrays)
    views = _read(trained.views, _read_arrays)
    page = _template().render(
        title=_title(recipe),
        method=_method(recipe),
        recipe=_flat(recipe),
        environment=environment or {},
        training=metrics and _training(metrics),
        evaluations=evaluations,
        evaluation=next((one for one in evaluations if one["protocol"] != "paper"), None),
        finetuning=finetuning and _finetuning(finetuning),
        similarity=similarity and _similarity(similarity),
        gallery=gallery and _gallery(gallery),
        views=views and _views(views),
    )
    with replacing(files.report) as path:
        path.write_text(page, encoding="utf-8")
    return files.report


# ---------------------------------------------------------------------------------------------- reading


def _read(path: Path, read: Callable[[Path], T]) -> T | None:
    """What `read` makes of a file; None if there is no such file."""
    if not path.is_file():
        return None
    try:
        return read(path)
    except Exception as error:
        raise ValueError(f"report: cannot read {path}: {error}; move it away, and make it again") from error


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text())


def _read_metrics(path: Path) -> dict[str, Float[np.ndarray, " rows"]] | None:
    """Columns by name, NaN in empty cells; None before the first row."""
    table = pl.read_csv(path, infer_schema=False).cast(pl.Float64)
    return (
        {name: table[name].fill_null(math.nan).to_numpy() for name in table.columns} if len(table) else None
    )


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def _method(recipe: Mapping[str, Any]) -> str:
    return recipe.get("method", {}).get("name", "amdim").upper()


def _title(recipe: Mapping[str, Any]) -> str:
    method, data = _method(recipe), recipe.get("data")
    return f"{method} on {Path(str(data)).name}" if data else method


def _flat(mapping: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested mapping -> dotted key -> value as text."""
    flat: dict[str, str] = {}
    for key, value in mapping.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = (
                ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
            )
    return flat


# --------------------------------------------------------------------------------------------- training


@dataclass(frozen=True)
class _Line:
    """One curve of a chart; dashed for a ceiling."""

    label: str
    values: Float[np.ndarray, " rows"]
    colour: str
    dashed: bool = False


def _training(metrics: Mapping[str, Float[np.ndarray, " rows"]]) -> dict[str, Any]:
    """Charts of a run, and where it stands."""
    x = "epoch" if _has(metrics, "epoch") else "step"
    single = {
        "value": "objective, nats",
        "penalty": "penalty, nats",
        "prior_divergence": "divergence from the prior, nats",
        "prior_marginal_distance": "distance from the prior's marginals",
        "accuracy_absolute_coordinates": "places told right",
        "accuracy_relative_coordinates": "displacements told right",
        "images_per_second": "images per second",
        "learning_rate": "learning rate",
    }
    online = {"online_linear": "linear", "online_mlp": "MLP"}
    online_lines = [
        _Line(label, 100 * metrics[name], colour)
        for (name, label), colour in zip(online.items(), _COLOURS, strict=False)
        if _has(metrics, name)
    ]
    bits = _bits(metrics)
    return {
        "bits": bits and _chart(metrics[x], bits, x, "bits", floor=-1.0),
        "terms": [name.removeprefix("bits_") for name in metrics if name.startswith("bits_")],
        "off_panel": bool(bits) and min(np.nanmin(line.values) for line in bits) < -1,
        "online": online_lines and _chart(metrics[x], online_lines, x, "% of training views"),
        "small": [
            (label, _chart(metrics[x], [_Line("", metrics[name], _COLOURS[0])], x, label, size=(3.66, 1.9)))
            for name, label in single.items()
            if _has(metrics, name)
        ],
        **{name: _last(metrics, name) for name in ("step", "epoch", "seconds")},
    }


def _bits(metrics: Mapping[str, Float[np.ndarray, " rows"]]) -> list[_Line]:
    """The bound of each term, with its ceiling; one ceiling if all are the same."""
    terms = [
        name.removeprefix("bits_") for name in metrics if name.startswith("bits_") and _has(metrics, name)
    ]
    colours = dict(zip(terms, _COLOURS * len(terms), strict=False))
    lines = [_Line(_arrow(term), metrics[f"bits_{term}"], colours[term]) for term in terms]
    ceilings = {term: metrics[f"ceiling_{term}"] for term in terms if _has(metrics, f"ceiling_{term}")}
    if len({tuple(np.nan_to_num(values)) for values in ceilings.values()}) == 1:
        return [*lines, _Line("ceiling", next(iter(ceilings.values())), _INK, dashed=True)]
    return lines + [
        _Line(f"ceiling {_arrow(term)}", values, colours[term], dashed=True)
        for term, values in ceilings.items()
    ]


def _arrow(term: str) -> str:
    return term.replace("to", " → ")


def _has(metrics: Mapping[str, Float[np.ndarray, " rows"]], name: str) -> bool:
    return name in metrics and bool(np.isfinite(metrics[name]).any())


def _last(metrics: Mapping[str, Float[np.ndarray, " rows"]], name: str) -> float | None:
    return float(metrics[name][np.isfinite(metrics[name])][-1]) if _has(metrics, name) else None


def _chart(
    x: Float[np.ndarray, " rows"],
    lines: Sequence[_Line],
    x_label: str,
    y_label: str,
    *,
    size: tuple[float, float] = (7.6, 3.4),
    floor: float | None = None,
) -> Markup:
    """Curves as inline SVG in the colours of the page, each named at its end."""
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "infomax", "text.parse_math": False}):
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.add_subplot()
        for line in lines:
            _draw(axes, x, line)
        lowest = min(float(np.nanmin(line.values)) for line in lines)
        if floor is not None:
            axes.set_ylim(bottom=max(min(lowest, 0.0), floor))
        _dress(axes, x_label, y_label)
        _name_lines(axes, x, lines)
        svg = io.StringIO()
        nothing = dict.fromkeys(["Creator", "Date", "Format", "Type"])
        figure.savefig(svg, format="svg", transparent=True, metadata=nothing)
    names = ", ".join(line.label for line in lines if line.label)
    described = escape(f"{y_label} against {x_label}" + (f": {names}" if names else ""))
    text = svg.getvalue()
    drawn = text[text.index("<svg") :].replace(_INK, "currentColor")
    return Markup(drawn.replace("<svg", f'<svg class="chart" role="img" aria-label="{described}"', 1))


def _draw(axes: Axes, x: Float[np.ndarray, " rows"], line: _Line) -> None:
    """A ceiling dashed; a curve of many rows faint, with its running mean over it."""
    there = np.isfinite(line.values)
    x, y = x[there], line.values[there]
    if line.dashed:
        axes.plot(x, y, color=line.colour, linewidth=1, linestyle=(0, (4, 3)), alpha=0.6)
        return
    width = max(1, len(y) // 40)
    axes.plot(x, y, color=line.colour, linewidth=0.8, alpha=0.35 if width > 1 else 1)
    if width > 1:
        means = np.convolve(y, np.ones(width) / width, mode="valid")
        axes.plot(x[width - 1 :], means, color=line.colour, linewidth=1.8)
    elif len(y) == 1:
        axes.plot(x, y, "o", color=line.colour, markersize=4)


def _dress(axes: Axes, x_label: str, y_label: str) -> None:
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set(color=_INK, alpha=0.35)
    axes.grid(axis="y", color=_INK, alpha=0.12, linewidth=0.8)
    axes.tick_params(length=0, colors=_INK, labelsize=8.5)
    axes.set_xlabel(x_label, color=_INK, fontsize=9)
    axes.set_ylabel(y_label, color=_INK, fontsize=9)
    axes.locator_params(nbins=5)
    axes.margins(x=0.01)


def _name_lines(axes: Axes, x: Float[np.ndarray, " rows"], lines: Sequence[_Line]) -> None:
    """Labels right of the ends of the curves, moved apart where they would overlap."""
    named = [line for line in lines if line.label and np.isfinite(line.values).any()]
    named.sort(key=lambda line: _end(line.values))
    low, high = axes.get_ylim()
    height, at = 0.065 * (high - low), -math.inf
    for line in named:
        at = max(_end(line.values), at + height, low)
        text = f"{line.label}: {_end(line.values):.1f}"
        axes.annotate(
            text,
            (1.0, at),
            xytext=(6, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            color=line.colour,
            fontsize=9,
            va="center",
            annotation_clip=False,
        )


def _end(values: Float[np.ndarray, " rows"]) -> float:
    """Mean of the last fortieth of a curve: where its running mean ends."""
    values = values[np.isfinite(values)]
    return float(values[-max(1, len(values) // 40) :].mean())


# ------------------------------------------------------------------------------------------- evaluation


def _evaluations(files: Run) -> list[dict[str, Any]]:
    """What each protocol found, the clean one first; a file may hold another protocol than its name says."""
    found: dict[str, dict[str, Any]] = {}
    for path in files.evaluations.values():
        evaluation = _read(path, _read_json)
        if evaluation:
            protocol = evaluation.setdefault("protocol", "clean")
            found[protocol] = _evaluation(evaluation)
    order = [*files.evaluations]
    return sorted(found.values(), key=lambda one: (*order, one["protocol"]).index(one["protocol"]))


def _evaluation(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """Rows of evaluation.json as tables, one for each number of labels, and the comparison to begin with."""
    rows = evaluation["rows"]
    settings = _unique(row["labels"] for row in rows)
    pretraining, data = evaluation.get("pretraining") or {}, evaluation.get("data") or {}
    return {
        **{key: value for key, value in evaluation.items() if key != "rows"},
        "pretraining": pretraining,
        "data": data,
        "transfer": _named(pretraining.get("source")) != _named(data.get("source")) and bool(pretraining),
        "measures": _measures(evaluation.get("measures", [])),
        "tables": [_table([row for row in rows if row["labels"] == one]) for one in settings],
        "headlines": [_headline([row for row in rows if row["labels"] == one]) for one in settings],
        "settings": [
            (_layered(row), row["probe"], row["labels"], _flat(row.get("settings", {}))) for row in rows
        ],
    }


def _named(source: Any) -> str:
    """A source by the end of its path."""
    return Path(str(source)).name


def _finetuning(finetuning: Mapping[str, Any]) -> dict[str, Any]:
    """A table for each number of labels, and where the labels came from."""
    rows = [
        {**row, "representation": f"{row['representation']}, {row['probe']}", "probe": "accuracy"}
        for row in finetuning["rows"]
    ]
    settings = _unique(row["labels"] for row in rows)
    return {
        **finetuning,
        "tables": [_table([row for row in rows if row["labels"] == one]) for one in settings],
        "settings": [(row["representation"], row["labels"], _flat(row["settings"])) for row in rows],
    }


def _similarity(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Rows of pictures on one sheet."""
    pictures = arrays["pictures"]
    rows, columns = pictures.shape[:2]
    return {
        "sprites": _sprites(pictures.reshape(-1, *pictures.shape[2:]), max_side=128),
        "columns": columns,
        "rows": [(str(arrays["sources"][i]), [str(n) for n in arrays["names"][i]]) for i in range(rows)],
    }


def _table(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Representations down, probes across; best of each probe marked."""
    probes = _unique(row["probe"] for row in rows)
    cells = {(_layered(row), row["probe"]): row for row in rows}
    best = {probe: max(row["accuracy"] for row in rows if row["probe"] == probe) for probe in probes}
    return {
        "labels": rows[0]["labels"],
        "num_labels": sorted({row["num_labels"] for row in rows}),
        "num_test": sorted({row["num_test"] for row in rows}),
        "chance": rows[0]["chance"],
        "probes": probes,
        "representations": _unique(_layered(row) for row in rows),
        "cells": cells,
        "best": best,
    }


def _layered(row: Mapping[str, Any]) -> str:
    """A representation, with its layer or its regime where there are several."""
    return ", ".join(str(row[key]) for key in ("representation", "layer", "regime") if row.get(key))


def _measures(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Representations down, measures across."""
    return {
        "names": _unique(row["measure"] for row in rows),
        "representations": _unique(row["representation"] for row in rows),
        "cells": {(row["representation"], row["measure"]): row for row in rows},
    }


def _headline(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One probe, the linear if there is one: learned features beside the baselines, in points."""
    probes = _unique(row["probe"] for row in rows)
    probe = "linear" if "linear" in probes else probes[0]
    rows = [row for row in rows if row["probe"] == probe]
    rows = [  # of each representation its best layer
        max((row for row in rows if row["representation"] == one), key=lambda row: row["accuracy"])
        for one in _unique(row["representation"] for row in rows)
    ]
    learned = next((row for row in rows if row["representation"] not in _BASELINES), None)
    others = [row for row in rows if row["representation"] in _BASELINES]
    strongest = max(others, key=lambda row: row["accuracy"], default=None)
    margin = learned["accuracy"] - strongest["accuracy"] if learned and strongest else None
    return {"probe": probe, "rows": rows, "learned": learned, "strongest": strongest, "margin": margin}


def _unique(values: Iterable[T]) -> list[T]:
    return list(dict.fromkeys(values))


# ---------------------------------------------------------------------------------------------- pictures


@dataclass(frozen=True)
class _Sprites:
    """Pictures on one sheet. uri: of the sheet. side: of a picture, px. columns, rows: of the sheet."""

    uri: str
    side: int
    columns: int
    rows: int
    num_pictures: int


def _sprites(pictures: Sequence[UInt8[np.ndarray, "_ _ _"]] | np.ndarray, max_side: int) -> _Sprites:
    """All pictures on one JPEG sheet, of one largest side, scaled down to `max_side` where larger."""
    m = len(pictures)
    side = min(max_side, 8 * -(-max(max(picture.shape[:2]) for picture in pictures) // 8))
    columns = min(m, 40)
    rows = -(-m // columns)
    sheet = Image.new("RGB", (columns * side, rows * side), (128, 128, 128))
    for i, picture in enumerate(pictures):
        height, width = (round(side * length / max(picture.shape[:2])) for length in picture.shape[:2])
        resized = Image.fromarray(_colours(picture)).resize((width, height))
        row, column = divmod(i, columns)
        sheet.paste(
            resized, (column * side + (side - resized.width) // 2, row * side + (side - resized.height) // 2)
        )
    data = io.BytesIO()
    sheet.save(data, "JPEG", quality=90, subsampling=0)
    uri = "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode()
    return _Sprites(uri, side, columns, rows, m)


def _colours(picture: UInt8[np.ndarray, "h w c"]) -> UInt8[np.ndarray, "h w 3"]:
    """Grey as it is; else the first three channels as red, green, blue; a missing one black."""
    if picture.shape[-1] == 1:
        return picture.repeat(3, axis=-1)
    return np.pad(picture[..., :3], ((0, 0), (0, 0), (0, max(0, 3 - picture.shape[-1]))))


def _views(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """What was seen and views of it, as they come in the file, in turn on one sheet."""
    rows = [*zip(*(pictures[:_NUM_VIEWS] for pictures in arrays.values()), strict=True)]
    return {
        "sprites": _sprites([picture for row in rows for picture in row], max_side=128),
        "num_seen": 1 if "original" in arrays else len(arrays) // 2,
        "captions": [re.sub(r"view(?=\d)", "view ", name) for name in arrays],
        "num_images": len(rows),
    }


def _gallery(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Test images: some with their nearest others, and a map of all."""
    embeddings, labels = arrays["embeddings"], arrays["labels"]
    names = [str(name) for name in arrays["classes"]]
    classes = [int(one) for one in np.unique(labels) if one >= 0]
    return {
        "sprites": _sprites(arrays["thumbnails"], max_side=48),
        "queries": _neighbors(embeddings, labels),
        "points": [[round(float(x), 1), round(float(y), 1)] for x, y in _map(embeddings)],
        "labels": labels.tolist(),
        "names": {one: names[one] if one < len(names) else str(one) for one in classes},
        "colours": dict(zip(classes, _class_colours(len(classes)), strict=True)),
    }


def _neighbors(
    embeddings: Float[np.ndarray, "m d"], labels: Int[np.ndarray, " m"]
) -> list[tuple[int, list[tuple[int, float]]]]:
    """Queries, one of each class in turn, with the images nearest to each by cosine and how near."""
    num_neighbors = min(_NUM_NEIGHBORS, len(embeddings) - 1)
    if num_neighbors < 1:
        return []
    queries = _queries(labels)
    indices, cosines = nearest_neighbors(embeddings[queries], embeddings, k=num_neighbors + 1)
    found = []
    for query, near, cosine in zip(queries, indices, cosines, strict=True):
        others = [(int(i), float(c)) for i, c in zip(near, cosine, strict=True) if i != query]
        found.append((int(query), others[:num_neighbors]))
    return found


def _queries(labels: Int[np.ndarray, " m"]) -> Int[np.ndarray, " q"]:
    """Images to ask about, by a fixed seed: the first of every class, then the second, …"""
    order = np.random.default_rng(0).permutation(len(labels))
    turn = np.zeros(len(labels), int)
    for one in np.unique(labels):
        members = order[labels[order] == one]
        turn[members] = np.arange(len(members))
    return order[np.lexsort((labels[order], turn[order]))][:_NUM_QUERIES]


def _map(embeddings: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "m 2"]:
    """Places in 0…1000 by t-SNE of the first 50 principal components; by these alone for very few images."""
    m = len(embeddings)
    if m < 3:
        return np.stack([np.linspace(0, 1000, m), np.full(m, 500.0)], axis=1)
    directions = embeddings.astype(np.float64) / np.maximum(
        np.linalg.norm(embeddings.astype(np.float64), axis=1, keepdims=True), np.finfo(float).tiny
    )
    components = PCA(min(50, *embeddings.shape), random_state=0).fit_transform(directions)
    places = np.pad(components, ((0, 0), (0, 1)))[:, :2]
    if m >= 10:
        tsne = TSNE(
            perplexity=min(30, (m - 1) / 3),
            init=places / max(places[:, 0].std(), 1e-12) * 1e-4,
            random_state=0,
        )
        places = tsne.fit_transform(components)
    low, span = places.min(0), max(float(np.ptp(places, axis=0).max()), 1e-12)
    return 1000 * (places - low) / span + 500 * (1 - np.ptp(places, axis=0) / span)


def _class_colours(num_classes: int) -> list[str]:
    """Ten or twenty well-known colours; beyond, hues spread by the golden ratio."""
    if num_classes <= 20:
        palette = matplotlib.colormaps["tab10" if num_classes <= 10 else "tab20"]
        return [to_hex(palette(i)) for i in range(num_classes)]
    return [to_hex(tuple(hsv_to_rgb((i * 0.618 % 1, 0.6, 0.8)))) for i in range(num_classes)]


# -------------------------------------------------------------------------------------------------- page


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = lambda share: f"{100 * share:.1f}"
    environment.filters["number"] = lambda value: f"{value:,}" if isinstance(value, int) else value
    return environment.get_template("page.html.jinja")
