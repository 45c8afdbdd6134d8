"""One call from images to a trained encoder, and from there to features, results and a page.

    >>> import infomax
    >>> run = infomax.pretrain("photos/", "amdim-cpu", "runs/a", minutes=5)       # doctest: +SKIP
    >>> run.embed("photos/").shape, run.report()                                         # doctest: +SKIP

What the command line does in several commands; every part can be another.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from infomax.errors import refuse
from infomax.evaluation.embedding import embed
from infomax.evaluation.evaluating import evaluate_run
from infomax.evaluation.given import Given
from infomax.files import absolute
from infomax.learning.data.sources.splits import ALL
from infomax.learning.encoders.own import tapped_module
from infomax.learning.encoders.saving import PretrainedEncoder, load_encoder
from infomax.learning.exporting.export import Exported, export_encoder
from infomax.learning.methods.optimizer import OptimizerConfig
from infomax.learning.training import loop
from infomax.learning.training.config import Recipe
from infomax.learning.training.recipes import recipe_named
from infomax.learning.training.run import Run
from infomax.learning.views.kinds import Views
from infomax.progress import silence
from infomax.report.page import report_run

if TYPE_CHECKING:
    from lightning import Callback
    from lightning.pytorch.loggers import Logger


def pretrain(
    images: Any,
    recipe: str | Recipe = "amdim-cpu",
    out: str | Path | None = None,
    *,
    encoder: loop.Encoders | None = None,
    bound: str | Callable[..., Any] | None = None,
    critic: str | Callable[..., Any] | None = None,
    views: Views | None = None,
    optimizer: OptimizerConfig | None = None,
    callbacks: "Sequence[Callback]" = (),
    logger: "Logger | None" = None,
    steps: int | None = None,
    minutes: int | float | None = None,
    epochs: int | float | None = None,
    seed: int | None = None,
    quiet: bool = False,
) -> "TrainedRun":
    """Train a recipe's method on images, with any of its parts replaced; return the run.

    Args:
        images: a folder, a file, a hub name or a built-in name; an array; a list of paths, PIL images or
            (image, label) pairs; a torch `Dataset`; or the result of `load_images` or ``recipe.views.load``.
        recipe: a name, see ``infomax.learning.RECIPES``; a place, ``package.module:function``, of a function
            that returns one; or a `Recipe`.
        out: the new or empty run folder; by default ``runs/`` and the name of the recipe. If this folder
            exists, a number is added, and a line says so.
        encoder: replaces the recipe's encoder, for instance a `TappedEncoder`; training starts with its
            current weights.
        bound: replaces the method's bound: a name, or a function from scores [n, n, places] to a scalar.
        critic: of Deep InfoMax: a name, or a function that makes one, see `register_critic`.
        views: in place of the recipe's.
        optimizer: in place of the recipe's.
        callbacks, logger: of Lightning, see `infomax.learning.pretrain`.
        steps, minutes, epochs: replaces the recipe's budget; at most one of them.
        seed: in place of the recipe's.
        quiet: show no progress of training.

    Returns:
        The run, with the encoder ready to use.

    Raises:
        ValueError: a part that the method does not have; further as `infomax.learning.pretrain`.
        FileExistsError: `out` holds something already.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     run = pretrain("digits", "amdim-digits", f"{folder}/run", steps=2, quiet=True)
        ...     run.embed("digits", split="test").shape
        (450, 64)
    """
    chosen = _chosen(recipe, {"bound": bound, "critic": critic}, views, optimizer)
    budget = {"steps": steps, "minutes": minutes, "epochs": epochs}
    chosen = replace(chosen, train=chosen.train.with_choices(budget, seed))
    with silence(quiet):
        dataset = images if hasattr(images, "fingerprint") else chosen.load(images)
    chosen = replace(chosen, data=absolute(str(images)) if isinstance(images, str | Path) else None)
    how: dict[str, Any] = {"encoder": encoder, "callbacks": callbacks, "logger": logger, "quiet": quiet}
    run = loop.pretrain(chosen, dataset, _free_folder(recipe, quiet) if out is None else out, **how)
    return TrainedRun(run.folder, encoder)


@dataclass(frozen=True)
class TrainedRun:
    """A run and what can be done with it.

    Args:
        folder: the run folder.
        module: of an encoder that taps a network of one's own: that encoder, or the network.
    """

    folder: Path
    module: loop.Encoders | None = None

    @property
    def files(self) -> Run:
        """The files of the run folder."""
        return Run(self.folder)

    def encoder(self, column: str = "") -> PretrainedEncoder:
        """Return the encoder, frozen, ready for images as they are stored.

        Args:
            column: where each column has an encoder, which.
        """
        module: Any = self.module[column] if isinstance(self.module, Mapping) else self.module
        return load_encoder(self.folder / column, None if module is None else tapped_module(module))

    def embed(self, data: Any, *, split: str = ALL, column: str = "") -> Float[np.ndarray, "n d"]:
        """Return the representation of each image.

        Args:
            data: images, as for `pretrain`, or `Given`.
            split: of a source that has several; all by default.
            column: where each column has an encoder, which.
        """
        encoder = self.encoder(column)
        if not hasattr(data, "fingerprint"):
            given = replace(Given.of(data), **({"column": column} if column else {}))
            data = replace(given, split=given.split or split).load(encoder.views)
        return embed(encoder, data)

    def evaluate(self, data: Any, *, column: str = "", **options: Any) -> "Evaluation":
        """Return what `evaluate_run` finds on labelled data, and write it into the run folder.

        Args:
            data: a source, or `Given`.
            column: where each column has an encoder, which.
            options: of `evaluate_run`.
        """
        given = replace(Given.of(data), **({"column": column} if column else {}))
        return Evaluation(
            evaluate_run(Run(self.folder / column), given, encoder=self.encoder(column), **options)
        )

    def report(self, data: Any = None, *, overwrite: bool = False) -> "Page":
        """Write the page about the run, and return it; a notebook shows it.

        Args:
            data: images to show, by default those that it was evaluated on, or learned from.
            overwrite: replace an earlier page.
        """

        def load(folder: Path) -> PretrainedEncoder:
            return self.encoder("" if folder == self.folder else folder.name)

        return Page(report_run(self.folder, data, load=load, overwrite=overwrite).path)

    def export(self, out: str | Path, **options: Any) -> Exported:
        """Write the encoder to a file for other tools, see `export_encoder`."""
        return export_encoder(self.encoder(), out, **options)

    def _repr_html_(self) -> str:
        rows = self.files.last_metrics()
        cells = "".join(
            f"<tr><td>{escape(name)}</td><td>{value:.4g}</td></tr>" for name, value in rows.items()
        )
        return f"<p><b>{escape(str(self.folder))}</b>, its last row of metrics:</p><table>{cells}</table>"


class Evaluation(dict[str, Any]):
    """Results of an evaluation, as they are written; a notebook shows them as a table."""

    def _repr_html_(self) -> str:
        names = ("representation", "probe", "labels", "accuracy")
        head = "".join(f"<th>{name}</th>" for name in names)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(_shown(row[name]))}</td>" for name in names) + "</tr>"
            for row in self["rows"]
        )
        verdict = (self["verdict"] or {}).get("words", "")
        return f"<table><tr>{head}</tr>{body}</table><p>{escape(str(verdict))}</p>"


@dataclass(frozen=True)
class Page:
    """A page about a run: a file, which a notebook shows."""

    path: Path

    def __fspath__(self) -> str:
        return str(self.path)

    def __str__(self) -> str:
        return str(self.path)

    def _repr_html_(self) -> str:
        page = escape(self.path.read_text(encoding="utf-8"))
        return f'<iframe srcdoc="{page}" style="width:100%;height:40em;border:0"></iframe>'


def _chosen(
    recipe: Any,
    parts: Mapping[str, Any],
    views: Views | None,
    optimizer: OptimizerConfig | None,
) -> Recipe:
    """Return the recipe with these parts in place of its own."""
    refuse(
        not isinstance(recipe, str | Recipe),
        f"pretrain: expected images, a recipe, and a folder, got a {type(recipe).__name__} for the recipe; "
        "infomax.pretrain(images, 'amdim-cpu', 'runs/a'); infomax.learning.pretrain takes the recipe "
        "first",
    )
    found = recipe_named(recipe) if isinstance(recipe, str) else recipe
    given = {name: part for name, part in parts.items() if part is not None}
    for name in given:
        refuse(
            not hasattr(found.method, name),
            f"pretrain: {found.method.kind} has no {name} to replace, got {given[name]!r}; take a recipe of "
            "dim, or leave it out",
        )
    method: Any = found.method
    return replace(
        found,
        method=replace(method, **given),
        views=views or found.views,
        optimizer=optimizer or found.optimizer,
    )


def _free_folder(recipe: str | Recipe, quiet: bool) -> Path:
    """Return a folder for a run that is not there yet, and say which."""
    name = recipe.partition(":")[2] or recipe if isinstance(recipe, str) else recipe.method.kind
    places = (Path("runs") / (name if number == 1 else f"{name}-{number}") for number in count(1))
    folder = next(place for place in places if not place.exists())
    if not quiet:
        print(f"the run is written to {folder}", file=sys.stderr)
    return folder


def _shown(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
