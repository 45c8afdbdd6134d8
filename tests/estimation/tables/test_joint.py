"""What two columns tell together: exclusive or, sums, copies, by labels, numbers and both."""

import numpy as np
import pytest

from infomax.estimation.gaussian import Gaussian
from infomax.estimation.tables.joint import rank_pairs


def test_exclusive_or_is_found_first():
    rng = np.random.default_rng(0)
    table = {f"coin {i}": rng.integers(2, size=600) for i in range(6)}
    table = {**table, "copy": table["coin 0"], "xor": table["coin 2"] ^ table["coin 4"]}
    found = rank_pairs(table, "xor")
    assert {found[0]["x1"], found[0]["x2"]} == {"coin 2", "coin 4"}
    assert found[0]["interaction"] == pytest.approx(np.log(2), abs=0.01)
    assert found[0]["share"] == pytest.approx(1, abs=0.01)
    assert len(found) == 21
    assert all(abs(row["interaction"]) < 0.02 for row in list(found)[1:])
    assert "coin 2" in repr(found) and "interaction: bits above those of both columns alone" in repr(found)


def test_a_copy_tells_the_same_again():
    rng = np.random.default_rng(0)
    x = rng.integers(3, size=900)
    y = np.where(rng.random(900) < 0.7, x, rng.integers(3, size=900))
    row = rank_pairs({"x": x, "copy": 2 - x, "y": y}, "y")["copy", "x"]
    alone = row["value"]
    assert row["interaction"] == pytest.approx(-alone, rel=0.05)


def test_a_product_of_numbers():
    """y = sign of x1·x2, which neither tells: log 2 together."""
    rng = np.random.default_rng(0)
    a, b, c = rng.standard_normal((3, 1500))
    table = {"a": a, "b": b, "c": c, "sign": np.where(a * b > 0, "+", "-")}
    found = rank_pairs(table, "sign")
    assert {found[0]["x1"], found[0]["x2"]} == {"a", "b"}
    assert found[0]["interaction"] == pytest.approx(np.log(2), abs=0.1)
    assert found[0]["method"] == "Ross, k=3"
    assert abs(found[1]["interaction"]) < 4 * found[1]["interaction_error"]


def test_numbers_about_a_number_have_a_known_interaction():
    """y = a + b + noise of variances 1, 1 and 1: ½ log 3 − 2 · ½ log (3/2) = 0.144 nats."""
    rng = np.random.default_rng(0)
    a, b, noise = rng.standard_normal((3, 4000))
    table = {"a": a, "b": b, "y": a + b + noise}
    truth = 0.5 * np.log(3) - np.log(1.5)
    assert rank_pairs(table, "y")["a", "b"]["interaction"] == pytest.approx(truth, abs=0.06)
    assert rank_pairs(table, "y", Gaussian())["a", "b"]["interaction"] == pytest.approx(truth, abs=0.02)


def test_a_label_and_a_number_by_the_chain_rule():
    """y is the number's sign, turned round by the label."""
    rng = np.random.default_rng(0)
    side, x, other = rng.integers(2, size=1000), rng.standard_normal(1000), rng.standard_normal(1000)
    table = {"side": side, "x": x, "other": other, "y": (x > 0) ^ side.astype(bool)}
    found = rank_pairs(table, "y")
    assert {found[0]["x1"], found[0]["x2"]} == {"side", "x"}
    assert found[0]["interaction"] == pytest.approx(np.log(2), abs=0.07)
    rare = {**table, "side": rng.integers(300, size=1000).astype(str)}
    assert abs(rank_pairs(rare, "y")["side", "other"]["interaction"]) < 0.15


def test_what_cannot_be_measured_is_named_and_the_rest_remains():
    rng = np.random.default_rng(0)
    a, b = rng.integers(2, size=(2, 100))
    table = {"a": a, "b": b, "id": [f"row {i}" for i in range(100)], "y": a ^ b}
    found = rank_pairs(table, "y")
    assert (found[0]["x1"], found[0]["x2"]) == ("a", "b")
    assert "id holds identifiers" in found["a", "id"]["refused"]
    with pytest.raises(
        ValueError, match="expected at least 2 columns beside y, got 1; for one column there is"
    ):
        rank_pairs({"a": a, "y": b}, "y")


def test_values_depend_on_the_seed_alone():
    rng = np.random.default_rng(0)
    table = {
        "a": np.round(rng.standard_normal(80), 1),
        "b": rng.standard_normal(80),
        "y": rng.standard_normal(80),
    }
    one, two = (rank_pairs(table, "y", num_workers=w).frame for w in (1, 2))
    assert one.equals(two)
