"""Encoders as files: weights in safetensors, everything else in JSON; loading them executes nothing."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from infomax.errors import refuse
from infomax.files import OBJECT, most_bytes, parse_json, read_json, reading, replacing, sized
from infomax.learning.encoders.architectures import ARCHITECTURES
from infomax.learning.encoders.features import Features
from infomax.learning.views.kinds import SingleViews
from infomax.learning.views.table import views_from
from infomax.registry import loaded

WEIGHTS, DESCRIPTION = "encoder.safetensors", "encoder.json"
NOTE = "infomax"
"""The key under which an exported file holds what there is to know of its encoder, as JSON."""
READOUT = "readout."
"""How the names of the numbers of a readout begin, which are no weights that training moves."""
MAX_DESCRIPTION = 1 << 20
"""Bytes of ``encoder.json``."""


_SIZE = {"type": ["integer", "boolean", "null", "string", "array"], "minimum": 0, "maximum": 1 << 24}
_LAYERS = {"type": "integer", "minimum": 1, "maximum": 500}
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "required": ["format", "architecture", "arguments", "views"],
    "properties": {
        "architecture": {"type": "string"},
        "module": {"type": "string"},
        "arguments": {
            "type": "object",
            "properties": {
                "depth": _LAYERS,
                "blocks": {"type": "array", "items": _LAYERS, "maxItems": 8},
                "image_shape": {"type": "array", "items": {"type": "integer", "maximum": 4096}},
            },
            "additionalProperties": _SIZE,
        },
        "views": OBJECT,
    },
}
"""The schema of ``encoder.json``: no number is so large that counting to it would take long.

How much memory the numbers ask for is known before any is taken: the shapes of the weights must be theirs.
"""
_REMEDY = "copy the encoder again, or make it again"


class PretrainedEncoder(nn.Module):
    """An encoder with the plain view that it expects: images or signals in, features out, no gradients.

    It stays in evaluation mode, also where a module around it is put into training mode: its features are
    those of the encoder that was trained. To train it on, take its `encoder`, or `infomax finetune`.

    Args:
        encoder: views to `Features`; it is put into evaluation mode.
        views: how the views of the encoder were made; evaluation uses sizes, mean and std.
    """

    def __init__(self, encoder: nn.Module, views: SingleViews):
        super().__init__()
        self.encoder = encoder
        self.views = views
        self.view: nn.Module = views.plain_view()
        self.eval()

    def train(self, mode: bool = True) -> "PretrainedEncoder":
        """Return itself, in evaluation mode whatever is asked for."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, seen: Tensor) -> Features:
        """Return features of images or signals.

        Images are uint8, or floats in [0, 1], [b, c, h, w], with values as `load_images` stores them by
        ``views.range``; those of any size are fitted by centre crop and resize.

        Raises:
            ValueError: images of another type or shape, or floats outside [0, 1].
        """
        return self.encoder(self.view(seen))

    def as_transformer(self, **options: Any) -> Any:
        """Return a transformer of scikit-learn that gives this encoder's representations.

        Args:
            options: of `EncoderTransformer`.
        """
        transformer = loaded("infomax.learning.exporting.transformer:EncoderTransformer")
        return transformer(encoder=self, **options)


def untrained(encoder: nn.Module) -> nn.Module:
    """Return another encoder of the same shape, with random weights from torch's generator."""
    if hasattr(encoder, "untrained"):
        return cast(Any, encoder).untrained()
    return type(encoder)(**cast(dict[str, Any], encoder.arguments))


def save_encoder(folder: str | Path, encoder: nn.Module, views: SingleViews) -> None:
    """Write ``encoder.safetensors`` and ``encoder.json`` into an existing folder.

    Raises:
        FileExistsError: the folder already holds an encoder.
    """
    folder = Path(folder)
    if (folder / WEIGHTS).exists():
        raise FileExistsError(f"save_encoder: {folder / WEIGHTS} exists; choose another folder")
    with replacing(folder / DESCRIPTION) as path:
        path.write_text(json.dumps(description_of(encoder, views), indent=2) + "\n")
    with replacing(folder / WEIGHTS) as path:
        save_file(weights_of(encoder), path)


def weights_of(encoder: nn.Module) -> dict[str, Tensor]:
    """Return copies of the weights by name, on the CPU; those that layers share stand under each name."""
    layout = torch.contiguous_format
    state = encoder.state_dict()
    return {key: one.detach().to("cpu", copy=True, memory_format=layout) for key, one in state.items()}


def description_of(encoder: nn.Module, views: SingleViews) -> dict[str, Any]:
    """Return what builds an encoder again and says how it sees, for JSON."""
    tapped = getattr(encoder, "module_class", None)
    return {
        "format": 1,
        "architecture": type(encoder).__name__,
        "arguments": cast(Any, encoder).arguments,
        **({"module": tapped} if tapped else {}),
        "views": asdict(views),
    }


