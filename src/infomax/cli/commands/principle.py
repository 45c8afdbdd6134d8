"""``infomax principle``."""

from collections.abc import Sequence
from dataclasses import dataclass

from infomax.cli.options import argument, option
from infomax.cli.output import Answer, listing
from infomax.ranges import Seed


@dataclass(frozen=True)
class Principle:
    """Test what the InfoMax principle implies, and write a page with the evidence for each statement."""

    experiment: Sequence[str] = argument(
        "experiments from the list below; by default all", default=(), nargs="*"
    )
    out: str = option("folder for figures, numbers and the page principle.html")
    seed: Seed = option("seed of everything that is random", default=0)

    @staticmethod
    def notes(_: Sequence[str] = ()) -> str:
        """Return which experiments there are."""
        from infomax.principle.experiments import EXPERIMENTS

        return listing("experiments", {name: one.summary for name, one in EXPERIMENTS.items()})

    def __call__(self) -> Answer:
        """Return the page, and what each experiment found."""
        from infomax.principle.experiments.results import Results
        from infomax.principle.experiments.running import run_experiments

        results = run_experiments(self.experiment, self.out, seed=self.seed)
        page = str(Results(self.out).page)
        facts = {
            one.experiment: {"holds": one.holds, "finding": one.finding, "seconds": one.seconds}
            for one in results
        }
        holding = f"{sum(one.holds for one in results)} of {len(results)} statements hold"
        return Answer({"page": page, "experiments": facts}, lambda: [holding], [f"open {page}"])
