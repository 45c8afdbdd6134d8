"""A run folder: everything that a training run leaves behind, and where."""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from infomax.errors import refuse
from infomax.files import OBJECT, UNFINISHED, most_bytes, read_json, read_yaml, reading, replacing
from infomax.hashes import RECORD, begin_record
from infomax.learning.data.reading import LEFT_OUT_FILE
from infomax.learning.methods.amdim import AMDIMConfig
from infomax.learning.training.config import Recipe
from infomax.learning.training.environment import environment, now
from infomax.learning.training.options import as_typed, recipe_from_mapping

RESULTS = (
    "encoder.*",
    "evaluation*",
    "finetuning*",
    "similarity*",
    "gallery.npz",
    "groups*",
    "report.html",
)
"""Files of a run that an encoder gave; a longer training gives others."""


_KIND = {"type": "object", "properties": {"name": {"type": "string"}}}
RECIPE: Mapping[str, Any] = {
    "type": "object",
    "properties": {**dict.fromkeys(("method", "views"), _KIND), "train": OBJECT, "optimizer": OBJECT},
}
"""The schema of ``recipe.yaml``; the configurations check what lies within."""
_STAGE = {
    "type": "object",
    "properties": {"first_step": {"type": "integer"}, "last_step": {"type": "integer"}},
}
ENVIRONMENT: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "stages": {"type": "array", "items": _STAGE},
        "recipes": {"type": "array", "items": {"type": "object"}},
        "parts": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "required": ["module", "name"],
                "properties": {"module": {"type": "string"}, "name": {"type": "string"}},
            },
        },
        "encoder": {"type": ["object", "null"]},
    },
}
"""The schema of ``environment.json``, of what is read back."""
_REMEDY = "expected a file that `infomax pretrain` wrote; copy the run again"

BEGINNING = {"environment.json", "views.npz", LEFT_OUT_FILE, RECORD, "checkpoints"}
"""The files and folders that `begin` writes before the recipe."""
ELSEWHERE = {"data", "skip_broken", "train.devices", "train.num_nodes"}
"""Fields of a recipe that say where the same images are found, and where they are learned from."""
LONGER = {"train.steps", "train.minutes", "train.epochs", "optimizer.restarts"}
"""Fields of a recipe that change where a run is trained longer."""

OWN_KINDS = ("method", "views")
"""Kinds of a user's own, in the record of the parts of a run."""


