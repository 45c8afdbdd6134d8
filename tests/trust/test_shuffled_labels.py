"""Labels that were shuffled give chance in every probe: no test label leaks into a result."""

import numpy as np
import pytest
import torch

from infomax.evaluation.clean import evaluate_clean
from infomax.evaluation.finetuning.comparing import finetune
from infomax.evaluation.finetuning.labels import LabelBudget
from infomax.evaluation.options import CleanOptions, FinetuningConfig
from infomax.evaluation.probes import PROBES
from infomax.evaluation.probes.few_labels import few_labels
from infomax.evaluation.probes.information import label_information
from infomax.evaluation.probes.targets import TARGET_PROBES
from infomax.evaluation.splits import Split
from infomax.learning.data.dataset import Dataset
from infomax.learning.encoders.amdim import AMDIMEncoder
from infomax.learning.encoders.saving import PretrainedEncoder
from infomax.learning.views.images import ViewsConfig

NUM, CLASSES = 300, 3
CHANCE = 1 / CLASSES
FOUR_DEVIATIONS = 4 * (CHANCE * (1 - CHANCE) / NUM) ** 0.5


@pytest.fixture(scope="module")
def rows():
    """Features in three clusters, their labels, and the labels in another order, for training and test."""
    randomness = np.random.default_rng(0)
    made = []
    for _ in range(2):
        labels = np.arange(NUM) % CLASSES
        features = np.eye(8)[labels] * 4 + randomness.normal(size=(NUM, 8))
        made.append((features.astype(np.float32), labels, randomness.permutation(labels)))
    (train, y, shuffled), (test, y_test, shuffled_test) = made
    return {"true": (train, y, test, y_test), "shuffled": (train, shuffled, test, shuffled_test)}


@pytest.mark.parametrize("name", PROBES)
def test_every_classifier(rows, name):
    assert PROBES[name](*rows["true"], seed=0).accuracy > 0.9
    assert abs(PROBES[name](*rows["shuffled"], seed=0).accuracy - CHANCE) < FOUR_DEVIATIONS


@pytest.mark.parametrize(
    "name", ["knn", *(pytest.param(one, marks=pytest.mark.slow) for one in ("linear", "mlp", "svm"))]
)
def test_every_classifier_with_few_labels(rows, name):
    few = PROBES[name].for_draws
    assert few_labels(few, *rows["true"], labels_per_class=5, num_draws=2).accuracy > 0.8
    found = few_labels(few, *rows["shuffled"], labels_per_class=5, num_draws=2).accuracy
    assert abs(found - CHANCE) < FOUR_DEVIATIONS


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, one) for kind in TARGET_PROBES for one in TARGET_PROBES[kind]]
)
def test_every_probe_of_numbers_and_tags(rows, kind, name):
    def measures(which):
        train, y, test, y_test = rows[which]
        y, y_test = (one if kind == "number" else one == 0 for one in (y, y_test))
        result = TARGET_PROBES[kind][name](train, y.astype(float), test, y_test.astype(float), seed=0)
        return {measure: one.value for measure, one in result.measures.items()}

    true, shuffled = measures("true"), measures("shuffled")
    if kind == "number":
        assert true["r2"] > 0.6 and true["spearman"] > 0.7
        assert shuffled["r2"] < 0.03
        assert shuffled["spearman"] is None or abs(shuffled["spearman"]) < 4 / NUM**0.5
    else:
        assert true["average_precision"] > 0.9 and true["auroc"] > 0.95
        assert abs(shuffled["average_precision"] - CHANCE) < 0.12
        assert abs(shuffled["auroc"] - 0.5) < 4 / (12 * NUM * CHANCE * (1 - CHANCE) / (1 + 1 / NUM)) ** 0.5


def test_information_about_the_label(rows):
    assert label_information(*rows["true"]).bits > 1
    none = label_information(*rows["shuffled"])
    assert none.value < 4 * none.standard_error


def noise(num, seed):
    """Images of noise, with labels that have nothing to do with them."""
    randomness = np.random.default_rng(seed)
    images = randomness.integers(0, 256, (num, 32, 32, 1), dtype=np.uint8)
    return Dataset(images, randomness.permutation(num) % CLASSES, [*map(str, range(num))], ("a", "b", "c"))


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return PretrainedEncoder(AMDIMEncoder(32, 4, 8, 1, channels=1), ViewsConfig(mean=(0.5,), std=(0.3,)))


def test_the_clean_protocol(encoder):
    """Whatever the representation: the encoder's, that of a random one, and raw pixels."""
    options = CleanOptions(probes=("linear", "knn"), labels_per_class=None)
    rows = evaluate_clean(encoder, Split(noise(90, 0), noise(NUM, 1), "drawn"), options).rows
    assert len(rows) == 6
    for row in rows:
        assert abs(row["accuracy"] - CHANCE) < FOUR_DEVIATIONS, row


@pytest.mark.slow
def test_fine_tuning(encoder):
    config = FinetuningConfig(max_steps=40, encoder_lrs=(3e-3,))
    found = finetune(
        encoder, noise(90, 0), noise(NUM, 1), num_labels=LabelBudget(per_class=20), num_draws=1, config=config
    )
    assert abs(found.accuracy - CHANCE) < FOUR_DEVIATIONS
