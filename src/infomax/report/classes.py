"""Each class by itself: the share that classifiers get right of it, and what they take it for."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from PIL import Image

from infomax.pages.templates import data_uri

MAX_NUMBERS = 12
"""Classes up to which a confusion matrix is a table of numbers; of more it is a picture."""
NUM_MISTAKES = 12
"""Mistakes that are listed, the most frequent first."""
RIGHT, WRONG = (58, 126, 191), (209, 106, 60)
"""The colours of answers, legible on white and on black."""

Row = Mapping[str, Any]


def per_class(rows: Sequence[Row], names: Sequence[str]) -> dict[str, Any] | None:
    """Return the share that is right of each class, a column for each row; None where it is not known.

    Args:
        rows: of one probe, the learned features first; those without the shares are left out.
        names: of the classes, by label.
    """
    known = [row for row in rows if row.get("per_class")]
    if not known:
        return None
    first = known[0]["per_class"]
    shares = [
        dict(zip(row["per_class"]["labels"], row["per_class"]["accuracy"], strict=True)) for row in known
    ]
    listed = [
        (name_of(label, names), num, [one.get(label) for one in shares])
        for label, num in zip(first["labels"], first["num_test"], strict=True)
    ]
    order = np.argsort(first["accuracy"], kind="stable")
    return {
        "representations": [row["representation"] for row in known],
        "rows": listed,
        "best": listed[order[-1]],
        "worst": listed[order[0]],
    }


def confusions(rows: Sequence[Row], names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the confusion matrix of each row, as shares of the test rows of a class; none where not known.

    Args:
        rows, names: as of `per_class`.
    """
    return [_confusion(row, names) for row in rows if row.get("confusion")]


def name_of(label: int, names: Sequence[str]) -> str:
    """Return the name of a label; its number where it has none.

    Example:
        >>> name_of(1, ["cat", "dog"]), name_of(7, ["cat", "dog"])
        ('dog', '7')
    """
    return str(names[label]) if 0 <= label < len(names) else str(label)


def _confusion(row: Row, names: Sequence[str]) -> dict[str, Any]:
    counts = np.array(row["confusion"]["counts"])
    classes = [name_of(label, names) for label in row["confusion"]["labels"]]
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    few = len(classes) <= MAX_NUMBERS
    return {
        "representation": row["representation"],
        "classes": classes,
        "shares": shares.tolist() if few else None,
        "picture": None if few else _picture(shares),
        "mistakes": _mistakes(counts, shares, classes),
    }


def _mistakes(
    counts: Int[np.ndarray, "k k"], shares: Float[np.ndarray, "k k"], classes: Sequence[str]
) -> list[tuple[str, str, int, float]]:
    """The most frequent mistakes: true class, answer, how often, and the share of the class."""
    wrong = counts * ~np.eye(len(counts), dtype=bool)
    order = np.argsort(-wrong, axis=None, kind="stable")[:NUM_MISTAKES]
    places = [divmod(int(one), len(classes)) for one in order]
    return [(classes[i], classes[j], int(wrong[i, j]), float(shares[i, j])) for i, j in places if wrong[i, j]]


def _picture(shares: Float[np.ndarray, "k k"]) -> str:
    """A pixel for each pair of classes, the more opaque the larger the share; right answers in blue."""
    right = np.eye(len(shares), dtype=bool)[..., None]
    colours = np.where(right, RIGHT, WRONG).astype(np.uint8)
    opacity = (255 * np.sqrt(shares)).round().astype(np.uint8)[..., None]  # a few percent are seen, too
    file = io.BytesIO()
    Image.fromarray(np.concatenate([colours, opacity], axis=-1), "RGBA").save(file, "PNG")
    return data_uri("image/png", file.getvalue())