class Run:
    """The files of a run folder, by name; or of the folder of one of its encoders."""

    def __init__(self, folder: str | Path):
        self.folder: Path = Path(folder)
        self.recipe: Path = self.folder / "recipe.yaml"
        self.environment: Path = self.folder / "environment.json"
        self.metrics: Path = self.folder / "metrics.csv"
        self.views: Path = self.folder / "views.npz"
        self.checkpoint: Path = self.folder / "checkpoints" / "last.ckpt"
        self.checkpoint_before: Path = self.checkpoint.with_name("before.ckpt")
        self.encoder: Path = self.folder / "encoder.safetensors"
        self.finetuning: Path = self.folder / "finetuning.json"
        self.similarity: Path = self.folder / "similarity.npz"
        self.gallery: Path = self.folder / "gallery.npz"
        self.report: Path = self.folder / "report.html"

    @property
    def encoders(self) -> tuple["Run", ...]:
        """The folders of the encoders that the recipe asks for: this one, or one for each within it.

        Raises:
            FileNotFoundError: this is not a run folder.
        """
        return tuple(Run(self.folder / place.folder) for place in self.read_recipe().views.encoders)

    @property
    def finished(self) -> bool:
        """True if training came to its end: every encoder of the recipe is there."""
        return self.recipe.is_file() and all(one.encoder.exists() for one in self.encoders)

    @property
    def method(self) -> str:
        """Name of the method that was trained: AMDIM or DIM."""
        return self.read_settings()["method"].get("name", AMDIMConfig.kind).upper()

    @property
    def training(self) -> "Run":
        """The run that trained the encoder here: around an encoder in a folder of its own, else this one."""
        around = Run(self.folder.resolve().parent)
        lies_within = self.encoder.is_file() and not self.recipe.is_file() and around.recipe.is_file()
        return around if lies_within else self

    @property
    def pretraining(self) -> dict[str, Any] | None:
        """Source and split of the data that was learned from; None if no recipe tells."""
        if not self.training.recipe.is_file():
            return None
        settings = self.training.read_settings()
        return {"source": settings.get("data"), "split": settings.get("split", Recipe.split)}

    @property
    def begun(self) -> bool:
        """True if there is a run to go on with: the recipe is the last file that `begin` writes."""
        return self.recipe.exists()

    def check_free(self) -> None:
        """Check that the folder is new or empty: results are never overwritten.

        Or else it holds what a process has left that was killed before it began to train.

        Raises:
            FileExistsError: there is something in the folder.
        """
        if self.folder.exists() and not (self.folder.is_dir() and self._holds_no_results()):
            raise FileExistsError(
                f"pretrain: {self.folder} is not empty; choose another --out, or continue that run with "
                f"--resume {self.folder}"
            )

    def _holds_no_results(self) -> bool:
        """Return whether the folder is empty, or all in it was written before the recipe would have been."""
        found = {path.name for path in self.folder.iterdir() if not path.name.startswith(UNFINISHED)}
        beginning = self.checkpoint.parent.is_dir() and not any(self.checkpoint.parent.iterdir())
        return not found or (beginning and found <= BEGINNING)

    def make(self) -> None:
        """Make the folder.

        Raises:
            FileExistsError: there is something in the folder.
        """
        self.check_free()
        self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        begin_record(self.folder)

    def begin(self, recipe: Recipe, **facts: Any) -> None:
        """Make the folder, and write ``environment.json`` with these facts and then ``recipe.yaml``.

        Raises:
            FileExistsError: there is something in the folder.
        """
        self.make()
        with replacing(self.environment) as path:
            facts = {**environment(), **facts, "recipes": [settings_of(recipe)]}
            path.write_text(json.dumps(facts, indent=2) + "\n")
        self.change(recipe)

    def begin_stage(self, recipe: Recipe, **facts: Any) -> None:
        """Record a stage, set aside what the encoder so far gave, and write a recipe with more steps.

        What is set aside goes into the folder ``stage-1``, ``stage-2``, …, which then holds that encoder. The
        recipe is written last: a stage that is longer than the recipe has never begun.
        """
        before = self.read_recipe()
        stages = [one for one in self.read_environment().get("stages") or [{}] if _has_begun(one, before)]
        self.note(
            stages=[*stages, {**facts, "date": now()}], recipes=[settings_of(one) for one in (before, recipe)]
        )
        for pattern, one in product(RESULTS, self.encoders):
            for path in one.folder.glob(pattern):
                place = self.folder / f"stage-{len(stages)}" / path.relative_to(self.folder)
                place.parent.mkdir(parents=True, exist_ok=True)
                path.rename(place)
        self.change(recipe)

    def check_unedited(self, recipe: Recipe) -> None:
        """Check that a recipe is what the run was begun with, or its last stage; data may lie elsewhere.

        Raises:
            ValueError: it is another one; the message names the fields.
        """
        recorded = self.read_environment().get("recipes", [])
        found = [changes(comparable(one), comparable(settings_of(recipe))) for one in recorded]
        refuse(
            recorded and all(found),
            f"resume: {self.recipe} was edited since the run began ({'; or '.join(found)}); "
            "restore that, or begin a new run with --out; --minutes, --steps or --epochs train it longer",
        )

    @property
    def trained(self) -> bool:
        """True if training has begun: there is a checkpoint, which processes write after they have met.

        So processes that start together find the same, whichever of them is the first.
        """
        return self.begun and any(path.exists() for path in (self.checkpoint, self.checkpoint_before))

    def check_same(self, asked: Recipe, operation: str = "pretrain") -> None:
        """Check that this run was begun by a recipe.

        Raises:
            ValueError: it was begun by another one; the message names the fields.
        """
        found = changes(comparable(self.read_environment().get("asked")), comparable(settings_of(asked)))
        refuse(
            found, f"{operation}: {self.folder} holds a run by another recipe ({found}); choose another --out"
        )

    def forget_beginning(self) -> None:
        """Remove what says that the run has begun, of one that was ended before it had trained.

        A folder that holds anything else, such as an encoder, is left as it is.
        """
        found = {path.name for path in self.folder.iterdir()} if self.folder.is_dir() else set()
        if found <= {*BEGINNING, self.recipe.name}:
            for path in (self.recipe, self.checkpoint.with_name("lock")):
                path.unlink(missing_ok=True)

    def change(self, recipe: Recipe) -> None:
        """Write ``recipe.yaml``."""
        with replacing(self.recipe) as path:
            path.write_text(as_yaml(recipe))

    def note(self, **facts: Any) -> None:
        """Add facts to ``environment.json``."""
        with replacing(self.environment) as path:
            path.write_text(json.dumps({**self.read_environment(), **facts}, indent=2) + "\n")

    def read_recipe(self) -> Recipe:
        """Return the recipe of the run.

        Raises:
            FileNotFoundError: this is not a run folder.
            ValueError: an unknown method or kind of views; the message says which module has it, if the run
                has recorded that.
        """
        settings = self.read_settings()
        try:
            with reading("recipe", self.recipe, _REMEDY):
                return recipe_from_mapping(settings)
        except ValueError as error:
            facts = self.read_environment().get("parts", {}) if self.environment.is_file() else {}
            own = [f"{one['module']}:{one['name']}" for name, one in facts.items() if name in OWN_KINDS]
            if not own:
                raise
            raise ValueError(
                f"{error}; the run was made with {' and '.join(own)}; import that first"
            ) from error

    def read_settings(self) -> dict[str, Any]:
        """Return what ``recipe.yaml`` holds, as it stands there.

        Raises:
            FileNotFoundError: this is not a run folder.
            Unreadable: it is damaged.
        """
        if not self.recipe.exists():
            raise FileNotFoundError(
                f"{self.folder} is no run folder: it holds no recipe.yaml; "
                "expected one made by `infomax pretrain`"
            )
        return read_yaml(self.recipe, "recipe", _REMEDY, RECIPE)

    def last_metrics(self) -> dict[str, float]:
        """Return the last row of ``metrics.csv``; nothing before there is one."""
        if not self.metrics.is_file():
            return {}
        with reading("metrics", self.metrics, "move it away", most_bytes()):
            rows = list(csv.DictReader(self.metrics.read_text().splitlines()))
            return {name: float(value) for name, value in rows[-1].items()} if rows else {}

    def read_environment(self) -> dict[str, Any]:
        """Return what ``environment.json`` holds."""
        return read_json(self.environment, "environment", _REMEDY, ENVIRONMENT)


