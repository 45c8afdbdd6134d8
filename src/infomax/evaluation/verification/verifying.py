"""Verifies a run: its files are as they were written, its encoder loads, its evaluations come out again."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import torch

from infomax.errors import refuse
from infomax.evaluation.protocols import evaluations
from infomax.evaluation.verification.intact import checked_files
from infomax.evaluation.verification.repeating import repeat
from infomax.files import Unreadable, read_json
from infomax.hashes import RECORD
from infomax.learning.encoders.own import load_own_encoder
from infomax.learning.encoders.saving import PretrainedEncoder
from infomax.learning.training.checkpoints import sound
from infomax.learning.training.run import Run

DEFAULT_TOLERANCE = 0.01
"""Largest difference of a number from its repetition: on the same machine and versions there is none."""
FACTS = ("infomax", "commit", "python", "torch", "machine", "seed", "images", "num_images")
"""The facts that the ``environment.json`` of a run must name."""


def verify_run(
    run: Run,
    *,
    data: Any = None,
    module: str | None = None,
    files_only: bool = False,
    tolerance: float = DEFAULT_TOLERANCE,
) -> dict[str, Any]:
    """Return whether a run is what it says: hashes of its files, its encoders, its evaluations.

    Nothing is written. Every file is compared with the record of hashes (``SHA256SUMS``), checkpoints with
    the checksums in them, each encoder is loaded, and each evaluation of it is repeated as its file records
    it, on the same data, with the same options and seed. Fine-tuning is not repeated.

    Args:
        run: a run, or any folder with an encoder.
        data: where the data of the evaluations lie now, if they have moved.
        module: ``package:function`` of an encoder of one's own.
        files_only: do not repeat evaluations, which takes as long as they took.
        tolerance: largest difference of a number from its repetition that is accepted.

    Returns:
        ``verified``, and what it rests on: ``files``, ``encoders``, ``evaluations``, and ``faults`` in lines.

    Raises:
        FileNotFoundError: it is no run, and holds no encoder.
        ValueError: a negative tolerance; data, although no evaluation is repeated.
    """
    refuse(not tolerance >= 0, f"verify: tolerance must be 0 or more, got {tolerance}")
    refuse(
        files_only and data is not None,
        "verify: files_only repeats no evaluation, got data for them; leave one of them out",
    )
    is_run = run.recipe.is_file()
    if not is_run and not run.encoder.is_file():
        raise FileNotFoundError(
            f"verify: {run.folder} is no run folder, and holds no encoder; expected one made by "
            "`infomax pretrain`"
        )
    places = run.encoders if is_run else (run,)
    finished = all(one.encoder.is_file() for one in places)
    files = checked_files(run.folder, finished=finished)
    faults = [*_faults_of_files(run, files.changed, files.missing), *_damaged_checkpoints(run)]
    faults += _lacking(run)
    faults += [] if finished else [f"{run.folder} is not finished: there is no encoder to load"]
    encoders, found = [], []
    for place in places if finished else ():
        encoder, fault = _loaded(place, module)
        encoders.append({"folder": str(place.folder), "loads": encoder is not None})
        faults += [fault] if fault else []
        if encoder is not None and not files_only:
            for one in _repeated(place, encoder, data, tolerance):
                found.append(one)
                faults += one["faults"]
    return {
        "run": str(run.folder),
        "verified": not faults,
        "files": {**asdict(files), "intact": len(files.intact)},
        "encoders": encoders,
        "evaluations": found,
        "faults": faults,
        "notes": _notes(files.unrecorded, found, files_only),
    }


def _faults_of_files(run: Run, changed: tuple[str, ...], missing: tuple[str, ...]) -> Iterator[str]:
    if not (run.folder / RECORD).is_file():
        yield f"{run.folder} holds no {RECORD}: its files cannot be compared with what was written"
    for name in changed:
        yield f"{name} has changed since it was written"
    for name in missing:
        yield f"{name} was written, and is not there"


def _damaged_checkpoints(run: Run) -> Iterator[str]:
    """Yield which checkpoints do not hold what was written; where training left none, none is missing."""
    for path in (run.checkpoint, run.checkpoint_before):
        if path.exists():
            try:
                sound(path)
            except Unreadable as error:
                yield str(error)


def _lacking(run: Run) -> Iterator[str]:
    """Yield what the record of a run does not say; a folder without a recipe need not say anything."""
    if not run.recipe.is_file():
        return
    known = run.read_environment() if run.environment.is_file() else {}
    lacking = [fact for fact in FACTS if fact not in known]
    if lacking:
        yield f"{run.environment.name} does not say: {', '.join(lacking)}"


def _loaded(place: Run, module: str | None) -> tuple[PretrainedEncoder | None, str | None]:
    """Return the encoder in a folder, and what is wrong with it."""
    try:
        encoder = load_own_encoder(place.folder, module)
    except (ValueError, OSError) as error:
        return None, str(error)
    bad = [name for name, one in encoder.state_dict().items() if not torch.isfinite(one).all()]
    return encoder, f"{place.encoder}: {bad[0]} has values that are not finite" if bad else None


def _repeated(
    place: Run, encoder: PretrainedEncoder, data: Any, tolerance: float
) -> Iterator[dict[str, Any]]:
    """Yield each evaluation of an encoder beside its repetition."""
    for path in evaluations(place.folder).values():
        try:
            before = read_json(path, "verify", "evaluate anew with --overwrite")
            one = repeat(place, path, before, encoder, data)
        except (ValueError, OSError, KeyError, TypeError) as error:
            yield {"file": str(path), "faults": [f"{path} could not be repeated: {_words(error)}"]}
            continue
        agrees = one.largest_difference <= tolerance  # not, where either is NaN
        difference = f"a number of {path} differs by {one.largest_difference:.4g} from its repetition"
        faults = [*one.notes, *([] if agrees else [difference])]
        yield {**asdict(one), "file": str(path), "faults": faults}


def _words(error: Exception) -> str:
    return f"it lacks {error}" if isinstance(error, KeyError) else str(error)


def _notes(unrecorded: tuple[str, ...], found: list[dict[str, Any]], files_only: bool) -> list[str]:
    notes = [f"not in the record: {', '.join(unrecorded)}"] if unrecorded else []
    if files_only:
        return [*notes, "evaluations were not repeated (--files-only)"]
    return notes if found else [*notes, "there is no evaluation to repeat"]
