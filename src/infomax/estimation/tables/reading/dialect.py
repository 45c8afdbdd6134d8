"""How a text file is written: encoding, separator, decimal sign, names in the first line or none."""

import codecs
import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from infomax.errors import refuse
from infomax.estimation.tables.reading.cells import MISSING_WORDS, quoted

SAMPLE_BYTES = 1 << 18
"""Bytes that are looked at before a text file is read."""
MAX_LINES = 1000
MAX_CELL = 2**31 - 1
"""Characters of a cell; more than any file has that is read whole."""
SEPARATORS = (",", ";", "\t", "|")
"""Signs between columns that are recognised; also spaces between numbers."""
MIN_CONSISTENT = 0.9
"""Lines with as many columns as the first one, for a sign to be taken as the separator."""

_NAMES = {"tab": "\t", r"\t": "\t", "comma": ",", "semicolon": ";", "space": " ", "pipe": "|"}
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
_NUMBER = re.compile(r"[+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d+)?")
_COMMA = re.compile(r"[+-]?(\d*|\d{1,3}(\.\d{3})+),\d+([eE][+-]?\d+)?")
_POINT = re.compile(r"[+-]?(\d*|\d{1,3}(,\d{3})+)\.\d+([eE][+-]?\d+)?")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")


@dataclass(frozen=True)
class TextOptions:
    """Settings of a text file; what is None is guessed.

    Args:
        separator: the sign between columns, or its name: tab, comma, semicolon, space, pipe.
        decimal: "." or ",".
        thousands: the sign between groups of three digits.
        encoding: such as utf-8, cp1252, utf-16.
        header: the first line holds names.
        missing: words, or numbers, that mean a missing value beside the usual words.
        keep: usual words for missing values that are values.
    """

    separator: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    encoding: str | None = None
    header: bool = True
    missing: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        sign = self.sign
        refuse(
            sign is not None and len(sign) != 1,
            f"measure: the separator must be one character or a name ({', '.join(_NAMES)}), "
            f"got {self.separator!r}",
        )
        refuse(
            self.decimal not in (None, ".", ","),
            f"measure: decimal must be . or a comma, got {self.decimal!r}",
        )
        refuse(
            self.decimal is not None and self.decimal == self.thousands,
            f"measure: {self.decimal!r} cannot be the decimal sign and the sign of thousands too",
        )
        if self.encoding is not None:
            _check_encoding(self.encoding)

    @property
    def sign(self) -> str | None:
        """The separator as a character."""
        return _NAMES.get(self.separator or "", self.separator)

    @property
    def words(self) -> list[str]:
        """Words that mean a missing value in columns of any kind."""
        return [*(word for word in MISSING_WORDS if word not in self.keep), *self.missing]


@dataclass(frozen=True)
class Dialect:
    """How a text file is written.

    Args:
        separator: the sign between columns.
        decimal: the decimal sign.
        encoding: as Python names it.
        header: the first line holds names.
        rewritten: the file is written anew before it is read: runs of spaces between columns, or quotation
            marks inside of cells.
        codes: places of columns of whole numbers that begin with 0, which are text.
        notes: one line for each guess.
    """

    separator: str
    decimal: str
    encoding: str
    header: bool
    rewritten: bool = False
    codes: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()


def guess_dialect(head: bytes, options: TextOptions, usual: str) -> Dialect:
    """Return how a text is written, from its beginning.

    Args:
        head: its first bytes, as many as `SAMPLE_BYTES` if there are more.
        options: what is known.
        usual: the separator that is expected, used where several fit; it needs no note.

    Example:
        >>> guess_dialect(b"x;y\\n0,5;1\\n0,25;2\\n", TextOptions(), ",").notes[1]
        "decimal comma, as in '0,5' (guessed; --decimal . if it is none)"
    """
    encoding = options.encoding or guess_encoding(head)
    lines = _lines(head, encoding)
    separator = options.sign or _separator(lines, usual)
    rows = _rows(lines, separator)
    body = rows[options.header :]
    example = None if options.decimal or separator == "," else _decimal_comma(body)
    decimal = options.decimal or ("," if example else ".")
    notes = [
        f"encoding {encoding} (guessed; --encoding sets it)"
        if encoding not in ("utf-8", "utf-8-sig", options.encoding)
        else None,
        f"separator {named_sign(separator)} (guessed; --separator sets it)"
        if separator not in (usual, options.sign)
        else None,
        f"decimal comma, as in {example!r} (guessed; --decimal . if it is none)" if example else None,
        _header_note(rows) if options.header else None,
    ]
    return Dialect(
        separator,
        decimal,
        encoding,
        options.header,
        separator == " ",
        _codes(body),
        tuple(n for n in notes if n),
    )


def guess_encoding(head: bytes) -> str:
    """Return an encoding in which bytes make sense: by their first mark, UTF-16, UTF-8, or Windows-1252."""
    for mark, encoding in _BOMS:
        if head.startswith(mark):
            return encoding
    if head[1::2].count(0) > len(head) / 8 and not head[::2].count(0):
        return "utf-16-le"
    if head[::2].count(0) > len(head) / 8 and not head[1::2].count(0):
        return "utf-16-be"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return legacy_encoding(head)
    return "utf-8"


