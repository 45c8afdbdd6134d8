"""The kinds of files that embeddings are written to, by the suffix of their names."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from infomax.errors import needs, refuse
from infomax.evaluation.outputs.rows import Batches
from infomax.learning.data.dataset import Dataset
from infomax.registry import loaded

Write = Callable[[Path, Dataset, Batches], None]


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Attributes:
        writer: the function that writes it, ``module:name``.
        columns: the function that writes it with a column for each feature; None where there is no choice.
        extra: a package that it needs, and the extra of infomax that installs it.
        opens: how it is opened in Python; ``{}`` stands for the file.
        lacks: what is known of the rows and not in the file; "" for nothing.
    """

    writer: str
    columns: str | None = None
    extra: tuple[str, str] | None = None
    opens: str = "polars.read_csv({})"
    lacks: str = ""

    def chosen(self, columns: bool) -> Write:
        """Return what writes it, with a column for each feature or in its usual form."""
        name = self.columns if columns and self.columns else self.writer
        return loaded(f"infomax.evaluation.outputs.{name}")


FORMATS = {
    ".parquet": Format(
        "tables:write_parquet", "tables:write_parquet_columns", opens="polars.read_parquet({})"
    ),
    ".csv": Format("tables:write_csv", "tables:write_csv"),
    ".csv.gz": Format("tables:write_csv_gz", "tables:write_csv_gz"),
    ".tsv": Format("tables:write_tsv", "tables:write_tsv", opens='polars.read_csv({}, separator="\\t")'),
    ".npy": Format("arrays:write_npy", opens="numpy.load({})", lacks="names and labels, which .npz holds"),
    ".npz": Format("arrays:write_npz", opens="dict(numpy.load({}))"),
    ".h5ad": Format("annotated:write_h5ad", extra=("anndata", "h5ad"), opens="anndata.read_h5ad({})"),
}
"""Kinds of files by suffix."""
SUFFIXES = ", ".join(FORMATS)


def format_of(out: str | Path, columns: bool = False) -> Format:
    """Return the kind of a file by the suffix of its name.

    Args:
        out: the file.
        columns: whether a column for each feature is wanted.

    Raises:
        ValueError: no kind of file has this suffix, or it has no columns.
        MissingExtra: a package that it needs is not installed.
    """
    suffix = suffix_of(out)
    found = FORMATS[suffix]
    refuse(
        columns and found.columns is None,
        f"embed: {suffix} holds features as one array; leave --columns out, or write .parquet or .csv",
    )
    if found.extra:
        package, extra = found.extra
        needs(package, extra=extra, operation="embed")
    return found


def suffix_of(out: str | Path) -> str:
    """Return the suffix that says the kind of a file.

    Raises:
        ValueError: no kind of file has its suffix.
    """
    name = Path(out).name.lower()
    suffix = next((suffix for suffix in FORMATS if name.endswith(suffix)), None)
    refuse(suffix is None, f"embed: the suffix of {out} says no format; expected {SUFFIXES}")
    return str(suffix)
