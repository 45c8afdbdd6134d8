"""All pairs at once against one pair at a time, scikit-learn and closed forms; kinds, p-values, refusals."""

import joblib
import numpy as np
import polars as pl
import pytest
from scipy.stats import chi2, chi2_contingency, false_discovery_control
from scipy.stats.contingency import crosstab, expected_freq
from sklearn.metrics import mutual_info_score

from infomax.estimation.counting.counts import ChaoShen, Grassberger, JamesStein, MillerMadow, PlugIn
from infomax.estimation.gaussian import CCA, Gaussian
from infomax.estimation.neighbors.ksg import KSG
from infomax.estimation.tables import pairwise as module
from infomax.estimation.tables import testing
from infomax.estimation.tables.pairwise import pairwise
from infomax.estimation.tables.rank import rank_columns


def labels(n=300, sizes=(2, 3, 4, 7), seed=0):
    rng = np.random.default_rng(seed)
    common = rng.integers(0, 100, n)
    mixed = [np.where(rng.random(n) < 0.5, common, rng.integers(0, 100, n)) % size for size in sizes]
    return dict(zip("abcdefgh", mixed, strict=False))


def with_gaps(table, seed=1):
    """Some values missing."""
    rng = np.random.default_rng(seed)
    return {name: [None if rng.random() < 0.2 else v for v in values] for name, values in table.items()}


def complete(table, *names):
    rows = zip(*(table[name] for name in names), strict=True)
    return zip(*(row for row in rows if None not in row), strict=True)


def gaussians(n, rho, seed=0):
    x, noise = np.random.default_rng(seed).standard_normal((2, n))
    return x, rho * x + np.sqrt(1 - rho**2) * noise


def test_equals_scikit_learn_on_labels():
    table = labels()
    found = pairwise(table, PlugIn())
    for i, x in enumerate(table.values()):
        for j, y in enumerate(table.values()):
            if i != j:
                assert found.value[i, j] == pytest.approx(mutual_info_score(x, y), abs=1e-12)
    assert np.isnan(np.diag(found.value)).all()
    np.testing.assert_array_equal(found.num_samples, 300 * (1 - np.eye(4)))


@pytest.mark.parametrize("most_counted", [50, 4, 0])
@pytest.mark.parametrize("estimator", [MillerMadow(), Grassberger(), ChaoShen(), JamesStein()])
def test_counting_together_equals_counting_each_pair(monkeypatch, estimator, most_counted):
    """On the rows where both are present, whichever way a pair is counted."""
    monkeypatch.setattr(module, "MAX_COUNTED_LABELS", most_counted)
    table = with_gaps(labels())
    found = pairwise(table, estimator, kinds=dict.fromkeys(table, "labels"))
    for x, y, value, error, n in (
        found.to_frame().select("x", "y", "value", "standard_error", "num_samples").rows()
    ):
        expected = estimator.estimate(*map(list, complete(table, x, y)))
        assert (value, error, n) == (
            pytest.approx(expected.value, abs=1e-12),
            pytest.approx(expected.standard_error, abs=1e-12),
            expected.num_samples,
        )


@pytest.mark.parametrize("estimator", [KSG(), KSG(num_neighbors=5, num_workers=2), Gaussian()])
def test_an_estimator_gets_numbers_as_they_are(estimator):
    x, y = gaussians(200, 0.5)
    found = pairwise(np.column_stack([x, y, x + 2 * y]), estimator)
    assert found.value[0, 1] == estimator.estimate(x, y).value
    assert found.standard_error[0, 2] == estimator.estimate(x, x + 2 * y).standard_error
    np.testing.assert_array_equal(found.value, found.value.T)


def test_what_was_asked_for_is_recorded_alike_in_each_process():
    table = {"x": np.arange(50.0), "y": np.arange(50.0) ** 2}
    found = pairwise(table, estimator=CCA()).about.estimators
    assert found == {"all": "CCA(num_components=None, covariance=sample_covariance)"}


