"""Labels of any kind as short texts (JSON), in which they are kept beside the decoded values."""

import datetime
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

DAY = 86_400
"""Seconds of a day."""


def label_text(label: Any) -> str | None:
    """Return a label as JSON; None where there is none.

    Numbers, texts and lists of them are what they are. Of a time, {"days": since 1970}; of anything else
    {"other": its type}.

    Example:
        >>> [label_text(one) for one in (3, "cat", float("nan"), [0, 1.5], b"\\x00")]
        ['3', '"cat"', None, '[0, 1.5]', '{"other": "bytes"}']
    """
    plain = _plain(label)
    return None if plain is None or plain == "" else json.dumps(plain, ensure_ascii=False)


def label_texts(labels: Iterable[Any]) -> pa.Array:
    """Return labels as an Arrow column of JSON; those that are missing are null."""
    return pa.array([label_text(one) for one in labels], pa.string())


def distinct(texts: pa.Array | pa.ChunkedArray) -> tuple[list[Any], np.ndarray]:
    """Return the distinct labels of a column of JSON, and the place of each row's among them; −1: missing."""
    whole = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    encoded = whole.dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return [json.loads(text) for text in encoded.dictionary.to_pylist()], codes.astype(np.int64)


def _plain(label: Any) -> Any:
    """Return what JSON can hold of a label."""
    match label:
        case None | str() | bool() | int():
            return int(label) if isinstance(label, bool) else label
        case float():
            return None if math.isnan(label) else label if math.isfinite(label) else {"other": "infinity"}
        case datetime.datetime() | datetime.date():
            return {"days": _days(label)}
        case list() | tuple():
            return [_plain(one) for one in label]
        case Mapping() | bytes():
            return {"other": type(label).__name__}
        case _:
            return _plain_array(label)


def _plain_array(label: Any) -> Any:
    """Return what JSON can hold of a label that is an array, or a number of another library."""
    values = np.asarray(label)
    if values.ndim > 0 and values.dtype != object:
        return _plain(values.tolist())
    if values.dtype.kind == "M":
        return None if np.isnat(values) else {"days": float(values.astype("datetime64[s]").astype(int)) / DAY}
    item = values.item()
    if type(item) is not type(label) and isinstance(item, str | bool | int | float):
        return _plain(item)
    try:
        return _plain(float(item))  # Decimal, Fraction
    except (TypeError, ValueError):
        return {"other": type(label).__name__}


def _days(moment: datetime.date) -> float:
    if isinstance(moment, datetime.datetime):
        return moment.replace(tzinfo=moment.tzinfo or datetime.UTC).timestamp() / DAY
    return float((moment - datetime.date(1970, 1, 1)).days)
