"""Sequential predictions of labels from weighted context trees.

A context is the labels that came before, the nearest first. Each node s of the tree of contexts predicts by
the Krichevsky–Trofimov rule from its counts c, over K labels,

    p_s(y) = (c_y + ½) / (n_s + K/2)

and mixes this with what its child for the next label of the context predicts,

    q_s(y) = (β_s p_s(y) + q_child(y)) / (β_s + 1),     β_s ← β_s p_s(y) / q_child(y)

so that β_s is the ratio of the probabilities that both gave to what was seen: the mixture over all trees.

Cost: n · depth steps.

Reference: Willems, Shtarkov and Tjalkens (1995), The context-tree weighting method: basic properties.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class _Node:
    counts: np.ndarray
    ratio: float = 1.0
    children: dict[int, "_Node"] = field(default_factory=dict)

    def rule(self) -> np.ndarray:
        return (self.counts + 0.5) / (self.counts.sum() + len(self.counts) / 2)


def predictions(labels: np.ndarray, contexts: np.ndarray, num_labels: int) -> np.ndarray:
    """Return q(y | context, what came before) of every label y at each time, summing to one: [n, labels].

    Args:
        labels: codes [n] from 0, in order of time.
        contexts: codes [n, depth], the nearest label first.
        num_labels: K.

    Example:
        >>> labels = np.array([0, 1] * 50)
        >>> predictions(labels[1:], labels[:-1, None], 2)[-1].round(2)
        array([0.01, 0.99])
    """
    root, found = _Node(np.zeros(num_labels)), np.empty((len(labels), num_labels))
    for t, (label, context) in enumerate(zip(labels.tolist(), contexts.tolist(), strict=True)):
        found[t] = _predicted(_path(root, context, num_labels), label)
    return found


def _path(root: _Node, context: list[int], num_labels: int) -> list[_Node]:
    """Return the nodes of a context, from the root on; new ones are made."""
    path = [root]
    for code in context:
        children = path[-1].children
        if code not in children:
            children[code] = _Node(np.zeros(num_labels))
        path.append(children[code])
    return path


def _predicted(path: list[_Node], label: int) -> Any:
    """Return the mixture at the root, and count the label that came."""
    mixture = path[-1].rule()
    path[-1].counts[label] += 1
    for node in reversed(path[:-1]):
        rule, below = node.rule(), mixture
        mixture = (node.ratio * rule + below) / (node.ratio + 1)
        node.ratio *= float(rule[label] / below[label])
        node.ratio = min(max(node.ratio, MIN_RATIO), 1 / MIN_RATIO)
        node.counts[label] += 1
    return mixture


MIN_RATIO = 1e-200
"""Least β, beyond which a weight changes nothing; it keeps β within the range of floats."""
