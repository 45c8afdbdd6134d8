"""Encoders of a user's own: found by their place in a package, checked, and begun with known weights."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from safetensors.torch import load_file, save
from torch import nn

from infomax.errors import did_you_mean, refuse
from infomax.files import Unreadable, most_bytes, read_json, reading
from infomax.learning.encoders.architectures import ARCHITECTURES
from infomax.learning.encoders.saving import (
    DESCRIPTION,
    READOUT,
    SCHEMA,
    WEIGHTS,
    PretrainedEncoder,
    check_fit,
    load_encoder,
    weights_of,
)
from infomax.learning.encoders.tapping.suggesting import PossibleTaps, possible_taps
from infomax.learning.views.kinds import Views
from infomax.registry import imported

TAPPED = "TappedEncoder"


def own_module(place: str) -> nn.Module | dict[str, nn.Module]:
    """Return what the function at a place returns: a module, or modules by the names of columns.

    Args:
        place: ``package:function``, of a package that is installed or lies in the current folder.

    Raises:
        ValueError: there is no such module or function, or it returns something else.
    """
    package, _, name = place.partition(":")
    refuse(
        not (package and name) or package.endswith(".py"),
        f"module: expected package:function, such as my_network:encoder, got {place!r}",
    )
    found = imported(package)
    if found is None:
        raise ValueError(
            f"module: no package {package!r} is installed or lies in {Path.cwd()}; give package:function"
        )
    known = [key for key in vars(found) if not key.startswith("_")]
    refuse(name not in vars(found), f"module: {package} has no {name!r}; {did_you_mean(name, known)}")
    made = getattr(found, name)
    made = made if isinstance(made, nn.Module) else made()
    parts = made.values() if isinstance(made, Mapping) else [made]
    refuse(
        not all(isinstance(part, nn.Module) for part in parts),
        f"module: {place} returns a {type(made).__name__}; expected a torch.nn.Module, or modules by column",
    )
    return dict(made) if isinstance(made, Mapping) else made


def own_encoder(place: str, recorded: Mapping[str, Any] | None = None) -> nn.Module | dict[str, nn.Module]:
    """Return encoders for training: what the function at a place returns.

    Args:
        place: ``package:function``, see `own_module`.
        recorded: what a run recorded of the encoder that it began with (`described`): a module that is no
            encoder is then tapped as that one.
    """
    made, recorded = own_module(place), recorded or {}
    if isinstance(made, Mapping):
        parts = recorded.get("parts", {})
        return {name: _tapped(one, parts.get(name, {})) for name, one in made.items()}
    return _tapped(made, recorded)


def _tapped(module: nn.Module, recorded: Mapping[str, Any]) -> nn.Module:
    """Return a module tapped as is recorded; an encoder, or a module of which nothing is recorded, itself."""
    taps = recorded.get("arguments", {})
    if type(module).__name__ in ARCHITECTURES or "global_" not in taps:
        return module
    values = {key: tuple(one) if isinstance(one, list) else one for key, one in taps.items()}
    return cast(Any, ARCHITECTURES[TAPPED])(module, **values)


def load_own_encoder(folder: str | Path, place: str | None = None, **options: Any) -> PretrainedEncoder:
    """Return the encoder in a folder, as `load_encoder`; with the module that it taps, from its place.

    Args:
        folder: as of `load_encoder`.
        place: ``package:function``, see `own_module`; None for an encoder that is whole.
        options: further ones of `load_encoder`.
    """
    return load_encoder(folder, module_of(folder, place), **options)


def module_of(folder: str | Path, place: str | None) -> nn.Module | None:
    """Return the module that the encoder in a folder taps, from its place; None where no place is given.

    Raises:
        ValueError: as `own_module`; or the place holds modules by column, and none for this folder.
    """
    if place is None:
        return None
    made = own_module(place)
    if isinstance(made, Mapping):
        name = Path(folder).resolve().name
        refuse(name not in made, f"module: {place} has no module for {name}; {did_you_mean(name, made)}")
        made = made[name]
    return tapped_module(made)


def tapped_module(module: nn.Module) -> nn.Module:
    """Return the module that a `TappedEncoder` taps; any other module itself."""
    return module.get_submodule("module") if type(module).__name__ == TAPPED else module


def check_trainable(encoder: nn.Module | Mapping[str, nn.Module] | None, views: Views | None = None) -> None:
    """Check that an encoder, or each of several, is of a kind that can be trained, saved and loaded.

    Args:
        encoder: one, or several by the names of their folders.
        views: what they see, from which the message takes the shape of images.

    Raises:
        ValueError: it is another module; the message says how it becomes one, with the names of its layers.
            Or it takes things of another shape than the views have.
    """
    shapes = {place.folder.name: place.views.input_shape for place in views.encoders} if views else {}
    given = encoder if isinstance(encoder, Mapping) else {"": encoder}
    for name, one in given.items():
        shape = shapes.get(name, next(iter(shapes.values()), None))
        if one is not None and type(one).__name__ not in ARCHITECTURES:
            raise ValueError(
                f"pretrain: encoder must return Features, got a {type(one).__name__}; "
                + _how_to_wrap(one, shape or (3, 64, 64))
            )
        taken = shape if one is None else tuple(cast(Any, one).input_shape)
        refuse(
            shape not in (None, taken),
            f"pretrain: the recipe makes views {list(shape or ())}, the encoder takes {list(taken or ())}; "
            "build it for theirs, or change their size (views.image_size)",
        )


def _how_to_wrap(module: Any, image_shape: tuple[int, ...]) -> str:
    """Return how a module becomes an encoder, with the names of its own layers where they can be found."""
    if isinstance(module, PretrainedEncoder):
        return (
            "which stays as it was trained; give its `encoder` to train it on, and the mean and std of its "
            "views to the recipe"
        )
    taps = PossibleTaps()
    if isinstance(module, nn.Module) and type(module).__name__ not in ARCHITECTURES and len(image_shape) == 3:
        taps = possible_taps(module, (image_shape[0], image_shape[1], image_shape[2]))
    local, global_ = taps.local or "layer2", taps.global_ or "avgpool"
    maps = ", ".join(f"{name!r} ({rows}×{columns})" for name, (rows, columns) in taps.maps.items())
    vectors = ", ".join(f"{name!r} ({dim})" for name, dim in taps.vectors.items())
    found = [f"maps: {maps}"] * bool(maps) + [f"vectors or tokens: {vectors}"] * bool(vectors)
    return (
        f"wrap it: infomax.TappedEncoder(module, image_shape={tuple(image_shape)}, local={local!r}, "
        f"global_={global_!r}), with the names of its layers"
        + ("" if taps.local and taps.global_ else " in place of these")
        + (f"; it has {'; '.join(found)}" if found else "")
        + (f"; which they are is not known: {taps.failure}" if taps.failure else "")
    )


def described(encoder: nn.Module | Mapping[str, nn.Module]) -> dict[str, Any]:
    """Return kind and arguments of an encoder, or of each of several, for the record of a run.

    Beside them stands the hash of the weights that it has now, as of a file of safetensors.
    """
    if isinstance(encoder, Mapping):
        parts = {name: described(one) for name, one in encoder.items()}
        return {"architecture": ", ".join(one["architecture"] for one in parts.values()), "parts": parts}
    module = getattr(encoder, "module_class", None)
    name, features = type(encoder).__name__, getattr(encoder, "description", None)
    return {
        "architecture": f"{name} of {module}" if module else name,
        "arguments": getattr(encoder, "arguments", {}),
        **({"features": features} if features else {}),
        "sha256": hashlib.sha256(save(weights_of(encoder))).hexdigest(),
    }


def descriptions(encoder: nn.Module | Mapping[str, nn.Module] | None) -> list[str]:
    """Return a line on each encoder of one's own: what its features are made of."""
    if isinstance(encoder, Mapping):
        return [f"{name}: {line}" for name, one in encoder.items() for line in descriptions(one)]
    found = getattr(encoder, "description", None)
    return [f"encoder: {found}"] if found else []


