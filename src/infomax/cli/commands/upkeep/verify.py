"""``infomax verify``."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from infomax.cli.options import option
from infomax.cli.output import Answer
from infomax.cli.shared import module, run_folder
from infomax.files import absolute
from infomax.ranges import Weight


@dataclass(frozen=True)
class Verify:
    """Check a run: compare the hashes of its files, load its encoder, repeat its evaluations."""

    run: str = run_folder()
    data: str | None = option(
        "new place of the evaluation data; by default their old place",
        default=None,
        type=absolute,
        metavar="DATA",
    )
    module: str | None = module()
    files_only: bool = option(
        "do not repeat the evaluations (they take as long as the first time)", default=False
    )
    tolerance: Weight = option(
        "largest accepted difference between a number and its repetition", default=0.01
    )

    def __call__(self) -> Answer:
        """Return what was verified; the exit code is 1 where there is a fault."""
        from infomax.evaluation.verification.verifying import verify_run
        from infomax.learning.training.run import Run

        found = verify_run(
            Run(self.run),
            data=self.data,
            module=self.module,
            files_only=self.files_only,
            tolerance=self.tolerance,
        )
        return Answer(found, lambda: _shown(found), code=0 if found["verified"] else 1)


def _shown(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a terminal shows: what was compared, then what is wrong."""
    yield f"{found['files']['intact']:,} files are as they were written"
    for one in found["encoders"]:
        if one["loads"]:
            yield f"the encoder of {one['folder']} loads"
    for one in found["evaluations"]:
        if "num_compared" in one:
            yield (
                f"{one['file']}: {one['num_compared']:,} numbers once more, "
                f"they differ by at most {one['largest_difference']:.4g}"
            )
    yield from (f"note: {note}" for note in found["notes"])
    yield from (f"FAULT: {fault}" for fault in found["faults"])
    yield "verified" if found["verified"] else "not verified"
