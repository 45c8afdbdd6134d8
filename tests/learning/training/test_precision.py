"""The precision of training: what was asked for, or what the processor has instructions for."""

import pytest
import torch

from infomax.learning.training import precision
from infomax.learning.training.precision import BF16_INSTRUCTIONS, choose_precision


@pytest.mark.parametrize("wanted", ["bf16", "float32"])
def test_what_was_asked_for(wanted):
    assert choose_precision(wanted) == wanted


@pytest.mark.parametrize("has", [(False, False), (True, False), (False, True)])
def test_on_cpus_what_the_processor_has(monkeypatch, has):
    for name, one in zip(BF16_INSTRUCTIONS, has, strict=True):
        monkeypatch.setattr(torch.cpu, name, lambda one=one: one)
    assert choose_precision("auto", "cpu") == ("bf16" if any(has) else "float32")


def test_a_processor_always_gives_the_same_answer():
    assert len({choose_precision("auto", "cpu") for _ in range(100)}) == 1


@pytest.mark.parametrize(("native", "chosen"), [(True, "bf16"), (False, "float32")])
def test_on_gpus_what_the_hardware_has(monkeypatch, native, chosen):
    monkeypatch.setattr(precision.CUDAAccelerator, "is_available", staticmethod(lambda: True))
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: native)
    assert choose_precision("auto") == choose_precision("auto", "gpu") == chosen


def test_elsewhere_float32():
    assert choose_precision("auto", "mps") == "float32"