def load_encoder(
    folder: str | Path,
    module: nn.Module | None = None,
    *,
    range: str | None = None,
    pages: str | None = None,
) -> PretrainedEncoder:
    """Return the encoder in a run folder (or any folder with its two files), in evaluation mode, on the CPU.

    Args:
        folder: the folder of ``encoder.json`` and ``encoder.safetensors``; or a file that
            ``infomax export --format safetensors`` wrote.
        module: for a `TappedEncoder`, a module of the same shape as the tapped one, to take the weights.
        range, pages: how its `views` read images, as for `load_images`; None reads them as in training, which
            keeps images comparable.

    Raises:
        FileNotFoundError: the folder lacks one of the two files, or there is no such file.
        ValueError: a description of an unknown kind, or weights that do not fit it; a module that is missing,
            or not needed.

    Example:
        ``features = infomax.load_encoder("runs/a")(images)`` for images [b, c, h, w], uint8 or in [0, 1].
    """
    folder = Path(folder)
    weights = folder if folder.is_file() else folder / WEIGHTS
    description = _read_note(folder) if folder.is_file() else _read_description(folder)
    _check_module(folder, description, module)
    with reading("load_encoder", folder if folder.is_file() else folder / DESCRIPTION, _REMEDY):
        views = views_from(description["views"])
        sketch = _sketched(description)
    with reading("load_encoder", weights, _REMEDY, most_bytes()):
        if sketch is not None:
            check_fit(sketch, weights)
        encoder = _built(description, module)
        check_fit(encoder, weights)
        taken, seen = [*cast(Any, encoder).input_shape], [*views.input_shape]
        refuse(taken != seen, f"its encoder takes {taken}, the views of {DESCRIPTION} are {seen}")
        encoder.load_state_dict(load_file(weights))
    return PretrainedEncoder(encoder, views.reading(range=range, pages=pages))


def _sketched(description: Mapping[str, Any]) -> nn.Module | None:
    """Return the encoder without memory for its weights; None for one that taps another module.

    So no description takes more memory than its weights have.
    """
    if hasattr(ARCHITECTURES[description["architecture"]], "module_class"):
        return None
    with torch.device("meta"):
        return _built(description, None)


def check_fit(encoder: nn.Module, weights: Path, besides: str | None = None) -> None:
    """Check that a file holds the weights of an encoder, by their names and shapes, which are read alone.

    Args:
        encoder: what the weights are for.
        weights: the file.
        besides: how names begin that either may have alone.

    Raises:
        ValueError: it does not, or the encoder would take more than half of the memory.
        SafetensorError: the file is damaged.
    """
    ours = {key: tuple(one.shape) for key, one in encoder.state_dict().items()}
    needed = sum(one.numel() * one.element_size() for one in encoder.state_dict().values())
    with safe_open(weights, framework="pt") as file:
        theirs = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
    wrong = [
        f"{key} {_shaped(theirs, key)}, expected {_shaped(ours, key)}"
        for key in sorted(ours.keys() | theirs.keys())
        if ours.get(key) != theirs.get(key) and not (besides and key.startswith(besides))
    ]
    more = f"; {len(wrong) - 1:,} others differ" if wrong[1:] else ""
    refuse(wrong, f"it does not fit {DESCRIPTION}: {wrong[0] if wrong else ''}{more}")
    limit = most_bytes()
    refuse(needed > limit, f"its encoder takes {sized(needed)}, expected at most {sized(limit)}")


def _shaped(shapes: Mapping[str, tuple[int, ...]], key: str) -> str:
    return f"has the shape {[*shapes[key]]}" if key in shapes else "is missing"


def _remedy(folder: Path) -> str:
    within = sorted(path.parent.name for path in folder.glob(f"*/{WEIGHTS}"))
    if within:
        return f"its encoders are in {', '.join(within)}: give {folder / within[0]}"
    return "expected a finished run of `infomax pretrain`"


def _check_module(folder: Path, description: Mapping[str, Any], module: nn.Module | None) -> None:
    """Check that a module is given where the encoder taps one, and only there.

    Raises:
        ValueError: it is missing, or not needed.
    """
    name = description["architecture"]
    taps = hasattr(ARCHITECTURES[name], "module_class")
    expected = f"a {description.get('module')}, which it taps" if taps else "no module: it is whole"
    refuse(
        taps != (module is not None),
        f"load_encoder: the {name} in {folder} needs {expected}; got "
        f"{'none' if module is None else type(module).__name__}",
    )


def _built(description: Mapping[str, Any], module: nn.Module | None) -> nn.Module:
    """Return the encoder that a description describes, before its weights are loaded."""
    architecture: Any = ARCHITECTURES[description["architecture"]]
    arguments = description["arguments"].items()
    values = {key: tuple(one) if isinstance(one, list) else one for key, one in arguments}
    return architecture(*(() if module is None else (module,)), **values)


def _read_note(file: Path) -> dict[str, Any]:
    """Return the description that an exported file holds."""
    remedy = "expected a run folder, or a file that `infomax export --format safetensors` wrote"
    with reading("load_encoder", file, remedy, most_bytes()):
        with safe_open(file, framework="pt") as opened:
            note = (opened.metadata() or {}).get(NOTE)
        if note is None:
            raise ValueError("it does not say what it holds")
        noted = {"type": "object", "required": ["encoder"], "properties": {"encoder": SCHEMA}}
        return _known(parse_json(note, noted)["encoder"])


def _read_description(folder: Path) -> dict[str, Any]:
    """Return the description that lies beside the weights in a folder."""
    for name in (DESCRIPTION, WEIGHTS):
        if not (folder / name).exists():
            raise FileNotFoundError(f"load_encoder: {folder} holds no {name}; {_remedy(folder)}")
    path = folder / DESCRIPTION
    with reading("load_encoder", path, _REMEDY):
        return _known(read_json(path, "load_encoder", _REMEDY, SCHEMA, MAX_DESCRIPTION))


def _known(description: dict[str, Any]) -> dict[str, Any]:
    """Return a description of a kind that this version reads."""
    kind, architecture = description["format"], description["architecture"]
    refuse(
        kind != 1 or architecture not in ARCHITECTURES,
        f"it describes format {kind!r}, architecture {architecture!r}; this version reads format 1 of "
        f"{', '.join(sorted(ARCHITECTURES))}",
    )
    return description
