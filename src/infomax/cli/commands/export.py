"""``infomax export``."""

from dataclasses import asdict, dataclass

from infomax.cli.options import option
from infomax.cli.output import Answer, grid, next_steps
from infomax.cli.shared import module, pixel_range, run_folder


@dataclass(frozen=True)
class Export:
    """Write a run's encoder to a file for other tools: torch.export, ONNX or safetensors."""

    run: str = run_folder()
    out: str = option("file to write", metavar="FILE")
    format: str | None = option(
        "torch-export (.pt2), onnx (.onnx) or safetensors (.safetensors); by default the suffix decides",
        default=None,
        metavar="NAME",
    )
    local: bool = option("add the local maps to the output", default=False)
    range: str | None = pixel_range()
    module: str | None = module()
    overwrite: bool = option("replace an existing file", default=False)

    def __call__(self) -> Answer:
        """Return the file, what goes in and comes out, and how far it is from the original."""
        from infomax.learning.encoders.own import load_own_encoder
        from infomax.learning.exporting.export import MAX_DIFFERENCE, export_encoder

        encoder = load_own_encoder(self.run, self.module, range=self.range)
        made = export_encoder(
            encoder, self.out, format=self.format, local=self.local, overwrite=self.overwrite
        )
        found = {
            "file": str(made.file),
            "format": made.format,
            "input": asdict(made.input),
            "outputs": [asdict(one) for one in made.outputs],
            "difference": made.difference,
        }
        rows = {
            "file": str(made.file),
            f"in: {made.input.name}": str(made.input),
            **{f"out: {one.name}": str(one) for one in made.outputs},
            "difference": f"{made.difference:.1g} from the original, at most {MAX_DIFFERENCE:g}",
        }
        return Answer(found, lambda: [grid([*rows.items()])], next_steps({"uses it in Python": made.opens}))
