"""An encoder with a linear head: the model that fine-tuning trains, and its files."""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from infomax.errors import refuse
from infomax.evaluation.results import write_json
from infomax.files import most_bytes, read_json, reading, replacing
from infomax.learning.data.dataset import Dataset
from infomax.learning.encoders.amdim_layers import without_readout
from infomax.learning.encoders.features import example_features
from infomax.learning.encoders.saving import PretrainedEncoder, load_encoder, save_encoder
from infomax.learning.views.kinds import SingleViews

HEAD, CLASSES = "head.safetensors", "head.json"
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "required": ["labels", "classes"],
    "properties": {
        "labels": {"type": "array", "items": {"type": "integer"}},
        "classes": {"type": "array", "items": {"type": "string"}},
    },
}
"""The schema of ``head.json``."""
_BLOCK = 512  # rows classified at a time


class FinetunedClassifier(nn.Module):
    """A copy of an encoder, with a linear head on its global feature.

    Args:
        pretrained: the encoder that is copied, and how its views are made.
        labels: those that it can answer, in the order of the logits.
        classes: their names.
    """

    def __init__(self, pretrained: PretrainedEncoder, labels: Sequence[int], classes: Sequence[str]):
        super().__init__()
        self.views: SingleViews = pretrained.views
        self.labels: tuple[int, ...] = tuple(labels)
        self.classes: tuple[str, ...] = tuple(classes)
        self.encoder: nn.Module = without_readout(copy.deepcopy(pretrained.encoder)).requires_grad_(True)
        self.augment: nn.Module = self.views.random_views(1)
        self.plain: nn.Module = copy.deepcopy(pretrained.view)
        num_features = example_features(self.encoder).global_.shape[1]
        self.norm: nn.BatchNorm1d = nn.BatchNorm1d(num_features, affine=False)
        self.head: nn.Linear = nn.Linear(num_features, len(self.labels))

    def forward(self, seen: Tensor) -> Float[Tensor, "b k"]:
        """Return logits of an augmented view in training mode, else of the plain view."""
        view = self.augment(seen)[0] if self.training else self.plain(seen)
        return self.head(self.norm(self.encoder(view).global_.float()))

    @torch.no_grad()
    def predict(self, dataset: Dataset) -> Int[np.ndarray, " n"]:
        """Return the label of each row by its plain view; the model is in evaluation mode afterwards."""
        self.eval()
        blocks = [slice(start, start + _BLOCK) for start in range(0, len(dataset), _BLOCK)]
        answers = np.concatenate([self(dataset.batch(block)).argmax(1).numpy() for block in blocks])
        return np.array(self.labels)[answers]

    def predict_names(self, dataset: Dataset) -> list[str]:
        """Return the name of the class that it predicts for each row; see `predict`."""
        names = dict(zip(self.labels, self.classes, strict=True))
        return [names[int(label)] for label in self.predict(dataset)]

    def accuracy(self, dataset: Dataset) -> float:
        """Return the share of rows whose class it predicts, by name: other data may number them otherwise."""
        known = dataset.class_names(dataset.labels)
        return float(
            np.mean([one == true for one, true in zip(self.predict_names(dataset), known, strict=True)])
        )


def save_classifier(folder: str | Path, model: FinetunedClassifier) -> None:
    """Write a fine-tuned encoder, by `save_encoder`, and beside it ``head.safetensors`` and ``head.json``.

    Raises:
        FileExistsError: the folder already holds an encoder.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    save_encoder(folder, model.encoder, model.views)
    write_json(folder / CLASSES, {"labels": model.labels, "classes": model.classes})
    parts = {key: t for key, t in model.state_dict().items() if key.startswith(("norm.", "head."))}
    with replacing(folder / HEAD) as path:
        save_file({key: value.contiguous().cpu() for key, value in parts.items()}, path)


def load_classifier(folder: str | Path, module: nn.Module | None = None) -> FinetunedClassifier:
    """Return the classifier that `save_classifier` wrote, in evaluation mode: images to logits of `classes`.

    Args:
        folder: of `infomax finetune --out`.
        module: for an encoder that taps a network, one of the same shape, as of `load_encoder`.

    Raises:
        FileNotFoundError: the folder lacks the encoder or its head.
        ValueError: damaged files; a module that is missing, or not needed.
    """
    folder = Path(folder)
    for name in (HEAD, CLASSES):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"load_classifier: {folder} holds no {name}; expected a folder of `infomax finetune --out`"
            )
    remedy = "expected files that `infomax finetune --out` wrote; copy them again"
    description = read_json(folder / CLASSES, "load_classifier", remedy, SCHEMA)
    with reading("load_classifier", folder / HEAD, remedy, most_bytes()):
        with safe_open(folder / HEAD, framework="pt") as file:
            num, given = file.get_slice("head.weight").get_shape()[0], len(description["labels"])
        refuse(num != given, f"it answers {num} labels, but {CLASSES} names {given}")
    encoder = load_encoder(folder, module)
    model = FinetunedClassifier(encoder, description["labels"], description["classes"])
    with reading("load_classifier", folder / HEAD, remedy, most_bytes()):
        model.load_state_dict(load_file(folder / HEAD), strict=False)
    return model.eval()
