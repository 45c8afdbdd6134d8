"""Statements about the InfoMax principle, and the evidence of an experiment for one.

Reference: Linsker (1988), Self-organization in a perceptual network, IEEE Computer 21(3): all statements but
the first are quoted from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from matplotlib.figure import Figure


class Statement(StrEnum):
    """Sentences about the principle, in the order in which a reader meets them."""

    CHOOSE_THE_MAP = (
        "A function that receives a collection of inputs I to produce a collection of outputs O needs to be "
        "chosen so that the mutual information between I and O is maximized."
    )
    LAYER_TO_LAYER = "Maximize the amount of information preserved from one layer to the next."
    TWO_TERMS = (
        "… attempt to (1) maximize the total information conveyed by the output message M, and (2) minimize "
        "the information that M conveys to one who already knows the input message L."
    )
    NOT_EQUIVALENT = (
        "These criteria are related, but not equivalent, to the property of encoding signals so as to reduce "
        "redundancies present among the inputs to the perceptual system."
    )
    NOISE_FAVORS_REDUNDANCY = "A high noise level favors redundancy."
    ONE_ASPECT = (
        "Much of this work has focused on the role of redundancy reduction. This property is one, but only "
        "one, aspect of the infomax principle. For example, we have seen that infomax also leads to the "
        "introduction of redundancy when this is useful in countering the effects of noise."
    )
    NEAR_NEIGHBORS = "Near-neighbors in L tend to map to near-neighbors in M."
    FREQUENT_PATTERNS = (
        "A greater number of M cells tend to represent the types of layer-L excitation patterns that occur "
        "more often."
    )
    SIGNAL_TO_NOISE = (
        "The infomax principle selects which features of the input signals are represented in layer M. "
        "Features having relatively high signal-to-noise ratios are favored."
    )
    TEMPORAL_CORRELATION = (
        "When time-delayed information is made available to the layer, the infomax principle can cause M "
        "cells to extract and encode temporal correlations, in a manner similar to the extraction of spatial "
        "correlations."
    )


@dataclass(frozen=True, eq=False)
class Evidence:
    """The result of an experiment on a statement about the InfoMax principle.

    Args:
        statement: the sentence.
        finding: what was measured, in one to three sentences with numbers.
        numbers: what goes into JSON: plain Python numbers, lists, strings, and mappings of them.
        holds: whether the statistic passes its threshold while the shuffled (or untrained) control does not.
        figure: the picture, made without pyplot, so that nothing global changes.
    """

    statement: Statement
    finding: str
    numbers: Mapping[str, Any]
    holds: bool
    figure: Figure
