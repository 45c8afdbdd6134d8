"""``infomax embed``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infomax.cli.options import option
from infomax.cli.shared import devices, given, module, pages, pixel_range, run_folder


@dataclass(frozen=True)
class Embed:
    """Write the embedding of every image or signal to a .parquet or .npy file."""

    run: str = run_folder()
    given: Mapping[str, Any] = given()
    range: str | None = pixel_range()
    pages: str | None = pages()
    module: str | None = module()
    out: str = option("file to write, .parquet or .npy")
    devices: int | None = devices()
    arguments: Sequence[str] = ()

    def __call__(self) -> dict[str, Any] | None:
        """Return the file and how many are in it; None in processes other than the first."""
        from infomax.evaluation.embedding import embed_to_file, new_file
        from infomax.evaluation.given import Given
        from infomax.evaluation.splits import told
        from infomax.learning.data.reading import refuse_inside
        from infomax.learning.distributed.groups import rank
        from infomax.learning.distributed.launching import own_device, together
        from infomax.learning.encoders.own import load_own_encoder

        new_file(self.out)
        given = Given(**self.given)
        refuse_inside("embed", self.out, given.source)
        with together(self.devices, self.arguments):
            encoder = load_own_encoder(self.run, self.module, range=self.range, pages=self.pages)
            dataset = given.load(encoder.views)
            read = told(dataset.reading, self.out)
            out = embed_to_file(encoder.to(own_device()), dataset, self.out)
        if rank() > 0:
            return None
        skipped = list(dataset.skipped)
        return {"file": str(out), "num_images": len(dataset), "data": read, "skipped": skipped}
