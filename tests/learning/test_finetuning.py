"""Fine-tuning: it learns, leaves the encoder alone, and depends on the seed alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from infomax.learning.dim_encoders import DCGANEncoder
from infomax.learning.finetuning import finetune
from infomax.learning.images import load_images
from infomax.learning.pretrained import PretrainedEncoder
from infomax.learning.views import PLAIN_VIEWS

VIEWS = replace(PLAIN_VIEWS, mean=(0.31,), std=(0.36,))
QUICK = {"labels_per_class": 6, "num_draws": 2, "max_steps": 40, "encoder_lr": 1e-3}


@pytest.fixture(scope="module")
def digits():
    return tuple(load_images("digits", split=split, size=32, channels=1) for split in ("train", "test"))


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return PretrainedEncoder(DCGANEncoder(32, 1, width=8, num_hidden=32, num_units=16), VIEWS)


def test_few_labels_are_learned(digits, encoder):
    train, test = digits
    before = {key: value.clone() for key, value in encoder.state_dict().items()}
    result = finetune(encoder, train, test, **QUICK)
    assert result.accuracy > 0.6 > 5 * result.chance
    assert (result.num_labels, result.num_test) == (60, len(test))
    assert len(result.accuracies) == 2 and result.std is not None
    assert all(torch.equal(before[key], value) for key, value in encoder.state_dict().items())
    assert not encoder.training


def test_it_is_a_function_of_the_seed(digits, encoder):
    train, test = digits
    some = test.subset(slice(0, 100))
    results = [finetune(encoder, train, some, **{**QUICK, "max_steps": 10}, seed=seed) for seed in (0, 0, 1)]
    assert results[0] == results[1]
    assert results[0].accuracies != results[2].accuracies


def test_unlabelled_images_are_left_out(digits, encoder):
    train, test = digits
    labels = test.labels.copy()
    labels[::2] = -1
    partly = type(test)(test.pixels, labels, test.names, test.classes)
    result = finetune(encoder, train, partly, **{**QUICK, "max_steps": 1, "num_draws": 1})
    assert result.num_test == int(np.count_nonzero(labels >= 0))


def test_refusals(digits, encoder):
    train, test = digits
    with pytest.raises(ValueError, match=r"finetune: labels_per_class must be at least 2.*got 1 and 3"):
        finetune(encoder, train, test, labels_per_class=1)
    with pytest.raises(ValueError, match=r"finetune: 9999 labels of each class are to be drawn, but class"):
        finetune(encoder, train, test, labels_per_class=9999)
