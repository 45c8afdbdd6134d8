"""Options of the protocols and of fine-tuning, with their defaults.

Each field's ``help`` is what the command line says about it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from infomax.errors import did_you_mean, refuse
from infomax.evaluation.probes import DEFAULT_LABELS_PER_CLASS, PROBES
from infomax.learning.methods.optimizer import OptimizerConfig

DEFAULT_FINETUNING_DRAWS = 3
"""How often fine-tuning draws labels."""
DEFAULT_ABLATION_SEEDS = 3
"""Runs of each variant of an ablation."""
DEFAULT_TARGET, DEFAULT_CELL_SIDE = 7, 5
"""Sides of the similarity maps that are searched for a global feature, and that a cell is taken from."""
DEFAULT_NUM_SIMILAR = 12
"""Similar images that are drawn."""


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
    labels_per_class: int | None = _option(
        DEFAULT_LABELS_PER_CLASS, "labels of each class for probes with few labels; 0 for none of these"
    )
    seed: int = _option(0, "of the random encoder, the draws of labels and the probes")

    def __post_init__(self) -> None:
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

    epochs: int = _option(120, "epochs of training the classifiers; for ImageNet 30")
    milestones: tuple[float, ...] | None = _option(
        None,
        "epochs after which the rate is a fifth of what it was; default: 2/3 and 11/12 of all (80 and 110 of "
        "120), for ImageNet 15,25",
    )
    batch_size: int = _option(200, "images in a batch, in training and of the test batches")
    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(warmup_steps=0))
    seed: int = _option(0, "of the random encoder, the classifiers and the order of images")

    def __post_init__(self) -> None:
        refuse(
            self.epochs < 1 or self.batch_size < 2,
            "paper protocol: epochs must be at least 1 and batch_size at least 2, "
            f"got {self.epochs} and {self.batch_size}",
        )
        milestones = self.milestones or ()
        refuse(
            not all(0 < one <= self.epochs for one in milestones),
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

    max_labels: int | None = _option(10_000, "training images to use, drawn at random; 0 for all")
    labels_per_class: int | None = _option(50, "labels of each class to fine-tune on; 0 for no fine-tuning")
    seed: int = _option(0, "of the random encoder, the drawn images, the probes and the measures")


@dataclass(frozen=True)
class FinetuningConfig:
    """How an encoder and its head are trained on few labels."""

    encoder_lrs: tuple[float, ...] = _option(
        (3e-4, 3e-3), "rates of Adam for the encoder, from which held-out labels choose in each draw"
    )
    head_lr: float = _option(3e-3, "rate of Adam for the head")
    max_steps: int = _option(400, "steps of training, at most")
    batch_size: int = _option(64, "images in a batch")
    evaluate_every: int = _option(20, "steps between evaluations of the held-out labels")
    patience: int = _option(5, "evaluations without a new best value before training stops")

    @property
    def num_steps(self) -> int:
        """Steps of a draw of labels, at most."""
        return len(self.encoder_lrs) * self.max_steps


DEFAULT_CLEAN, DEFAULT_PAPER, DEFAULT_DIM = CleanOptions(), PaperOptions(), DIMOptions()
DEFAULT_FINETUNING = FinetuningConfig()
