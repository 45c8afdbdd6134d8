"""Encoder and objective against outputs of the authors' public code, where these are at hand."""

import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from infomax.learning.encoders.features import Features
from infomax.learning.encoders.public_amdim import encoder_from_public_state
from infomax.learning.objectives.amdim import amdim_objective
from infomax.learning.objectives.choices import BOUNDS
from infomax.learning.objectives.dim import dim_objective

ORACLES = Path(os.environ.get("INFOMAX_ORACLES", Path(__file__).parents[4] / "shared" / "oracles"))
pytestmark = pytest.mark.skipif(not ORACLES.is_dir(), reason="the reference outputs are not on this machine")


@pytest.fixture(params=[32, 64])
def oracle(request):
    with np.load(ORACLES / f"amdim_public_{request.param}.npz") as file:
        return {key: torch.from_numpy(file[key]) for key in file.files if key != "hyperparameters"}


@pytest.fixture
def encoder(oracle):
    prefix = "weights/"
    return encoder_from_public_state(
        {k.removeprefix(prefix): v for k, v in oracle.items() if k.startswith(prefix)}
    )


def features(oracle, prefix):
    return Features(
        oracle[f"{prefix}_global"].flatten(1), {side: oracle[f"{prefix}_local{side}"] for side in (5, 7)}
    )


def assert_equal(actual, expected):
    torch.testing.assert_close(actual.global_, expected.global_, rtol=0, atol=1e-4)
    for side in (5, 7):
        torch.testing.assert_close(actual.local[side], expected.local[side], rtol=0, atol=1e-4)


def test_features_in_evaluation_mode(oracle, encoder):
    with torch.no_grad():
        assert_equal(encoder(oracle["view1"]), features(oracle, "eval"))


def test_features_in_training_mode(oracle, encoder):
    encoder.train()
    with torch.no_grad():
        for view in ("view1", "view2"):
            assert_equal(encoder(oracle[view]), features(oracle, f"train_{view}"))


def test_objective(oracle):
    objective = amdim_objective(
        features(oracle, "train_view1"),
        features(oracle, "train_view2"),
        source_locations=oracle["source_location_5"],
    )
    names = ("1to5", "1to7", "5to5")
    for name in names:
        assert float(objective.terms[name]) == pytest.approx(-float(oracle[f"nce_loss_{name}"]), abs=1e-4)
    assert float(objective.watched["penalty"]) == pytest.approx(
        sum(float(oracle[f"score_penalty_{name}"]) for name in names), abs=1e-4
    )


def test_dim_objective():
    with np.load(ORACLES / "dim_public_losses.npz") as file:
        oracle = {key: torch.from_numpy(file[key]) for key in file.files}
    y, m = oracle["global_features"], oracle["local_features"]  # [n, u, g], [n, u, l]
    scores = {"local": torch.einsum("iug,jul->gijl", y, m)}
    for name, key in {
        "jensen_shannon": "JSD", "kl": "KL", "reverse_kl": "RKL", "squared_hellinger": "H2"
    }.items():  # fmt: skip
        objective = dim_objective(scores, BOUNDS[name], {"local": 1.0})
        assert float(objective.value) == pytest.approx(-float(oracle[f"loss_{key}"]), abs=1e-5)
    log_probability = dim_objective(scores, BOUNDS["infonce"], {"local": 1.0}).value - math.log(len(y))
    assert float(log_probability) == pytest.approx(-float(oracle["loss_InfoNCE_exact"]), abs=1e-5)
