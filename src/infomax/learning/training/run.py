"""A run folder: everything that a training run leaves behind, and where."""

import csv
import json
from collections.abc import Mapping
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from infomax.files import OBJECT, most_bytes, read_json, read_yaml, reading, replacing
from infomax.hashes import begin_record
from infomax.learning.methods.amdim import AMDIMConfig
from infomax.learning.training.config import Recipe
from infomax.learning.training.environment import environment, now
from infomax.learning.training.options import recipe_from_mapping

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
ENVIRONMENT: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "stages": {"type": "array", "items": {"type": "object"}},
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

    def check_free(self) -> None:
        """Check that the folder is new or empty: results are never overwritten.

        Raises:
            FileExistsError: there is something in the folder.
        """
        if self.folder.exists() and (not self.folder.is_dir() or any(self.folder.iterdir())):
            raise FileExistsError(
                f"pretrain: {self.folder} is not empty; choose another --out, or continue that run with "
                f"--resume {self.folder}"
            )

    def begin(self, recipe: Recipe, **facts: Any) -> None:
        """Make the folder, and write ``recipe.yaml`` and ``environment.json`` with these facts.

        Raises:
            FileExistsError: there is something in the folder.
        """
        self.check_free()
        self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        begin_record(self.folder)
        self.change(recipe)
        with replacing(self.environment) as path:
            path.write_text(json.dumps({**environment(), **facts}, indent=2) + "\n")

    def begin_stage(self, recipe: Recipe, **facts: Any) -> None:
        """Write a recipe with more steps, record the stage, and set aside what the encoder so far gave.

        That goes into the folder ``stage-1``, ``stage-2``, …, which then holds that encoder.
        """
        stages = self.read_environment().get("stages") or [{}]
        for pattern, one in product(RESULTS, self.encoders):
            for path in one.folder.glob(pattern):
                place = self.folder / f"stage-{len(stages)}" / path.relative_to(self.folder)
                place.parent.mkdir(parents=True, exist_ok=True)
                path.rename(place)
        self.change(recipe)
        self.note(stages=[*stages, {**facts, "date": now()}])

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


class _FlatLists(yaml.SafeDumper):
    """Writes mappings as blocks, and lists on one line."""


_FlatLists.add_representer(
    list, lambda dumper, one: dumper.represent_sequence("tag:yaml.org,2002:seq", one, flow_style=True)
)


def as_yaml(recipe: Recipe) -> str:
    """Return a recipe as YAML, which ``--config`` reads."""
    return yaml.dump(_with_lists(asdict(recipe)), Dumper=_FlatLists, sort_keys=False, allow_unicode=True)


def _with_lists(value: Any) -> Any:
    """Return a value with lists for tuples, which YAML does not have."""
    if isinstance(value, Mapping):
        return {key: _with_lists(item) for key, item in value.items()}
    return [_with_lists(item) for item in value] if isinstance(value, tuple | list) else value
