"""Any module as an encoder: its layers, found by name, give the features.

    images → module: … layer2 → (local map) … avgpool → (global feature) …

A forward hook keeps the output of each named layer. Hooks exist during one call only, and keep only what the
thread of that call computes, so that the module may be copied, pickled, or used elsewhere meanwhile.
"""

import copy
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from threading import get_ident
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from infomax.errors import nearest
from infomax.learning.encoders.amdim_layers import Embedding
from infomax.learning.encoders.dim_layers import Output
from infomax.learning.encoders.features import Features, evaluating, of_shape


class TappedEncoder(nn.Module):
    """The features of any module: the outputs of its named layers.

    Deep InfoMax takes features of any sizes; AMDIM scores global against local features, and so needs
    `embedding_dim`. The module itself is trained, from the weights that it has. Parameters of layers after
    the last named one get no gradient: replace such layers by ``nn.Identity()``, above all before training on
    several devices, where each parameter must have one. A compiled module works, in more than one graph.

    Args:
        module: images [b, c, h, w] to anything. The weights of its convolutions are laid out channels last.
        image_shape: (c, h, w) of its images.
        local: name of a layer whose output is a map [b, c, s, s], or several such names, with maps of
            different sides. Names are those of ``module.named_modules()``; ``""`` is the module itself.
        global_: name of a layer whose output is a vector [b, d] or [b, d, 1, 1]. A larger map is refused:
            name the layer that pools it.
        layers: names of further layers, for probes.
        embedding_dim: d of all features, which pass an `Embedding` each; default: features as they are.
        output: of the global feature, see `Output`.

    Raises:
        ValueError: no layer of that name (the nearest is suggested); a layer that a forward pass calls never
            or more than once, or whose output a later layer changes in place; outputs of other shapes; two
            maps of one side; a module that fails on such images. All of these are found at construction, with
            a blank batch in evaluation mode, which does not change the module.

    Example:
        >>> module = nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        >>> encoder = TappedEncoder(module, local="1", global_="3")
        >>> features = encoder(torch.zeros(2, 3, 32, 32))
        >>> [*features.global_.shape], [*features.local[15].shape]
        ([2, 8], [2, 8, 15, 15])
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        image_shape: tuple[int, int, int] = (3, 32, 32),
        local: str | Sequence[str],
        global_: str,
        layers: Sequence[str] = (),
        embedding_dim: int | None = None,
        output: str = "linear",
    ):
        super().__init__()
        self.input_shape = image_shape
        self.local = (local,) if isinstance(local, str) else tuple(local)
        self.global_ = global_
        self.layers = tuple(layers)
        self.arguments: dict[str, Any] = {
            "image_shape": image_shape,
            "local": self.local,
            "global_": global_,
            "layers": self.layers,
            "embedding_dim": embedding_dim,
            "output": output,
        }
        self.module = module
        self.output = Output(output)
        self.embed_local: nn.ModuleDict | None = None
        self.embed_global: Embedding | None = None
        _check_names(module, (*self.local, global_, *self.layers))
        example = _blank_features(self)
        if embedding_dim is not None:
            self._embed(example, embedding_dim)
        nn.utils.convert_conv2d_weight_memory_format(self, torch.channels_last)

    @property
    def module_class(self) -> str:
        """The class of the tapped module, for people: ``package.module.Class``."""
        return f"{type(self.module).__module__}.{type(self.module).__qualname__}"

    def forward(self, images: Float[Tensor, "b c h w"]) -> Features:
        """Return features of normalised images: `global_` [b, d], local maps by side, layers by name."""
        outputs = self._outputs(of_shape("TappedEncoder", images, self.input_shape))
        maps = [_map(name, outputs[name]) for name in self.local]
        local = {x.shape[-1]: x for x in maps}
        if len(local) < len(maps):
            sides = {name: x.shape[-1] for name, x in zip(self.local, maps, strict=True)}
            raise ValueError(
                f"TappedEncoder: local maps must have different sides, got {sides}; tap one of each"
            )
        if self.embed_local:
            local = {side: self.embed_local[str(side)](x) for side, x in local.items()}
        vector = _vector(self.global_, outputs[self.global_])
        if self.embed_global is not None:
            vector = self.embed_global(vector[..., None, None]).flatten(1)
        return Features(self.output(vector), local, {name: outputs[name] for name in self.layers})

    def untrained(self) -> "TappedEncoder":
        """Return a copy with new random weights, wherever its layers can draw them (`reset_parameters`)."""
        other = copy.deepcopy(self)
        for part in other.modules():
            reset = getattr(part, "reset_parameters", None)
            if callable(reset):
                reset()
        return other

    def _outputs(self, images: Float[Tensor, "b c h w"]) -> dict[str, Tensor]:
        """Return the output of each named layer for the images."""
        with _tapping(self.module, {*self.local, self.global_, *self.layers}) as calls:
            self.module(images)
        return {name: _output(name, outputs, len(images)) for name, outputs in calls.items()}

    def _embed(self, example: Features, dim: int) -> None:
        """Add embeddings of the maps and of the global feature into `dim` dimensions."""
        if dim < 1:
            raise ValueError(
                f"TappedEncoder: embedding_dim must be at least 1, got {dim}; None leaves it out"
            )
        self.embed_local = nn.ModuleDict(
            {str(side): Embedding(x.shape[1], dim, batch_norm=False) for side, x in example.local.items()}
        )
        self.embed_global = Embedding(example.global_.shape[1], dim, batch_norm=False)
        self.to(example.global_.device)


@contextmanager
def _tapping(module: nn.Module, names: set[str]) -> Iterator[dict[str, list[tuple[Any, int]]]]:
    """Collect, by name of a layer, its outputs and their versions, from all calls by this thread."""
    calls: dict[str, list[tuple[Any, int]]] = {name: [] for name in names}
    thread = get_ident()

    def keep(name: str, _module: nn.Module, _inputs: Any, output: Any) -> None:
        if get_ident() == thread:
            calls[name].append((output, _version(output)))

    with ExitStack() as hooks:
        for name in names:
            layer = module.get_submodule(name)
            hooks.enter_context(layer.register_forward_hook(partial(keep, name)))
        yield calls


def _version(output: Any) -> int:
    """Return how often a tensor was changed in place, where torch counts that; else 0."""
    return output._version if isinstance(output, Tensor) and not output.is_inference() else 0


def _output(name: str, calls: list[tuple[Any, int]], num_images: int) -> Tensor:
    """Return the output of a layer's only call: an unchanged tensor with one row for each image."""
    if len(calls) != 1:
        raise ValueError(
            f"TappedEncoder: layer {name!r} must be called once in a forward pass, was called "
            f"{len(calls)} times; tap a layer around or beside it"
        )
    ((output, version),) = calls
    if not isinstance(output, Tensor) or output.ndim < 2 or len(output) != num_images:
        what = list(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise ValueError(
            f"TappedEncoder: layer {name!r} must give a tensor [b, …] for the b = {num_images} images, "
            f"got {what}; tap a layer within or beside it"
        )
    if _version(output) != version:
        raise ValueError(
            f"TappedEncoder: the output of layer {name!r} is changed in place by a later layer, such as "
            "ReLU(inplace=True); tap that layer"
        )
    return output


def _map(name: str, output: Tensor) -> Float[Tensor, "b c s s"]:
    if output.ndim != 4 or output.shape[2] != output.shape[3] or output.shape[3] < 2:
        raise ValueError(
            f"TappedEncoder: layer {name!r} must give a square local map [b, c, s, s] of s ≥ 2, got "
            f"{list(output.shape)}; tap another layer"
        )
    return output


def _vector(name: str, output: Tensor) -> Float[Tensor, "b d"]:
    if output.ndim != 2 and output.shape[2:] != (1, 1):
        raise ValueError(
            f"TappedEncoder: layer {name!r} must give a global vector [b, d] or [b, d, 1, 1], got "
            f"{list(output.shape)}; tap the layer that pools it"
        )
    return output.flatten(1)


def _check_names(module: nn.Module, names: Sequence[str]) -> None:
    known = [name for name, _ in module.named_modules(remove_duplicate=False)]
    for name in names:
        if name not in known:
            near = nearest(name, known)
            some = ", ".join(known[1:11]) + (", …" if len(known) > 11 else "")
            raise ValueError(
                f"TappedEncoder: {type(module).__name__} has no layer {name!r}; "
                + (f"did you mean {near!r}? " if near else "")
                + f"it has {some}"
            )


def _blank_features(encoder: TappedEncoder) -> Features:
    """Return the features of two blank images, in evaluation mode."""
    images = torch.zeros(2, *encoder.input_shape)
    for parameter in encoder.parameters():
        images = images.to(parameter)  # its device and precision
        break
    try:
        with evaluating(encoder):
            return encoder(images)
    except RuntimeError as error:
        raise ValueError(
            f"TappedEncoder: {encoder.module_class} fails on images {list(images.shape)} ({error}); "
            "is image_shape the (channels, height, width) that it takes?"
        ) from error
