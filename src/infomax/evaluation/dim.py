"""The evaluation of Deep InfoMax: every layer by several classifiers, and what its features know in nats.

Accuracies of linear support vector machines, logistic regression and a small network on each layer of the
encoder, of the same encoder with random weights, and on raw pixels. Of both encoders: information of the
global feature Y about the label and about the input, dependence between its units, the multi-scale structural
similarity of images decoded from it, and the accuracy after fine-tuning on a few labels.

Hjelm et al. (2018), section 4.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress

from infomax.estimation.estimate import Estimate
from infomax.evaluation.clean import Assessment, Split, random_counterpart, raw
from infomax.evaluation.embedding import embed_layers
from infomax.evaluation.finetuning import finetune
from infomax.evaluation.label_budget import LabelBudget
from infomax.evaluation.probes.dependence import input_information, label_information, neural_dependence
from infomax.evaluation.probes.probe import Probe, linear_probe, mlp_probe
from infomax.evaluation.probes.reconstruction import decoder_similarity
from infomax.evaluation.probes.svm import svm_probe
from infomax.learning.encoders.saving import PretrainedEncoder
from infomax.learning.views.pairing import Seen

PROBES: Mapping[str, Probe] = {
    "svm": svm_probe,
    "linear": linear_probe,
    "mlp": partial(mlp_probe, num_seeds=1, num_hidden=200),
}


def assess_dim(
    encoder: PretrainedEncoder,
    split: Split,
    *,
    name: str = "DIM",
    max_labels: int | None = 10_000,
    labels_per_class: int | None = 50,
    seed: int = 0,
) -> Assessment:
    """Everything in the module's first lines. Progress goes to stderr.

    Args:
        encoder: layers are those that its features name, and the global feature, "Y".
        name: of the method.
        max_labels: training images that are used, drawn at random; None: all of them.
        labels_per_class: to fine-tune on, and of the classes; None leaves fine-tuning out.
    """
    split = replace(split, train=_some(split.train, max_labels, seed))
    encoders = {name: encoder, "random encoder": random_counterpart(encoder, seed)}
    rows, measures, learned = [], [], {}
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None)
        for one, of in encoders.items():
            train, test = embed_layers(of, split.train), embed_layers(of, split.test)
            learned = learned or test
            for layer in train:
                progress.update(task, description=f"probes of {layer}: {one}")
                rows += _probes(one, layer, train[layer], test[layer], split, seed)
            progress.update(task, description=f"measures of Y: {one}")
            measures += _measures(one, train["Y"], test["Y"], split, seed)
            if labels_per_class is not None:
                progress.update(task, description=f"fine-tuning: {one}")
                rows.append(_finetuned(one, of, split, labels_per_class, seed))
        progress.update(task, description="probes of raw pixels")
        pixels = raw(split.train), raw(split.test)
        rows += _probes("raw pixels", None, *pixels, split, seed)
    return Assessment(rows, learned["Y"], measures)


def _probes(
    name: str, layer: str | None, train: np.ndarray, test: np.ndarray, split: Split, seed: int
) -> Iterator[dict[str, Any]]:
    for probe in PROBES.values():
        found = probe(train, split.train.labels, test, split.test.labels, seed=seed)
        yield {"representation": name, "layer": layer, "labels": "all", **asdict(found)}


def _finetuned(
    name: str, encoder: PretrainedEncoder, split: Split, labels_per_class: int, seed: int
) -> dict[str, Any]:
    labels = LabelBudget(per_class=labels_per_class)
    found = finetune(encoder, split.train, split.test, labels=labels, seed=seed)
    return {
        "representation": name,
        "layer": "all of it",
        "labels": f"{labels_per_class} per class",
        **asdict(found),
    }


def _measures(
    name: str, train: np.ndarray, test: np.ndarray, split: Split, seed: int
) -> Iterator[dict[str, Any]]:
    """Of the global feature."""
    images = split.train.batch(slice(None))
    yield {
        "representation": name,
        "measure": "information about the label",
        **_nats(label_information(train, split.train.labels, test, split.test.labels, seed=seed)),
    }
    yield {
        "representation": name,
        "measure": "information about the input",
        **_nats(input_information(images, train, seed=seed)),
    }
    yield {
        "representation": name,
        "measure": "dependence between units",
        **_nats(neural_dependence(train, seed=seed)),
    }
    decoded = decoder_similarity(train, images, test, split.test.batch(slice(None)), seed=seed)
    yield {
        "representation": name,
        "measure": "MS-SSIM of decoded images",
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


def _some(images: Seen, at_most: int | None, seed: int) -> Seen:
    """So many labelled images, drawn at random; in their order."""
    rows = np.flatnonzero(images.labels >= 0)
    if at_most is not None and at_most < len(rows):
        rows = np.sort(np.random.default_rng(seed).permutation(rows)[:at_most])
    return images.subset(rows)
