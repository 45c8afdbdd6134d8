"""The numbers that the tests of dit and of scikit-learn expect, as they stand there, in peer_values.json.

Each has its source, the outcomes with their probabilities (one character a variable), and the quantity, in
bits unless its base is e. Homogeneity and completeness are I/H(X) and I/H(Y), the V-measure I over the mean
of both entropies.
"""

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest

from infomax.information import divergences, measures
from infomax.information.channels.channel import Channel
from infomax.information.joint import Joint

VALUES = json.loads((Path(__file__).parent / "peer_values.json").read_text(encoding="utf-8"))
NAMES = "x y z w v"


def tables_of(*outcomes):
    """Tables over the same letters, one axis a character."""
    letters = [sorted(set(column)) for column in zip(*itertools.chain(*outcomes), strict=True)]
    tables = np.zeros((len(outcomes), *map(len, letters)))
    for table, probabilities in zip(tables, outcomes, strict=True):
        for word, p in probabilities.items():
            table[tuple(axis.index(letter) for axis, letter in zip(letters, word, strict=True))] = p
    return tables


def expression(value, table):
    joint = Joint(table, NAMES[: 2 * table.ndim - 1])
    kind, text = value["quantity"].rstrip(")").split("(")
    return float(getattr(joint, kind)(text, base=math.e if value.get("base") == "e" else 2))


def divergence(value, p, q):
    options = {} if value["quantity"] == "total_variation" else {"base": 2}
    if "weights" in value:
        options["weights"] = value["weights"]
    axis = tuple(range(p.ndim))
    return float(getattr(divergences, value["quantity"])(p, q, axis=axis, **options))


OTHERS = {
    "total_correlation": lambda value, p: measures.total_correlation(p, base=2),
    "dual_total_correlation": lambda value, p: measures.dual_total_correlation(p, base=2),
    "interaction_information": lambda value, p: measures.interaction_information(p, base=2),
    "renyi_entropy": lambda value, p: measures.renyi_entropy(p, float(value["order"]), base=2),
    "capacity": lambda value, p: Channel(p / p.sum(1, keepdims=True)).capacity(base=2).lower,
    "homogeneity": lambda value, p: measures.uncertainty_coefficient(p, given=-1),
    "completeness": lambda value, p: measures.uncertainty_coefficient(p, given=-2),
    "v_measure": lambda value, p: measures.normalized_mutual_information(p),
}


@pytest.mark.parametrize("value", VALUES, ids=lambda v: f"{v['source'].split()[0]}: {v['quantity']}")
def test_the_value_of_a_peer(value):
    p, *q = tables_of(value["table"], *([value["other"]] if "other" in value else []))
    if "(" in value["quantity"]:
        ours = expression(value, p)
    elif q:
        ours = divergence(value, p, q[0])
    else:
        ours = float(OTHERS[value["quantity"]](value, p))
    tolerance = 0.5 * 10.0 ** -value.get("digits", 12) if "digits" in value else 1e-12
    assert ours == pytest.approx(float(value["value"]), abs=tolerance * 1.01)


def test_there_are_many():
    assert len(VALUES) >= 60 and {v["source"].split()[0] for v in VALUES} == {"dit", "scikit-learn"}
