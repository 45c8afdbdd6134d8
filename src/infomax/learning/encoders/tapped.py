"""Any module as an encoder: its layers, found by name, give the features.

    images → module: … layer2 → (local map) … avgpool → (global feature) …
    images → transformer: … norm → tokens of patches (local map), class token (global feature) …

How outputs of layers become maps and vectors is told in `tapping.outputs`.
"""

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from infomax.errors import nearest, refuse
from infomax.learning.encoders.amdim_layers import Embedding
from infomax.learning.encoders.dim_layers import Output
from infomax.learning.encoders.features import Features, evaluating, of_shape
from infomax.learning.encoders.tapping.hooks import calls_of, only_output
from infomax.learning.encoders.tapping.outputs import Reading, num_prefix_tokens
from infomax.learning.encoders.tapping.suggesting import blank_images


class TappedEncoder(nn.Module):
    """The features of any module: the outputs of its named layers.

    Deep InfoMax takes features of any sizes; AMDIM scores global against local features, and so needs
    `embedding_dim`. Training starts with the module's current weights. Layers after the last named layer get
    no gradient: replace them by ``nn.Identity()``, especially before training on several devices, where each
    parameter must have a gradient. A compiled module works, in more than one graph.

    A layer may return a map; tokens of a transformer, whose patch tokens are the map; or an object with them
    as ``last_hidden_state``, as Hugging Face models do. A map is named by its longer side.

    Args:
        module: images [b, c, h, w] to anything. The weights of its convolutions are laid out channels last.
        image_shape: (c, h, w) of its images.
        local: name of a layer whose output is a map [b, c, h, w] or tokens [b, n, d], or several such names,
            with maps of different sides; none, for a global feature alone. Names are those of
            ``module.named_modules()``; ``""`` is the module itself.
        global_: name of a layer whose output is a vector [b, d] or [b, d, 1, 1], or tokens. A larger map is
            refused, unless `pool` says how it becomes a vector.
        layers: names of further layers, for probes.
        embedding_dim: d of all features, which pass an `Embedding` each; default: features as they are.
        output: of the global feature, see `Output`.
        grid: rows and columns of patch tokens; default: in the proportions of the images, after as many other
            tokens as the module says that it has (``num_prefix_tokens``), else after none or one.
        pool: how tokens or a map become the global feature: "class", the first token, or "mean", of all
            patches or places; default: the class token where there is one, else the mean of tokens.
        channels_last: maps of the named layers are [b, h, w, c].
        method: what is called of the module, such as ``forward_features``; ``""`` is then what it returns.
        frozen: names of layers that keep their weights and stay in evaluation mode; True for the whole
            module, so that only the embeddings are trained.

    Attributes:
        description: in one line, what the features are made of.

    Raises:
        ValueError: no layer of that name (the nearest is suggested); a layer that a forward pass calls never
            or more than once, or whose output a later layer changes in place; outputs of other shapes; two
            maps of one side; a module that fails on such images; an encoder with nothing to train. All of
            these are found at construction, with a blank batch in evaluation mode, which does not change the
            module.

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
        grid: tuple[int, int] | None = None,
        pool: str | None = None,
        channels_last: bool | None = None,
        method: str = "forward",
        frozen: bool | Sequence[str] = (),
    ):
        super().__init__()
        self.input_shape = image_shape
        self.local: tuple[str, ...] = (local,) if isinstance(local, str) else tuple(local)
        self.global_ = global_
        self.layers: tuple[str, ...] = tuple(layers)
        self.method = method
        self.frozen: tuple[str, ...] = (
            (("",) if frozen else ()) if isinstance(frozen, bool) else tuple(frozen)
        )
        self.module = module
        self.output: Output = Output(output)
        self.embed_local: nn.ModuleDict | None = None
        self.embed_global: Embedding | None = None
        _check_names(module, (*self.local, global_, *self.layers, *self.frozen))
        reading = Reading(image_shape[1:], grid, num_prefix_tokens(module), pool, channels_last)
        outputs = _blank_outputs(self)
        self.reading: Reading = reading.resolved(
            {name: outputs[name] for name in (*self.local, global_)}, self.global_
        )
        example = self._features(outputs)
        self.arguments: dict[str, Any] = {
            "image_shape": image_shape,
            "local": self.local,
            "global_": global_,
            "layers": self.layers,
            "embedding_dim": embedding_dim,
            "output": output,
            "grid": self.reading.grid,
            "pool": self.reading.pool,
            "channels_last": channels_last,
            "method": method,
            "frozen": self.frozen,
        }
        if embedding_dim is not None:
            self._embed(example, embedding_dim)
        self.description: str = _described(self, outputs)
        self._freeze()
        nn.utils.convert_conv2d_weight_memory_format(self, torch.channels_last)

    @property
    def module_class(self) -> str:
        """The class of the tapped module, for people: ``package.module.Class``."""
        return f"{type(self.module).__module__}.{type(self.module).__qualname__}"

    def forward(self, images: Float[Tensor, "b c h w"]) -> Features:
        """Return features of normalised images: `global_` [b, d], local maps by side, layers by name."""
        images = of_shape("TappedEncoder", images, self.input_shape)
        names = {*self.local, self.global_, *self.layers}
        calls = calls_of(self.module, names, images, self.method)
        return self._features({name: only_output(name, calls, images.shape[0]) for name in names})

    def train(self, mode: bool = True) -> "TappedEncoder":
        """Set the mode of all but the frozen layers, which stay in evaluation mode."""
        super().train(mode)
        for name in self.frozen:
            self.module.get_submodule(name).eval()
        return self

    def untrained(self) -> "TappedEncoder":
        """Return a copy with new random weights.

        Layers draw them as they do when they are made (`reset_parameters`). Parameters of other layers, such
        as a class token, are drawn from the normal distribution of their mean and standard deviation.
        """
        other = copy.deepcopy(self)
        for part in other.modules():
            reset = getattr(part, "reset_parameters", None)
            if callable(reset):
                reset()
            else:
                _redraw(part.parameters(recurse=False))
        return other

    def _features(self, outputs: dict[str, Tensor]) -> Features:
        """Return the features in the outputs of the named layers."""
        maps = {name: self.reading.map_of(name, outputs[name]) for name in self.local}
        sides = {name: max(x.shape[2:]) for name, x in maps.items()}
        refuse(
            len(set(sides.values())) < len(sides),
            f"TappedEncoder: local maps must have different sides, got {sides}; tap one of each",
        )
        local = {sides[name]: x for name, x in maps.items()}
        if self.embed_local:
            local = {side: self.embed_local[str(side)](x) for side, x in local.items()}
        vector = self.reading.vector_of(self.global_, outputs[self.global_])
        if self.embed_global is not None:
            vector = self.embed_global(vector[..., None, None]).flatten(1)
        return Features(self.output(vector), local, {name: outputs[name] for name in self.layers})

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

    def _freeze(self) -> None:
        """Keep the weights of the frozen layers as they are."""
        for name in self.frozen:
            self.module.get_submodule(name).requires_grad_(False).eval()
        refuse(
            self.frozen and not any(one.requires_grad for one in self.parameters()),
            "TappedEncoder: every layer is frozen, so that there is nothing to train; set embedding_dim, or "
            "freeze fewer layers",
        )


def _described(encoder: TappedEncoder, outputs: dict[str, Tensor]) -> str:
    """Return in one line what the features are made of."""
    parts = []
    for name in encoder.local:
        rows, columns = encoder.reading.map_of(name, outputs[name]).shape[2:]
        tokens = f", {rows * columns} of its {outputs[name].shape[1]} tokens" * (outputs[name].ndim == 3)
        parts.append(f"local map {rows}×{columns} of layer {name!r}{tokens}")
    of_tokens = {"class": "class token of ", "mean": "mean of the patch tokens of "}
    of = of_tokens if outputs[encoder.global_].ndim == 3 else {"mean": "mean of "}
    parts.append(f"global feature: {of.get(encoder.reading.pool or '', '')}layer {encoder.global_!r}")
    if encoder.frozen:
        layers = ", ".join(map(repr, encoder.frozen))
        parts.append("frozen: all but the embeddings" if "" in encoder.frozen else f"frozen: {layers}")
    return f"{encoder.module_class}: {'; '.join(parts)}"


def _redraw(parameters: Iterator[nn.Parameter]) -> None:
    """Draw parameters anew, with the mean and standard deviation that they have."""
    with torch.no_grad():
        for one in parameters:
            if one.is_floating_point():
                spread = one.std() if one.numel() > 1 else one.new_zeros(())
                one.copy_(one.mean() + spread * torch.randn_like(one))


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


def _blank_outputs(encoder: TappedEncoder) -> dict[str, Tensor]:
    """Return the outputs of the named layers for two blank images, in evaluation mode."""
    refuse(
        not callable(getattr(encoder.module, encoder.method, None)),
        f"TappedEncoder: {encoder.module_class} has no method {encoder.method!r}; leave it out to call the "
        "module itself",
    )
    images = blank_images(encoder.module, encoder.input_shape)
    names = {*encoder.local, encoder.global_, *encoder.layers}
    with evaluating(encoder):
        try:
            calls = calls_of(encoder.module, names, images, encoder.method)
        except (RuntimeError, ValueError, AssertionError) as error:  # as modules check their images
            raise ValueError(
                f"TappedEncoder: {encoder.module_class} fails on images {list(images.shape)} ({error}); "
                "is image_shape the (channels, height, width) that it takes?"
            ) from error
        return {name: only_output(name, calls, images.shape[0]) for name in names}
