"""Fine-tuning over several draws of few labels, beside the same network from scratch and a linear probe."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Int

from infomax.evaluation.embedding import embed
from infomax.evaluation.finetuning.classifier import FinetunedClassifier
from infomax.evaluation.finetuning.fitting import fit_classifier
from infomax.evaluation.finetuning.labels import LabelBudget, drawn_classes, draws
from infomax.evaluation.options import DEFAULT_FINETUNING, DEFAULT_FINETUNING_DRAWS, FinetuningConfig
from infomax.evaluation.probes.linear import linear_probe
from infomax.evaluation.probes.probe import ProbeResult
from infomax.evaluation.representations import random_counterpart
from infomax.evaluation.splits import Split
from infomax.learning.data.dataset import Dataset
from infomax.learning.data.targets import listed
from infomax.learning.encoders.saving import PretrainedEncoder
from infomax.progress import Stages, stages

FIFTY_PER_CLASS = LabelBudget(per_class=50)


@dataclass(frozen=True)
class Comparison:
    """Fine-tuning beside what it is compared with.

    Attributes:
        rows: accuracies, as of a protocol.
        classifier: the fine-tuned one of the first draw.
        notes: which classes were left out, in lines for people to read.
    """

    rows: list[dict[str, Any]]
    classifier: FinetunedClassifier
    notes: tuple[str, ...] = ()


def finetune(
    encoder: PretrainedEncoder,
    train: Dataset,
    test: Dataset,
    *,
    num_labels: LabelBudget = FIFTY_PER_CLASS,
    num_draws: int = DEFAULT_FINETUNING_DRAWS,
    config: FinetuningConfig = DEFAULT_FINETUNING,
    seed: int = 0,
    progress: Stages | None = None,
) -> ProbeResult:
    """Return the test accuracy of copies of the encoder with a linear head, trained end to end on few labels.

    Labels are drawn from each class without replacement, several times. A fifth of each draw decides when
    training stops. Views are augmented as in the training of the encoder. Batch norm continues to learn its
    statistics.

    Args:
        encoder: trained, or with random weights for training from scratch; it does not change.
        train: labelled images to draw from.
        test: labelled images.
        num_labels: number of labels to draw.
        num_draws: number of draws of labels, each with its own order of batches and random views.
        config: of training.
        seed: of the draws and of everything random in training.
        progress: shows the steps; None shows them on stderr.

    Returns:
        Mean and standard deviation over draws.

    Raises:
        ValueError: more labels than there are; fewer than two classes would get two labels or more, since one
            stops training. Rarer classes are left out, and settings name them.
    """
    few = _FewLabels.drawn(Split(train, test, "given"), num_labels, num_draws, seed)
    if progress is None:
        with stages() as shown:
            shown.begin(f"fine-tuning: {num_labels}", num_draws * config.num_steps)
            return _finetuned(lambda _: encoder, few, config, shown)[0]
    return _finetuned(lambda _: encoder, few, config, progress)[0]


def compare_finetuning(
    encoder: PretrainedEncoder,
    split: Split,
    *,
    num_labels: LabelBudget,
    name: str = "AMDIM",
    num_draws: int = DEFAULT_FINETUNING_DRAWS,
    config: FinetuningConfig = DEFAULT_FINETUNING,
    seed: int = 0,
) -> Comparison:
    """Return accuracies of the fine-tuned encoder, of the same network from scratch, and of a linear probe.

    All have the same few labels. The network from scratch is trained in the same way, its rate chosen among
    the same; it starts from other random weights in every draw. Progress goes to stderr.

    Args:
        encoder: it does not change.
        split: images to draw from, and images to test on.
        num_labels: as of `finetune`, and so the other arguments.
        name: what the rows of the encoder are called.

    Raises:
        ValueError: as `finetune`.
    """
    few = _FewLabels.drawn(split, num_labels, num_draws, seed)
    at_most = num_draws * config.num_steps
    with stages() as progress:
        progress.begin(f"fine-tuning: {name}, {num_labels}", at_most)
        tuned, classifier = _finetuned(lambda _: encoder, few, config, progress)
        progress.begin(f"from scratch, {num_labels}", at_most)
        scratch, _ = _finetuned(lambda draw: random_counterpart(encoder, seed + draw), few, config, progress)
        progress.begin(f"linear probe: {name}, {num_labels}", num_draws, "draws")
        probed = _probed(encoder, few, progress)
    rows = [
        {"representation": one, "labels": str(num_labels), **asdict(found)}
        for one, found in ((name, tuned), ("from scratch", scratch), (name, probed))
    ]
    return Comparison(rows, classifier, few.notes)


@dataclass(frozen=True)
class _FewLabels:
    """Labelled rows, and those of each draw."""

    split: Split
    labels: LabelBudget
    draws: list[Int[np.ndarray, " m"]]
    seed: int

    left_out: list[str]

    @staticmethod
    def drawn(split: Split, labels: LabelBudget, num_draws: int, seed: int) -> "_FewLabels":
        split.check_classes("finetune")
        split = split.with_labels()
        rows, (_, left_out) = draws(split.train, labels, num_draws, seed), drawn_classes(split.train, labels)
        known = np.isin(split.test.labels, split.train.labels[rows[0]])
        if left_out and known.any():
            split = replace(split, test=split.test.subset(np.flatnonzero(known)))
        return _FewLabels(split, labels, rows, seed, left_out)

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what was left out, in lines."""
        if not self.left_out:
            return ()
        return (f"{self.labels}: too few labels, left out with their test labels: {listed(self.left_out)}",)

    def result(self, probe: str, accuracies: list[float], settings: dict[str, Any]) -> ProbeResult:
        """The result of a classifier that had these accuracies, one for each draw."""
        rare = {"classes_left_out": self.left_out} if self.left_out else {}
        settings = {**settings, "num_draws": len(accuracies), **rare}
        return ProbeResult.of(probe, accuracies, len(self.draws[0]), self.split.test.labels, settings)


def _finetuned(
    start: Callable[[int], PretrainedEncoder],
    few: _FewLabels,
    config: FinetuningConfig,
    progress: Stages,
) -> tuple[ProbeResult, FinetunedClassifier]:
    """The result of a fit to each draw, from the encoder that `start` gives for it; the first classifier."""
    accuracies, steps, rates, first = [], [], [], None
    for draw, rows in enumerate(few.draws):
        train, randomness = few.split.train.subset(rows), {"seed": few.seed, "draw": draw}
        fit = fit_classifier(start(draw), train, config, **randomness, on_step=progress.advance)
        progress.reach((draw + 1) * config.num_steps)
        accuracies.append(fit.model.accuracy(few.split.test))
        steps.append(fit.step)
        rates.append(fit.encoder_lr)
        first = first or fit.model
    assert first is not None
    settings = {**asdict(config), "labels": str(few.labels), "steps": steps, "chosen_encoder_lr": rates}
    return few.result("fine-tuning", accuracies, settings), first


def _probed(encoder: PretrainedEncoder, few: _FewLabels, progress: Stages) -> ProbeResult:
    """The linear probe of frozen features, fitted to each draw."""
    train, test = embed(encoder, few.split.train), embed(encoder, few.split.test)
    labels, test_labels = few.split.train.labels, few.split.test.labels
    accuracies = [
        linear_probe(train[rows], labels[rows], test, test_labels, seed=few.seed).accuracy
        for rows in progress.track(few.draws)
    ]
    return few.result("linear probe", accuracies, {"labels": str(few.labels)})
