"""The precision of training: what was asked for, or the faster one."""

import pytest
import torch

from infomax.learning.training import precision
from infomax.learning.training.precision import choose_precision


@pytest.mark.parametrize("wanted", ["bf16", "float32"])
def test_what_was_asked_for(wanted):
    assert choose_precision(wanted) == wanted


@pytest.mark.parametrize(("bf16", "faster"), [(1.0, "bf16"), (3.0, "float32")])
def test_on_cpus_the_faster_one(monkeypatch, bf16, faster):
    monkeypatch.setattr(precision, "_seconds", {torch.bfloat16: bf16, torch.float32: 2.0}.get)
    precision._faster_on_cpu.cache_clear()
    try:
        assert choose_precision("auto", "cpu") == faster
    finally:
        precision._faster_on_cpu.cache_clear()


def test_a_processor_has_an_answer():
    assert choose_precision("auto", "cpu") in ("bf16", "float32")


@pytest.mark.parametrize(("native", "chosen"), [(True, "bf16"), (False, "float32")])
def test_on_gpus_what_the_hardware_has(monkeypatch, native, chosen):
    monkeypatch.setattr(precision.CUDAAccelerator, "is_available", staticmethod(lambda: True))
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: native)
    assert choose_precision("auto") == choose_precision("auto", "gpu") == chosen


def test_elsewhere_float32():
    assert choose_precision("auto", "mps") == "float32"
