"""A run folder: everything a training run leaves behind, and where."""

import json
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
import yaml

import infomax
from infomax.files import replacing

_LIBRARIES = ("torch", "lightning", "kornia", "datasets", "numpy", "scikit-learn")


class Run:
    """The files of a run folder, by name."""

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self.recipe = self.folder / "recipe.yaml"
        self.environment = self.folder / "environment.json"
        self.metrics = self.folder / "metrics.csv"
        self.views = self.folder / "views.npz"
        self.checkpoint = self.folder / "checkpoints" / "last.ckpt"
        self.encoder = self.folder / "encoder.safetensors"
        self.evaluation = self.folder / "evaluation.json"
        self.evaluations = {  # protocol -> what it found
            "clean": self.evaluation,
            "paper": self.folder / "evaluation-paper.json",
            "dim": self.folder / "evaluation-dim.json",
        }
        self.finetuning = self.folder / "finetuning.json"
        self.similarity = self.folder / "similarity.npz"
        self.gallery = self.folder / "gallery.npz"
        self.report = self.folder / "report.html"

    @property
    def finished(self) -> bool:
        """Whether training came to its end: there is an encoder, or a folder of each of several."""
        return self.encoder.exists() or any(self.folder.glob(f"*/{self.encoder.name}"))

    def check_free(self) -> None:
        """Make sure that there is nothing yet: results are never overwritten.

        Raises:
            FileExistsError: there is something in the folder.
        """
        if self.folder.exists() and (not self.folder.is_dir() or any(self.folder.iterdir())):
            raise FileExistsError(
                f"pretrain: {self.folder} is not empty; choose another --out, or continue that run with "
                f"--resume {self.folder}"
            )

    def create(self) -> None:
        """Make the folder, if there is nothing yet (see `check_free`)."""
        self.check_free()
        self.checkpoint.parent.mkdir(parents=True, exist_ok=True)

    def write_recipe(self, recipe: Mapping[str, Any]) -> None:
        """Write ``recipe.yaml``."""
        with replacing(self.recipe) as path:
            path.write_text(yaml.safe_dump(_plain(recipe), sort_keys=False))

    def read_recipe(self) -> dict[str, Any]:
        """Read ``recipe.yaml``.

        Raises:
            FileNotFoundError: this is not a run folder.
        """
        if not self.recipe.is_file():
            raise FileNotFoundError(
                f"{self.folder} is no run folder: it holds no recipe.yaml; "
                "expected one made by `infomax pretrain`"
            )
        return yaml.safe_load(self.recipe.read_text())

    @property
    def method(self) -> str:
        """What was trained: AMDIM or DIM."""
        return self.read_recipe()["method"].get("name", "amdim").upper()

    @property
    def training(self) -> "Run":
        """The run that trained what is here: around an encoder in a folder of its own, else this."""
        around = Run(self.folder.resolve().parent)
        lies_within = self.encoder.is_file() and not self.recipe.is_file() and around.recipe.is_file()
        return around if lies_within else self

    @property
    def pretraining(self) -> dict[str, Any] | None:
        """Source and split of the images that were learned from; None if no recipe tells."""
        if not self.training.recipe.is_file():
            return None
        recipe = self.training.read_recipe()
        return {"source": recipe.get("data"), "split": recipe.get("split", "train")}

    def write_environment(self, **facts: Any) -> None:
        """Write ``environment.json``: versions, commit, machine, date, and `facts`."""
        with replacing(self.environment) as path:
            path.write_text(json.dumps({**environment(), **facts}, indent=2) + "\n")

    def read_environment(self) -> dict[str, Any]:
        """Read ``environment.json``."""
        return json.loads(self.environment.read_text())


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def environment() -> dict[str, Any]:
    """Versions, commit, machine and date: what a number needs beside it."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "infomax": infomax.__version__,
        "commit": _commit(),
        "python": platform.python_version(),
        **{name: _version(name) for name in _LIBRARIES},
        "machine": f"{platform.system()} {platform.machine()}, {_processor()}",
        "threads": torch.get_num_threads(),
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
    }


def _commit() -> str | None:
    """Commit of the source tree this runs from, if it is one."""
    try:
        here = Path(__file__).parent
        result = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--exclude=*"],
            cwd=here,
            capture_output=True,
            text=True,
        )
    except FileNotFoundError:
        return None
    return result.stdout.strip() or None


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown processor"


def _plain(value: Any) -> Any:
    """Tuples to lists, for YAML."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value