def take_weights(encoders: Sequence[nn.Module], views: Views, folder: str | Path) -> dict[str, Any]:
    """Give encoders the weights of a finished run's; return the folder, and the hash of each file.

    Readouts are not taken, and may differ: they are fitted after training.

    Raises:
        FileNotFoundError: the folder holds no encoder.
        ValueError: an encoder of another shape.
    """
    folder, hashes = Path(folder), {}
    for place, encoder in zip(views.encoders, encoders, strict=True):
        within = folder / place.folder
        for name in (WEIGHTS, DESCRIPTION):
            if not (within / name).is_file():
                raise FileNotFoundError(
                    f"pretrain: {within} holds no {name} to begin from; expected a finished run; finish it "
                    "with `infomax pretrain --resume`"
                )
        remedy = "copy the run again"
        with reading("pretrain", within / WEIGHTS, remedy, most_bytes()):
            try:
                check_fit(encoder, within / WEIGHTS, besides=READOUT)
            except ValueError as error:
                theirs = read_json(within / DESCRIPTION, "pretrain", remedy, SCHEMA)
                why = f"pretrain: the encoder in {within} {_difference(theirs, encoder)}"
                raise Unreadable(why) from error
            theirs = load_file(within / WEIGHTS).items()
            learned = {key: one for key, one in theirs if not key.startswith(READOUT)}
            encoder.load_state_dict(learned, strict=False)
        hashes[str(place.folder / WEIGHTS)] = hashlib.sha256((within / WEIGHTS).read_bytes()).hexdigest()
    return {"folder": str(folder.resolve()), "sha256": hashes}


def _difference(theirs: Mapping[str, Any], encoder: nn.Module) -> str:
    """Return how the shape of an encoder differs from that of a described one."""
    name, ours = type(encoder).__name__, getattr(encoder, "arguments", {})
    if theirs["architecture"] != name:
        return f"is a {theirs['architecture']}, expected a {name}; choose the recipe that it was trained by"
    found = theirs["arguments"]
    ours = json.loads(json.dumps(ours, default=str))
    other = [f"{key} {found.get(key)}, here {ours[key]}" for key in ours if ours[key] != found.get(key)]
    return (
        f"has another shape ({'; '.join(other) or 'other layers'}); leave the recipe out to take the "
        "one that it was trained by"
    )