def settings_of(recipe: Recipe) -> dict[str, Any]:
    """Return a recipe as plain values, as ``recipe.yaml`` holds it."""
    return with_lists(asdict(recipe))


def comparable(settings: Mapping[str, Any] | None, lengthened: bool = False) -> dict[str, Any]:
    """Return the fields by dotted names that stay the same as long as a run does.

    Args:
        settings: a recipe as plain values.
        lengthened: leave out those that change where a run is trained longer.
    """
    changing = {*ELSEWHERE, *(LONGER if lengthened else ())}
    return {name: value for name, value in _dotted(settings or {}) if name not in changing}


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Return in which fields comparable settings differ; "" where in none. New fields do not count.

    Example:
        >>> changes({"train.steps": 40, "train.seed": 0}, {"train.steps": 80, "train.seed": 0})
        'train.steps is 80, was 40'
    """
    lines = [
        f"{name} is {as_typed(now.get(name))}, was {as_typed(value)}"
        for name, value in before.items()
        if now.get(name) != value
    ]
    return "; ".join(lines)


def _dotted(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _dotted(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _has_begun(stage: Mapping[str, Any], recipe: Recipe) -> bool:
    """Return whether a recorded stage has begun: the recipe was written after it."""
    return stage.get("last_step", 0) <= (recipe.train.steps or 0)


class _FlatLists(yaml.SafeDumper):
    """Writes mappings as blocks, and lists on one line."""


_FlatLists.add_representer(
    list, lambda dumper, one: dumper.represent_sequence("tag:yaml.org,2002:seq", one, flow_style=True)
)


def as_yaml(recipe: Recipe) -> str:
    """Return a recipe as YAML, which ``--config`` reads."""
    return yaml.dump(settings_of(recipe), Dumper=_FlatLists, sort_keys=False, allow_unicode=True)


def with_lists(value: Any) -> Any:
    """Return a value with lists for tuples, which YAML does not have."""
    if isinstance(value, Mapping):
        return {key: with_lists(item) for key, item in value.items()}
    return [with_lists(item) for item in value] if isinstance(value, tuple | list) else value
