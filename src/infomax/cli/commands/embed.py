"""``infomax embed``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infomax.cli.options import option
from infomax.cli.output import Answer, next_steps
from infomax.cli.shared import EncoderCommand, devices
from infomax.ranges import Count


@dataclass(frozen=True)
class Embed(EncoderCommand):
    """Write the embedding of every image or signal to a file: a table, arrays or AnnData."""

    out: str = option(
        "file to write; the suffix sets its format: .parquet, .csv, .csv.gz, .tsv, .npy, .npz or "
        ".h5ad (AnnData)",
        metavar="FILE",
    )
    parts: Count | None = option(
        "write this many files, FILE-00007-of-00064.parquet and so on; after an interruption, the "
        "same command continues",
        default=None,
        python="num_parts",
    )
    columns: bool = option(
        "in .parquet, write one column for each feature, as .csv always has", default=False
    )
    devices: Count | None = devices()
    arguments: Sequence[str] = ()

    def __call__(self) -> Answer | None:
        """Return the file and how many are in it; None in processes other than the first."""
        from infomax.evaluation.embedding import embed_to_file, embed_to_parts, new_file
        from infomax.evaluation.outputs.formats import format_of
        from infomax.evaluation.outputs.parts import parts_pattern
        from infomax.learning.data.reading import refuse_inside
        from infomax.learning.data.sources.splits import ALL
        from infomax.learning.distributed.groups import rank
        from infomax.learning.distributed.launching import own_device, together

        (new_file if self.parts is None else format_of)(self.out, self.columns)
        given = self.data(split=ALL)
        refuse_inside("embed", self.out, given.source)
        with together(self.devices, self.arguments):
            encoder = self.encoder()
            dataset = given.load(encoder.views)
            read = self._told(encoder, dataset)
            encoder = encoder.to(own_device())
            if self.parts is None:
                out = str(embed_to_file(encoder, dataset, self.out, columns=self.columns))
            else:
                embed_to_parts(encoder, dataset, self.out, self.parts, columns=self.columns)
                out = parts_pattern(self.out, self.parts)
        if rank() > 0:
            return None
        skipped = list(dataset.skipped)
        found = {"file": out, "num_images": len(dataset), "data": read, "skipped": skipped}
        return Answer(found, lambda: [self._line(dataset, out)], self._next(out))

    def _told(self, encoder: Any, dataset: Any) -> Mapping[str, Any]:
        """Say what was read, if it may be written: parts go on with the same, lists of others are kept."""
        from infomax.evaluation.embedding import begin_parts
        from infomax.evaluation.outputs.parts import record_path
        from infomax.evaluation.splits import told
        from infomax.learning.data.reading import listing_beside
        from infomax.learning.distributed.groups import rank

        if self.parts is not None:
            begin_parts(encoder, dataset, self.out, self.parts, columns=self.columns)
        beside = self.out if self.parts is None else record_path(self.out, self.parts)
        if dataset.reading is not None and rank() == 0:
            dataset.reading.check_listing("embed", listing_beside(beside))
        return told(dataset.reading, beside)

    def _line(self, dataset: Any, out: str) -> str:
        """Return what was written in one line."""
        from infomax.evaluation.outputs.formats import format_of
        from infomax.learning.data.targets import counted

        noun = "image" if dataset.reading is None else dataset.reading.noun
        lacks = format_of(self.out).lacks
        return f"{out}: features of {counted(len(dataset), noun)}{lacks and f', without {lacks}'}"

    def _next(self, out: str) -> list[str]:
        from infomax.evaluation.outputs.formats import format_of
        from infomax.evaluation.outputs.parts import part_path

        one = out if self.parts is None else str(part_path(self.out, 0, self.parts))
        opens = format_of(self.out).opens.format(repr(one))
        return next_steps({"opens it in Python": opens})
