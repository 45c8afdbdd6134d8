"""Hooks that keep the outputs of named layers.

They exist during one call only, and keep only what the thread of that call computes, so that the module may
be copied, pickled, or used elsewhere meanwhile.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from functools import partial
from threading import get_ident
from typing import Any

from torch import SymInt, Tensor, nn

from infomax.learning.encoders.tapping.outputs import tensor_in

Call = tuple[Any, int]
"""The output of a layer, and how often it had been changed in place by then."""


def calls_of(
    module: nn.Module, names: Iterable[str], images: Tensor, method: str = "forward"
) -> dict[str, list[Call]]:
    """Return, by name of a layer, its outputs in one call of a module, made by this thread.

    The names come in the order in which the layers finish.

    Args:
        module: what is called.
        names: of layers, as in ``module.named_modules()``; "" is the module itself.
        images: what it is given.
        method: what of it is called, such as ``forward_features``, whose output is then that of "".
    """
    calls: dict[str, list[Call]] = {}
    thread = get_ident()

    def keep(name: str, _module: nn.Module, _inputs: Any, output: Any) -> None:
        if get_ident() == thread:
            calls.setdefault(name, []).append((output, _version(output)))

    with ExitStack() as hooks:
        for name in {*names} - {""}:
            layer = module.get_submodule(name)
            hooks.enter_context(layer.register_forward_hook(partial(keep, name)))
        whole: Callable[..., Any] = module if method == "forward" else getattr(module, method)
        keep("", module, (), whole(images))
    return calls


def unchanged(call: Call) -> bool:
    """Return whether no later layer has changed an output in place."""
    output, version = call
    return _version(output) == version


def only_output(name: str, calls: Mapping[str, list[Call]], num_images: int | SymInt) -> Tensor:
    """Return the output of a layer's only call: an unchanged tensor with one row for each image.

    Raises:
        ValueError: the layer was called never or more than once, its output was changed, or is another thing.
    """
    found = calls.get(name, [])
    if len(found) != 1:
        raise ValueError(
            f"TappedEncoder: layer {name!r} must be called once in a forward pass, was called "
            f"{len(found)} times; tap a layer around or beside it"
        )
    if not unchanged(found[0]):
        raise ValueError(
            f"TappedEncoder: the output of layer {name!r} is changed in place by a later layer, such as "
            "ReLU(inplace=True); tap that layer"
        )
    output = tensor_in(found[0][0])
    if output is None or output.ndim < 2 or output.shape[0] != num_images:
        what = type(found[0][0]).__name__ if output is None else list(output.shape)
        raise ValueError(
            f"TappedEncoder: layer {name!r} must give a tensor [b, …] for the b = {num_images} images, "
            f"got {what}; tap a layer within or beside it"
        )
    return output


def _version(output: Any) -> int:
    """Return how often a tensor was changed in place, where torch counts that; else 0."""
    found = tensor_in(output)
    return found._version if found is not None and not found.is_inference() else 0
