"""Text cells as numbers or times: missing values, thousands, decimal commas, percent, currencies, dates.

Only the different texts of a column are looked at, each once. A column is taken as numbers, or as times,
where nine in ten of its cells are; what the others hold is counted and named.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

MISSING_WORDS = (
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A",
    "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
)  # fmt: skip
"""Cells that pandas reads as missing, in columns of any kind."""
MISSING_SIGNS = (
    "?", "??", "-", "--", "---", "–", "—", ".", "..", "...", "*", "nat", "nil", "n.a.", "missing", "#div/0!",
    "#value!", "#ref!", "#name?", "#num!", "#null!",
)  # fmt: skip
"""Cells that also mean a missing value among numbers or times; elsewhere they may be labels."""
MIN_SHARE = 0.9
"""Text is numbers or times where so many of its cells are."""
MAX_EXAMPLES = 3

_ABSENT = frozenset(word.strip().lower() for word in MISSING_WORDS) | frozenset(MISSING_SIGNS)
_NUM_TRIED = 500  # texts in which notations are tried first
_INTEGER = r"(?:[1-9]\d{0,2}(?:SEP\d{3})+|\d+)"
_EXPONENT = r"(?:[eE][+-]?\d+)?"


@dataclass(frozen=True, eq=False)
class Texts:
    """The different texts of a column.

    Args:
        codes: the index of each row's text, −1 where missing: [n].
        texts: the different texts, in the order of their codes: [m].
        counts: in how many rows each occurs: [m].
    """

    codes: np.ndarray
    texts: pl.Series
    counts: np.ndarray

    def spread(self, values: pl.Series) -> pl.Series:
        """Return one value for each row, from one for each text."""
        found = np.append(values.fill_null(np.nan).to_numpy(), np.nan)
        return pl.Series(values.name, found[self.codes]).fill_nan(None)

    def share(self, which: pl.Series) -> float:
        """Return the share of present rows whose text is among these."""
        return float(self.counts[which.to_numpy()].sum() / max(self.counts.sum(), 1))

    def without(self, words: Iterable[str]) -> "Texts":
        """Return the texts with these words as missing values."""
        gone = self.texts.is_in(list(words)).to_numpy()
        new = np.append(np.where(gone, -1, np.cumsum(~gone) - 1), -1)
        return Texts(new[self.codes], self.texts.filter(~gone), self.counts[~gone])


@dataclass(frozen=True, eq=False)
class Parsed:
    """A text column as numbers.

    Args:
        what: "numbers", or "times" in seconds since 1970 or midnight.
        values: float64, null where missing: [n].
        note: what was decided about cells, without the name of the column; None where nothing was.
        num_other: cells that are neither such values nor missing.
        rest: the texts, without those that mean a missing value.
    """

    what: str
    values: pl.Series
    note: str | None
    num_other: int
    rest: Texts


def texts_of(series: pl.Series) -> Texts:
    """Return the different texts of a column of text or categories."""
    if series.dtype == pl.String:
        series = series.cast(pl.Categorical)
    present = series.is_not_null().to_numpy()
    physical = series.to_physical().fill_null(0).to_numpy().astype(np.int64)
    counts = np.bincount(physical[present])
    number = np.cumsum(counts > 0) - 1
    codes = np.where(present, number[physical] if len(number) else -1, -1)
    rows = np.flatnonzero(present)[::-1]
    first = np.zeros(np.count_nonzero(counts), dtype=np.int64)
    first[codes[rows]] = rows
    return Texts(codes, series.gather(first).cast(pl.String), counts[counts > 0])


def parsed(texts: Texts, *, whatever_share: bool = False) -> Parsed | None:
    """Return text as numbers or times; None where fewer than nine in ten cells are.

    Args:
        texts: of a column.
        whatever_share: accept one such cell.
    """
    words = texts.texts.str.strip_chars()
    absent = words.str.to_lowercase().is_in(list(_ABSENT))
    rest = texts.without(texts.texts.filter(absent))
    if not len(rest.texts) or (begins_with_zero(rest.texts) and not whatever_share):
        return None
    least = 1e-12 if whatever_share else MIN_SHARE
    for what, read in (("numbers", _numbers), ("times", _times)):
        found = read(rest)
        if found and rest.share(found[0].is_not_null()) >= least:
            values, note = found
            other = values.is_null()
            notes = [_absent_note(texts, absent), note, _other_note(rest, other, what)]
            note = "; ".join(one for one in notes if one) or None
            return Parsed(what, rest.spread(values), note, int(rest.counts[other.to_numpy()].sum()), rest)
    return None


def begins_with_zero(texts: pl.Series) -> bool:
    """Return True where texts are whole numbers, some of which begin with 0 as codes do: 02134, 007."""
    return bool(texts.str.contains(r"^0\d+$").any() and texts.str.contains(r"^\d+$").all())


def exactly(texts: Texts, decimal: str | None, thousands: str | None) -> pl.Series | None:
    """Return numbers written with these signs; None where a cell is neither such a number nor missing."""
    words = texts.texts.str.strip_chars()
    rest = texts.without(texts.texts.filter(words.str.to_lowercase().is_in(list(_ABSENT))))
    cells = rest.texts.str.strip_chars()
    if thousands:
        cells = cells.str.replace_all(thousands, "", literal=True)
    if decimal == ",":
        cells = cells.str.replace_all(".", "x", literal=True).str.replace_all(",", ".", literal=True)
    values = cells.cast(pl.Float64, strict=False)
    return rest.spread(values) if len(values) and not values.has_nulls() else None


def quoted(words: Iterable[str]) -> str:
    """Return words as a message lists them: the first three in quotation marks.

    Example:
        >>> quoted("abcd")
        "'a', 'b', 'c', …"
    """
    words = [*words]
    return ", ".join([*(repr(word) for word in words[:MAX_EXAMPLES]), *["…"][: len(words) - MAX_EXAMPLES]])


def _absent_note(texts: Texts, absent: pl.Series) -> str | None:
    """Signs for missing values, which a column of labels might mean otherwise."""
    signs = absent & ~texts.texts.is_in(MISSING_WORDS)
    if not signs.any():
        return None
    num_cells = int(texts.counts[signs.to_numpy()].sum())
    return f"{quoted(texts.texts.filter(signs))} in {counted(num_cells, 'cell')} taken as missing"


def _other_note(texts: Texts, other: pl.Series, what: str) -> str | None:
    if not other.any():
        return None
    num_cells, num_all = int(texts.counts[other.to_numpy()].sum()), int(texts.counts.sum())
    examples = quoted(texts.texts.filter(other))
    return f"{num_cells:,} of {counted(num_all, 'cell')} are not {what} ({examples}), taken as missing"


def counted(number: int, what: str) -> str:
    """Return a number of things in words.

    Example:
        >>> counted(1, "cell"), counted(1200, "cell")
        ('1 cell', '1,200 cells')
    """
    return f"{number:,} {what}{'' if number == 1 else 's'}"


# Numbers


def _numbers(texts: Texts) -> tuple[pl.Series, str | None] | None:
    """Numbers in the notation that fits most cells, null elsewhere; and an example where it is not plain."""
    plain = _plain(texts.texts.str.strip_chars())
    if texts.share(plain.is_not_null()) >= MIN_SHARE:
        return plain, None
    some = _undecorated(texts.texts.gather_every(max(len(plain) // _NUM_TRIED, 1)))
    if max(len(read(some).drop_nulls()) for read in _NOTATIONS) < len(some) / 2:  # dates, names
        return (plain, None) if plain.is_not_null().any() else None
    bare = _undecorated(texts.texts)
    found = max(
        (read(bare) for read in _NOTATIONS), key=lambda values: texts.share(values.is_not_null())
    )  # the first of equals
    if not found.is_not_null().any():
        return None
    return found, _example(texts.texts, found, plain)


def _example(texts: pl.Series, found: pl.Series, plain: pl.Series) -> str | None:
    read = found.is_not_null() & plain.is_null()
    if not read.any():
        return None
    first = int(read.arg_max() or 0)
    return f"{texts[first]!r} is read as the number {found[first]:g}"


def _plain(cells: pl.Series) -> pl.Series:
    """Numbers as programs write them."""
    cells = cells.str.replace("−", "-", literal=True).str.strip_prefix("+")
    return cells.cast(pl.Float64, strict=False).fill_nan(None)


def _undecorated(texts: pl.Series) -> pl.Series:
    """Texts without percent signs, currencies, and brackets around negative numbers."""
    return (
        texts.str.strip_chars()
        .str.replace("−", "-", literal=True)
        .str.replace(r"^\((.+)\)$", "-$1")
        .str.replace(r"^([+-]?)\s*(?:[$€£¥]|USD|EUR|GBP)\s*", "$1")
        .str.replace(r"\s*(?:[%‰$€£¥]|USD|EUR|GBP)$", "")
    )


def _notation(thousands: str, decimal: str) -> Callable[[pl.Series], pl.Series]:
    integer = _INTEGER.replace("SEP", thousands) if thousands else r"\d*"
    fraction = rf"(?:{decimal}\d*)?"
    pattern = rf"^[+-]?(?:{integer}{fraction}|{decimal}\d+){_EXPONENT}$"

    def read(cells: pl.Series) -> pl.Series:
        fits = cells.str.contains(pattern)
        bare = cells.str.replace_all(thousands, "") if thousands else cells
        return _plain(bare.str.replace(decimal, ".")).zip_with(fits, pl.Series([None], dtype=pl.Float64))

    return read


_NOTATIONS: Sequence[Callable[[pl.Series], pl.Series]] = (
    _plain,
    _notation(",", r"\."),
    _notation("", ","),
    _notation(r"\.", ","),
    _notation(r"[\s'’_]", r"[.,]"),
)

# Times

_CLOCK = r"(?<h>\d{1,2}):(?<m>\d{2})(?::(?<s>\d{2}(?:[.,]\d+)?))?\s*(?<half>[AaPp]\.?[Mm]\.?)?"
_ZONE = r"\s*(?<zone>Z|UTC|GMT|(?<sign>[+-])(?<zh>\d{2}):?(?<zm>\d{2})?)?(?:\s*\[[\w/]+\])?"
_MOMENT = rf"^(?<date>.*?)(?:(?:^|[T ]|, )\s*{_CLOCK}{_ZONE})?$"
_DATES = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%d-%m-%Y", "%m-%d-%Y",
    "%d.%m.%y", "%m/%d/%y", "%d/%m/%y", "%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%d. %b %Y", "%b %d, %Y",
    "%b %d %Y", "%d %B %Y", "%d. %B %Y", "%B %d, %Y", "%B %d %Y", "%a, %d %b %Y", "%Y %b %d", "%Y%m%d",
)  # fmt: skip
_ISO = ("%Y-%m-%d", *(f"%Y-%m-%d{t}%H:%M{s}" for t in "T " for s in (":%S%.f", "")))
_UNCLEAR = {"%m/%d/%Y": "%d/%m/%Y", "%m/%d/%y": "%d/%m/%y", "%d-%m-%Y": "%m-%d-%Y"}
_PARTS = {"%d": "day", "%m": "month", "%Y": "year", "%y": "year"}
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0}


def _times(texts: Texts) -> tuple[pl.Series, str | None] | None:
    """Seconds since 1970 or midnight, null where a text is no time; and what could be read otherwise."""
    if texts.share(texts.texts.str.contains(r"\d.*[-/.: ,].*\d|\d{4}")) < MIN_SHARE / 2:
        return None
    if (values := _iso_times(texts.texts)) is not None:
        return values, None
    parts = texts.texts.str.strip_chars().str.extract_groups(_MOMENT).struct.unnest()
    days = _whole_dates(parts["date"].fill_null(""))
    is_clock = (days == "") & parts["h"].is_not_null()
    formats = _fitting(days, is_clock)
    date = _in_format(days, formats[0]) if formats else pl.Series([None], dtype=pl.Float64)
    date = pl.Series(np.zeros(len(days))).zip_with(is_clock, date)
    values = date * 86400 + _clock(parts)
    if not values.is_not_null().any():
        return None
    return values, _reading(texts.texts, days, values, formats)


def _iso_times(texts: pl.Series) -> pl.Series | None:
    """Seconds since 1970 where all texts are times of one ISO form, which is quickly read; else None."""
    for form in _ISO:
        if texts.head(1).str.to_datetime(form, strict=False, time_unit="us").has_nulls():
            continue
        values = texts.str.to_datetime(form, strict=False, time_unit="us")
        if not values.has_nulls():
            return values.to_physical().cast(pl.Float64) / 1e6
    return None


def _whole_dates(days: pl.Series) -> pl.Series:
    """Dates with the first day of a month or quarter that stands without one."""
    quarter = days.str.replace(r"^(\d{4})[-\s]?Q1$", "$1-01").str.replace(r"^(\d{4})[-\s]?Q2$", "$1-04")
    quarter = quarter.str.replace(r"^(\d{4})[-\s]?Q3$", "$1-07").str.replace(r"^(\d{4})[-\s]?Q4$", "$1-10")
    return quarter.str.replace(r"^(\d{4}-\d{2})$", "$1-01").str.replace(
        r"^([A-Za-z]{3,9}) (\d{4})$", "1 $1 $2"
    )


def _fitting(days: pl.Series, is_clock: pl.Series) -> list[str]:
    """Formats in which most dates can be read, the best first."""
    some = days.filter(~is_clock).head(_NUM_TRIED)
    fits = {form: _in_format(some, form).is_not_null().sum() for form in _DATES} if len(some) else {}
    fits = {form: num for form, num in fits.items() if num and num >= max(fits.values())}
    return list(fits)


def _in_format(days: pl.Series, form: str) -> pl.Series:
    """Days since 1970 as numbers; a year of four digits is never read as one of two, or the other way."""
    dates = days.str.to_date(form, strict=False).to_physical().cast(pl.Float64)
    return dates.zip_with(days.str.contains(r"\d{4}") == ("%Y" in form), pl.Series([None], dtype=pl.Float64))


def _clock(parts: pl.DataFrame) -> pl.Series:
    """Seconds since midnight in UTC; 0 without a time of day."""
    number = {
        name: parts[name].str.replace(",", ".").cast(pl.Float64).fill_null(0.0)
        for name in ("h", "m", "s", "zh", "zm")
    }
    half = parts["half"].str.to_lowercase().str.slice(0, 1)
    hours = (number["h"] % 12 + 12 * (half == "p").cast(pl.Float64)).zip_with(half.is_not_null(), number["h"])
    ahead = (number["zh"] * 3600 + number["zm"] * 60) * (
        1 - 2 * (parts["sign"] == "-").fill_null(False).cast(pl.Float64)
    )
    return hours * _SECONDS["h"] + number["m"] * _SECONDS["m"] + number["s"] - ahead


def _reading(texts: pl.Series, days: pl.Series, values: pl.Series, formats: Sequence[str]) -> str | None:
    """An example, where days and months could be meant the other way round."""
    other = _UNCLEAR.get(formats[0]) if formats else None
    if other is None or other not in formats:
        return None
    which = values.is_not_null() & (days != "")
    first = int(which.arg_max() or 0)
    return f"{texts[first]!r} is read as {_in_words(formats[0])}, not as {_in_words(other)}"


def _in_words(form: str) -> str:
    """Return a format of dates in words, such as day/month/year."""
    for sign, word in _PARTS.items():
        form = form.replace(sign, word)
    return form
