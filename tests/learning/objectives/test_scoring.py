"""Options of scores, and the tables that configurations choose from: light, checked, complete."""

import subprocess
import sys

import pytest
from torch import nn

from infomax.estimation.choices import BOUNDS as bounds_of_estimation
from infomax.learning.objectives import choices
from infomax.learning.objectives.priors import Prior
from infomax.learning.objectives.scoring import DEFAULT_SCORING, Scoring


def test_defaults_are_those_of_the_paper():
    assert Scoring() == DEFAULT_SCORING == Scoring(clip=20.0, penalty_weight=0.05, temperature=1.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clip": 0.0}, r"scoring: clip must be above 0, got 0\.0; the default is 20\.0, null leaves it out"),
        ({"clip": float("nan")}, "scoring: clip must be above 0 and finite, got nan"),
        (
            {"penalty_weight": -0.1},
            r"scoring: penalty_weight must be at least 0, got -0\.1; the default is 0\.05",
        ),
        ({"temperature": 0.0}, r"scoring: temperature must be above 0, got 0\.0; the default is 1\.0"),
    ],
)
def test_refusals(options, message):
    with pytest.raises(ValueError, match=message):
        Scoring(**options)


def test_options_are_imported_without_torch():
    modules = ("scoring", "choices", "prior_config")
    imports = "; ".join(f"import infomax.learning.objectives.{name}" for name in modules)
    subprocess.run(
        [sys.executable, "-c", f"{imports}; import sys; assert 'torch' not in sys.modules"], check=True
    )


def test_entries_are_what_the_tables_say():
    assert all(bound is bounds_of_estimation[name] for name, bound in choices.BOUNDS.items())
    assert all(isinstance(critic(3, 4, 5), nn.Module) for critic in choices.CRITICS.values())
    assert all(isinstance(prior(), Prior) for prior in choices.PRIORS.values())
