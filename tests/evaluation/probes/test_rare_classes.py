"""Probes where classes are rare or unequal: what each class gets, against scikit-learn; intervals; draws."""

import json
from dataclasses import asdict
from functools import partial

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, recall_score

from infomax.evaluation.probes.classifiers import validation_parts
from infomax.evaluation.probes.few_labels import few_labels
from infomax.evaluation.probes.linear import fit_linear, linear_probe
from infomax.evaluation.probes.mlp import mlp_probe
from infomax.evaluation.probes.neighbors import nearest_neighbor_probe
from infomax.evaluation.probes.probe import ProbeResult, accuracy_interval
from infomax.evaluation.probes.svm import svm_probe

NAMES = ("left", "right", "up", "down")
PROBES = [linear_probe, svm_probe, nearest_neighbor_probe, partial(mlp_probe, num_seeds=2, num_hidden=16)]


@pytest.mark.parametrize(("right", "n"), [(0, 7), (3, 7), (7, 7), (451, 500)])
def test_the_interval_of_an_accuracy_is_wilsons(right, n):
    ends = binomtest(right, n).proportion_ci(0.95, "wilson")
    assert accuracy_interval(right / n, n) == pytest.approx((ends.low, ends.high), abs=1e-12)
    between = accuracy_interval(min(right + 0.4, n) / n, n)
    assert between > accuracy_interval(right / n, n) or right == n  # a mean of several fits is not rounded


def rows_of(counts, seed):
    """Four overlapping blobs with so many rows each."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(4), counts)
    return (2 * np.eye(4, 6)[labels] + rng.normal(size=(len(labels), 6))).astype(np.float32), labels


@pytest.fixture(scope="module")
def unequal():
    """A class with a single training label, one with three, two with many."""
    return *rows_of((60, 25, 3, 1), 0), *rows_of((80, 30, 6, 4), 1)


def test_what_each_class_gets_is_what_scikit_learn_says(unequal):
    x, y, test, test_y = unequal
    result, answers = linear_probe(*unequal), fit_linear(x, y).predict(test)
    assert result.balanced_accuracy == pytest.approx(balanced_accuracy_score(test_y, answers))
    assert result.balanced_accuracy < result.accuracy - 0.05
    assert result.per_class["labels"] == (0, 1, 2, 3) and result.per_class["num_test"] == (80, 30, 6, 4)
    np.testing.assert_allclose(result.per_class["accuracy"], recall_score(test_y, answers, average=None))
    np.testing.assert_array_equal(result.confusion["counts"], confusion_matrix(test_y, answers))
    json.dumps(asdict(result))


def test_answers_that_no_test_row_has_stand_in_the_confusion_matrix():
    answers = [np.array([0, 0, 7]), np.array([0, 5, 5])]
    result = ProbeResult.of_answers("mine", answers, 3, np.array([0, 0, 5]), {})
    assert result.confusion == {"labels": (0, 5, 7), "counts": ((3, 1, 0), (0, 1, 1), (0, 0, 0))}
    assert result.per_class == {"labels": (0, 5), "num_test": (2, 1), "accuracy": (0.75, 0.5)}
    assert (result.accuracies, result.balanced_accuracy) == ((2 / 3, 2 / 3), 0.625)
    many = np.arange(300)
    assert ProbeResult.of_answers("mine", [many], 3, many, {}).confusion == {}


def test_the_interval_is_wilsons(unequal):
    result = linear_probe(*unequal)
    ends = binomtest(round(result.accuracy * 120), 120).proportion_ci(0.95, "wilson")
    assert result.interval == (ends.low, ends.high)
    assert accuracy_interval(1.0, 9)[0] < 0.71  # nine of nine right is no certainty


@pytest.mark.parametrize("probe", PROBES)
def test_no_probe_stops_for_rare_classes(unequal, probe):
    result = probe(*unequal)
    assert 0.6 < result.accuracy < 1 and result.num_test == 120
    assert len(result.per_class["accuracy"]) == 4


def test_validation_parts_always_tell_something():
    """Three classes of two rows among thousands with one: some tenths hold nothing but single rows."""
    for n in (20, 3000):
        targets = np.concatenate([np.repeat(np.arange(3), 2), np.arange(3, n)])
        for seed in range(3):
            shuffled = np.random.default_rng(seed).permutation(n + 3)
            parts = validation_parts(shuffled[targets], seed)
            assert parts
            for part in parts:
                assert np.isin(shuffled[targets][part], shuffled[targets][~part]).any()
    assert validation_parts(np.arange(3000), 0) == []


def test_few_labels_are_drawn_of_the_classes_that_have_enough(unequal):
    seen = []

    def spy(train, labels, test, test_labels, *, seed):
        seen.append((np.bincount(labels, minlength=4).tolist(), sorted(set(test_labels.tolist()))))
        return nearest_neighbor_probe(train, labels, test, test_labels, seed=seed)

    result = few_labels(spy, *unequal, labels_per_class=5, num_draws=3, classes=NAMES)
    assert seen == [([5, 5, 0, 0], [0, 1])] * 3
    assert (
        result.settings["classes_left_out"] == ["up", "down"] and result.settings["num_test_left_out"] == 10
    )
    assert result.num_test == 110 and result.num_labels == 10 and result.chance == 80 / 110
    assert result.per_class["num_test"] == (80, 30)
    assert result.balanced_accuracy == pytest.approx(np.mean(result.per_class["accuracy"]))
    assert result.interval == accuracy_interval(result.accuracy, 110)
    assert "classes_left_out" not in few_labels(spy, *unequal, labels_per_class=1, num_draws=1).settings


def test_few_labels_say_which_class_has_too_few(unequal):
    x, y, test, test_y = unequal
    draw = partial(few_labels, nearest_neighbor_probe, classes=NAMES)
    with pytest.raises(ValueError, match="class down has 1, and only 1 class has as many; draw fewer"):
        draw(*unequal, labels_per_class=30)
    with pytest.raises(ValueError, match="class down has 1, and no class has as many; draw fewer"):
        draw(*unequal, labels_per_class=99)
    rare = test_y > 1
    with pytest.raises(ValueError, match="no test image is of a class that has as many; draw fewer"):
        draw(x, y, test[rare], test_y[rare], labels_per_class=5)
