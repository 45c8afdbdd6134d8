"""Tables by name: complete, loaded on use, and in agreement with what the functions say of themselves."""

import inspect

import pytest

from infomax.estimation import bounds
from infomax.estimation.choices import BOUND_KINDS, BOUNDS, CRITICS, ESTIMATORS
from infomax.estimation.critics import OBJECTIVES
from infomax.estimation.estimate import Estimator


def test_every_bound_has_a_name_and_a_kind():
    functions = {
        name
        for name, function in inspect.getmembers(bounds, inspect.isfunction)
        if function.__module__ == bounds.__name__ and not name.startswith("_") and name != "log_odds"
    }
    assert functions == set(BOUNDS) == set(BOUND_KINDS)
    for name in BOUNDS:
        assert BOUNDS[name] is getattr(bounds, name)


def test_kinds_are_those_that_the_docstrings_name():
    says = {"upper bound": "upper bound", "divergence": "Not an estimate of I", "neither": "Not a bound"}
    for name, kind in BOUND_KINDS.items():
        text = " ".join((inspect.getdoc(BOUNDS[name]) or "").replace("*", "").split())
        assert says.get(kind, "") in text or (name, "Not on I" in text) == ("reverse_kl", True)


def test_objectives_are_of_bounds_in_the_table():
    assert set(OBJECTIVES) <= {BOUNDS[name] for name in BOUNDS if BOUND_KINDS[name] != "upper bound"}


def test_every_estimator_and_critic_loads():
    for name in ESTIMATORS:
        assert isinstance(ESTIMATORS[name](), Estimator)
    for name in CRITICS:
        assert CRITICS[name](2, 3) is not None


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(ValueError, match=r"measure: no estimator 'kgs'; did you mean ksg\?"):
        ESTIMATORS.find("kgs", "measure")
