"""Options of the protocols and of fine-tuning, with their defaults.

Each field's ``help`` is what the command line says about it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from infomax.errors import did_you_mean, refuse
from infomax.evaluation.probes import DEFAULT_LABELS_PER_CLASS, PROBES
from infomax.learning.methods.optimizer import OptimizerConfig
from infomax.ranges import Count, NotEmpty, Positive, Range, Seed, check_ranges

DEFAULT_FINETUNING_DRAWS = 3
"""How often fine-tuning draws labels."""
DEFAULT_ABLATION_SEEDS = 3
"""Runs of each variant of an ablation."""
DEFAULT_TARGET, DEFAULT_CELL_SIDE = 7, 5
"""Sides of the similarity maps that are searched for a global feature, and that a cell is taken from."""
DEFAULT_NUM_SIMILAR = 12
"""Similar images that are drawn."""
WAYS_OF_KNN = ("auto", "exact", "lists")
"""Ways to find the nearest of many rows; see `infomax.evaluation.in_parts.nearest.index_for`."""


def _option(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class CleanOptions:
    """Options of the clean protocol.

    Attributes:
        probes: names from `PROBES`; or a mapping of names to probes of your own.
        labels_per_class: None for probes with all labels only.
    """

    probes: tuple[str, ...] | Mapping[str, Callable[..., Any]] = _option(
        ("linear", "mlp", "knn"), f"some of {', '.join(PROBES)}"
    )
    labels_per_class: Count | None = _option(
        DEFAULT_LABELS_PER_CLASS,
        "labels of each class for the probes with few labels; 0 leaves these probes out",
    )
    seed: Seed = _option(0, "seed of the random encoder, the draws of labels and the probes")

    def __post_init__(self) -> None:
        check_ranges(self, "evaluate")
        for name in () if isinstance(self.probes, Mapping) else self.probes:
            refuse(name not in PROBES, f"evaluate: no probe {name}; {did_you_mean(name, PROBES)}")

    @property
    def chosen_probes(self) -> Mapping[str, Callable[..., Any]]:
        """The probes by name."""
        if isinstance(self.probes, Mapping):
            return self.probes
        return {name: PROBES[name] for name in self.probes}


@dataclass(frozen=True)
class PaperOptions:
    """How the classifiers of the paper protocol are trained; defaults are those published for CIFAR and STL.

    For ImageNet take 30 epochs with milestones (15, 25). An epoch takes one augmented view of each training
    image and drops the incomplete last batch.
    """

    epochs: Count = _option(120, "epochs of training for the classifiers; 30 for ImageNet")
    milestones: tuple[Positive, ...] | None = _option(
        None,
        "epochs after which the learning rate is divided by 5; by default 2/3 and 11/12 of all "
        "epochs (80 and 110 of 120); 15,25 for ImageNet",
    )
    batch_size: Annotated[int, Range(2)] = _option(200, "images in a batch, for training and for the test")
    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(warmup_steps=0))
    seed: Seed = _option(0, "seed of the random encoder, the classifiers and the order of images")

    def __post_init__(self) -> None:
        check_ranges(self, "paper protocol")
        milestones = self.milestones or ()
        refuse(
            max(milestones, default=0) > self.epochs,
            f"paper protocol: milestones must be epochs between 0 and {self.epochs}, "
            f"got {', '.join(f'{one:g}' for one in milestones)}",
        )

    @property
    def shares(self) -> tuple[float, ...]:
        """The milestones as shares of training."""
        if self.milestones is None:
            return (80 / 120, 110 / 120)
        return tuple(one / self.epochs for one in self.milestones)

    def num_steps(self, num_images: int) -> int:
        """Return the steps of training on so many images."""
        return self.epochs * (num_images // self.batch_size)


@dataclass(frozen=True)
class DIMOptions:
    """Options of the dim protocol.

    Attributes:
        max_labels: None for all training images.
        labels_per_class: None leaves fine-tuning out.
    """

    max_labels: Count | None = _option(10_000, "training images to use, drawn at random; 0 for all")
    labels_per_class: Count | None = _option(
        50, "labels of each class for fine-tuning; 0 leaves fine-tuning out"
    )
    seed: Seed = _option(0, "seed of the random encoder, the drawn images, the probes and the measures")

    def __post_init__(self) -> None:
        check_ranges(self, "evaluate")


@dataclass(frozen=True)
class FinetuningConfig:
    """How an encoder and its head are trained on few labels."""

    encoder_lrs: Annotated[tuple[Positive, ...], NotEmpty()] = _option(
        (3e-4, 3e-3),
        "learning rates of Adam for the encoder; held-out labels choose one of them in each draw",
    )
    head_lr: Positive = _option(3e-3, "learning rate of Adam for the head")
    max_steps: Count = _option(400, "largest number of training steps")
    batch_size: Annotated[int, Range(2)] = _option(64, "images in a batch")
    evaluate_every: Count = _option(20, "steps between evaluations of the held-out labels")
    patience: Count = _option(5, "stop after this many evaluations without a new best value")

    def __post_init__(self) -> None:
        check_ranges(self, "finetune")

    @property
    def num_steps(self) -> int:
        """Steps of a draw of labels, at most."""
        return len(self.encoder_lrs) * self.max_steps


DEFAULT_CLEAN, DEFAULT_PAPER, DEFAULT_DIM = CleanOptions(), PaperOptions(), DIMOptions()
DEFAULT_FINETUNING = FinetuningConfig()
