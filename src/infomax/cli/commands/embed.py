"""``infomax embed``."""

from collections.abc import Sequence
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
        "file to write, by its suffix: .parquet, .csv, .csv.gz, .tsv, .npy, .npz or .h5ad (AnnData)",
        metavar="FILE",
    )
    columns: bool = option("in .parquet, a column for each feature, as .csv always has", default=False)
    devices: Count | None = devices()
    arguments: Sequence[str] = ()

    def __call__(self) -> Answer | None:
        """Return the file and how many are in it; None in processes other than the first."""
        from infomax.evaluation.embedding import embed_to_file, new_file
        from infomax.evaluation.splits import told
        from infomax.learning.data.reading import refuse_inside
        from infomax.learning.data.sources.splits import ALL
        from infomax.learning.distributed.groups import rank
        from infomax.learning.distributed.launching import own_device, together

        new_file(self.out, self.columns)
        given = self.data(split=ALL)
        refuse_inside("embed", self.out, given.source)
        with together(self.devices, self.arguments):
            encoder = self.encoder()
            dataset = given.load(encoder.views)
            read = told(dataset.reading, self.out)
            out = embed_to_file(encoder.to(own_device()), dataset, self.out, columns=self.columns)
        if rank() > 0:
            return None
        skipped = list(dataset.skipped)
        found = {"file": str(out), "num_images": len(dataset), "data": read, "skipped": skipped}
        return Answer(found, lambda: [self._line(dataset)], self._next())

    def _line(self, dataset: Any) -> str:
        """Return what was written in one line."""
        from infomax.evaluation.outputs.formats import format_of
        from infomax.learning.data.targets import counted

        noun = "image" if dataset.reading is None else dataset.reading.noun
        lacks = format_of(self.out).lacks
        return f"{self.out}: features of {counted(len(dataset), noun)}{lacks and f', without {lacks}'}"

    def _next(self) -> list[str]:
        from infomax.evaluation.outputs.formats import format_of

        opens = format_of(self.out).opens.format(repr(self.out))
        return next_steps({"opens it in Python": opens})
