"""A recipe: everything that a run needs to know."""

from dataclasses import dataclass, field
from typing import Literal

from infomax.errors import refuse
from infomax.learning.methods.amdim import AMDIMConfig
from infomax.learning.methods.method import MethodConfig
from infomax.learning.methods.optimizer import OptimizerConfig
from infomax.learning.views.images import ViewsConfig
from infomax.learning.views.kinds import Views


@dataclass(frozen=True)
class TrainConfig:
    """How long to train, and how.

    steps, minutes, epochs: the budget; the first of them that is set. Minutes become a number of steps once,
    by timing the first steps.
    batch_size: images in each step (and candidates of the bounds).
    precision: of the encoder's arithmetic; by default the faster one. The objective is always float32.
    compile: views and encoders by torch.compile, and on one GPU AMDIM's whole step, of pictures, as CUDA
    graphs. The first step then waits for a minute or so; it pays on GPUs only.
    checkpoint_steps, log_steps: steps between checkpoints, and between rows of metrics.csv.
    devices, num_nodes: processes on each machine, and machines, that train together; each process takes an
    equal share of the batch.
    """

    steps: int | None = None
    minutes: float | None = None
    epochs: float | None = None
    batch_size: int = 128
    seed: int = 0
    precision: Literal["auto", "bf16", "float32"] = "auto"
    accelerator: str = "auto"
    compile: bool = False
    checkpoint_steps: int = 200
    log_steps: int = 10
    tensorboard: bool = False
    devices: int = 1
    num_nodes: int = 1

    def __post_init__(self):
        refuse(
            min(self.devices, self.num_nodes) < 1 or self.batch_size % self.num_processes,
            "train: devices and num_nodes must be at least 1 and together divide batch_size, got "
            f"{self.devices}, {self.num_nodes} and a batch of {self.batch_size}; set --train.batch_size",
        )

    @property
    def num_processes(self) -> int:
        """Processes that train together."""
        return self.devices * self.num_nodes


@dataclass(frozen=True)
class Recipe:
    """Everything that a run needs to know.

    data: the source that the views load. split: part of the source. column: of a table, the column that is
    seen; pairs name their columns in `views`. skip_broken: leave out what cannot be read.
    """

    data: str | None = None
    split: str = "train"
    column: str | None = None
    skip_broken: bool = False
    method: MethodConfig = field(default_factory=AMDIMConfig)
    views: Views = field(default_factory=ViewsConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
