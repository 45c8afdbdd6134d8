"""The meaning of labels: one class of several, numbers, several tags, or nothing that can be learned from.

text                       classes
text with ; or | in it     tags
whole numbers              classes where they are dense or few, else numbers
other numbers, times       numbers
lists of 0 and 1           tags; of one length: one tag a place
lists of other things      tags; lists of other numbers, of one length: several numbers
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, final

import numpy as np
import pyarrow as pa
from jaxtyping import Int64

from infomax.errors import refuse
from infomax.learning.data.labels.texts import distinct
from infomax.learning.data.targets import Numbers, Tags, Targets, counted, listed

MAX_DENSE = 1000
"""Whole numbers from 0 to below this are classes, however many of them occur."""
MAX_FEW = 100
"""Other whole numbers are classes if no more than so many differ, each of them in several rows."""
MIN_ROWS = 5
"""Rows of each of these numbers, on average."""
MAX_TAGS = 1000
MIN_REPEATED = 50
"""From so many texts on, they are classes only if they recur: on average in two rows."""


class Labelled(NamedTuple):
    """Labels of rows: classes by number, −1 for none, or targets."""

    labels: Int64[np.ndarray, " n"]
    classes: tuple[str, ...]
    targets: Targets | None
    words: str


class Asked(NamedTuple):
    """Facts about labels before they are looked at.

    Attributes:
        where: where they stand, in words.
        option: how the user names them after --labels, for remedies.
        title: what numbers are called.
        form: ``classes``, ``numbers`` or ``tags``, where the user says so.
        names: of the columns, where a label is a list with a value of each.
        is_chosen: True where the user named them.
    """

    where: str
    option: str
    title: str = "label"
    form: str | None = None
    names: tuple[str, ...] | None = None
    is_chosen: bool = False


@dataclass(frozen=True)
class Meaning(ABC):
    """The meaning of labels, the same in all splits."""

    words: str

    @abstractmethod
    def read(self, texts: pa.Array | pa.ChunkedArray) -> Labelled:
        """Return the labels of rows."""


@final
@dataclass(frozen=True)
class Classes(Meaning):
    """One class each: the place of each label's text among the classes."""

    names: tuple[str, ...]
    places: Mapping[Any, int] = field(repr=False)

    def read(self, texts: pa.Array | pa.ChunkedArray) -> Labelled:
        """Return the classes by number; labels that are none of them are missing, and counted."""
        values, codes = distinct(texts)
        places = np.array([*(self.places.get(_key(one), -1) for one in values), -1], np.int64)
        num_odd = int(((places[codes] < 0) & (codes >= 0) & ~_is_none(values, codes)).sum())
        odd = f", {counted(num_odd, 'label')} none of these and taken as missing" if num_odd else ""
        labels = places[codes]
        num_none = int((labels < 0).sum()) - num_odd
        none = f", {num_none:,} without" if 0 < num_none < len(labels) else ""
        return Labelled(labels, self.names, None, self.words + none + odd)


@final
@dataclass(frozen=True)
class Values(Meaning):
    """Numbers or tags: a function from a label to its row."""

    kind: type[Targets]
    names: tuple[str, ...]
    row: Any

    def read(self, texts: pa.Array | pa.ChunkedArray) -> Labelled:
        """Return the targets; rows whose label is missing are NaN."""
        values, codes = distinct(texts)
        none = [np.nan] * len(self.names)
        rows = np.array([*(self.row(one) for one in values), none], np.float64)
        with np.errstate(over="ignore"):
            known = rows.astype(np.float32)
        known[np.isinf(known)] = np.nan
        targets = self.kind(np.ascontiguousarray(known[codes]), self.names)
        num_none = len(codes) - len(targets.known_rows)
        none = f", {num_none:,} without" if num_none else ""
        return Labelled(np.full(len(codes), -1), (), targets, self.words + none)


@final
@dataclass(frozen=True)
class Nothing(Meaning):
    """No labels; the words say why."""

    def read(self, texts: pa.Array | pa.ChunkedArray) -> Labelled:
        """Return that no row has a label."""
        return Labelled(np.full(len(texts), -1), (), None, self.words)


