"""The verdict: better only where the difference is larger than its error, and which baseline wins."""

import json

import numpy as np
import pytest
from scipy.stats import binom

from infomax.evaluation.verdict import interval, standard_error, verdict


def row(name, accuracy, *, num_test=1000, labels="all", probe="linear", **more):
    return {
        "representation": name,
        "accuracy": accuracy,
        "num_test": num_test,
        "labels": labels,
        "probe": probe,
        **more,
    }


def rows(learned, random, raw, **more):
    names = ("AMDIM", "random encoder", "raw pixels")
    return [row(name, one, **more) for name, one in zip(names, (learned, random, raw), strict=True)]


def test_better_than_both():
    found = verdict(rows(0.6, 0.4, 0.5))
    assert found["better"] and found["words"].startswith(
        "AMDIM is better than a random encoder and raw pixels here: 60.0 % (56.9 to 63.0) against 40.0 %"
    )
    assert "on 1,000 test images (linear probe)" in found["words"] and "One training" in found["words"]
    json.dumps(found, allow_nan=False)


def test_a_difference_within_the_error_is_not_better():
    found = verdict(rows(0.42, 0.41, 0.2))
    assert not found["better"]
    assert "AMDIM is not clearly better than a random encoder here: 42.0 % (39.0 to 45.1)" in found["words"]
    assert "raw pixels" not in found["words"] and "Train longer or with more images" in found["words"]
    assert verdict(rows(0.42, 0.41, 0.2, num_test=100_000))["better"]


def test_what_is_better_without_training_is_named():
    found = verdict(rows(0.4, 0.41, 0.6), "signal")
    assert (
        "AMDIM is worse than raw pixels and not clearly better than a random encoder here" in found["words"]
    )
    assert "or use raw pixels, which need no training" in found["words"] and "test signals" in found["words"]
    assert [one["outcome"] for one in found["comparisons"]] == ["no clear difference", "worse"]
    words = verdict(rows(0.3, 0.6, 0.1))["words"]
    assert "worse than a random encoder" in words and "or use" not in words


def test_other_probes_and_few_labels_that_say_otherwise_are_named():
    some = rows(0.6, 0.4, 0.5) + rows(0.3, 0.4, 0.5, probe="knn") + rows(0.4, 0.3, 0.3, labels="5 per class")
    assert verdict(some)["words"].endswith(
        "These probes do not find it better than every baseline: knn probe."
    )
    assert verdict(some[3:])["words"].startswith("AMDIM is worse than a random encoder and raw pixels")
    assert verdict(some[3:])["words"].endswith(
        "These probes find it better than every baseline: linear probe, 5 per class."
    )


def test_the_spread_over_draws_counts():
    steady, wild = ({"accuracies": [0.5] * 10, "std": std} for std in (0.0, 0.3))
    assert verdict(rows(0.6, 0.5, 0.4, **steady))["better"]
    assert not verdict(rows(0.6, 0.5, 0.4, **wild))["better"]
    expected = np.hypot(standard_error(row("AMDIM", 0.6)), 0.3 / np.sqrt(10))
    assert standard_error(row("AMDIM", 0.6, **wild)) == pytest.approx(expected)


def test_equal_features_are_seldom_called_different():
    """The rule is at its level for independent tests: of 400 pairs with equal truth about 5 % differ."""
    rng = np.random.default_rng(0)
    right = binom(2000, 0.4).rvs((400, 2), random_state=rng) / 2000
    found = [verdict([row("AMDIM", a, num_test=2000), row("raw pixels", b, num_test=2000)]) for a, b in right]
    share = np.mean([one["comparisons"][0]["outcome"] != "no clear difference" for one in found])
    assert 0.02 < share < 0.09


def test_the_best_layer_speaks_for_each_and_test_statistics_for_none():
    layered = [
        row("DIM", 0.3, layer="conv"), row("DIM", 0.6, layer="fc"),
        row("random encoder", 0.5, layer="conv"), row("random encoder", 0.2, layer="fc"),
    ]  # fmt: skip
    assert "60.0 %" in verdict(layered)["words"] and "against 50.0 %" in verdict(layered)["words"]
    known = rows(0.9, 0.1, 0.1, regime="as published")
    assert (
        verdict(known) is None and "90" not in verdict(known + rows(0.6, 0.4, 0.5, regime="frozen"))["words"]
    )


def test_nothing_to_compare():
    assert verdict([]) is None and verdict([row("AMDIM", 0.5)]) is None
    assert verdict([row("raw pixels", 0.5)]) is None


def test_what_these_data_cannot_tell_is_said():
    """No advice to train longer where all are right already, or where none is better than a constant."""
    words = verdict(rows(1.0, 1.0, 0.999, num_test=50))["words"]
    assert words.endswith("so that these data cannot tell them apart.")
    words = verdict(rows(0.34, 0.33, 0.35, num_test=300, chance=0.34))["words"]
    assert words.endswith("None of these tells more than a constant answer does.")
    words = verdict(rows(0.60, 0.59, 0.61, num_test=300, chance=0.34))["words"]
    assert "Train longer" in words
    nothing = {"AMDIM": {"dose": -0.02}, "raw pixels": {"dose": 0.01}}
    words = verdict([], targets=targets("number", "r2", nothing, 0.08))["words"]
    assert words.endswith("None of these tells more than a constant answer does.")


def test_intervals_that_are_recorded_are_taken():
    assert interval(row("AMDIM", 0.5, interval=(0.1, 0.9))) == (0.1, 0.9)
    assert not verdict(rows(0.6, 0.4, 0.5, interval=[0.1, 0.9]))["better"]


def targets(kind, measure, values, interval=None):
    return [
        {
            "representation": name,
            "probe": "linear",
            "kind": kind,
            "target": target,
            "num_test": 50,
            "measures": {
                measure: {
                    "value": one,
                    "interval": interval and [one - interval, one + interval],
                    "constant": 0.0,
                }
            },
        }
        for name, some in values.items()
        for target, one in some.items()
    ]


def test_numbers_are_compared_by_their_intervals():
    values = {"AMDIM": {"age": 0.6, "weight": 0.8}, "raw pixels": {"age": 0.3, "weight": 0.6}}
    assert verdict([], targets=targets("number", "r2", values, 0.1))["better"]
    found = verdict([], targets=targets("number", "r2", values, 0.3))
    assert (
        "mean R² of 2 numbers 0.700 against 0.450 on 50 test images" in found["words"] and not found["better"]
    )


def test_tags_are_compared_by_their_spread_and_one_alone_cannot_be():
    values = {"AMDIM": {"a": 0.5, "b": 0.6, "c": 0.7, "": 0.6}, "raw pixels": {"a": 0.3, "b": 0.41, "c": 0.5}}
    found = verdict([], targets=targets("tag", "average_precision", values))
    assert found["better"] and "mean average precision of 3 tags 0.600 against 0.403" in found["words"]
    one = {name: {"a": some["a"]} for name, some in values.items()}
    found = verdict([], targets=targets("tag", "average_precision", one))
    assert not found["better"] and found["comparisons"][0]["margin"] is None
    undefined = {"AMDIM": {"a": None}, "raw pixels": {"a": 0.5}}
    assert verdict([], targets=targets("tag", "average_precision", undefined)) is None
