"""Jinja templates of pages, and what goes into them: data addresses and nested settings as text."""

import base64
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jinja2


def page_template(folder: Path, *others: Path) -> jinja2.Template:
    """Return ``page.html.jinja`` of a folder; it may extend ``base.html.jinja``, and include its neighbours.

    It may include files of the `others`, too.

    What is put into a template is escaped, and a name that it lacks is an error.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, *others, Path(__file__).parent]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = _percent
    environment.filters["number"] = _number
    return environment.get_template("page.html.jinja")


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _number(value: Any) -> Any:
    return f"{value:,}" if isinstance(value, int) else value


def data_uri(kind: str, data: bytes) -> str:
    """Return an address that holds the data itself.

    Args:
        kind: the media type, such as ``image/png``.
        data: the content of a file of this type.
    Example:
        >>> data_uri("text/plain", b"bits")
        'data:text/plain;base64,Yml0cw=='
    """
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def flat(mapping: Mapping[str, Any], text: Callable[[Any], str], *, prefix: str = "") -> dict[str, str]:
    """Return a nested mapping as one of dotted keys, the values as text.

    Example:
        >>> flat({"train": {"steps": 10, "lr": 0.1}, "seed": 0}, str)
        {'train.steps': '10', 'train.lr': '0.1', 'seed': '0'}
    """
    lines: dict[str, str] = {}
    for key, value in mapping.items():
        if isinstance(value, Mapping):
            lines |= flat(value, text, prefix=f"{prefix}{key}.")
        else:
            lines[f"{prefix}{key}"] = text(value)
    return lines
