"""Greedy multivariate transfer entropy on networks with known links, and how often noise has links."""

import numpy as np
import pytest

from infomax.estimation import KSG, Gaussian, PlugIn, multivariate_transfer_entropy, transfer_entropy
from infomax.estimation.temporal.candidates import Candidate, Past

ROOT = 0.25 * np.sqrt(2)


def mute_network(n, seed):
    """The five processes of Montalto et al. (2014), equation 14, the example of MuTE and of IDTxl.

    Links: 0 → 1 at lag 2 (square), 0 → 2 at 3, 0 → 3 at 2 (square), 3 → 4 at 1, 4 → 3 at 1.
    """
    rng = np.random.default_rng(seed)
    x, noise = np.zeros((n + 100, 5)), rng.standard_normal((n + 100, 5))
    for t in range(3, n + 100):
        square = x[t - 2, 0] ** 2
        x[t] = noise[t] + [
            0.95 * np.sqrt(2) * x[t - 1, 0] - 0.9025 * x[t - 2, 0],
            0.5 * square,
            -0.4 * x[t - 3, 0],
            -0.5 * square + ROOT * x[t - 1, 3] + ROOT * x[t - 1, 4],
            -ROOT * x[t - 1, 3] + ROOT * x[t - 1, 4],
        ]
    return x[100:]


def links(found):
    return [(link.source, link.lag) for link in found.links]


def test_linear_links_of_the_published_network():
    x = mute_network(1000, 0)
    assert links(multivariate_transfer_entropy(x, 0, 5, Gaussian())) == []
    assert links(multivariate_transfer_entropy(x, 2, 5, Gaussian())) == [("0", 3)]
    assert links(multivariate_transfer_entropy(x, 4, 5, Gaussian())) == [("3", 1)]


def test_a_square_needs_neighbours():
    """0 → 1 is a square of a symmetric series: no correlation shows it."""
    x = mute_network(300, 1)[:, :2]
    options = {"num_permutations": 39, "num_workers": 1}
    found = multivariate_transfer_entropy(x, 1, 2, KSG(4), **options)
    assert ("0", 2) in links(found) and found.sources == ("0",)
    assert found.estimate.value > 0.2 and found.p_value == pytest.approx(1 / 40)
    assert ("0", 2) not in links(multivariate_transfer_entropy(x, 1, 2, Gaussian(), **options))


@pytest.mark.slow
@pytest.mark.parametrize(("target", "expected"), [(1, ("0", 2)), (2, ("0", 3)), (3, ("0", 2)), (4, ("3", 1))])
def test_links_of_the_published_network_by_neighbours(target, expected):
    """4 → 3 at lag 1 is too weak beside the square for neighbours; the strongest link is the right one."""
    found = multivariate_transfer_entropy(mute_network(600, 0), target, 3, KSG(4), num_permutations=40)
    strongest = max(found.links, key=lambda link: link.estimate.value)
    assert (strongest.source, strongest.lag) == expected


def chain(n, seed):
    """a → b at lag 1, b → c at lag 2; d has nothing to do with them. All remember themselves."""
    rng = np.random.default_rng(seed)
    a, b, c, d = rows = rng.standard_normal((4, n))
    for t in range(2, n):
        a[t] += 0.6 * a[t - 1]
        b[t] += 0.4 * b[t - 1] + 0.7 * a[t - 1]
        c[t] += 0.3 * c[t - 1] + 0.5 * b[t - 2]
        d[t] += 0.8 * d[t - 1]
    return dict(zip("abcd", rows, strict=True))


def test_indirect_links_are_left_out():
    series = chain(1000, 0)
    assert links(multivariate_transfer_entropy(series, "b", 4, Gaussian())) == [("a", 1)]
    found = multivariate_transfer_entropy(series, "c", 4, Gaussian())
    assert links(found) == [("b", 2)]
    assert found.target_lags == (1,) and found.num_candidates == 16
    expected = transfer_entropy(series["b"][2:], series["c"][2:], Gaussian(), source_lags=(2,))
    assert found.estimate.value == pytest.approx(expected.value, abs=0.01)
    assert found.links[0].estimate.value == found.estimate.value
    assert found.links[0].p_value == found.p_value == pytest.approx(1 / 201)


def test_noise_has_links_no_more_often_than_the_level():
    found = 0
    for seed in range(40):
        series = np.random.default_rng(seed).standard_normal((300, 3))
        for t in range(1, 300):
            series[t] += 0.7 * series[t - 1]
        links = multivariate_transfer_entropy(series, 0, 3, Gaussian(), num_permutations=100, num_workers=1)
        found += bool(links.links)
        assert 1 in links.target_lags and (links.estimate is None) == (links.p_value is None)
    assert found <= 6  # 40 · 0.05 = 2, and three standard deviations


def test_candidates_one_by_one_and_at_once_are_the_same():
    """The correlations of `Gaussian` are computed together; the values are those of the estimator."""
    from infomax.estimation.temporal.candidates import Candidate, Past

    rng = np.random.default_rng(0)
    columns = {Candidate(str(k), 1): rng.standard_normal(200) for k in range(4)}
    columns[Candidate("copy", 1)] = columns[Candidate("0", 1)]
    y = sum(columns.values())[:, None] + rng.standard_normal((200, 1))
    past = Past(y, columns, Gaussian(bias_corrected=False), 0.05, 99, 0, 1)
    given = [Candidate("0", 1)]
    for known in ([], given):
        others = [Candidate("1", 1), Candidate("2", 1)]
        expected = [past.estimate([one], known).value for one in others]
        assert past.informations(others, known) == pytest.approx(expected)
    assert past.informations([Candidate("copy", 1)], given) == pytest.approx([0])
    order = rng.permutation(200)
    permuted = Gaussian(bias_corrected=False).estimate(columns[Candidate("1", 1)][order], y)
    assert past.informations([Candidate("1", 1)], [], order) == pytest.approx([permuted.value])


