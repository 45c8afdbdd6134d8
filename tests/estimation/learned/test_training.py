"""The training of learned estimators: folds part the rows, rates rise and fall, the seed decides a fit."""

import numpy as np
import pytest
import torch
from torch import nn

from infomax.estimation.learned.training import Training, rate, smooth_perceptron


def test_every_row_is_reported_once_by_networks_that_have_not_seen_it():
    folds = Training(num_folds=3).folds("test", 400)
    assert sorted(np.concatenate([fold.reported for fold in folds])) == list(range(400))
    for fold in folds:
        rows = np.concatenate([fold.train, fold.stopping, fold.reported])
        assert sorted(rows) == list(range(400))


def test_scores_are_those_of_the_training_rows():
    rows = np.random.default_rng(0).standard_normal((300, 2))
    fold = Training().folds("test", 300)[0]
    scores = fold.scores(rows)
    order = np.argsort(rows[fold.train, 0])
    assert (np.diff(scores[fold.train[order], 0]) > 0).all()
    changed = rows.copy()
    changed[fold.reported] = 100
    np.testing.assert_array_equal(fold.scores(changed)[fold.train], scores[fold.train])


def test_rates_rise_and_fall():
    rates = [rate(step / 100) for step in range(101)]
    assert max(rates) == rates[10] == 1 and rates[-1] == 0
    assert (np.diff(rates[:11]) > 0).all() and (np.diff(rates[10:]) < 0).all()


def test_a_fit_is_a_function_of_the_seed():
    x = torch.linspace(-1, 1, 200)[:, None]
    rows = [x, x**2]

    def value(module, x, y):
        return -(module(x) - y).square().mean()

    def fitted(seed):
        training = Training(max_steps=100, batch_size=50, lr=1e-2, seed=seed)
        return training.fit("test", lambda: smooth_perceptron([1, 16, 1]), value, rows, rows)

    first, again, other = fitted(0), fitted(0), fitted(1)
    torch.manual_seed(7)
    assert torch.equal(first(x), again(x)) and not torch.equal(first(x), other(x))
    assert value(first, *rows) > value(nn.Identity(), x, torch.full_like(x, x.square().mean()))
    assert not any(parameter.requires_grad for parameter in first.parameters())


def test_what_is_refused():
    with pytest.raises(
        ValueError, match="test: 60 rows leave 15 to report on and 6 to stop early; needed are 16"
    ):
        Training().folds("test", 60)
    with pytest.raises(ValueError, match="Training: num_folds must be at least 2, got 1"):
        Training(num_folds=1)
    with pytest.raises(ValueError, match="Training: lr must be above 0"):
        Training(lr=0.0)
