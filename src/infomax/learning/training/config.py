"""A recipe: everything that a run needs to know."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from infomax.errors import refuse
from infomax.learning.data.streaming.defaults import DEFAULT_WINDOW
from infomax.learning.distributed.launching import started
from infomax.learning.methods.amdim import AMDIMConfig
from infomax.learning.methods.method import MethodConfig
from infomax.learning.methods.optimizer import OptimizerConfig
from infomax.learning.views.images import ViewsConfig
from infomax.learning.views.kinds import Views
from infomax.ranges import Count, Positive, Range, Seed, check_ranges

if TYPE_CHECKING:
    from infomax.learning.data.streaming.stream import Trainable

LoggerName = Literal["tensorboard", "csv", "wandb", "mlflow"]
"""Loggers of Lightning, by name."""
BUDGETS = ("steps", "minutes", "epochs")
"""The fields of `TrainConfig` that say how long to train; one of them is set."""


@dataclass(frozen=True)
class TrainConfig:
    """How long to train, and how.

    steps: number of training steps; set only one of steps, minutes and epochs.
    minutes: length of training; set only one of steps, minutes and epochs. The first steps are timed, and
    count; then the number of steps is fixed once.
    epochs: passes over the data; set only one of steps, minutes and epochs.
    batch_size: images in each step (and candidates of the bounds); all images if there are fewer.
    seed: seed of the weights, the order of the images and their views.
    precision: precision of the encoder's products, and of AMDIM's scores if they are streamed or fused; auto
    takes the faster one. The objective's sums are always float32.
    accelerator: auto, cpu, gpu, or another that Lightning knows.
    compile: compile views and encoders with torch.compile; on one GPU, capture the whole step of AMDIM on
    pictures as CUDA graphs. The first step then takes about a minute; use this only on GPUs.
    checkpoint_steps: steps between checkpoints. A checkpoint is also written after checkpoint_minutes and at
    the end.
    checkpoint_minutes: minutes between checkpoints. A checkpoint is also written after checkpoint_steps and
    at the end.
    log_steps: steps between rows of metrics.csv.
    loggers: loggers that also get each row: tensorboard, csv, wandb or mlflow, several with commas between.
    They write into the run folder, wandb offline; WANDB_MODE=online and MLFLOW_TRACKING_URI set other places.
    tensorboard: older option for the logger tensorboard, still read.
    devices: processes on each machine that train together, each with an equal share of the batch. If torchrun
    or SLURM started the command, they set this number.
    num_nodes: machines that train together. If torchrun or SLURM started the command, they set this number.
    """

    steps: Count | None = None
    minutes: Positive | None = None
    epochs: Positive | None = None
    batch_size: Annotated[int, Range(2)] = 128
    seed: Seed = 0
    precision: Literal["auto", "bf16", "float32"] = "auto"
    accelerator: str = "auto"
    compile: bool = False
    checkpoint_steps: Count = 200
    checkpoint_minutes: Positive = 3.0
    log_steps: Count = 10
    loggers: tuple[LoggerName, ...] = ()
    tensorboard: bool = False
    devices: Count = 1
    num_nodes: Count = 1

    def __post_init__(self) -> None:
        check_ranges(self, "train")
        if self.tensorboard:
            object.__setattr__(self, "loggers", (*dict.fromkeys((*self.loggers, "tensorboard")),))
            object.__setattr__(self, "tensorboard", False)
        refuse(
            self.batch_size % self.num_processes,
            "train: devices and num_nodes must together divide batch_size, got "
            f"{self.devices}, {self.num_nodes} and a batch of {self.batch_size}; set --train.batch_size",
        )

    @property
    def num_processes(self) -> int:
        """Processes that train together."""
        return self.devices * self.num_nodes

    @property
    def budget(self) -> "dict[str, int | float]":
        """The fields of the budget that are set, by name."""
        return budget_in(vars(self))

    def without_budget(self) -> "TrainConfig":
        """Return the same without a budget."""
        return replace(self, **dict.fromkeys(BUDGETS))

    def with_budget(self, **budget: int | float | None) -> "TrainConfig":
        """Return the same with this budget in place of its own: steps, minutes or epochs.

        Raises:
            ValueError: not exactly one of them is given.

        Example:
            >>> TrainConfig(steps=1000).with_budget(minutes=0.1).budget
            {'minutes': 0.1}
        """
        one_budget("train", budget)
        return replace(self, **{**dict.fromkeys(BUDGETS), **budget})

    def as_started(self) -> "TrainConfig":
        """Return the same on the processes that torchrun or SLURM has started, where one of them has.

        Raises:
            ValueError: they do not divide the batch; see also `Started.num_on_each`.
        """
        place = started()
        if place is None:
            return self
        return replace(self, devices=place.num_on_each, num_nodes=place.num_machines)

    def with_choices(self, budget: Mapping[str, int | float | None], seed: int | None) -> "TrainConfig":
        """Return the same with a budget and a seed in place of its own, where they are given.

        Args:
            budget: steps, minutes and epochs by name; None where they are not given.
            seed: None where it is not given.

        Raises:
            ValueError: two budgets.
        """
        budgeted = any(amount is not None for amount in budget.values())
        train = self.with_budget(**budget) if budgeted else self
        return train if seed is None else replace(train, seed=seed)


def budget_in(values: Mapping[str, Any]) -> dict[str, int | float]:
    """Return the fields of a budget that are set among values by name."""
    return {name: values[name] for name in BUDGETS if values[name] is not None}


def one_budget(operation: str, budget: Mapping[str, int | float | None]) -> None:
    """Check that one budget is set.

    Raises:
        ValueError: none is, or several are.
    """
    given = [f"{name} {value:g}" for name, value in budget.items() if value is not None]
    refuse(not given, f"{operation}: no budget; set --minutes, --epochs or --steps")
    refuse(
        len(given) > 1,
        f"{operation}: expected one budget, got {' and '.join(given)}; set one of minutes, epochs and steps, "
        "in Python by recipe.train.with_budget(minutes=5)",
    )


@dataclass(frozen=True)
class Recipe:
    """Everything that a run needs to know.

    data: images or signals: a folder, a file, a hub name, or a built-in name.
    split: part of the data.
    column: for a table, the column to read; pairs name their columns in `views`.
    labels: source of the labels, which training does not need: none, folders, a column, or a table
    FILE.csv[:column]; null for the labels in the data.
    skip_broken: leave out files that cannot be read.
    stream: read shards (.tar or .parquet files) again in each epoch, and decode their images each time, not
    once.
    stream_window: with streaming, the number of consecutive images that are shuffled together.
    """

    data: str | None = None
    split: str = "train"
    column: str | None = None
    labels: str | None = None
    skip_broken: bool = False
    stream: bool = False
    stream_window: Count = DEFAULT_WINDOW
    method: MethodConfig = field(default_factory=AMDIMConfig)
    views: Views = field(default_factory=ViewsConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    train: TrainConfig = field(default_factory=TrainConfig)

    @property
    def without_effect(self) -> dict[str, str]:
        """Return the fields that have no effect beside the others, each with the reason."""
        return {} if self.stream else {"stream_window": "the data are decoded once, not streamed"}

    def load(self, source: Any = None) -> "Trainable":
        """Return the data of the recipe, or of a source in its place, as its views load it."""
        how: dict[str, Any] = {"split": self.split, "column": self.column, "skip_broken": self.skip_broken}
        if self.labels:
            how["labels"] = self.labels
        data = self.data if source is None else source
        if self.stream:
            return self.views.stream(data, **how, window=self.stream_window)
        return self.views.load(data, **how)
