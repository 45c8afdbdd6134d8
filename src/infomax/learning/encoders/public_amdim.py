"""Checkpoints of the authors' public AMDIM code, read without executing anything they hold."""

import pickle  # nosec B403 # for the name of an error; torch reads weights only
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from infomax.errors import in_one_line, refuse
from infomax.files import most_bytes, reading, sized
from infomax.learning.encoders.amdim import AMDIMEncoder
from infomax.learning.views.images import CIFAR_VIEWS, IMAGENET128_VIEWS, STL_VIEWS, ViewsConfig

_RENAMES = (  # their parameter names -> ours, in this order
    (r"^encoder\.(module\.)?", ""),
    (r"^layer_list\.(\d+)\.layer_list\.", r"layers.\1."),
    (r"^layer_list\.(\d+)\.bn\.", r"layers.\1."),
    (r"^layer_list\.", "layers."),
    (r"^rkhs_block_(\d)\.", r"embed.\1."),
    (r"^(embed\..*)\.conv1\.", r"\1.hidden."),
    (r"^(embed\..*)\.conv2\.", r"\1.out."),
    (r"\.conv1\.", ".spatial."),
    (r"\.conv2\.", ".pointwise."),
    (r"\.bn1\.bn\.", ".norm."),
    (r"\.bn_hid\.bn\.", ".hidden_norm."),
    (r"\.bn_out\.bn\.", ".norm."),
)

_UNIT_NORM = r"layers\.\d+\.(\d+\.)?norm\."


def load_public_checkpoint(path: str | Path, *, batch_norm: bool | None = None) -> AMDIMEncoder:
    """Return the encoder in a checkpoint of the authors' public code, in evaluation mode.

    The sizes follow from the shapes of the weights. The file does not say whether the batch norms inside the
    units were used; they are taken as used if they have counted batches, unless `batch_norm` says otherwise.
    Only tensors and plain values are unpickled: nothing in the file is executed.

    Args:
        path: the file, a pickled dict whose entry ``model`` is the state dict.
        batch_norm: whether the encoder was trained with ``use_bn``; default: as the counters say.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not such a checkpoint (or it holds code); missing or unexpected keys, each named.
    """
    return encoder_from_public_state(_read_state(Path(path)), batch_norm=batch_norm)


def encoder_from_public_state(state: Mapping[str, Tensor], *, batch_norm: bool | None = None) -> AMDIMEncoder:
    """Return what `load_public_checkpoint` returns, from the state dict with keys ``encoder.module.…``."""
    ours = {_our_name(key): tensor for key, tensor in state.items() if key.startswith("encoder.")}
    if batch_norm is None:
        counters = [t for key, t in ours.items() if re.fullmatch(_UNIT_NORM + "num_batches_tracked", key)]
        batch_norm = any(counters)
    sizes = _sizes(ours)
    with torch.device("meta"):  # no memory is taken before the weights are known to fit
        _load(AMDIMEncoder(**sizes, batch_norm=batch_norm), ours)
    encoder = AMDIMEncoder(**sizes, batch_norm=batch_norm)
    _load(encoder, ours)
    return encoder.eval()


def public_views(encoder: AMDIMEncoder) -> ViewsConfig:
    """Return the views with which the public code trains encoders of this image size."""
    return {32: CIFAR_VIEWS, 64: STL_VIEWS, 128: IMAGENET128_VIEWS}[encoder.input_shape[1]]


def _read_state(path: Path) -> Mapping[str, Tensor]:
    """Return the state dict of a checkpoint: tensors that are no larger than the file, by name."""
    remedy = "expected a checkpoint of the public AMDIM code"
    with reading("load_public_checkpoint", path, remedy, most_bytes()):
        size = path.stat().st_size
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                unpacked = sum(member.file_size for member in archive.infolist())
            refuse(unpacked > size, f"it unpacks to {sized(unpacked)}, expected at most its {sized(size)}")
        try:
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError:
            raise ValueError("it holds more than tensors and plain values, or is damaged") from None
        return _state_in(checkpoint, size)


def _state_in(checkpoint: Any, size: int) -> Mapping[str, Tensor]:
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get("model"), dict):
        found = sorted(map(str, checkpoint)) if isinstance(checkpoint, dict) else type(checkpoint).__name__
        raise ValueError(f"it holds {found}, expected a dict whose entry 'model' is a state dict")
    state = checkpoint["model"]
    for key, one in state.items():
        refuse(
            not isinstance(key, str) or not isinstance(one, Tensor) or one.layout != torch.strided,
            f"its entry {key!r} is no dense tensor",
        )
        named = one.numel() * one.element_size()
        refuse(named > size, f"its entry {key!r} promises {sized(named)}, more than the file has")
    return state


def _our_name(key: str) -> str:
    for pattern, replacement in _RENAMES:
        key = re.sub(pattern, replacement, key)
    return key


def _sizes(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the arguments of `AMDIMEncoder` that fit the shapes of the weights."""
    try:
        width, channels, kernel, _ = state["layers.0.conv.weight"].shape
        is_32 = "layers.1.spatial.weight" in state
        image_size = 128 if kernel == 5 else 32 if is_32 else 64
        depth = len({key for key in state if re.fullmatch(r"layers\.2\.\d+\.spatial\.weight", key)})
        embedding_dim = len(state["embed.7.shortcut.weight"])
    except (LookupError, TypeError, ValueError) as error:
        raise ValueError(
            f"load_public_checkpoint: the state dict has no encoder weights of AMDIM ({in_one_line(error)}); "
            f"its keys begin {sorted(state)[:4]}"
        ) from error
    return {
        "image_size": image_size,
        "width": width,
        "embedding_dim": embedding_dim,
        "depth": depth,
        "channels": channels,
    }


def _load(encoder: AMDIMEncoder, state: Mapping[str, Tensor]) -> None:
    """Load all weights, but ignore batch norms that the public code creates and does not use."""
    needed = encoder.state_dict()
    optional = rf"{_UNIT_NORM}\w+|embed\.\d\.hidden_norm\.\w+|layers\.{len(encoder.layers) - 5}\.\w+"
    unused = set() if encoder.config.batch_norm else {key for key in state if re.fullmatch(optional, key)}
    missing, unexpected = needed.keys() - state.keys(), state.keys() - needed.keys() - unused
    if missing or unexpected:
        raise ValueError(
            f"load_public_checkpoint: weights do not fit {encoder.config} for images {encoder.input_shape}: "
            f"missing {sorted(missing)}, unexpected {sorted(unexpected)}"
        )
    try:
        encoder.load_state_dict({key: state[key] for key in needed})
    except RuntimeError as error:
        raise ValueError(f"load_public_checkpoint: {in_one_line(error)}") from error
