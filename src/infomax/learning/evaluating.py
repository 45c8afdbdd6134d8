"""Evaluates a run by a protocol, and writes what it found into the run folder, one file a protocol.

clean   probes of the global feature, of raw pixels and of a random encoder (`assessment`)
paper   as the published AMDIM code evaluates, beside the same classifiers tested cleanly (`paper_protocol`)
dim     the evaluation of the Deep InfoMax paper, layer by layer (`dim_protocol`)
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import nn

from infomax.files import replacing
from infomax.learning.assessment import Assessment, Split, assess, labelled_split
from infomax.learning.dim_protocol import assess_dim
from infomax.learning.images import Images
from infomax.learning.paper_protocol import assess_paper
from infomax.learning.pretrained import PretrainedEncoder, load_encoder
from infomax.learning.runs import Run


@dataclass(frozen=True)
class Protocol:
    """assess: called as assess(encoder, split, name=…, …). note: what its numbers are, and are not."""

    assess: Callable[..., Assessment]
    note: str


PROTOCOLS: Mapping[str, Protocol] = {
    "clean": Protocol(
        assess,
        "The encoder is frozen in every respect; nothing is estimated on test images, and all of them count.",
    ),
    "paper": Protocol(
        assess_paper,
        "As the published AMDIM code evaluates: batch norm, of the encoder and of the MLP, is re-estimated "
        "on up to 50 batches of test images, so the classifier knows their statistics before it is tested on "
        "them; they are shuffled, and those of the last incomplete batch are left out. Good for comparing "
        "with published numbers, and for nothing else. “Frozen” are the same classifiers without all that. "
        "Unlike in the published code, the encoder's batch norm does not drift while they are trained.",
    ),
    "dim": Protocol(
        assess_dim,
        "As the Deep InfoMax paper evaluates: every layer by several classifiers, on frozen features; "
        "nothing is estimated on test images.",
    ),
}


def evaluate_run(
    run: Run,
    source: str,
    *,
    protocol: str = "clean",
    module: nn.Module | None = None,
    overwrite: bool = False,
    **options: Any,
) -> dict[str, Any]:
    """Assess a run's encoder on labelled images; write what was found, and ``gallery.npz``.

    The file is ``evaluation.json`` for the clean protocol, ``evaluation-paper.json`` and
    ``evaluation-dim.json`` for the others. It names the images of pretraining and of evaluation, which may
    differ in everything: they are scaled to what the encoder expects.

    Args:
        run: a finished run, or any folder with an encoder.
        source: as for `load_images`.
        protocol: one of `PROTOCOLS`.
        module: of a `TappedEncoder`, see `load_encoder`.
        overwrite: replace an earlier evaluation by this protocol.
        options: of `assess`, `assess_paper` or `assess_dim`.

    Raises:
        FileExistsError: the run has been evaluated by this protocol before.
    """
    out = run.evaluations[protocol]
    refuse_to_replace("evaluate", out, overwrite)
    encoder = load_encoder(run.folder, module)
    split = labelled_split(source, encoder.views)
    assessment = PROTOCOLS[protocol].assess(encoder, split, name=name_of(run, encoder), **options)
    result = {
        "protocol": protocol,
        "note": PROTOCOLS[protocol].note,
        **provenance(run, source, split),
        "rows": list(assessment.rows),
        "measures": list(assessment.measures),
    }
    write_json(out, result)
    if protocol == "clean" or not run.gallery.exists():
        _write_gallery(run.gallery, split.test, assessment.test_features)
    return result


def refuse_to_replace(operation: str, out: Path, overwrite: bool) -> None:
    """Results are replaced only on demand.

    Raises:
        FileExistsError: there is one, and no demand.
    """
    if out.exists() and not overwrite:
        raise FileExistsError(f"{operation}: {out} exists; give --overwrite to replace it, or move it away")


def provenance(run: Run, source: str, split: Split) -> dict[str, Any]:
    """The images that a run learned from (if known), and those that it is evaluated on."""
    data = {
        "source": str(source),
        "num_train": len(split.train),
        "num_test": len(split.test),
        "test": split.how,
    }
    return {"pretraining": run.pretraining, "data": data}


def name_of(run: Run, encoder: PretrainedEncoder) -> str:
    """The method that trained an encoder; of one from elsewhere, its architecture."""
    if run.recipe.is_file():
        return run.method
    return type(encoder.encoder).__name__.removesuffix("Encoder")


def write_json(path: Path, value: Any) -> None:
    """Write `value`, indented."""
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
