"""Atoms of what columns of a table tell about a target, against closed forms and the atoms of samples."""

import math

import numpy as np
import pytest

from infomax.estimation.many.decomposing import decompose_columns
from infomax.estimation.tables.decompose import decompose_table
from infomax.information.decomposition.williams_beer import williams_beer_decomposition

A, B, C = np.random.default_rng(0).integers(2, size=(3, 1200))
WORDS = np.where(A, "yes", "no")
TABLE = {"a": WORDS, "b": B, "c": C, "xor": A ^ B, "and": A & B, "number": A + 0.1 * np.arange(1200)}


def test_exclusive_or_is_told_only_together():
    found = decompose_table(TABLE, "xor", ["a", "b"], num_resamples=50)
    atoms = {row["atom"]: row["bits"] for row in found}
    assert atoms == pytest.approx({"{1}{2}": 0, "{1}": 0, "{2}": 0, "{12}": 1}, abs=0.02)
    assert found.information.bits == pytest.approx(sum(atoms.values()), abs=1e-6)
    assert found["{12}"]["share"] == pytest.approx(1, abs=0.02)


def test_values_are_those_of_samples_and_errors_too():
    found = decompose_table(TABLE, "and", ["a", "b"], num_resamples=50, seed=3)
    expected = decompose_columns([WORDS, B], A & B, num_resamples=50, seed=3)
    for name, atom in expected.atoms.items():
        assert found[name]["value"] == pytest.approx(atom.value, abs=0.01)  # other resamples
        assert found[name]["standard_error"] == pytest.approx(atom.standard_error, abs=0.01)
    assert found["{1}{2}"]["bits"] == pytest.approx(0.311, abs=0.05)  # Williams and Beer (2010)


def test_three_sources_are_measured_by_williams_and_beer_and_two_on_request():
    found = decompose_table(TABLE, "xor", ["a", "b", "c"], num_resamples=10)
    assert len(found) == 18 and found[0]["method"].startswith("Williams–Beer")
    assert found["{12}"]["bits"] == pytest.approx(1, abs=0.02)
    asked = decompose_table(TABLE, "xor", ["a", "b"], measure=williams_beer_decomposition, num_resamples=10)
    assert asked[0]["method"].startswith("Williams–Beer")


def test_rows_without_a_value_are_left_out_and_said():
    holes = [None if i % 10 == 0 else int(b) for i, b in enumerate(B)]
    found = decompose_table({**TABLE, "b": holes}, "xor", ["a", "b"], num_resamples=10)
    assert found[0]["num_samples"] == 1080
    assert "120 of 1,200 rows lack a value of these columns and are left out" in repr(found)


def test_what_is_printed():
    text = repr(decompose_table(TABLE, "xor", ["a", "b"], num_resamples=10))
    assert text.startswith("What a, b tell about xor\natom")
    text = " ".join(text.split())  # lines are broken
    assert "1 = a, 2 = b; {1}{2} is told by each, {12} only by both together; together 1.0" in text
    mapping = decompose_table(TABLE, "xor", ["a", "b"], num_resamples=10).to_mapping()
    assert mapping["sources"] == ["a", "b"] and mapping["target"] == "xor"
    assert mapping["information"] == pytest.approx(1, abs=0.01) and not math.isnan(mapping["information"])


@pytest.mark.parametrize(
    ("target", "sources", "message"),
    [
        ("xor", ["a"], "decompose_table: expected 2 to 4 columns, got 1: a"),
        ("xor", [*"abc", "and", "number"], "expected 2 to 4 columns, got 5"),
        ("xor", ["a", "a"], "expected different columns, and not the target xor, got a, a"),
        ("xor", ["a", "xor"], "expected different columns, and not the target xor, got a, xor"),
        ("xor", ["a", "number"], "hold numbers or identifiers: number; cut numbers into a few labels"),
        ("number", ["a", "b"], "hold numbers or identifiers: number"),
        ("xor", ["a", "bb"], "no column 'bb'; did you mean b?"),
    ],
)
def test_what_is_refused(target, sources, message):
    with pytest.raises(ValueError, match=message.replace("?", r"\?")):
        decompose_table(TABLE, target, sources)


def test_too_few_rows_for_the_labels_are_refused():
    table = {"a": np.arange(60) % 6, "b": np.arange(60) // 10, "y": A[:60]}
    with pytest.raises(ValueError, match="72 joint labels, which need 720 samples, got 60"):
        decompose_table(table, "y", ["a", "b"], kinds=dict.fromkeys("ab", "labels"))
