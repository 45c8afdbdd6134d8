"""Evaluates a run by a protocol, and writes what it found into the run folder.

clean   probes of the global feature, of raw pixels and of a random encoder (`assessment`)
dim     the evaluation of the Deep InfoMax paper, layer by layer (`dim_protocol`)
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import nn

from infomax.files import replacing
from infomax.learning.assessment import Assessment, assess, labelled_split
from infomax.learning.dim_protocol import assess_dim
from infomax.learning.images import Images
from infomax.learning.pretrained import PretrainedEncoder, load_encoder
from infomax.learning.runs import Run

PROTOCOLS: Mapping[str, Callable[..., Assessment]] = {"clean": assess, "dim": assess_dim}


def evaluate_run(
    run: Run,
    source: str,
    *,
    protocol: str = "clean",
    module: nn.Module | None = None,
    overwrite: bool = False,
    **options: Any,
) -> dict[str, Any]:
    """Assess a run's encoder on labelled images; write ``evaluation.json`` and ``gallery.npz``.

    Args:
        run: a finished run.
        source: as for `load_images`.
        protocol: one of `PROTOCOLS`.
        module: of a `TappedEncoder`, see `load_encoder`.
        overwrite: replace an earlier evaluation.
        options: of `assess`, or of `assess_dim`.

    Raises:
        FileExistsError: the run has been evaluated before.
    """
    if run.evaluation.exists() and not overwrite:
        raise FileExistsError(
            f"evaluate: {run.evaluation} exists; give --overwrite to replace it, or move it away"
        )
    encoder = load_encoder(run.folder, module)
    split = labelled_split(source, encoder.views)
    assessment = PROTOCOLS[protocol](encoder, split, name=_name(run, encoder), **options)
    result = {
        "protocol": protocol,
        "data": {
            "source": str(source),
            "num_train": len(split.train),
            "num_test": len(split.test),
            "test": split.how,
        },
        "rows": list(assessment.rows),
        "measures": list(assessment.measures),
    }
    _write_json(run.evaluation, result)
    _write_gallery(run.gallery, split.test, assessment.test_features)
    return result


def _name(run: Run, encoder: PretrainedEncoder) -> str:
    """The method that trained an encoder; of one from elsewhere, its architecture."""
    if run.recipe.is_file():
        return run.method
    return type(encoder.encoder).__name__.removesuffix("Encoder")


def _write_json(path: Path, value: Any) -> None:
    with replacing(path) as beside:
        beside.write_text(json.dumps(value, indent=2) + "\n")


def _write_gallery(
    path: Path, images: Images, features: Float[np.ndarray, "n d"], num_images: int = 2000
) -> None:
    """Write ``gallery.npz``: thumbnails, embeddings and labels of some test images."""
    rows = np.sort(np.random.default_rng(0).permutation(len(images))[:num_images])
    with replacing(path) as beside, beside.open("wb") as file:
        np.savez(
            file,
            thumbnails=np.asarray(images.pixels[rows]),
            embeddings=features[rows],
            labels=images.labels[rows],
            classes=np.array(images.classes, dtype=str),
        )
