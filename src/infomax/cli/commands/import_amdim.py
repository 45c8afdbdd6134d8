"""``infomax import-amdim``."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from infomax.cli.options import argument, option
from infomax.cli.output import Answer, next_steps


@dataclass(frozen=True)
class ImportAMDIM:
    """Convert a checkpoint of the authors' public AMDIM code into encoder files."""

    checkpoint: str = argument("checkpoint file of the authors' public code")
    out: str = option("folder for encoder.safetensors and encoder.json")

    def __call__(self) -> Answer:
        """Return the folder, and the sizes of the encoder."""
        from infomax.learning.encoders.public_amdim import load_public_checkpoint, public_views
        from infomax.learning.encoders.saving import DESCRIPTION, WEIGHTS, save_encoder

        out = Path(self.out)
        for file in (out / WEIGHTS, out / DESCRIPTION):
            if file.exists():
                raise FileExistsError(f"import-amdim: {file} exists; choose another folder")
        encoder = load_public_checkpoint(self.checkpoint)
        out.mkdir(parents=True, exist_ok=True)
        save_encoder(out, encoder, public_views(encoder))
        line = shlex.join(["infomax", "embed", str(out), "--data", "DIR", "--out", "features.parquet"])
        found = {"encoder": str(out), **encoder.arguments}
        return Answer(found, next=next_steps({"the features of your images": line}))