def meaning_of(texts: pa.Array | pa.ChunkedArray, asked: Asked) -> Meaning:
    """Return what labels mean, by those of all splits.

    Args:
        texts: of all splits, as of `label_texts`.
        asked: what is known of them.

    Raises:
        ValueError: they cannot be what the user says.
    """
    values, codes = distinct(texts)
    num = int((codes >= 0).sum())
    if not num:
        return Nothing(f"unlabelled: {asked.where} holds no label")
    for kind, rule in _RULES:
        if all(kind(one) for one in values):
            return rule(values, num, asked)
    kinds = sorted({_kind_name(one) for one in values})
    refuse(asked.is_chosen or asked.form, f"labels: {asked.where} holds {' and '.join(kinds)}; {_EXPECTED}")
    return Nothing(f"unlabelled: {asked.where} holds {' and '.join(kinds)}, which are no labels")


def meaning_of_names(names: Sequence[str], where: str) -> Meaning:
    """Return the meaning of labels whose class names are known: they are such names, or their numbers."""
    places = {name: place for place, name in enumerate(names)} | {place: place for place in range(len(names))}
    return Classes(f"{counted(len(names), 'class')} from {where} ({listed(names)})", tuple(names), places)


_EXPECTED = "expected text, numbers, times or lists of them; choose another column, or none"


def _texts(values: Sequence[str], num: int, asked: Asked) -> Meaning:
    if asked.form == "numbers":
        return _numbers([*map(float, _as_numbers(values, asked))], num, asked)
    sign = next((sign for sign in ";|" if any(sign in one for one in values)), None)
    if asked.form == "tags" or (sign and asked.form is None):
        return _tags([_cut(one, sign) for one in values], asked, lambda one: _cut(one, sign))
    if not asked.is_chosen and not asked.form and len(values) > max(MIN_REPEATED, num / 2):
        return Nothing(
            f"unlabelled: {asked.where} holds {len(values):,} texts in {num:,} rows, which make no classes "
            f"(--labels {asked.option}=classes takes them)"
        )
    names = tuple(sorted(values))
    places = {name: place for place, name in enumerate(names)}
    return Classes(f"{counted(len(names), 'class')} from {asked.where} ({listed(names)})", names, places)


def _cut(text: str, sign: str | None) -> list[str]:
    parts = text.split(sign) if sign else [text]
    return [part.strip() for part in parts if part.strip()]


def _as_numbers(values: Sequence[Any], asked: Asked) -> list[Any]:
    try:
        return [float(one) for one in values]
    except ValueError as error:
        raise ValueError(
            f"labels: {asked.where} cannot be taken as numbers ({error}), expected numbers; take them as "
            f"classes (--labels {asked.option}=classes)"
        ) from None


def _whole(values: Sequence[Any], num: int, asked: Asked) -> Meaning:
    """Return classes of whole numbers where they are dense or few, else numbers; −1 alone is none."""
    refuse(
        asked.form == "tags",
        f"labels: {asked.where} holds numbers, expected tags; give several columns of 0 and 1",
    )
    whole = sorted({int(one) for one in values})
    known = whole[1:] if whole[0] == -1 else whole
    if not known:
        return Nothing(f"unlabelled: {asked.where} holds no label")
    if asked.form == "numbers" or not (asked.form or _are_classes(known, num)):
        return _numbers(values, num, asked, known)
    is_dense = known[0] >= 0 and known[-1] < max(MAX_DENSE, 2 * len(known))
    numbers = range(known[-1] + 1) if is_dense else known
    places: dict[Any, int] = {number: place for place, number in enumerate(numbers)}
    instead = f"; --labels {asked.option}=numbers takes them as numbers"
    words = f"{counted(len(known), 'class')} from the whole numbers of {asked.where}"
    return Classes(f"{words} ({known[0]} to {known[-1]}{instead})", tuple(map(str, numbers)), places)


def _are_classes(known: Sequence[Any], num: int) -> bool:
    """Return whether whole numbers, sorted, are classes rather than measured."""
    if known[0] >= 0 and known[-1] < MAX_DENSE:
        return True
    if known[0] >= 0 and known[-1] < 2 * len(known):
        return num >= 2 * len(known)
    return len(known) <= MAX_FEW and num >= MIN_ROWS * len(known)


def _numbers(values: Sequence[Any], num: int, asked: Asked, whole: Sequence[Any] | None = None) -> Meaning:
    least, greatest = min(values), max(values)
    instead = f"; --labels {asked.option}=classes takes them as classes" if whole else ""
    words = f"numbers from {asked.where} ({least:.10g} to {greatest:.10g}{instead})"
    if asked.form == "classes" and whole is None:
        names = tuple(f"{one:g}" for one in sorted(values))
        places = {one: place for place, one in enumerate(sorted(values))}
        return Classes(f"{counted(len(names), 'class')} from {asked.where} ({listed(names)})", names, places)
    refuse(
        asked.form == "tags",
        f"labels: {asked.where} holds numbers, expected tags; give several columns of 0 and 1",
    )
    return Values(words, Numbers, (asked.title,), lambda one: [float(one)])


