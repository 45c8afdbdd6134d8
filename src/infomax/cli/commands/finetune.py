"""``infomax finetune``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infomax.cli.options import option, options_of
from infomax.cli.output import Answer, accuracies, next_steps, on_terminal, page_about, show_accuracies
from infomax.cli.shared import given, module, pages, pixel_range, run_folder, together_in_groups
from infomax.errors import refuse
from infomax.evaluation.options import DEFAULT_FINETUNING_DRAWS, FinetuningConfig
from infomax.ranges import Count, Seed


@dataclass(frozen=True)
class Finetune:
    """Fine-tune a run's encoder on a few labels; compare with training from scratch and a linear probe."""

    run: str = run_folder()
    num_labels: Sequence[str] = option(
        "number of labels to train on: a share (10%), a total (500) or for each class (50/class); "
        "each number is one comparison",
        default=(),
        nargs="+",
        metavar="NUMBER",
    )
    given: Mapping[str, Any] = given()
    groups: str | None = together_in_groups()
    range: str | None = pixel_range()
    pages: str | None = pages()
    module: str | None = module()
    draws: Count = option(
        "number of draws of the labels", default=DEFAULT_FINETUNING_DRAWS, python="num_draws"
    )
    training: Mapping[str, Any] = options_of(lambda: {"": FinetuningConfig})
    out: str | None = option("folder for the fine-tuned encoder and its head", default=None, metavar="FOLDER")
    seed: Seed = option("seed of the draws, of training and of the network from scratch", default=0)
    name: str | None = option(
        "name of the data: results go to finetuning-NAME.json; by default to finetuning.json for the "
        "first data, and to the name of the source for other data",
        default=None,
    )
    overwrite: bool = option("replace an earlier comparison on the same data", default=False)

    def __call__(self) -> Answer:
        """Return the accuracies, and where the fine-tuned encoder lies."""
        from infomax.evaluation.evaluating import finetune_run
        from infomax.evaluation.finetuning.labels import LabelBudget
        from infomax.evaluation.given import Given
        from infomax.learning.encoders.own import load_own_encoder
        from infomax.learning.training.run import Run

        refuse(
            not self.num_labels,
            "finetune: no number of labels given; set --num-labels, such as 10% or 50/class",
        )
        given: dict[str, Any] = {**self.given, "groups": self.groups}
        result = finetune_run(
            Run(self.run),
            Given(**given),
            [LabelBudget.parse(text) for text in self.num_labels],
            encoder=load_own_encoder(self.run, self.module, range=self.range, pages=self.pages),
            out=self.out,
            name=self.name,
            overwrite=self.overwrite,
            num_draws=self.draws,
            config=FinetuningConfig(**self.training),
            seed=self.seed,
        )
        found = {**result, **({"encoder": self.out} if self.out else {})}
        if not on_terminal():
            show_accuracies(result)
        page = next_steps(page_about(self.run))
        return Answer(found, lambda: accuracies(result), page)
