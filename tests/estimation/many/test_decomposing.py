"""Decompositions of columns against those of their table, and the coverage of their errors."""

import numpy as np
import polars as pl
import pytest

from infomax.estimation import decompose_columns
from infomax.information import broja_decomposition, williams_beer_decomposition

AND = np.array([[[1 / 4, 0], [1 / 4, 0]], [[1 / 4, 0], [0, 1 / 4]]])
TABLES = {
    "and": AND,
    "and with noise": 0.8 * AND + 0.2 / 8,
    "independent": np.full((2, 2, 2), 1 / 8),
    "at random": np.random.default_rng(5).dirichlet(np.full(12, 0.7)).reshape(2, 3, 2),
}


def samples(p, num, seed):
    cells = np.random.default_rng(seed).choice(p.size, num, p=p.ravel())
    *sources, target = np.unravel_index(cells, p.shape)
    return sources, target


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("num", [120, 600])
def test_coverage_and_bias(name, num):
    truth, found = williams_beer_decomposition(TABLES[name]), []
    for seed in range(30):
        sources, target = samples(TABLES[name], num, seed)
        found.append(
            decompose_columns(sources, target, measure=williams_beer_decomposition, num_resamples=40)
        )
    for atom, amount in truth.atoms.items():
        values = np.array([one.atoms[atom].value for one in found])
        errors = np.array([one.atoms[atom].standard_error for one in found])
        assert (np.abs(values - amount) < 1.96 * errors + 1e-9).mean() > 0.8
        assert abs(values.mean() - amount) < 0.03
    for one in found:
        total = sum(atom.value for atom in one.atoms.values())
        assert total == pytest.approx(one.information.value)


def test_plug_in_would_see_synergy_of_noise():
    plug_in, corrected = [], []
    for seed in range(25):
        sources, target = samples(TABLES["independent"], 100, seed)
        table = np.zeros((2, 2, 2))
        np.add.at(table, (*sources, target), 1 / 100)
        plug_in.append(williams_beer_decomposition(table).synergy)
        found = decompose_columns(sources, target, measure=williams_beer_decomposition, num_resamples=40)
        corrected.append(found.atoms["{12}"].value)
    assert np.mean(plug_in) > 0.005 > 2 * abs(np.mean(corrected))


def test_broja_of_columns():
    sources, target = samples(TABLES["and with noise"], 2000, 0)
    truth = broja_decomposition(TABLES["and with noise"])
    frame = pl.DataFrame({"x": sources[0], "y": sources[1]})
    found = decompose_columns(frame, np.array(["no", "yes"])[target], num_resamples=30)
    assert found.measure == "BROJA"
    for atom, amount in truth.atoms.items():
        assert found.atoms[atom].value == pytest.approx(amount, abs=3 * found.atoms[atom].standard_error)
        assert 0.001 < found.atoms[atom].standard_error < 0.05
        assert found.atoms[atom].num_samples == 2000
    again = decompose_columns(sources, target, num_resamples=30)
    assert again.atoms["{12}"].value == found.atoms["{12}"].value


def test_three_sources():
    rng = np.random.default_rng(0)
    sources = rng.integers(2, size=(500, 3))
    found = decompose_columns(
        sources, sources.sum(axis=1) % 2, measure=williams_beer_decomposition, num_resamples=20
    )
    assert len(found.atoms) == 18
    assert found.atoms["{123}"].bits == pytest.approx(1, abs=0.01)


def test_what_is_refused():
    labels = np.arange(100) % 10
    with pytest.raises(ValueError, match=r"10 × 10 × 2 labels .* 200 joint labels, which need 2,000 samples"):
        decompose_columns([labels, labels], labels % 2)
    with pytest.raises(ValueError, match="decompose_columns: expected at least 2 variables, got 1"):
        decompose_columns([labels], labels)
    with pytest.raises(ValueError, match="num_resamples must be at least 2, got 1"):
        decompose_columns([labels % 2, labels % 2], labels % 2, num_resamples=1)
    with pytest.raises(ValueError, match="missing values"):
        decompose_columns([["a", None] * 50, labels % 2], labels % 2)
