"""``infomax pretrain``: a recipe with its options, trained, resumed or made longer, and perhaps evaluated."""

import shlex
import shutil
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from infomax.cli.commands.recipes import summaries_of_recipes
from infomax.cli.options import argument, option
from infomax.cli.output import (
    Answer,
    entries,
    listing,
    next_steps,
    page_about,
    short_rows,
    show_accuracies,
)
from infomax.cli.shared import EVERY_FIELD, module, skip_broken
from infomax.errors import Stopped, refuse
from infomax.files import absolute

if TYPE_CHECKING:
    from infomax.evaluation.given import Given
    from infomax.learning.data.streaming.stream import Trainable
    from infomax.learning.training.config import Recipe, TrainConfig
    from infomax.learning.training.run import Run
    from infomax.learning.views.kinds import EncoderPlace

EXAMPLES = """\
examples:
  infomax pretrain amdim-cpu --data photos/ --out runs/a --minutes 5
  infomax pretrain --resume runs/a                 after Ctrl-C or a crash
  infomax pretrain --resume runs/a --data moved/   if the images have moved
  infomax pretrain --resume runs/a --minutes 20    train 20 minutes longer
  infomax pretrain --from runs/a --data more/ --out runs/b
  infomax pretrain amdim-digits --help             list the fields of a recipe
"""

COLUMN = 34
"""Where the descriptions of fields begin in a help text."""


