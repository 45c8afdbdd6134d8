"""The directive ``command-help``: what ``infomax COMMAND --help`` prints, as a block of text."""

import io
import os
from contextlib import redirect_stdout, suppress
from unittest.mock import patch

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from infomax.cli import main

COLUMNS = 72
"""Width of the help, in letters."""


def help_of(command):
    """Return the help of a command, as a terminal of `COLUMNS` letters shows it."""
    text = io.StringIO()
    with (
        patch.dict(os.environ, COLUMNS=str(COLUMNS), NO_COLOR="1"),
        redirect_stdout(text),
        suppress(SystemExit),
    ):
        main([*command.split(), "--help"])
    return text.getvalue()


class CommandHelp(SphinxDirective):
    required_arguments = 1
    final_argument_whitespace = True

    def run(self):
        text = help_of(self.arguments[0])
        return [nodes.literal_block(text, text, language="none")]


def setup(app):
    app.add_directive("command-help", CommandHelp)
    return {"parallel_read_safe": True}