def test_each_pair_by_the_kinds_of_its_columns():
    x, y = gaussians(2000, 0.75)
    rng = np.random.default_rng(1)
    side = np.where(rng.random(2000) < 0.5, "left", "right")
    table = {"x": x, "y": y, "side": side, "z": 10.0 * (side == "left") + y, "flag": side == "left"}
    frame = pairwise(table).to_frame()
    method = {(a, b): name for a, b, name in frame.select("x", "y", "method").rows()}
    assert method["x", "y"] == "KSG, k=3"
    assert method["y", "side"] == method["side", "z"] == "Ross, k=3"
    assert method["side", "flag"] == "MillerMadow"
    value = pairwise(table).value
    assert value[0, 1] == pytest.approx(0.413, abs=0.06)
    assert value[2, 3] == pytest.approx(np.log(2), abs=0.02)
    assert value[2, 4] == pytest.approx(np.log(2), abs=0.01)
    assert abs(value[0, 2]) < 0.03


def test_a_label_seen_once_leaves_its_row_out():
    x, _ = gaussians(100, 0)
    table = {"label": ["once", *["a", "b"] * 49, "a"], "x": x}
    found = pairwise(table)["label", "x"]
    assert found["method"].startswith("Ross, k=3, 1 row")
    assert found["value"] == pytest.approx(pairwise(table, kinds={"label": "labels"}).value[0, 1])
    assert abs(found["value"]) < 0.1


def test_units_and_increasing_functions_do_not_matter():
    x, y = gaussians(300, 0.6)
    plain = pairwise({"x": x, "y": y})
    other = pairwise({"x": 1e-6 * x, "y": np.exp(3 * y)})
    assert plain.value[0, 1] == other.value[0, 1]
    assert plain.value[0, 1] == pytest.approx(0.223, abs=0.1)


def test_rounded_numbers_read_neither_high_nor_low():
    """Rounded to a twentieth of their spread."""
    x, y = (np.round(values / 0.05) * 0.05 for values in gaussians(2000, 0.0))
    found = pairwise({"x": x, "y": y})
    assert abs(found.value[0, 1]) < 0.05
    x, y = (np.round(values / 0.05) * 0.05 for values in gaussians(2000, 0.6))
    assert pairwise({"x": x, "y": y}).value[0, 1] == pytest.approx(0.223, abs=0.05)


def test_constants_tell_nothing():
    x, _ = gaussians(100, 0)
    found = pairwise({"x": x, "label": ["a", "b"] * 50, "one": np.ones(100)}, num_permutations=19)
    assert found.value[0, 2] == pytest.approx(0, abs=1e-12)
    assert found.value[1, 2] == 0
    assert found.standard_error[1, 2] == 0
    assert found.p_value[1, 2] == found.p_value[0, 2] == 1