@dataclass(frozen=True)
class Pretrain:
    """Train an encoder on unlabelled images, signals, or pairs of them."""

    recipe: str | None = argument("name of a recipe", default=None)
    out: str | None = option("new or empty run folder", default=None)
    resume: str | None = option(
        "continue a run from its last checkpoint; with --minutes, --steps or --epochs, train it that "
        "much longer",
        default=None,
        metavar="RUN",
    )
    start: str | None = option(
        "start a new run with the weights of this run's encoder; by default with its recipe too",
        default=None,
        metavar="RUN",
        flag="--from",
    )
    module: str | None = module()
    go_on: bool = option(
        "resume the run in --out if there is one: for restarts by torchrun and requeued jobs",
        default=False,
    )
    evaluate: str | None = option(
        "after training, evaluate the run on these labelled images; they need not be the training images",
        default=None,
        metavar="DATA",
        type=absolute,
    )
    skip_broken: bool = skip_broken()
    stream: bool = option(
        "read the shards in --data, such as 'photos-{00000..00127}.tar', again in each epoch, and "
        "decode images shortly before their step",
        default=False,
    )
    dry_run: bool = option("show the complete recipe and stop", default=False)
    rest: Sequence[str] = ()
    arguments: Sequence[str] = ()

    @staticmethod
    def notes(arguments: Sequence[str] = ()) -> str:
        """Return the fields of the recipe that was typed; else examples, and which recipes there are."""
        from infomax.learning.training.recipes import RECIPES

        named = next((name for name in arguments if name in RECIPES), None)
        if named is not None:
            return f"{EVERY_FIELD}\n\n{_fields(named)}"
        return f"{EVERY_FIELD}\n\n{EXAMPLES}\n{listing('recipes', summaries_of_recipes())}"

    def __call__(self) -> Answer | None:
        """Return what was trained, or the recipe where it is only shown; None where another process tells."""
        going_on = self._going_on()
        if going_on is not self:
            return going_on()
        with self._saying_how_to_go_on():
            default, recipe = self._recipes()
            if self.dry_run:
                return _resolved(default, self._of_run() if self.resume else recipe)
            from infomax.learning.training import loop

            recipe = self._complete(recipe)
            dataset = self._dataset(recipe)
            run = self._training(recipe, dataset, loop)()
        with _saying(f"training is complete; {self._evaluating}"):
            return self._answer(run.read_recipe(), dataset, run)

    def _going_on(self) -> "Pretrain":
        """Return the command that goes on with the run that --out holds, where it is there and --go-on given.

        Of one that has not trained yet, forget that it has begun, in the first process.
        """
        from infomax.learning.distributed.launching import started
        from infomax.learning.training.run import Run

        refuse(self.go_on and not self.out, "pretrain: --go-on looks whether --out holds the run; set --out")
        if not self.go_on or self.dry_run:
            return self
        run, place = Run(str(self.out)), started()
        if not run.trained:
            if place is None or place.rank == 0:
                run.forget_beginning()
            return self
        run.check_same(self._complete(self._recipes()[1]))
        return replace(self, recipe=None, start=None, rest=(), out=None, resume=self.out, go_on=False)

    @property
    def _folder(self) -> Path:
        return Path(str(self.resume or self.out))

    @property
    def _module(self) -> list[str]:
        return ["--module", self.module] if self.module else []

    @property
    def _evaluating(self) -> str:
        return f"`infomax evaluate {self._folder} --data DIR` evaluates it"

    def _of_run(self) -> "Recipe":
        """Return the recipe of the run to go on with."""
        from infomax.learning.training.run import Run

        return Run(str(self.resume)).read_recipe()

    def _recipes(self) -> "tuple[Recipe, Recipe]":
        """Return the recipe that is named, or that of a run; and the same with its options."""
        from infomax.learning.training.options import differences, recipe_from_options

        default = self._default()
        recipe = recipe_from_options(default, self.rest)
        of_encoder = [name for name in differences(recipe, default) if name.startswith("method.encoder.")]
        refuse(
            self.module and of_encoder,
            f"pretrain: --module brings an encoder of its own, which --{''.join(of_encoder[:1])} does not "
            "change; leave one of them out",
        )
        if self.resume:
            refuse(
                self.recipe
                or self.start
                or replace(recipe, data=None, train=recipe.train.without_budget()) != default,
                "pretrain: --resume uses the recipe of the run; with it you can give --data, and one of "
                "--minutes, --steps and --epochs to train longer; leave other options out",
            )
        return default, recipe

    def _default(self) -> "Recipe":
        from infomax.learning.training.recipes import recipe_named
        from infomax.learning.training.run import Run

        if self.resume:
            recipe = self._of_run()
            return replace(recipe, data=None, train=recipe.train.without_budget())
        if self.start and not self.recipe:
            recipe = Run(self.start).training.read_recipe()
            return replace(recipe, optimizer=replace(recipe.optimizer, restarts=()))
        refuse(not self.recipe, "pretrain: no recipe given; `infomax recipes` lists them")
        return recipe_named(str(self.recipe))

    def _complete(self, recipe: "Recipe") -> "Recipe":
        """Return the recipe with a source that is found from any folder, so that the run can be resumed."""
        source = recipe.data or (self._of_run().data if self.resume else None)
        refuse(not source, "pretrain: no images given; set --data to a folder, a file or a hub name")
        refuse(not (self.resume or self.out), "pretrain: no place for the run; set --out to a new folder")
        skip_broken = recipe.skip_broken or self.skip_broken
        stream = recipe.stream or self.stream
        recipe = replace(recipe, data=absolute(str(source)), skip_broken=skip_broken, stream=stream)
        return replace(recipe, train=self._as_started(recipe.train))

    def _as_started(self, train: "TrainConfig") -> "TrainConfig":
        """Return how to train in the processes that were started; say that, if it is not what was typed."""
        from infomax.learning.distributed.launching import started

        place, found = started(), train.as_started()
        if place is not None and place.rank == 0 and found != train:
            processes = "1 process" if found.num_processes == 1 else f"{found.num_processes} processes"
            machines = "" if found.num_nodes == 1 else f" on {found.num_nodes} machines"
            print(f"{processes}{machines}, as started by {place.by}", file=sys.stderr)
        return found

    def _dataset(self, recipe: "Recipe") -> "Trainable":
        """Start the other processes, if there are to be some; return what each learns from."""
        from infomax.evaluation.splits import labelled_split
        from infomax.learning.distributed.launching import start_together

        if recipe.train.num_nodes == 1:
            start_together(recipe.train.devices, self.arguments)
        try:
            dataset = recipe.load()
        except FileNotFoundError as error:
            if not self.resume:
                raise
            moved = f"if the images have moved: --resume {self.resume} --data NEW_PLACE"
            raise FileNotFoundError(f"{error}; {moved}") from error
        for place, given in self._evaluations(recipe):  # refused before anything is trained
            labelled_split(given, place.views)
        return dataset

    def _training(self, recipe: "Recipe", dataset: "Trainable", loop: Any) -> "Callable[[], Run]":
        """Return the call that trains a new run, or goes on with one."""
        from infomax.learning.encoders.own import own_encoder
        from infomax.learning.training.run import Run

        if not self.resume:
            encoder = own_encoder(self.module) if self.module else None
            how = {"encoder": encoder, "weights_from": self.start}
            return partial(loop.pretrain, recipe, dataset, self._folder, **how)
        run = Run(self.resume)
        began = run.read_environment().get("encoder")
        encoder = own_encoder(self.module, began) if self.module else None
        train = self._as_started(self._of_run().train)
        recipe, more = replace(recipe, train=train), recipe.train.budget
        return partial(loop.resume, recipe, dataset, run, encoder=encoder, **more)

    def _evaluations(self, recipe: "Recipe") -> Iterator[tuple["EncoderPlace", "Given"]]:
        """Yield the place of each encoder, and its data, read as in training if that is the same."""
        from infomax.evaluation.given import Given

        if self.evaluate:
            same = self.evaluate == recipe.data
            for place in recipe.views.encoders:
                column = place.folder.name or recipe.column
                how = {"column": column, "labels": recipe.labels} if same else {}
                yield place, Given(self.evaluate, skip_broken=recipe.skip_broken, **how)

    def _evaluated(self, recipe: "Recipe", run: "Run") -> Iterator[dict[str, Any]]:
        """Yield the rows of the clean protocol for each encoder."""
        from infomax.evaluation.evaluating import evaluate_run
        from infomax.learning.encoders.own import load_own_encoder
        from infomax.learning.training.run import Run

        for place, given in self._evaluations(recipe):
            folder = run.folder / place.folder
            result = evaluate_run(Run(folder), given, encoder=load_own_encoder(folder, self.module))
            show_accuracies(result)
            encoder = {"encoder": place.folder.name} if place.folder.name else {}
            yield from ({**encoder, **row} for row in short_rows(result))

    def _answer(self, recipe: "Recipe", dataset: "Trainable", run: "Run") -> Answer | None:
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
        metrics = run.last_metrics()
        done = {"num_images": len(dataset), "steps": recipe.train.steps, "seconds": metrics.get("seconds")}
        found = {
            "run": str(run.folder),
            **({"evaluation": rows} if self.evaluate else {}),
            **encoders,
            **done,
            "skipped": list(dataset.skipped),
        }
        bits = {
            name.removeprefix("bits_"): f"{value:.2f} of {metrics[name.replace('bits', 'ceiling', 1)]:.2f}"
            for name, value in metrics.items()
            if name.startswith("bits_")
        }
        lines = {"run": str(run.folder), **encoders, "images": len(dataset), **done, "bits": bits}
        del lines["num_images"]
        return Answer(found, lambda: [entries(lines)], next_steps(self._next(recipe, dataset)))

    def _next(self, recipe: "Recipe", dataset: "Trainable") -> dict[str, str]:
        """Return what can be done with the run, with its command line."""
        found = {}
        for place in recipe.views.encoders:
            folder = str(self._folder / place.folder)
            of = f" ({place.folder.name})" if place.folder.name else ""
            column = place.folder.name or recipe.column
            data = ["--data", _short(str(recipe.data)), *(["--column", column] if column else [])]
            broken = ["--skip-broken"] if recipe.skip_broken else []
            command = [folder, *data, *broken, *self._module]
            split = [] if recipe.split == "train" else ["--split", recipe.split]
            out = f"{'-'.join(['features', *place.folder.parts])}.parquet"
            if dataset.labelled and not self.evaluate:
                labels = ["--labels", recipe.labels] if recipe.labels else []
                found[f"what they are worth{of}"] = shlex.join(["infomax", "evaluate", *command, *labels])
            if not dataset.labelled:
                found[f"which are alike{of}"] = shlex.join(["infomax", "groups", *command, *split])
            found[f"features of each{of}"] = shlex.join(["infomax", "embed", *command, *split, "--out", out])
        return found | page_about(self._folder)

    @contextmanager
    def _saying_how_to_go_on(self) -> Generator[None]:
        """Say, where the command is interrupted, what is saved and how to go on."""
        command = shlex.join(["infomax", "pretrain", "--resume", str(self._folder), *self._module])
        try:
            yield
        except Stopped as stopped:
            from infomax.learning.training.run import Run

            complete = Run(self._folder).finished
            raise KeyboardInterrupt(
                f"{stopped}; {self._evaluating}" if complete else f"{stopped}; go on with `{command}`"
            ) from None
        except KeyboardInterrupt as interrupt:
            if interrupt.args:
                raise
            begun = self.resume or (self.out and (self._folder / "recipe.yaml").exists())
            kept = f"what was saved is kept; go on with `{command}`"
            raise KeyboardInterrupt(
                kept if begun else "nothing was trained; start again with the same command"
            ) from None


