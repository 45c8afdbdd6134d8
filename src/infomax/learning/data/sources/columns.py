"""Columns of tables and of mappings: which holds the values, which the labels."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from infomax.errors import nearest, refuse

VALUE_COLUMNS = ("image", "img", "jpg", "jpeg", "png", "webp", "picture", "photo", "pixels", "bytes")
LABEL_COLUMNS = ("label", "labels", "cls", "class", "target", "fine_label", "category", "y")


class UnknownColumn(ValueError):
    """The source has columns, but not the one that was named."""

    def __init__(self, source: str, column: str, columns: Iterable[str]):
        known = list(dict.fromkeys(columns))
        near = nearest(column, known)
        remedy = f"did you mean {near!r}?" if near else "choose one of them"
        super().__init__(
            f"data: {source} has no column {column!r}, expected one of: {', '.join(known)}; {remedy}"
        )


def no_columns(source: str, column: str, what: str, instead: str = "") -> ValueError:
    """Return the error of a column that was named where there are none.

    Args:
        source: its name.
        column: what was named.
        what: why there are none.
        instead: folders that can be read as columns.
    """
    folders = f" or a folder of it ({instead})" if instead else ""
    return ValueError(
        f"data: {source} {what} and has no columns, got column {column!r}, expected none{folders}; "
        "leave it out"
    )


def value_column(
    source: str, columns: Collection[str], *, typed: Collection[str] = (), chosen: str | None = None
) -> str:
    """Return the column that holds the values: the chosen one, or the one that looks like an image's.

    Of several that have the type of an image, one called as in `VALUE_COLUMNS` goes before others.

    Args:
        source: its name, for messages.
        columns: the names there are.
        typed: those among them that have the type of an image; they go before others.
        chosen: the column that the user named.

    Raises:
        UnknownColumn: the chosen one is not there.
        ValueError: none is chosen and none looks like an image's, or several do.
    """
    if chosen is not None:
        if chosen not in columns:
            raise UnknownColumn(source, chosen, columns)
        return chosen
    named = [name for name in VALUE_COLUMNS if name in (typed or columns)]
    refuse(
        not named and len(typed) > 1,
        f"data: {source} has several columns of images: {', '.join(typed)}; expected one, or one called "
        f"{', '.join(VALUE_COLUMNS[:3])}, ...; " + 'choose one by --column (column="...")',
    )
    if found := named or [*typed]:
        return found[0]
    raise ValueError(
        f"data: {source} has no image column, it has: {', '.join(columns)}; "
        f"expected one of type Image or called {', '.join(VALUE_COLUMNS[:5])}, ...; "
        'rename the column, or choose one by --column (column="...")'
    )


def of_images(features: Mapping[str, Any]) -> list[str]:
    """Return the columns that hold images by their types: Image, or bytes beside a path, as others write it.

    Args:
        features: the types of the columns, as the library `datasets` describes them.
    """
    from datasets import Image

    return [
        name
        for name, kind in features.items()
        if isinstance(kind, Image) or (isinstance(kind, dict) and {*kind} == {"bytes", "path"})
    ]


def seen_of_several(value: str, typed: Collection[str], chosen: str | None) -> tuple[str, ...]:
    """Return a line on the column that is seen, where others hold images, too, and none was chosen.

    Example:
        >>> seen_of_several("image", ["image", "mask"], None)
        ('column image is seen, not mask (--column takes another)',)
    """
    others = [name for name in typed if name != value] if chosen is None else []
    return (f"column {value} is seen, not {', '.join(others)} (--column takes another)",) if others else ()


def label_column(
    columns: Iterable[str], *, typed: Collection[str] = (), value: str | None = None
) -> str | None:
    """Return the column that holds the labels; None where none looks like it.

    Args:
        columns: the names there are.
        typed: those among them that have the type of a label; they go before others.
        value: the column that holds the values, which is never the label too.
    """
    kinds = [name for name in typed if name != value]
    among = kinds or [name for name in columns if name != value]
    named = [name for name in LABEL_COLUMNS if name in among]
    return next(iter(named or kinds), None)
