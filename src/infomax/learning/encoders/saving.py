"""Encoders as files: weights in safetensors, all else in JSON; loading them executes nothing."""

import copy
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import torch
from jaxtyping import Float, UInt8
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from infomax.files import replacing
from infomax.learning.encoders.amdim import AMDIMEncoder, Features
from infomax.learning.encoders.dim import AlexNetEncoder, DCGANEncoder, ResNetEncoder, StridedCropEncoder
from infomax.learning.encoders.signals import SignalEncoder
from infomax.learning.encoders.tapped import TappedEncoder
from infomax.learning.views.contexts import plain_view
from infomax.learning.views.images import ViewsConfig
from infomax.learning.views.pairing import SingleViewsConfig
from infomax.learning.views.signals import SignalViewsConfig

WEIGHTS, DESCRIPTION = "encoder.safetensors", "encoder.json"
_ARCHITECTURES: dict[str, Callable[..., nn.Module]] = {
    kind.__name__: kind
    for kind in (
        AMDIMEncoder,
        SignalEncoder,
        DCGANEncoder,
        AlexNetEncoder,
        StridedCropEncoder,
        ResNetEncoder,
        TappedEncoder,
    )
}


class PretrainedEncoder(nn.Module):
    """An encoder with the plain view it expects: images or signals in, features out, no gradients.

    Args:
        encoder: maps views to `Features`; put into evaluation mode.
        views: how the encoder's views were made, `ViewsConfig` of images or `SignalViewsConfig` of signals;
            evaluation uses sizes, mean and std.
    """

    def __init__(self, encoder: nn.Module, views: SingleViewsConfig):
        super().__init__()
        self.encoder = encoder
        self.views = views
        self.view = plain_view(views)
        self.eval()

    @torch.no_grad()
    def forward(self, seen: UInt8[Tensor, "b c h w"] | Float[Tensor, "b c t"]) -> Features:
        """Features; uint8 images of any size are fitted to the encoder's by centre crop and resize."""
        return self.encoder(self.view(seen))


def untrained(encoder: nn.Module) -> nn.Module:
    """Another encoder of the same shape, its first weights from torch's generator."""
    if not isinstance(encoder, TappedEncoder):
        return type(encoder)(**cast(dict[str, Any], encoder.arguments))
    other = copy.deepcopy(encoder)
    for part in other.modules():
        if isinstance(reset := getattr(part, "reset_parameters", None), Callable):
            reset()
    return other


def save_encoder(folder: str | Path, encoder: nn.Module, views: SingleViewsConfig) -> None:
    """Write ``encoder.safetensors`` and ``encoder.json`` into an existing folder.

    Raises:
        FileExistsError: the folder already holds an encoder.
    """
    folder = Path(folder)
    if (folder / WEIGHTS).exists():
        raise FileExistsError(f"save_encoder: {folder / WEIGHTS} exists; choose another folder")
    description = {
        "format": 1,
        "architecture": type(encoder).__name__,
        "arguments": encoder.arguments,
        **({"module": encoder.module_class} if isinstance(encoder, TappedEncoder) else {}),
        "views": asdict(views),
    }
    with replacing(folder / DESCRIPTION) as path:
        path.write_text(json.dumps(description, indent=2) + "\n")
    with replacing(folder / WEIGHTS) as path:
        save_file({key: tensor.contiguous().cpu() for key, tensor in encoder.state_dict().items()}, path)


def load_encoder(folder: str | Path, module: nn.Module | None = None) -> PretrainedEncoder:
    """The encoder in a run folder (or any folder with its two files), in evaluation mode, on the CPU.

    Args:
        module: of a `TappedEncoder`, the module that it tapped: one of the same shape, for the weights.

    Raises:
        FileNotFoundError: the folder lacks ``encoder.json`` or ``encoder.safetensors``.
        ValueError: a description of an unknown kind, or weights that do not fit it; a module missing, or one
            too many.

    Example:
        ``features = infomax.load_encoder("runs/a")(images)`` for uint8 images [b, c, h, w].
    """
    folder = Path(folder)
    for name in (DESCRIPTION, WEIGHTS):
        if not (folder / name).is_file():
            within = sorted(path.parent.name for path in folder.glob(f"*/{WEIGHTS}"))
            remedy = (
                f"its encoders are in {', '.join(within)}: give {folder / within[0]}"
                if within
                else ("expected a finished run of `infomax pretrain`")
            )
            raise FileNotFoundError(f"load_encoder: {folder} holds no {name}; {remedy}")
    description = _read_description(folder / DESCRIPTION)
    encoder = _encoder(folder, description, module)
    try:
        encoder.load_state_dict(load_file(folder / WEIGHTS))
    except RuntimeError as error:
        raise ValueError(f"load_encoder: {folder / WEIGHTS} does not fit {DESCRIPTION}: {error}") from error
    return PretrainedEncoder(encoder, _views(description["views"]))


def _views(values: dict[str, Any]) -> SingleViewsConfig:
    kind: Any = SignalViewsConfig if values.get("name") == "signal" else ViewsConfig
    return kind(**{key: _tuple(value) for key, value in values.items()})


def _encoder(folder: Path, description: dict[str, Any], module: nn.Module | None) -> nn.Module:
    architecture, arguments = description["architecture"], description["arguments"]
    taps = architecture == TappedEncoder.__name__
    if taps != (module is not None):
        expected = f"a {description.get('module')}, which it taps" if taps else "no module: it is whole"
        raise ValueError(
            f"load_encoder: the {architecture} in {folder} needs {expected}; got "
            f"{'none' if module is None else type(module).__name__}"
        )
    parts = (module,) if taps else ()
    return _ARCHITECTURES[architecture](*parts, **{key: _tuple(value) for key, value in arguments.items()})


def _tuple(value: Any) -> Any:
    """JSON has no tuples; configurations have no lists."""
    return tuple(value) if isinstance(value, list) else value


def _read_description(path: Path) -> dict[str, Any]:
    try:
        description = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f"load_encoder: {path} is not JSON ({error})") from error
    if description.get("format") != 1 or description.get("architecture") not in _ARCHITECTURES:
        raise ValueError(
            f"load_encoder: {path} describes format {description.get('format')!r}, architecture "
            f"{description.get('architecture')!r}; this version reads format 1 of {sorted(_ARCHITECTURES)}"
        )
    return description