def test_p_values_stop_when_they_are_decided():
    from infomax.estimation.temporal.candidates import Past

    past = Past(np.zeros((5, 1)), {}, Gaussian(), 0.05, 199, 0, 1)
    assert past.p_value(1.0, lambda order: 0.0) == 1 / 200
    asked = []
    assert past.p_value(0.0, lambda order: asked.append(order) or 1.0) == 1.0
    assert len(asked) == 20
    values = iter([1.0] * 9 + [0.0] * 190)
    assert past.p_value(0.5, lambda order: next(values)) == pytest.approx(0.05)
    values = iter([0.0] * 189 + [1.0] * 10)
    assert past.p_value(0.5, lambda order: next(values)) == pytest.approx(0.055)


@pytest.mark.parametrize(("seed", "exact"), [(7, 36 / 41), (56, 31 / 41)])
def test_null_values_that_are_equal_but_for_rounding_count(seed, exact):
    """Labels in other orders give sums of the same terms: here 5 and 4 null values would be lost."""
    rng = np.random.default_rng(seed)
    a, y = rng.integers(2, size=14).astype(float), rng.integers(3, size=(14, 1)).astype(float)
    one = Candidate("a", 1)
    past = Past(y, {one: a}, PlugIn(), 0.99, 40, 0, 1)

    def value(order):
        return float(past.informations([one], [], order)[0])

    observed = value(np.arange(14))
    null = [round(value(np.random.default_rng([0, index]).permutation(14)), 9) for index in range(40)]
    assert 1 + sum(one >= round(observed, 9) for one in null) == round(41 * exact)
    assert past.p_value(observed, value) == pytest.approx(exact)


def test_rows_of_groups_stay_apart():
    series = chain(300, 0)
    shuffled = np.random.default_rng(0).permutation(3)
    parts = {name: np.concatenate([np.split(row, 3)[k] for k in shuffled]) for name, row in series.items()}
    found = multivariate_transfer_entropy(parts, "c", 3, Gaussian(), groups=np.repeat(shuffled, 100))
    assert links(found) == [("b", 2)]
    assert found.estimate.num_samples == 3 * (100 - 3)


def test_progress_is_shown_and_results_do_not_depend_on_it(capsys):
    series = chain(300, 1)
    options = {"num_permutations": 50, "num_workers": 1}
    quiet = multivariate_transfer_entropy(series, "b", 2, Gaussian(), **options)
    assert capsys.readouterr().err == ""
    shown = multivariate_transfer_entropy(series, "b", 2, Gaussian(), progress=True, **options)
    assert "the past of the others" in capsys.readouterr().err
    assert links(shown) == links(quiet) and shown.p_value == quiet.p_value


def test_what_is_refused():
    series = chain(50, 0)
    find = multivariate_transfer_entropy
    with pytest.raises(ValueError, match="no series is called 'e'"):
        find(series, "e", 2, Gaussian())
    with pytest.raises(ValueError, match="expected at least 2 series, got 1"):
        find({"a": series["a"]}, "a", 2, Gaussian())
    with pytest.raises(ValueError, match="max_lag must be at least 3, got 2"):
        find(series, "a", 2, Gaussian(), min_lag=3)
    with pytest.raises(ValueError, match=r"10 permutations allow no p-value of 0.05; give at least 19"):
        find(series, "a", 2, Gaussian(), num_permutations=10)
    with pytest.raises(ValueError, match="level must be between 0 and 1"):
        find(series, "a", 2, Gaussian(), level=2.0)
    with pytest.raises(ValueError, match="a lag of 60 needs more than 60 rows, got 50"):
        find(series, "a", 60, Gaussian())
    with pytest.raises(ValueError, match="each series must be one column, got several in b"):
        find({"a": series["a"], "b": np.zeros((50, 2))}, "a", 2, Gaussian())
    with pytest.raises(ValueError, match="groups must have one label for each of 50 rows, got 49"):
        find(series, "a", 2, Gaussian(), groups=np.zeros(49))
    with pytest.raises(ValueError, match="b never changes, and tells nothing; leave it out"):
        find({"a": series["a"], "b": np.ones(50)}, "a", 2, Gaussian())


def test_a_copy_from_before_is_named():
    x, other = np.random.default_rng(0).standard_normal((2, 300))
    series = {"x": x, "copy": 2 * np.roll(x, 1), "other": other}
    with pytest.raises(ValueError, match="transfer_entropy: x 1 rows before determines the target, so that"):
        multivariate_transfer_entropy(series, "copy", 2, Gaussian())


def test_units_do_not_matter():
    series = chain(200, 2)
    options = {"num_permutations": 19, "num_workers": 1}
    scaled = {name: 1e6 * row if name == "a" else row - 5 for name, row in series.items() if name in "ab"}
    plain = {name: series[name] for name in "ab"}
    one, other = (multivariate_transfer_entropy(s, "b", 2, KSG(4), **options) for s in (plain, scaled))
    assert links(one) == links(other) and ("a", 1) in links(one)
    assert one.estimate.value == pytest.approx(other.estimate.value)
