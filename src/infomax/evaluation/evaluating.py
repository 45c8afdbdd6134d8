"""Evaluates or fine-tunes a run's encoder on labelled data, and writes what was found into the run folder."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from infomax.errors import refuse
from infomax.evaluation.finetuning.classifier import save_classifier
from infomax.evaluation.finetuning.comparing import compare_finetuning
from infomax.evaluation.finetuning.labels import LabelBudget, draws
from infomax.evaluation.gallery import shows_test, write_pictures
from infomax.evaluation.given import Given
from infomax.evaluation.in_parts.files import parts_in
from infomax.evaluation.in_parts.probing import DEFAULT_PROBES, prepared
from infomax.evaluation.probes.probe import INTERVAL
from infomax.evaluation.protocols import PROTOCOLS, Protocol, result_file
from infomax.evaluation.representations import name_of, sees_images
from infomax.evaluation.results import write_json
from infomax.evaluation.splits import Split, labelled_split, told
from infomax.evaluation.verdict import verdict
from infomax.files import check_free
from infomax.hashes import sha256_of
from infomax.learning.data.reading import refuse_inside
from infomax.learning.distributed.groups import num_ranks, rank
from infomax.learning.distributed.launching import own_device
from infomax.learning.encoders.saving import PretrainedEncoder, load_encoder
from infomax.learning.training.environment import environment
from infomax.learning.training.run import Run, with_lists


def evaluate_run(
    run: Run,
    data: Given | Any,
    *,
    encoder: PretrainedEncoder | None = None,
    protocol: str = "clean",
    name: str | None = None,
    overwrite: bool = False,
    **options: Any,
) -> dict[str, Any]:
    """Evaluate a run's encoder on labelled images; write the results, and pictures of the test images.

    Each protocol has its own file (`Protocol.file`), such as ``evaluation.json``. Results on other data have
    files beside it, ``evaluation-NAME.json`` (`result_file`). The pictures are ``gallery.npz`` and, for an
    encoder of images whose features have one dimension, ``similarity.npz``. They come from the latest clean
    evaluation of the first data, or from another evaluation if there is none. Features in parts have no
    pictures, because their images are not read. The results name the images of pretraining and of evaluation,
    which may differ. Images are scaled to the encoder's size.

    Several processes (`num_ranks`) share the work of the clean protocol; each calls this and gets the same,
    and the first writes.

    Args:
        run: a finished run, or any folder with an encoder.
        data: a source, or `Given`; see `labelled_split`. Or features of the encoder in parts, a folder or a
            pattern of files by `embed_to_parts`: they are probed by `linear` and `knn`, without baselines, in
            memory that does not grow with them.
        encoder: that of the run, where it has been loaded in a way of its own; see `load_own_encoder`.
        protocol: name of one of `PROTOCOLS`.
        name: name of the data, for the file of the results; by default none for the first data, and the name
            of the source for other data.
        overwrite: replace an earlier evaluation of the same data with the same protocol.
        options: fields of the protocol's options: `CleanOptions`, `PaperOptions` or `DIMOptions`.

    Returns:
        The results, as they are written.

    Raises:
        FileExistsError: the run has been evaluated on these data by this protocol before.
        ValueError: no such protocol or option; no labels; a name that is taken; an encoder of signals for a
            protocol that needs images; several processes for a protocol that runs in one.
    """
    chosen = PROTOCOLS.find(protocol, "evaluate")
    given = Given.of(data)
    in_parts = protocol == "clean" and parts_in(given.source)
    settings = chosen.chosen({"probes": DEFAULT_PROBES, **options} if in_parts else options)
    refuse(
        not chosen.shared and num_ranks() > 1,
        f"evaluate: the {protocol} protocol runs in one process, got {num_ranks()}; use clean",
    )
    out, of_data = result_file("evaluate", run.folder / chosen.file, _identity(given), name)
    check_free("evaluate", out, overwrite)
    encoder = encoder or load_encoder(run.folder)
    _check_images(chosen, encoder)
    parts, evaluate = prepared(given, encoder, chosen, run.folder)
    read = told(parts.reading, out)
    if chosen.shared:
        encoder.to(own_device())
    found = evaluate(settings, name=name_of(run, encoder))
    result = {
        "protocol": protocol,
        "note": chosen.note,
        **_provenance(run, given, parts, read, of_data),
        "repeat": {
            "options": with_lists(_as_record(settings)),
            "views": with_lists(asdict(encoder.views)),
            "skip_broken": given.skip_broken,
            **made_of(run, parts),
        },
        "notes": list(dict.fromkeys((*parts.notes, *found.notes))),
        "classes": list(parts.classes) if parts.has_classes else [],
        "verdict": verdict(found.rows, encoder.views.noun, found.targets),
        "interval": INTERVAL,
        "rows": list(found.rows),
        "targets": list(found.targets),
        "measures": list(found.measures),
    }
    if rank() == 0:
        write_json(out, result)
        if len(found.test_features) and ((chosen.leads and out.name == chosen.file) or not shows_test(run)):
            write_pictures(run, encoder.cpu(), parts.test, features=found.test_features)
    return result


def finetune_run(
    run: Run,
    data: Given | Any,
    num_labels: Sequence[LabelBudget],
    *,
    encoder: PretrainedEncoder | None = None,
    out: str | Path | None = None,
    name: str | None = None,
    overwrite: bool = False,
    **options: Any,
) -> dict[str, Any]:
    """Fine-tune a run's encoder on few labels by `compare_finetuning`; write ``finetuning.json``.

    Results on further data have files beside it, ``finetuning-NAME.json``, see `result_file`.

    Args:
        run: a finished run, or any folder with an encoder.
        data: a source, or `Given`; see `labelled_split`.
        num_labels: how many, one comparison each.
        encoder: that of the run, where it has been loaded in a way of its own; see `load_own_encoder`.
        out: a folder for the fine-tuned encoder with its head, of the first draw of the last of `num_labels`.
        name: of the data, for the file of the results, as for `evaluate_run`.
        overwrite: replace an earlier comparison on these data.
        options: of `compare_finetuning`.

    Returns:
        The results, as they are written.

    Raises:
        FileExistsError: the run has been fine-tuned on these data before, or `out` is not empty.
        ValueError: a name that is taken; more labels than there are.
    """
    given = Given.of(data)
    file, of_data = result_file("finetune", run.finetuning, _identity(given), name)
    check_free("finetune", file, overwrite)
    if out is not None and Path(out).exists() and any(Path(out).iterdir()):
        raise FileExistsError(f"finetune: {out} is not empty; choose another folder")
    if out is not None:
        refuse_inside("finetune", out, given.source)
    encoder = encoder or load_encoder(run.folder)
    parts = labelled_split(given, encoder.views)
    read = told(parts.reading, file)
    parts.check_classes("finetune")
    for budget in num_labels:  # refused before anything is trained
        draws(parts.train.with_labels(), budget, 1, 0)
    found = [
        compare_finetuning(encoder, parts, num_labels=budget, name=name_of(run, encoder), **options)
        for budget in num_labels
    ]
    rows = [row for one in found for row in one.rows]
    notes = list(dict.fromkeys((*parts.notes, *(note for one in found for note in one.notes))))
    result = {**_provenance(run, given, parts, read, of_data), "rows": rows, "notes": notes}
    write_json(file, result)
    if out is not None:
        save_classifier(out, found[-1].classifier)
    return result


def _check_images(protocol: Protocol, encoder: PretrainedEncoder) -> None:
    refuse(
        protocol.needs_images and not sees_images(encoder),
        f"evaluate: the {protocol.name} protocol {protocol.needs_images}, got an encoder of "
        f"{encoder.views.noun}s; use clean",
    )


def _identity(given: Given) -> dict[str, str | None]:
    """Return what tells these data from others."""
    return {
        "source": given.name,
        "column": given.column,
        "split": given.split,
        "labels": None if given.labels is None else str(given.labels),
        "groups": given.groups,
    }


def _provenance(run: Run, given: Given, split: Split, read: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The data that a run learned from, if known, and the data of the evaluation."""
    data = {
        "name": name,
        **{key: value for key, value in _identity(given).items() if value},
        "num_train": len(split.train),
        "num_test": len(split.test),
        "test": split.how,
        **(
            {"class_sizes": {one: [*size] for one, size in split.class_sizes.items()}}
            if split.has_classes
            else {}
        ),
        **({"read": dict(read)} if read else {}),
    }
    return {"pretraining": run.pretraining, "data": data, "environment": environment()}


def made_of(run: Run, split: Split) -> dict[str, Any]:
    """Return what an evaluation is of: the hash of the encoder's file, and the fingerprints of the data."""
    return {
        "encoder": sha256_of(run.encoder) if run.encoder.is_file() else None,
        "data": [split.train.fingerprint, split.test.fingerprint],
    }


def _as_record(options: Any) -> dict[str, Any]:
    """Return options as values that JSON has; probes of a user's own by their names."""
    return {
        name: [*one] if isinstance(getattr(options, name), Mapping) else one
        for name, one in asdict(options).items()
    }
