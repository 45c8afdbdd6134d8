"""Functions without the check of their arguments by jaxtyping, to see what they say of wrong ones."""

import inspect
import os
from collections.abc import Callable
from typing import Any


def unwrap(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return what jaxtyping wraps; under mutmut, which wraps functions without it, the function itself."""
    return function if "MUTANT_UNDER_TEST" in os.environ else inspect.unwrap(function)