@contextmanager
def _saying(what: str) -> Generator[None]:
    """Say this where the command is interrupted."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(what) from None


def _resolved(default: "Recipe", recipe: "Recipe") -> Answer:
    """Return the recipe, on a terminal as YAML, with what the options changed."""
    from infomax.learning.training.options import differences
    from infomax.learning.training.run import as_yaml

    changed = [f"--{name} {new}, not {old}" for name, (new, old) in differences(recipe, default).items()]
    steps = [f"changed by options: {'; '.join(changed)}"] if changed else []
    steps.append("next: the same without --dry-run; saved as a file, this is read by --config FILE")
    return Answer(asdict(recipe), lambda: [as_yaml(recipe).rstrip()], steps)


def _fields(name: str) -> str:
    """Return the fields of a recipe with their values and what they are, for the end of a help text."""
    from infomax.learning.training.options import described_fields
    from infomax.learning.training.recipes import recipe_named

    width = max(shutil.get_terminal_size().columns - COLUMN - 2, 30)
    lines = [f"fields of {name}, with their values:"]
    for one in described_fields(recipe_named(name)):
        head, text = f"  --{one.name} {one.value}", wrap(one.text, width)
        if len(head) <= COLUMN - 2 and text:
            head = f"{head:{COLUMN}}{text.pop(0)}"
        lines += [head, *(" " * COLUMN + line for line in text)]
    return "\n".join(lines)


def _short(source: str) -> str:
    """Return a path as it is typed in the current folder, where it lies in it."""
    path = Path(source)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else source
