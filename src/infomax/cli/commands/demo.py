"""``infomax demo``: the main job on built-in data, without a network."""

from dataclasses import dataclass
from itertools import count
from pathlib import Path

from infomax.cli.options import option
from infomax.cli.output import Answer, accuracies, next_steps, short_rows


@dataclass(frozen=True)
class Demo:
    """Train an encoder on the built-in digits, fit probes to it, and write a report."""

    out: str = option("run folder; infomax-demo-2, … if it exists already", default="infomax-demo")

    def __call__(self) -> Answer:
        """Return the run folder, the page and the accuracies."""
        from infomax.evaluation.evaluating import evaluate_run
        from infomax.evaluation.options import CleanOptions
        from infomax.evaluation.probes import PROBES
        from infomax.learning.training.loop import pretrain
        from infomax.learning.training.recipes import recipe_named
        from infomax.report import write_report

        recipe = recipe_named("amdim-digits")
        assert recipe.data is not None
        run = pretrain(recipe, recipe.views.load(recipe.data), _free_folder(Path(self.out)))
        probes = {name: PROBES[name].for_draws for name in CleanOptions().chosen_probes}
        result = evaluate_run(run, recipe.data, probes=probes)
        page = write_report(run.folder)
        found = {"run": str(run.folder), "report": str(page), "rows": short_rows(result)}
        steps = {
            "the same with your images": "infomax pretrain amdim-cpu --data DIR --out runs/a",
            "what else there is": "infomax recipes",
        }
        return Answer(found, lambda: accuracies(result), [f"open {page}", *next_steps(steps)])


def _free_folder(folder: Path) -> Path:
    """Return `folder`, or the first of folder-2, folder-3, … that does not exist."""
    numbered = (folder.with_name(f"{folder.name}-{number}") for number in count(2))
    return next(path for path in numbered if not path.exists()) if folder.exists() else folder
