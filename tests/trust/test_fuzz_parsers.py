"""Parsers meet bad input: an answer or a documented error with words, soon, and never a NaN."""

import pytest
from tests.trust.fuzzing import TARGETS, Target, fuzz, mutated, outcome

FEW = 25
MANY = {"json": 30_000, "expressions": 30_000, "words": 20_000, "arrays": 10_000, "pictures": 10_000,
        "parquet": 3_000, "arrow": 3_000}  # fmt: skip
"""Inputs of `make trust`; of other parsers, which take some milliseconds each, 1,000. In all 1.15e5."""


@pytest.mark.parametrize("name", TARGETS)
def test_some_bad_inputs(name):
    assert sum(fuzz(TARGETS[name], FEW).values()) == FEW


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_many_bad_inputs(name, count):
    """`make trust` prints what came of them."""
    num = MANY.get(name, 1_000)
    counts = fuzz(TARGETS[name], num, seed=1)
    count(f"fuzz {name}: {num:,} inputs, {dict(counts)}")


@pytest.mark.parametrize("name", TARGETS)
def test_sound_inputs_are_answered(name):
    """Check that each target answers its seeds: what is changed is then read beyond its first byte."""
    target = TARGETS[name]
    answers = [outcome(target, seed) for seed in target.seeds()]
    assert "answered" in answers or name in ("words", "command")


def test_what_must_not_happen_is_noticed():
    def failing(_):
        raise KeyError("x")

    with pytest.raises(AssertionError, match="KeyError: 'x' for b''"):
        outcome(Target(list, failing), b"")
    with pytest.raises(AssertionError, match="NaN for b''"):
        outcome(Target(list, lambda _: float("nan")), b"")


def test_the_same_seed_makes_the_same_inputs():
    from random import Random

    made = [[mutated(b"abcdefgh", random) for _ in range(50)] for random in (Random(0), Random(0))]
    assert made[0] == made[1] and len({*made[0]}) > 40