@pytest.mark.parametrize(("num_x", "num_y", "n"), [(2500, 20, 10_000), (100, 100, 5000), (500, 5, 2000)])
def test_many_labels_do_not_read_as_information(num_x, num_y, n):
    """Independent; Miller and Madow's values are 1.85, 0.87 and 0.48 nats."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(num_x, size=n), rng.integers(num_y, size=n)
    found = pairwise({"x": [f"x{i}" for i in x], "y": [f"y{i}" for i in y]})["x", "y"]
    assert found["method"] == "AdjustedPlugIn"
    assert abs(found["value"]) < min(0.06, 2.5 * found["standard_error"])
    assert found["standard_error"] < 0.2


def test_p_values(monkeypatch):
    monkeypatch.setattr(testing, "LOW_ENOUGH", 0.1)
    table = {**labels(), "number": gaussians(300, 0)[0], "rare": [*["r"] * 4, *["s", "t"] * 148]}
    found = pairwise(table, num_permutations=49)
    n, plug_in = 300, mutual_info_score(table["a"], table["b"])
    assert found.p_value[0, 1] == pytest.approx(chi2.sf(2 * n * plug_in, 1 * 2), rel=1e-9)
    assert found.p_value[0, 2] < 1e-4
    by_permutations = found.frame.filter(pl.col("num_permutations").is_not_null())
    assert {"number", "rare"} >= set(by_permutations["y"]) - set("abcd")
    for p_value, number in by_permutations.select("p_value", "num_permutations").rows():
        assert is_a_rank(p_value, number)
    upper = np.triu_indices(6, 1)
    np.testing.assert_allclose(
        found.adjusted_p_value[upper], false_discovery_control(found.p_value[upper]), rtol=1e-12
    )
    assert np.isnan(pairwise(table).p_value).all()


def is_a_rank(p_value, number):
    """(1 + null values as large) / (1 + number), or 20 / number where the twentieth ended it."""
    rank = p_value * (1 + number)
    return abs(rank - round(rank)) < 1e-9 or abs(p_value * number - 20) < 1e-9


def test_g_tests_equal_to_scipy():
    """Wherever 5 rows can be expected in every cell of the labels that occur; else permutations."""
    table = with_gaps({**labels(200), "skew": ["s", *["t"] * 199], "one": [1.0] * 200})
    num_tests = 0
    frame = pairwise(table, num_permutations=9).to_frame().select("x", "y", "p_value", "num_permutations")
    for x, y, p_value, number in frame.rows():
        counts = crosstab(*map(list, complete(table, x, y))).count
        if min(counts.shape) > 1 and expected_freq(counts).min() >= 5:
            num_tests += 1
            expected = chi2_contingency(counts, correction=False, lambda_="log-likelihood").pvalue
            assert p_value == pytest.approx(expected, rel=1e-9)
        else:
            assert is_a_rank(p_value, number)
    assert 3 <= num_tests <= 10


def test_the_g_test_of_columns_that_are_not_counted_together(monkeypatch):
    together = pairwise(labels(), num_permutations=9)
    monkeypatch.setattr(module, "MAX_COUNTED_LABELS", 0)
    np.testing.assert_allclose(pairwise(labels(), num_permutations=9).p_value, together.p_value, rtol=1e-9)


def test_pairs_that_cannot_be_measured_are_named():
    x, y = gaussians(30, 0.5)
    late = np.append(np.full(25, np.nan), x[:5])
    found = pairwise({"x": x, "y": y, "late": late, "id": [f"row {i}" for i in range(30)]})
    reasons = {(a, b): why for a, b, why in found.to_frame().select("x", "y", "refused").rows() if why}
    assert reasons["x", "late"] == "5 rows with values of x and late, expected at least 10"
    assert reasons["x", "id"].startswith("id holds identifiers: most of its labels occur once")
    assert len(reasons) == 5
    assert np.isfinite(found.value[0, 1])
    assert np.isnan(found.value[0, 2])
    assert found.num_samples[0, 2] == 5
    assert found.kinds == {"x": "continuous", "y": "continuous", "late": "continuous", "id": "identifiers"}
    as_labels = pairwise({"x": x, "y": y, "id": [f"row {i}" for i in range(30)]}, kinds={"id": "labels"})
    assert "labels need at least 2 samples each" in as_labels["x", "id"]["refused"]


def test_one_pair_that_is_refused_does_not_spoil_its_stack():
    """All of one shape, and so counted and measured together; each message as if it were alone."""
    early, late = [0, 1] * 50 + [None] * 100, [None] * 100 + [0, 1] * 50
    table = {"early": early, "late": late, "a": [0, 1] * 100, "b": [0, 0, 1, 1] * 50}
    frame = pairwise(table, PlugIn()).to_frame()
    reasons = frame["refused"].to_list()
    assert reasons[0] == "PlugIn: counts must not all be 0, got shape [0, 0]; no samples?"
    assert reasons[1:] == [None] * 5
    assert frame["num_samples"].to_list() == [0, 100, 100, 100, 100, 200]
    np.testing.assert_allclose(frame["value"][1:], [np.log(2), 0, np.log(2), 0, 0], atol=1e-12)
    by_kinds = pairwise(table).to_frame()["refused"].to_list()
    assert by_kinds == ["0 rows with values of early and late, expected at least 10", *[None] * 5]
    of_three = {"three": [0, 1, 2, 2] * 50, **table}
    refused = pairwise(of_three, JamesStein(2)).to_frame()["refused"].to_list()
    assert refused[2] == (
        "JamesStein: num_labels = 2, but 3 and 2 different labels were seen; "
        "set it to the number of labels that are possible"
    )
    assert [message is None for message in refused] == [False] * 5 + [True] * 5


def test_the_frame_has_a_row_for_each_pair():
    frame = pairwise(with_gaps(labels())).to_frame()
    assert frame.columns == [
        "x", "y", "value", "standard_error", "bits", "bits_error", "num_samples", "p_value",
        "adjusted_p_value", "num_permutations", "kind", "method", "cautions", "untested", "refused",
    ]  # fmt: skip
    assert frame.select("x", "y").rows() == [
        ("a", "b"),
        ("a", "c"),
        ("a", "d"),
        ("b", "c"),
        ("b", "d"),
        ("c", "d"),
    ]
    assert frame["value"].dtype == pl.Float64
    assert set(frame["kind"]) == {"estimate"}


def test_values_depend_on_the_seed_alone():
    table = {**labels(60), "x": np.round(gaussians(60, 0)[0], 1)}
    first, second = (pairwise(table, num_permutations=9, seed=3, num_workers=w) for w in (1, 2))
    assert first.to_frame().equals(second.to_frame())
    fewer = pairwise({name: table[name] for name in ("x", "a")}, num_permutations=9, seed=3)
    assert fewer.value[0, 1] == pytest.approx(first.value[4, 0], abs=1e-12)


@pytest.mark.parametrize(
    ("table", "arguments", "message"),
    [
        ({"a": [1.0, 2.0]}, {}, "pairwise: expected at least 2 columns, got a alone"),
        ({"a": [1.0, 2], "b": [2.0, 1]}, {}, "pairwise: 2 rows with values of a and b, expected at least 10"),
        (
            {"a": np.arange(3.0), "b": np.arange(3.0), "c": np.arange(3.0)},
            {"estimator": KSG()},
            r"pairwise: KSG: 3 neighbours need more than 3 samples, got 3; .* \(and so on, for all 3\)",
        ),
        (
            {"a": [1.0, 2], "b": [2.0, 1]},
            {"num_permutations": -1},
            "num_permutations must be at least 0, got -1",
        ),
        (3, {}, "pairwise: got int that is no table"),
    ],
)
def test_refusals(table, arguments, message):
    with pytest.raises(ValueError, match=message):
        pairwise(table, **arguments)


def test_a_bar_is_shown_on_a_terminal_alone(capsys, monkeypatch):
    pairwise(labels(), progress=True)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setenv("FORCE_COLOR", "1")
    pairwise(labels(), progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "measuring" in err


@pytest.mark.filterwarnings("ignore")
def test_a_dask_cluster_takes_over():
    distributed = pytest.importorskip("distributed")
    table = {**labels(100), "x": gaussians(100, 0.5)[0], "y": gaussians(100, 0.5)[1]}
    here = pairwise(table)
    local = distributed.LocalCluster(n_workers=2, processes=False, dashboard_address=None)
    with local as cluster, distributed.Client(cluster) as client, joblib.parallel_config(backend="dask"):
        there = pairwise(table)
        ranking = rank_columns(table, "x", num_permutations=9)
        workers = client.run(lambda dask_worker: dask_worker.state.executed_count)
    assert sum(workers.values()) > 0
    assert there.to_frame().equals(here.to_frame())
    assert ranking.to_frame()["column"][0] == "y"
