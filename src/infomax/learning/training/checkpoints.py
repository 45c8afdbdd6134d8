"""Checkpoints: written beside their place, checked when they are read, the one before kept.

A checkpoint is a zip archive of PyTorch, which holds the CRC-32 of everything in it; PyTorch itself reads it
without looking at them.
"""

import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import CheckpointIO
from torch import nn

from infomax.errors import in_one_line, refuse
from infomax.files import Unreadable, reading, replacing
from infomax.learning.training.run import Run, changes, comparable

KEYS = {
    "global_step": int,
    "state_dict": Mapping,
    "optimizer_states": list,
    "lr_schedulers": list,
    "loops": Mapping,
    "callbacks": Mapping,
}
"""The entries of a checkpoint that Lightning reads back, and their types."""
RECIPE = "infomax_recipe"
"""The key of the recipe in a checkpoint."""


class Files(CheckpointIO):
    """Lightning's hand on the files: they never pass through the folder for temporary files.

    Attributes:
        keeps_last: whether the last checkpoint becomes the one before, as it does unless it is damaged.
    """

    def __init__(self, run: Run | None = None, keeps_last: bool = True):
        self.run = run
        self.keeps_last = keeps_last

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        """Write a checkpoint; what was there becomes the one before."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        before = self.run.checkpoint_before if self.run is not None and self.keeps_last else None
        with replacing(path, before) as beside, beside.open("wb") as file:
            torch.save(checkpoint, file)
        self.keeps_last = True

    def load_checkpoint(
        self, path: str | Path, map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Return a checkpoint on the CPU; no code in it is executed."""
        return torch.load(path, map_location="cpu", weights_only=True)

    def remove_checkpoint(self, path: str | Path) -> None:
        """Remove a checkpoint."""
        Path(path).unlink()


@dataclass(frozen=True)
class Saved:
    """A checkpoint that a run can go on from.

    path: the file. step: of training. recipe: what it was trained by; None in those of earlier versions.
    shapes: of the tensors of the learner. is_last: whether it is the last one, not the one before.
    """

    path: Path
    step: int
    recipe: Mapping[str, Any] | None
    shapes: Mapping[str, torch.Size]
    is_last: bool = True

    def check(self, recipe: Mapping[str, Any], learner: nn.Module) -> None:
        """Check that the checkpoint is one of this recipe and of this learner.

        Raises:
            ValueError: it is not; the message names the fields, or the tensor, in which they differ.
        """
        found = changes(comparable(self.recipe, lengthened=True), comparable(recipe, lengthened=True))
        refuse(
            self.recipe is not None and found,
            f"resume: {self.path} belongs to another recipe ({found}); copy the run again",
        )
        ours = _shapes(learner.state_dict())
        names = sorted({*ours, *self.shapes})
        other = next((name for name in names if ours.get(name) != self.shapes.get(name)), "")
        refuse(
            other,
            f"resume: {self.path} holds another network: {other} is {_size(self.shapes.get(other))} there, "
            f"here {_size(ours.get(other))}; give the encoder that the run began with",
        )


def saved_in(run: Run, tell: Callable[[str], None] = lambda _: None) -> Saved | None:
    """Return the last checkpoint of a run, or the one before if that is damaged or missing.

    None where there is none: training begins with the first step.

    Args:
        run: the run.
        tell: called with a line if it is not the last.

    Raises:
        Unreadable: there are checkpoints, and all are damaged.
    """
    places = [path for path in (run.checkpoint, run.checkpoint_before) if path.exists()]
    faults = [f"{run.checkpoint} is missing"] if run.checkpoint_before in places[:1] else []
    for path in places:
        try:
            found = sound(path, is_last=path == run.checkpoint)
        except Unreadable as error:
            faults.append(str(error))
            continue
        for fault in faults:
            tell(f"{fault}; going on from the one before, of step {found.step:,}")
        return found
    if not faults:
        return None
    lost = "so is the one before" if len(faults) > 1 else "there is none before"
    raise Unreadable(f"resume: {faults[0]}, and {lost}; copy the run again, or begin a new one with --out")


def sound(path: Path, is_last: bool = True) -> Saved:
    """Return what a checkpoint says of itself, if every byte of what it holds is as it was written.

    Args:
        path: the checkpoint.
        is_last: whether it is the last one of its run.

    Raises:
        Unreadable: it is damaged.
    """
    try:
        with reading("checkpoint", path, "", None):
            with zipfile.ZipFile(path) as archive:
                refuse(archive.testzip() is not None, "a checksum does not match")
            values = torch.load(path, weights_only=True, mmap=True, map_location="cpu")
            refuse(not isinstance(values, Mapping), f"it holds a {type(values).__name__}")
            lost = [key for key, kind in KEYS.items() if not isinstance(values.get(key), kind)]
            refuse(lost, f"it holds no {', '.join(lost)}")
            shapes = _shapes(values["state_dict"])
            return Saved(path, values["global_step"], values.get(RECIPE), shapes, is_last)
    except Unreadable as error:
        cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
        raise Unreadable(f"{path} is damaged ({in_one_line(cause)})") from error


def _shapes(state: Mapping[str, Any]) -> dict[str, torch.Size]:
    """Return the shapes of the tensors of a state, which may hold other things, too."""
    return {name: value.shape for name, value in state.items() if isinstance(value, torch.Tensor)}


def _size(shape: torch.Size | None) -> str:
    return "missing" if shape is None else str([*shape])
