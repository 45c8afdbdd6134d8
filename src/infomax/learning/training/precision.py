"""The numbers in which an encoder computes: bfloat16 where the machine multiplies it faster, else float32."""

import time
from functools import cache
from typing import Literal

import torch
from lightning.pytorch.accelerators import CUDAAccelerator

Precision = Literal["bf16", "float32"]


def choose_precision(wanted: Precision | Literal["auto"], accelerator: str = "auto") -> Precision:
    """Return the wanted precision; for ``auto`` the faster one on the accelerator that Lightning would take.

    Processors without instructions for bfloat16 emulate it, up to 80 times more slowly than float32.

    >>> choose_precision("float32")
    'float32'
    """
    if wanted != "auto":
        return wanted
    if accelerator in ("auto", "gpu", "cuda") and CUDAAccelerator.is_available():
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    if accelerator in ("auto", "cpu"):
        return _faster_on_cpu()
    return "float32"


@cache
def _faster_on_cpu() -> Precision:
    """Return the precision in which a product of matrices takes less time, by measuring both."""
    return "bf16" if _seconds(torch.bfloat16) < _seconds(torch.float32) else "float32"


def _seconds(dtype: torch.dtype, side: int = 384, repeats: int = 3) -> float:
    """Return the time of the fastest of several products."""
    a, product = torch.ones(side, side, dtype=dtype), torch.empty(side, side, dtype=dtype)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        torch.mm(a, a, out=product)
        times.append(time.perf_counter() - start)
    return min(times)
