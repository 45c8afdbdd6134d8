"""The numbers in which an encoder computes: bfloat16 where the machine multiplies it, else float32."""

from typing import Literal

import torch
from lightning.pytorch.accelerators import CUDAAccelerator

Precision = Literal["bf16", "float32"]

BF16_INSTRUCTIONS = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
"""Questions of ``torch.cpu`` about a processor; one that has neither emulates bfloat16."""


def choose_precision(wanted: Precision | Literal["auto"], accelerator: str = "auto") -> Precision:
    """Return the wanted precision; for ``auto`` bf16 where the accelerator has instructions for it.

    It is decided by what the processor has, not by timing, so that a run on the same machine is the same run.
    Processors without instructions for bfloat16 emulate it, up to 80 times more slowly than float32.

    Args:
        wanted: what is returned, if it is not ``auto``.
        accelerator: what Lightning is asked for.

    >>> choose_precision("float32")
    'float32'
    """
    if wanted != "auto":
        return wanted
    if accelerator in ("auto", "gpu", "cuda") and CUDAAccelerator.is_available():
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    if accelerator in ("auto", "cpu") and any(getattr(torch.cpu, name)() for name in BF16_INSTRUCTIONS):
        return "bf16"
    return "float32"
