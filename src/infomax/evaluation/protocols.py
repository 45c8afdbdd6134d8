"""Evaluates a run by a protocol, and writes what it found into the run folder, one file a protocol.

clean   probes of the global feature, of raw pixels and of a random encoder (`assessment`)
paper   as the published AMDIM code evaluates, beside the same classifiers tested cleanly (`paper_protocol`)
dim     the evaluation of the Deep InfoMax paper, layer by layer (`dim_protocol`)
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from torch import nn

from infomax.evaluation.classifier import save_classifier
from infomax.evaluation.clean import Assessment, Split, assess, labelled_split
from infomax.evaluation.dim import assess_dim
from infomax.evaluation.finetuning import compare_finetuning
from infomax.evaluation.label_budget import LabelBudget, draws, labelled_part
from infomax.evaluation.paper import assess_paper
from infomax.evaluation.similarity import comparable
from infomax.evaluation.similarity_pictures import similarity_panel
from infomax.files import replacing
from infomax.learning.data.signals import Signals
from infomax.learning.distributed.groups import num_ranks, rank
from infomax.learning.distributed.launching import own_device
from infomax.learning.encoders.amdim import example_features
from infomax.learning.encoders.saving import PretrainedEncoder, load_encoder
from infomax.learning.training.run import Run
from infomax.learning.views.pairing import Seen
from infomax.learning.views.signals import SignalViewsConfig, pictures


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
    column: str | None = None,
    module: nn.Module | None = None,
    overwrite: bool = False,
    **options: Any,
) -> dict[str, Any]:
    """Assess a run's encoder on labelled images; write what was found, and pictures.

    The file is ``evaluation.json`` for the clean protocol, ``evaluation-paper.json`` and
    ``evaluation-dim.json`` for the others; the latest clean one also leaves the pictures ``gallery.npz`` and,
    of an encoder of images with features of one dimension, ``similarity.npz``. The images of pretraining and
    of evaluation are named; they may differ in everything, and are scaled to what the encoder expects.

    Several processes (`distributed.num_ranks`) share the work of the clean protocol; each calls this and gets
    the same, and the first writes.

    Args:
        run: a finished run, or any folder with an encoder.
        source: as for `load_images`.
        protocol: one of `PROTOCOLS`.
        column: of a table, what is seen.
        module: of a `TappedEncoder`, see `load_encoder`.
        overwrite: replace an earlier evaluation by this protocol.
        options: of `assess`, `assess_paper` or `assess_dim`.

    Raises:
        FileExistsError: the run has been evaluated by this protocol before.
        ValueError: no labels; the dim protocol for an encoder of signals; several processes for another
            protocol than clean.
    """
    if protocol != "clean" and num_ranks() > 1:
        raise ValueError(
            f"evaluate: the {protocol} protocol runs in one process, got {num_ranks()}; use clean"
        )
    out = run.evaluations[protocol]
    refuse_to_replace("evaluate", out, overwrite)
    encoder = load_encoder(run.folder, module)
    if protocol == "dim" and isinstance(encoder.views, SignalViewsConfig):
        raise ValueError("evaluate: the dim protocol decodes images, got an encoder of signals; use clean")
    split = labelled_split(source, encoder.views, column=column)
    if protocol == "clean":
        encoder.to(own_device())
    assessment = PROTOCOLS[protocol].assess(encoder, split, name=name_of(run, encoder), **options)
    result = {
        "protocol": protocol,
        "note": PROTOCOLS[protocol].note,
        **provenance(run, source, split, column),
        "rows": list(assessment.rows),
        "measures": list(assessment.measures),
    }
    if rank() > 0:
        return result
    write_json(out, result)
    if protocol == "clean" or not run.gallery.exists():
        _write_gallery(run.gallery, split.test, assessment.test_features)
        _write_similarity(run.similarity, encoder.cpu(), split.test)
    return result


def finetune_run(
    run: Run,
    source: str,
    labels: Sequence[LabelBudget],
    *,
    column: str | None = None,
    module: nn.Module | None = None,
    out: str | Path | None = None,
    overwrite: bool = False,
    **options: Any,
) -> dict[str, Any]:
    """Fine-tune a run's encoder on few labels (see `compare_finetuning`); write ``finetuning.json``.

    Args:
        run: a finished run, or any folder with an encoder.
        source: as for `load_images`.
        labels: how many, one comparison each.
        column: of a table, what is seen.
        module: of a `TappedEncoder`, see `load_encoder`.
        out: a folder for the fine-tuned encoder with its head, of the first draw of the last of `labels`.
        overwrite: replace an earlier ``finetuning.json``.
        options: of `compare_finetuning`.

    Raises:
        FileExistsError: the run has been fine-tuned before, or `out` holds an encoder.
    """
    refuse_to_replace("finetune", run.finetuning, overwrite)
    if out is not None and Path(out).exists() and any(Path(out).iterdir()):
        raise FileExistsError(f"finetune: {out} is not empty; choose another folder")
    encoder = load_encoder(run.folder, module)
    split = labelled_split(source, encoder.views, column=column)
    for budget in labels:  # before anything is trained
        draws(labelled_part(split.train), budget, 1, 0)
    found = [
        compare_finetuning(encoder, split, labels=budget, name=name_of(run, encoder), **options)
        for budget in labels
    ]
    result = {**provenance(run, source, split, column), "rows": [row for one in found for row in one.rows]}
    write_json(run.finetuning, result)
    if out is not None:
        save_classifier(out, found[-1].classifier)
    return result


def refuse_to_replace(operation: str, out: Path, overwrite: bool) -> None:
    """Results are replaced only on demand.

    Raises:
        FileExistsError: there is one, and no demand.
    """
    if out.exists() and not overwrite:
        raise FileExistsError(f"{operation}: {out} exists; give --overwrite to replace it, or move it away")


def provenance(run: Run, source: str, split: Split, column: str | None = None) -> dict[str, Any]:
    """The images that a run learned from (if known), and those that it is evaluated on."""
    data = {
        "source": str(source),
        **({"column": column} if column else {}),
        "num_train": len(split.train),
        "num_test": len(split.test),
        "test": split.how,
    }
    return {"pretraining": run.pretraining, "data": data}


def name_of(run: Run, encoder: PretrainedEncoder) -> str:
    """The method that trained an encoder; of one from elsewhere, its architecture."""
    if run.training.recipe.is_file():
        return run.training.method
    return type(encoder.encoder).__name__.removesuffix("Encoder")


def write_json(path: Path, value: Any) -> None:
    """Write `value`, indented."""
    with replacing(path) as beside:
        beside.write_text(json.dumps(value, indent=2) + "\n")


def _write_gallery(
    path: Path, seen: Seen, features: Float[np.ndarray, "n d"], num_images: int = 2000
) -> None:
    """Write ``gallery.npz``: thumbnails, embeddings and labels of some that were tested."""
    rows = np.sort(np.random.default_rng(0).permutation(len(seen))[:num_images])
    with replacing(path) as beside, beside.open("wb") as file:
        np.savez(
            file,
            thumbnails=thumbnails(seen.subset(rows)),
            embeddings=features[rows],
            labels=seen.labels[rows],
            classes=np.array(seen.classes, dtype=str),
        )


def _write_similarity(path: Path, encoder: PretrainedEncoder, seen: Seen) -> None:
    """Write ``similarity.npz``, if the encoder's features can be compared."""
    path.unlink(missing_ok=True)  # of an earlier evaluation
    features = example_features(encoder.encoder)
    if isinstance(seen, Signals) or not {5, 7} <= features.local.keys() or not comparable(encoder.encoder):
        return
    with replacing(path) as beside, beside.open("wb") as file:
        np.savez(file, allow_pickle=False, **similarity_panel(encoder, seen))


def thumbnails(seen: Seen) -> UInt8[np.ndarray, "n h w c"]:
    """Images as they are; signals drawn."""
    return pictures(seen.values) if isinstance(seen, Signals) else np.asarray(seen.pixels)