def _times(values: Sequence[Any], num: int, asked: Asked) -> Meaning:
    refuse(asked.form in ("classes", "tags"), f"labels: {asked.where} holds times, expected {asked.form}")
    days = [one["days"] for one in values]
    name = f"{asked.title} (days since 1970)"
    words = f"numbers from {asked.where} (times, as days since 1970: {min(days):g} to {max(days):g})"
    return Values(words, Numbers, (name,), lambda one: [one["days"]])


def _lists(values: Sequence[Any], num: int, asked: Asked) -> Meaning:
    parts = [part for one in values for part in one]
    refuse(asked.form == "classes", f"labels: {asked.where} holds lists, expected classes; take them as tags")
    lengths = {len(one) for one in values}
    if all(part is None or _is_number(part) for part in parts) and len(lengths) == 1 and lengths != {0}:
        are_marks = all(part in (0, 1, None) for part in parts)
        if are_marks or asked.names or any(_is_fraction(part) for part in parts):
            names = asked.names or tuple(map(str, range(lengths.pop())))
            return _places(parts, names, asked, are_marks and asked.form != "numbers")
    odd = next((part for part in parts if not isinstance(part, str | int)), None)
    if odd is None and not asked.names:
        return _tags(values, asked, lambda one: one)
    refuse(
        asked.is_chosen or asked.form,
        f"labels: {asked.where} holds lists such as {values[0]}, expected lists of names, or numbers as many "
        "in each; choose another column, or none",
    )
    return Nothing(f"unlabelled: {asked.where} holds lists that are no labels")


def _places(parts: Sequence[Any], names: tuple[str, ...], asked: Asked, are_marks: bool) -> Meaning:
    """Return one target a place of the list."""
    refuse(asked.form == "tags" and not are_marks, f"labels: {asked.where} holds other numbers than 0 and 1")
    kind = Tags if are_marks else Numbers
    words = f"{counted(len(names), kind.kind)} from {asked.where} ({listed(names)})"
    return Values(words, kind, names, lambda one: [np.nan if part is None else part for part in one])


def _tags(values: Sequence[Sequence[Any]], asked: Asked, cut: Any) -> Meaning:
    """Return the tags in lists of names; a list without any says that the row has none."""
    found = {part for one in values for part in one}
    names = sorted(found, key=lambda part: (isinstance(part, str), part))
    if len(names) > MAX_TAGS:
        refuse(
            asked.is_chosen,
            f"labels: {asked.where} holds {len(names):,} tags, expected at most {MAX_TAGS:,}; choose another",
        )
        return Nothing(f"unlabelled: {asked.where} holds {len(names):,} tags, more than {MAX_TAGS:,}")
    places = {part: place for place, part in enumerate(names)}

    def row(one: Any) -> np.ndarray:
        has = np.zeros(len(names))
        has[[places[part] for part in cut(one) if part in places]] = 1
        return has

    shown = tuple(map(str, names))
    return Values(f"{counted(len(shown), 'tag')} from {asked.where} ({listed(shown)})", Tags, shown, row)


def _key(value: Any) -> Any:
    """Return what a class is found by: of a whole number, the integer."""
    if isinstance(value, list | dict):
        return str(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _is_none(values: Sequence[Any], codes: np.ndarray) -> np.ndarray:
    """Return of each row whether its label is the number −1, which is none."""
    return np.array([*(isinstance(one, int | float) and one == -1 for one in values), False])[codes]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def _is_fraction(value: Any) -> bool:
    return isinstance(value, float) and not value.is_integer()


def _is_whole(value: Any) -> bool:
    return _is_number(value) and not _is_fraction(value)


def _is_time(value: Any) -> bool:
    return isinstance(value, dict) and "days" in value


def _kind_name(value: Any) -> str:
    names = {str: "text", int: "numbers", float: "numbers", list: "lists"}
    return "times" if _is_time(value) else names.get(type(value)) or value["other"]


_RULES = (
    (lambda one: isinstance(one, str), _texts),
    (_is_whole, _whole),
    (_is_number, _numbers),
    (_is_time, _times),
    (lambda one: isinstance(one, list), _lists),
)
"""Kinds of labels, each a test of all labels and what they mean then; the first that fits is taken."""
