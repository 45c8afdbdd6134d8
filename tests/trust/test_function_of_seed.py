"""A run is a function of recipe, data and seed; features are one of the image, but for rounding."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.trust.test_checkpoints import SHORT

from infomax.evaluation.embedding import MAX_ROUNDING, embed
from infomax.learning.encoders.saving import load_encoder
from infomax.learning.training.loop import pretrain

AUTO = replace(SHORT, train=replace(SHORT.train, precision="auto"))


@pytest.fixture(scope="module")
def trained(images, tmp_path_factory):
    return pretrain(AUTO, images, tmp_path_factory.mktemp("runs") / "run", quiet=True)


def test_the_same_again(trained, images, tmp_path):
    """Also with the precision that is chosen."""
    again = pretrain(AUTO, images, tmp_path / "again", quiet=True)
    assert again.recipe.read_bytes() == trained.recipe.read_bytes()
    assert again.encoder.read_bytes() == trained.encoder.read_bytes()


@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_features_are_those_of_any_batch(trained, images, batch_size):
    few = images.subset(slice(0, 150))
    encoder = load_encoder(trained.folder)
    expected = embed(encoder, few)
    found = embed(encoder, few, batch_size=batch_size)
    assert np.abs(found - expected).max() <= MAX_ROUNDING * np.abs(expected).max()


def test_features_are_those_of_any_number_of_threads(trained, images):
    before, found = torch.get_num_threads(), []
    try:
        for num in (1, 2):
            torch.set_num_threads(num)
            found.append(embed(load_encoder(trained.folder), images.subset(slice(0, 150))))
    finally:
        torch.set_num_threads(before)
    assert np.abs(found[1] - found[0]).max() <= MAX_ROUNDING * np.abs(found[0]).max()


@pytest.mark.slow
def test_thirty_starts_choose_the_same_precision(count):
    code = "from infomax.learning.training.precision import choose_precision; print(choose_precision('auto'))"
    answers = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        for _ in range(30)
    ]
    assert len(set(answers)) == 1
    count(f"precision auto: {len(answers)} starts, {answers[0].strip()} in each")
