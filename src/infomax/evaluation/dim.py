"""The dim protocol: the evaluation of Deep InfoMax, of every layer, and of what its features know in nats.

Accuracies of linear support vector machines, of logistic regression and of a small network, for each layer of
the encoder, for the same encoder with random weights, and for raw pixels. For both encoders: information of
the global feature Y about the label and about the input, dependence between its units, multi-scale structural
similarity of the images decoded from it, and the accuracy after fine-tuning on a few labels.

Reference: Hjelm et al. (2018), section 4.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import numpy as np
from torch import Tensor

from infomax.estimation.estimate import Estimate
from infomax.evaluation.embedding import embed_layers
from infomax.evaluation.finetuning.comparing import finetune
from infomax.evaluation.finetuning.labels import LabelBudget
from infomax.evaluation.options import DEFAULT_DIM, DEFAULT_FINETUNING_DRAWS, DIMOptions, FinetuningConfig
from infomax.evaluation.probes.dependence import neural_dependence
from infomax.evaluation.probes.few_labels import names_of, not_drawable, too_rare
from infomax.evaluation.probes.information import input_information, label_information
from infomax.evaluation.probes.linear import linear_probe
from infomax.evaluation.probes.mlp import mlp_probe
from infomax.evaluation.probes.probe import Probe
from infomax.evaluation.probes.reconstruction import decoder_similarity
from infomax.evaluation.probes.svm import svm_probe
from infomax.evaluation.representations import random_counterpart
from infomax.evaluation.results import RANDOM_ENCODER, Assessment
from infomax.evaluation.splits import Split, some_of
from infomax.learning.data.dataset import Dataset
from infomax.learning.data.targets import listed
from infomax.learning.encoders.features import example_features
from infomax.learning.encoders.saving import PretrainedEncoder
from infomax.progress import Stages, stages

LAYER_PROBES: Mapping[str, Probe] = {
    "svm": svm_probe,
    "linear": linear_probe,
    "mlp": partial(mlp_probe, num_seeds=1, num_hidden=200),
}
"""The classifiers of the paper."""
NUM_MEASURES = 4
"""Measures of the global feature of an encoder."""
UNKNOWN = "information about the label leaves out test images of classes without training labels"
FINETUNING = FinetuningConfig(encoder_lrs=(3e-4,))
"""One rate for all, so that nothing is chosen."""


def evaluate_dim(
    encoder: PretrainedEncoder, split: Split, options: DIMOptions = DEFAULT_DIM, *, name: str = "DIM"
) -> Assessment:
    """Return accuracies of every layer, and measures of the global feature "Y"; see the module's first lines.

    Progress goes to stderr.

    Args:
        encoder: its layers are those that its features name, and "Y".
        split: images to fit to and images to test on.
        options: how many images and labels are used.
        name: what the rows of the encoder are called.

    Raises:
        ValueError: the labels are no classes.
    """
    seed = options.seed
    split.check_classes("dim protocol")
    split = replace(split, train=some_of(split.train.with_labels(), options.max_labels, seed))
    num_tuned, notes = _few_labels(split, options.labels_per_class)
    encoders = {name: encoder, RANDOM_ENCODER: random_counterpart(encoder, seed)}
    rows, measures, learned = [], [], {}
    num_layers = len(example_features(encoder.encoder).layers) + 1
    num = _num_stages(num_layers, num_tuned is not None)
    with stages(num) as progress:
        progress.tell(
            f"dim protocol, {num} stages: {len(LAYER_PROBES)} classifiers for each of {num_layers} layers, "
            f"and measures, of {name} and of a random encoder; then raw pixels"
        )
        for one, of in encoders.items():
            progress.begin(f"embedding: {one}")
            train, test = embed_layers(of, split.train), embed_layers(of, split.test)
            learned = learned or test
            for layer in train:
                rows += _probes(one, layer, train[layer], test[layer], split, seed, progress)
            measures += _measures(one, train["Y"], test["Y"], split, seed, progress)
            if num_tuned is not None:
                rows.append(_finetuned(one, of, split, num_tuned, seed, progress))
        raw_name, raw = encoder.views.raw_name, encoder.views.raw
        rows += _probes(raw_name, None, raw(split.train), raw(split.test), split, seed, progress)
    return Assessment(rows, learned["Y"], measures, notes=[*split.notes, *notes])


def _num_stages(num_layers: int, tuned: bool) -> int:
    """Return the stages that are shown: of two encoders, and of raw pixels."""
    return 2 * (1 + len(LAYER_PROBES) * num_layers + NUM_MEASURES + tuned) + len(LAYER_PROBES)


def _few_labels(split: Split, labels_per_class: int | None) -> tuple[int | None, list[str]]:
    """How many labels of each class fine-tuning takes, None where it cannot; and what is left out."""
    train, test = split.train.labels, split.test.with_labels().labels
    notes = [] if np.isin(test, train).all() else [UNKNOWN]
    if labels_per_class is None:
        return None, notes
    why = not_drawable(train, test, labels_per_class, split.classes)
    rare = names_of(too_rare(train, labels_per_class), split.classes)
    if why:
        return None, [*notes, f"no fine-tuning: {why} (--labels-per-class)"]
    few = f"classes with fewer than {labels_per_class} labels, left out of fine-tuning"
    return labels_per_class, [*notes, *([f"{few}: {listed(rare)}"] if rare else [])]


def _probes(
    name: str,
    layer: str | None,
    train: np.ndarray,
    test: np.ndarray,
    split: Split,
    seed: int,
    progress: Stages,
) -> Iterator[dict[str, Any]]:
    for key, probe in LAYER_PROBES.items():
        progress.begin(f"{key} probe: {name}{f', {layer}' if layer else ''}")
        found = probe(train, split.train.labels, test, split.test.labels, seed=seed)
        yield {"representation": name, "layer": layer, "labels": "all", **asdict(found)}


def _finetuned(
    name: str, encoder: PretrainedEncoder, split: Split, labels_per_class: int, seed: int, progress: Stages
) -> dict[str, Any]:
    num_labels = LabelBudget(per_class=labels_per_class)
    progress.begin(f"fine-tuning: {name}, {num_labels}", DEFAULT_FINETUNING_DRAWS * FINETUNING.num_steps)
    found = finetune(
        encoder,
        split.train,
        split.test,
        num_labels=num_labels,
        config=FINETUNING,
        seed=seed,
        progress=progress,
    )
    return {
        "representation": name,
        "layer": "all of it",
        "labels": f"{labels_per_class} per class",
        **asdict(found),
    }


def _measures(
    name: str, train: np.ndarray, test: np.ndarray, split: Split, seed: int, progress: Stages
) -> Iterator[dict[str, Any]]:
    """Measures of the global feature."""
    known = np.isin(split.test.labels, split.train.labels)
    of_label = (split.train.labels, test[known], split.test.labels[known])
    images = split.train.batch(slice(None))
    found: dict[str, Callable[[], Mapping[str, Any]]] = {
        "information about the label": lambda: _nats(label_information(train, *of_label, seed=seed)),
        "information about the input": lambda: _nats(input_information(images, train, seed=seed)),
        "dependence between units": lambda: _nats(neural_dependence(train, seed=seed)),
        "MS-SSIM of decoded images": lambda: _decoded(train, images, test, split.test, seed),
    }
    for measure, measured in found.items():
        progress.begin(f"{measure}: {name}")
        yield {"representation": name, "measure": measure, **measured()}


def _decoded(
    train: np.ndarray, images: Tensor, test: np.ndarray, tested: Dataset, seed: int
) -> dict[str, Any]:
    decoded = decoder_similarity(train, images, test, tested.batch(slice(None)), seed=seed)
    return {
        "value": decoded.similarity,
        "standard_error": decoded.standard_error,
        "unit": "",
        "kind": f"{len(decoded.exponents)} scales",
    }


def _nats(estimate: Estimate) -> dict[str, Any]:
    return {
        "value": estimate.value,
        "standard_error": estimate.standard_error,
        "unit": "nats",
        "kind": estimate.kind,
    }
