"""Errors that tell what was received, what was expected, and what to do about it."""

from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from importlib.util import find_spec

MAX_LISTED = 20
"""Known names that a message lists."""
MAX_QUOTED = 400
"""Characters of another error that a message quotes."""

_LEARNING = """
    torch lightning torchmetrics datasets huggingface_hub fsspec PIL safetensors einops jsonargparse xxhash
    filelock
"""
EXTRAS: Mapping[str, str] = {
    **dict.fromkeys(_LEARNING.split(), "learning"),
    "kornia": "policies",
    "tensorboard": "tensorboard",
    "wandb": "wandb",
    "fastexcel": "tables",
    "faiss": "search",
    "distributed": "cluster",
    **dict.fromkeys(["onnx", "onnxscript", "onnxruntime"], "export"),
    **dict.fromkeys(["anndata", "h5py"], "h5ad"),
    **dict.fromkeys(["tifffile", "imagecodecs", "pillow_heif", "pydicom", "czifile"], "formats"),
}
"""The extra of infomax that installs an optional package, by the name under which it is imported."""


class Diverged(RuntimeError):
    """Training stopped because the objective or its gradient is not finite; the last checkpoint is kept."""


class Stopped(KeyboardInterrupt):
    """Training was stopped by Ctrl-C; the message says which step is saved, and where."""


class MissingExtra(ValueError):
    """An optional package is needed and not installed."""


def refuse(condition: object, message: str) -> None:
    """Raise a ValueError with this message where the condition is true.

    Raises:
        ValueError: the condition is true.
    """
    if condition:
        raise ValueError(message)


def needs(package: str, *, extra: str, operation: str) -> None:
    """Check that an optional package is installed.

    Args:
        package: the name by which it is imported.
        extra: the extra of infomax that installs it.
        operation: what needs it, for the message.

    Raises:
        MissingExtra: it is not installed; the message names the command that installs it.
    """
    if find_spec(package) is None:
        raise MissingExtra(_missing(operation, package, extra))


@contextmanager
def naming_extras(operation: str) -> Generator[None]:
    """Raise `MissingExtra` where an import inside the block fails because an optional package is missing.

    Where blocks are nested, the message names the operation of the outermost one.

    Args:
        operation: what needs the package, for the message.

    Raises:
        MissingExtra: as `needs`. Other failures of imports pass unchanged.
    """
    try:
        yield
    except (ModuleNotFoundError, MissingExtra) as error:
        cause = error.__cause__ if isinstance(error, MissingExtra) else error
        package = (getattr(cause, "name", None) or "").partition(".")[0]
        if package not in EXTRAS:
            raise
        raise MissingExtra(_missing(operation, package, EXTRAS[package])) from cause


def _missing(operation: str, package: str, extra: str) -> str:
    return f"{operation}: needs {package}, which is not installed; pip install 'infomax[{extra}]'"


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the known name that is most like `name`; None where none is.

    Example:
        >>> nearest("lables", ["labels", "names"])
        'labels'
    """
    from difflib import get_close_matches

    return next(iter(get_close_matches(name, [*known], n=1, cutoff=cutoff)), None)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a remedy for an unknown name: the nearest known one as a question, else what there is.

    Example:
        >>> did_you_mean("lables", ["labels", "names"]), did_you_mean("x", ["labels", "names"])
        ('did you mean labels?', 'there are labels, names')
    """
    known = [*known]
    near = nearest(name, known)
    listed = [*known[:MAX_LISTED], *(["…"] if len(known) > MAX_LISTED else [])]
    return f"did you mean {near}?" if near else f"there are {', '.join(listed)}"


def in_one_line(error: Exception) -> str:
    """Return the words of an error in one line of at most 400 characters; its kind where it has none.

    Example:
        >>> [in_one_line(one) for one in (ValueError("two\\n  lines"), KeyError("views"), EOFError())]
        ['two lines', "there is no 'views'", 'EOFError']
    """
    words = " ".join(str(error).split())
    words = f"there is no {words}" if isinstance(error, KeyError) else words
    words = words if len(words) <= MAX_QUOTED else f"{words[: MAX_QUOTED - 1]}…"
    return words or type(error).__name__


@contextmanager
def without_panics() -> Generator[None]:
    """Raise a RuntimeError where a library written in Rust panics inside the block: a panic is no Exception.

    Raises:
        RuntimeError: Polars, safetensors or another panicked, as they may at damaged files.
    """
    try:
        yield
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise RuntimeError(in_one_line(RuntimeError(*error.args))) from error