def legacy_encoding(content: bytes) -> str:
    """Return Windows-1252, or Latin-1 where bytes occur that Windows-1252 lacks."""
    return "latin-1" if any(content.count(byte) for byte in b"\x81\x8d\x8f\x90\x9d") else "cp1252"


def named_sign(separator: str) -> str:
    """Return a separator as messages name it.

    Example:
        >>> named_sign(";"), named_sign("\\t")
        ("';'", 'tab')
    """
    return {"\t": "tab", " ": "space"}.get(separator, repr(separator))


def _check_encoding(encoding: str) -> None:
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise ValueError(
            f"measure: no encoding {encoding!r}; common ones are utf-8, cp1252, latin-1, utf-16"
        ) from None


def _lines(head: bytes, encoding: str) -> list[str]:
    """Whole lines at the beginning, without empty ones."""
    lines = head.decode(encoding, errors="ignore").splitlines()
    lines = lines[:-1] if len(head) >= SAMPLE_BYTES and len(lines) > 1 else lines
    return [line for line in lines[:MAX_LINES] if line.strip()]


def delimited(lines: Iterable[str], separator: str) -> Iterator[list[str]]:
    """Return the cells of each line, of any length; none where a line is empty.

    The limit of Python's csv, 131,072 characters, is raised for the whole process, since threads share it.
    """
    if separator == " ":
        return (line.split() for line in lines)
    csv.field_size_limit(MAX_CELL)
    return csv.reader(lines, delimiter=separator)


def _rows(lines: Sequence[str], separator: str) -> list[list[str]]:
    return [[cell.strip() for cell in row] for row in delimited(lines, separator) if row]


def _separator(lines: Sequence[str], usual: str) -> str:
    """The sign that cuts all lines into equally many columns, most of them numbers; else the usual one."""
    candidates = [usual, *(sign for sign in SEPARATORS if sign != usual)]
    fits = {sign: _fit(_rows(lines, sign)) for sign in candidates}
    good = [sign for sign in candidates if fits[sign] > 0]
    if good:
        return max(good, key=lambda sign: fits[sign])  # the first of equals
    if len(lines) > 1 and all(map(_COMMA.fullmatch, lines[1:])):
        return ";"  # one column of numbers with decimal commas
    if _rows(lines, " ") and _fit(_rows(lines, " ")) == 1.0:
        return " "
    widths = {sign: len(rows[0]) if (rows := _rows(lines, sign)) else 0 for sign in candidates}
    return max(candidates, key=lambda sign: widths[sign])


def _fit(rows: Sequence[Sequence[str]]) -> float:
    """The share of cells that are numbers, at least a little; 0 where lines have one column or differ."""
    same = [row for row in rows if len(row) == len(rows[0])]
    if not same or len(rows[0]) < 2 or len(same) < MIN_CONSISTENT * len(rows):
        return 0.0
    cells = [cell for row in same[1:] or same for cell in row if cell]
    return max(sum(bool(_NUMBER.fullmatch(cell)) for cell in cells) / max(len(cells), 1), 1e-6)


def _decimal_comma(rows: Sequence[Sequence[str]]) -> str | None:
    """A number with a decimal comma, where no number has a decimal point; None without."""
    cells = [cell for row in rows for cell in row]
    with_comma = [cell for cell in cells if _COMMA.fullmatch(cell) and not _THOUSANDS.fullmatch(cell)]
    return next(iter(with_comma), None) if not any(map(_POINT.fullmatch, cells)) else None


def _codes(rows: Sequence[Sequence[str]]) -> tuple[int, ...]:
    """Places of columns of digits, some of which begin with 0: codes such as 02134."""
    places = range(max(map(len, rows), default=0))
    columns = [[row[place] for row in rows if len(row) > place and row[place]] for place in places]
    return tuple(
        place
        for place, cells in enumerate(columns)
        if cells
        and all(cell.isdecimal() or cell in MISSING_WORDS for cell in cells)
        and any(cell.startswith("0") and len(cell) > 1 for cell in cells)
    )


def _header_note(rows: Sequence[Sequence[str]]) -> str | None:
    """A line where names look like values: they are numbers, or occur in their columns again."""
    if not rows or not _are_values(rows[0], [row for row in rows[1:] if row != rows[0]]):
        return None
    return f"the first line, {quoted(rows[0])}, is taken as names; --no-header if it is a row"


def _are_values(names: Sequence[str], body: Sequence[Sequence[str]]) -> bool:
    """True where all are numbers, or one is no whole number (a year could be a name), or occurs below."""
    if all(map(_NUMBER.fullmatch, names)) or any(_NUMBER.fullmatch(n) and not n.isdecimal() for n in names):
        return True
    below = [{row[place] for row in body if len(row) > place} for place in range(len(names))]
    return any(name and name in seen for name, seen in zip(names, below, strict=True))
