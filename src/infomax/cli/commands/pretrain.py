"""``infomax pretrain``: a recipe with its options, trained or resumed, and perhaps evaluated."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from infomax.cli.commands.recipes import summaries_of_recipes
from infomax.cli.options import argument, option
from infomax.cli.output import listing, short_rows, show_accuracies
from infomax.cli.shared import EVERY_FIELD, absolute, skip_broken
from infomax.errors import refuse

if TYPE_CHECKING:
    from infomax.learning.data.dataset import Dataset, Pairs
    from infomax.learning.training.config import Recipe
    from infomax.learning.training.run import Run
    from infomax.learning.views.kinds import EncoderPlace


@dataclass(frozen=True)
class Pretrain:
    """Learn an encoder from unlabelled images, signals, or pairs of them."""

    recipe: str | None = argument("name of a recipe", default=None)
    out: str | None = option("run folder, new or empty", default=None)
    resume: str | None = option("continue a run from its last checkpoint", default=None, metavar="RUN")
    evaluate: str | None = option(
        "then evaluate the run on these labelled images, which may be others",
        default=None,
        metavar="DATA",
        type=absolute,
    )
    skip_broken: bool = skip_broken()
    dry_run: bool = option("show the resolved recipe and stop", default=False)
    rest: Sequence[str] = ()
    arguments: Sequence[str] = ()

    @staticmethod
    def notes() -> str:
        """Return how the fields of a recipe are given, and which recipes there are."""
        return f"{EVERY_FIELD}\n\n{listing('recipes', summaries_of_recipes())}"

    def __call__(self) -> dict[str, Any] | None:
        """Return what was trained, or the recipe where it is only shown; None where another process tells."""
        with _can_be_resumed():
            recipe = self._recipe()
            if self.dry_run:
                return asdict(recipe)
            from infomax.learning.training.loop import pretrain, resume
            from infomax.learning.training.run import Run

            recipe = self._complete(recipe)
            dataset = self._dataset(recipe)
            if self.resume:
                run = resume(recipe, dataset, Run(self.resume))
            else:
                run = pretrain(recipe, dataset, str(self.out))
            return self._result(recipe, dataset, run)

    def _recipe(self) -> "Recipe":
        """Return the recipe of the run to resume, or the one that is named, with its options."""
        from infomax.learning.training.options import recipe_from_options
        from infomax.learning.training.recipes import recipe_named
        from infomax.learning.training.run import Run

        if self.resume:
            refuse(
                self.rest or self.recipe,
                "pretrain: --resume takes the recipe of the run; give nothing beside it",
            )
            return Run(self.resume).read_recipe()
        refuse(not self.recipe, "pretrain: no recipe given; `infomax recipes` lists them")
        return recipe_from_options(recipe_named(str(self.recipe)), self.rest)

    def _complete(self, recipe: "Recipe") -> "Recipe":
        """Return the recipe with a source that is found from any folder, so that the run can be resumed."""
        refuse(not recipe.data, "pretrain: no images given; set --data to a folder, a file or a hub name")
        refuse(not (self.resume or self.out), "pretrain: no place for the run; set --out to a new folder")
        skip_broken = recipe.skip_broken or self.skip_broken
        return replace(recipe, data=absolute(str(recipe.data)), skip_broken=skip_broken)

    def _dataset(self, recipe: "Recipe") -> "Dataset | Pairs":
        """Start the other processes, if there are to be some; return what each learns from."""
        from infomax.evaluation.splits import labelled_split
        from infomax.learning.distributed.launching import start_together

        if recipe.train.num_nodes == 1:
            start_together(recipe.train.devices, self.arguments)
        dataset = recipe.views.load(
            recipe.data, split=recipe.split, column=recipe.column, skip_broken=recipe.skip_broken
        )
        for place, column in self._evaluations(recipe):  # refused before anything is trained
            labelled_split(self.evaluate, place.views, column=column)
        return dataset

    def _evaluations(self, recipe: "Recipe") -> Iterator[tuple["EncoderPlace", str | None]]:
        """Yield the place of each encoder, and its column where the data is that of training."""
        if self.evaluate:
            for place in recipe.views.encoders:
                column = place.folder.name or recipe.column
                yield place, column if self.evaluate == recipe.data else None

    def _evaluated(self, recipe: "Recipe", run: "Run") -> Iterator[dict[str, Any]]:
        """Yield the rows of the clean protocol for each encoder."""
        from infomax.evaluation.evaluating import evaluate_run
        from infomax.learning.training.run import Run

        for place, column in self._evaluations(recipe):
            result = evaluate_run(Run(run.folder / place.folder), str(self.evaluate), column=column)
            show_accuracies(result)
            encoder = {"encoder": place.folder.name} if place.folder.name else {}
            yield from ({**encoder, **row} for row in short_rows(result))

    def _result(self, recipe: "Recipe", dataset: "Dataset | Pairs", run: "Run") -> dict[str, Any] | None:
        """Evaluate the run, if that is wanted; return what was done, in the first process."""
        from infomax.learning.distributed.groups import rank, wait_for_all

        wait_for_all()  # until the first process has written the encoders
        rows = [*self._evaluated(recipe, run)]
        if rank() > 0:
            return None
        encoders = {
            f"{place.folder.name} encoder".strip(): str(run.folder / place.folder / run.encoder.name)
            for place in recipe.views.encoders
        }
        return {
            "run": str(run.folder),
            **({"evaluation": rows} if self.evaluate else {}),
            **encoders,
            "num_images": len(dataset),
            "skipped": list(dataset.skipped),
        }


@contextmanager
def _can_be_resumed() -> Iterator[None]:
    """Say, where the command is interrupted, how it continues."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt("the run continues with `infomax pretrain --resume RUN`") from None
