"""``infomax embed``."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from infomax.cli.options import option
from infomax.cli.shared import (
    column,
    data,
    devices,
    labels,
    module,
    pages,
    pixel_range,
    run_folder,
    skip_broken,
    split,
)


@dataclass(frozen=True)
class Embed:
    """Write the embedding of every image or signal to a .parquet or .npy file."""

    run: str = run_folder()
    data: str = data("images, or signals")
    split: str = split("part of the data", default="train")
    column: str | None = column()
    labels: str | None = labels()
    range: str | None = pixel_range()
    pages: str | None = pages()
    module: str | None = module()
    out: str = option("file to write, .parquet or .npy")
    devices: int | None = devices()
    skip_broken: bool = skip_broken()
    arguments: Sequence[str] = ()

    def __call__(self) -> dict[str, Any] | None:
        """Return the file and how many are in it; None in processes other than the first."""
        from infomax.evaluation.embedding import embed_to_file, new_file
        from infomax.evaluation.splits import told
        from infomax.learning.data.reading import refuse_inside
        from infomax.learning.distributed.groups import rank
        from infomax.learning.distributed.launching import own_device, together
        from infomax.learning.encoders.own import load_own_encoder

        new_file(self.out)
        refuse_inside("embed", self.out, self.data)
        with together(self.devices, self.arguments):
            encoder = load_own_encoder(self.run, self.module, range=self.range, pages=self.pages)
            dataset = encoder.views.load(
                self.data,
                split=self.split,
                column=self.column,
                skip_broken=self.skip_broken,
                **({"labels": self.labels} if self.labels else {}),
            )
            read = told(dataset.reading, self.out)
            out = embed_to_file(encoder.to(own_device()), dataset, self.out)
        if rank() > 0:
            return None
        skipped = list(dataset.skipped)
        return {"file": str(out), "num_images": len(dataset), "data": read, "skipped": skipped}
