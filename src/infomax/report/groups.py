"""Groups of the images of a gallery, by their features alone: the typical images of each."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from infomax.evaluation.grouping.groups import Groups, grouped

MIN_FOR_GROUPS = 10
"""Images; fewer are seen at a glance."""
NUM_TYPICAL = 12
"""Images of each group that are shown."""


def groups_shown(
    embeddings: Float[np.ndarray, "m d"], labels: Int[np.ndarray, " m"], classes: Mapping[int, str]
) -> dict[str, Any] | None:
    """Return the groups that features fall into, the largest first; None for very few images.

    Args:
        embeddings: of the images.
        labels: of the images, −1 for none; they only name what groups hold, afterwards.
        classes: their names.
    """
    if len(embeddings) < MIN_FOR_GROUPS:
        return None
    found = grouped(embeddings)
    return {
        "words": found.words,
        "of": found.group,
        "names": {one: f"group {one + 1}" for one in range(found.num_groups)},
        "without": found.num_without,
        "groups": [_shown(found, one, labels, classes) for one in range(found.num_groups)],
    }


def _shown(
    found: Groups, one: int, labels: Int[np.ndarray, " m"], classes: Mapping[int, str]
) -> dict[str, Any]:
    rows = found.by_typicality(one)
    known = Counter(int(label) for label in labels[rows] if label >= 0)
    holds = [(classes[label], num / known.total()) for label, num in known.most_common(2)]
    return {"number": one + 1, "size": len(rows), "typical": rows[:NUM_TYPICAL].tolist(), "holds": holds}
