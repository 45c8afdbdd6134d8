"""``infomax evaluate``: a protocol with its options."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from infomax.cli.options import option, options_of
from infomax.cli.output import (
    Answer,
    accuracies,
    listing,
    next_steps,
    on_terminal,
    page_about,
    show_accuracies,
)
from infomax.cli.shared import EncoderCommand, devices, together_in_groups
from infomax.errors import refuse
from infomax.ranges import Count


def options_of_protocols() -> Mapping[str, type]:
    """Return the class of the options of each protocol."""
    from infomax.evaluation.protocols import PROTOCOLS

    return {name: protocol.options for name, protocol in PROTOCOLS.items()}


@dataclass(frozen=True)
class Evaluate(EncoderCommand):
    """Fit probes to a run's features, and compare the features with raw data and a random encoder."""

    protocol: str = option("how to evaluate", default="clean")
    chosen: Mapping[str, Any] = options_of(options_of_protocols)
    groups: str | None = together_in_groups()
    devices: Count | None = devices()
    name: str | None = option(
        "name of the data: results go to evaluation-NAME.json; by default to evaluation.json for the "
        "first data, and to the name of the source for other data",
        default=None,
    )
    overwrite: bool = option(
        "replace an earlier evaluation of the same data with the same protocol", default=False
    )
    arguments: Sequence[str] = ()

    @staticmethod
    def notes(_: Sequence[str] = ()) -> str:
        """Return which protocols and probes there are."""
        from infomax.evaluation.probes import PROBES
        from infomax.evaluation.protocols import PROTOCOLS

        protocols = listing("protocols", {name: one.summary for name, one in PROTOCOLS.items()})
        return f"{protocols}\n\n{listing('probes', {name: one.summary for name, one in PROBES.items()})}"

    def __call__(self) -> Answer | None:
        """Return what the protocol found; None in processes other than the first."""
        self._check_options()
        from infomax.evaluation.evaluating import evaluate_run
        from infomax.learning.distributed.groups import rank
        from infomax.learning.distributed.launching import together
        from infomax.learning.training.run import Run

        with together(self.devices, self.arguments):
            result = evaluate_run(
                Run(self.run),
                self.data(groups=self.groups),
                encoder=self.encoder(),
                protocol=self.protocol,
                name=self.name,
                overwrite=self.overwrite,
                **self.chosen,
            )
        if rank() > 0:
            return None
        note = f"protocol {result['protocol']}: {result['note']}"
        if not on_terminal():
            show_accuracies(result, note)
        page = next_steps(page_about(self.run))
        return Answer(result, lambda: [*accuracies(result), note], page)

    def _check_options(self) -> None:
        """Check that the protocol has the options that have been given."""
        from infomax.evaluation.protocols import PROTOCOLS

        protocol = PROTOCOLS.find(self.protocol, "evaluate")
        configs = options_of_protocols().items()
        for name in self.chosen:
            having = [one for one, config in configs if name in {option.name for option in fields(config)}]
            refuse(
                self.protocol not in having,
                f"evaluate: --{name.replace('_', '-')} is for --protocol {' or '.join(having)}, "
                f"not for {self.protocol}",
            )
        protocol.chosen(self.chosen)
