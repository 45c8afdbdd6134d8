"""``infomax ablate``."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from infomax.cli.options import argument, option
from infomax.cli.output import Answer, grid, show_on_stderr
from infomax.cli.shared import EVERY_FIELD, labels, skip_broken
from infomax.errors import refuse
from infomax.evaluation.options import DEFAULT_ABLATION_SEEDS
from infomax.files import absolute
from infomax.ranges import Count, Positive

if TYPE_CHECKING:
    from infomax.learning.training.config import Recipe


@dataclass(frozen=True)
class Ablate:
    """Train an AMDIM recipe without one part at a time, and show what each part is worth."""

    recipe: str = argument("name of an AMDIM recipe, see `infomax recipes`")
    out: str = option("folder for the runs, the table and the picture")
    minutes: Positive | None = option("minutes of training for each run", default=None)
    seeds: Count = option(
        "number of runs of each variant", default=DEFAULT_ABLATION_SEEDS, python="num_seeds"
    )
    only: tuple[str, ...] | None = option(
        "variants to train, such as 'one scale'; by default all", default=None, python="variants"
    )
    labels: str | None = labels()
    skip_broken: bool = skip_broken()
    max_labels: Count | None = option("number of images for the probes; by default all", default=None)
    rest: Sequence[str] = ()
    arguments: Sequence[str] = ()

    @staticmethod
    def notes(_: Sequence[str] = ()) -> str:
        """Return how the fields of a recipe are given."""
        return EVERY_FIELD

    def __call__(self) -> Answer | None:
        """Return the folder, and what was measured of each variant; None in processes after the first."""
        from infomax.evaluation.ablation.ablating import ablate
        from infomax.evaluation.ablation.tables import as_cells, as_mapping
        from infomax.learning.distributed.groups import rank
        from infomax.learning.distributed.launching import start_together

        recipe = self._recipe()
        refuse(recipe.data is None, "ablate: no images given; set --data to a folder, a file or a hub name")
        if recipe.train.num_nodes == 1:
            start_together(recipe.train.devices, self.arguments)
        rows = ablate(
            recipe,
            absolute(str(recipe.data)),
            self.out,
            variants=self.only,
            num_seeds=self.seeds,
            max_labels=self.max_labels,
            labels=self.labels,
        )
        if rank() > 0:
            return None
        shown = grid(*as_cells(rows))
        page = f"open {self.out}/ablation.png; ablation.md beside it has all figures"
        answer = Answer({"folder": self.out, "rows": as_mapping(rows)}, lambda: [shown], [page])
        show_on_stderr(answer)
        return answer

    def _recipe(self) -> "Recipe":
        """Return the recipe that is named, with its options, of which the minutes are one."""
        from infomax.learning.training.options import recipe_from_options
        from infomax.learning.training.recipes import recipe_named

        budget = [] if self.minutes is None else ["--train.minutes", str(self.minutes)]
        recipe = recipe_from_options(recipe_named(self.recipe), [*self.rest, *budget], "ablate")
        return replace(recipe, skip_broken=recipe.skip_broken or self.skip_broken)
