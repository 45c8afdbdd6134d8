"""The selector against slow loops, SciPy's G-test, scikit-learn's checks, and tables with a known answer."""

import numpy as np
import pytest
from scipy.stats import chi2, chi2_contingency
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import mutual_info_score
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from infomax.estimation.counting.counts import MillerMadow, PlugIn
from infomax.estimation.selection import codes
from infomax.estimation.selection.criteria import cmim, jmi, mrmr
from infomax.estimation.selection.features import InformativeFeatures, Terms

RNG = np.random.default_rng(0)


@parametrize_with_checks([InformativeFeatures()])
def test_it_keeps_scikit_learns_rules(estimator, check):
    check(estimator)


def redundant_table(num_rows=2000, seed=0):
    """Two features that matter, a copy of the first with some noise, and two that do not matter."""
    first, second, *noise = np.random.default_rng(seed).standard_normal((5, num_rows))
    X = np.column_stack([first, first + 0.1 * noise[0], second, noise[1], noise[2]])
    return X, first + second > 0


class TestWhatIsSelected:
    @pytest.mark.parametrize("criterion", [cmim, jmi, mrmr])
    def test_what_matters_without_its_copy(self, criterion):
        found = InformativeFeatures(criterion=criterion).fit(*redundant_table())
        assert found.order_[0] in (0, 1) and 2 in found.order_[:2]
        assert not {3, 4} & set(found.order_.tolist())
        assert max(found.p_values_) <= 0.05

    def test_nothing_where_nothing_matters(self):
        rng = np.random.default_rng(1)
        found = [
            len(InformativeFeatures().fit(rng.standard_normal((300, 10)), rng.integers(3, size=300)).order_)
            for _ in range(100)
        ]
        assert np.mean(np.array(found) > 0) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 100)

    def test_as_many_as_wanted_without_tests(self):
        found = InformativeFeatures(3, alpha=None).fit(*redundant_table())
        assert len(found.order_) == 3 and found.p_values_ == [1.0] * 3

    def test_the_partner_of_a_selected_feature(self):
        """y = a + 2 (a xor b): b tells nothing alone, and one bit once a is known."""
        a, b, other = np.random.default_rng(2).integers(2, size=(3, 3000))
        found = InformativeFeatures().fit(np.column_stack([a, b, other]), a + 2 * (a ^ b))
        assert found.order_.tolist() == [0, 1]
        assert found.gains_[1] == pytest.approx(np.log(2), abs=0.01)

    def test_both_halves_of_xor_alone_are_not_found(self):
        a, b = np.random.default_rng(2).integers(2, size=(2, 3000))
        assert not len(InformativeFeatures().fit(np.column_stack([a, b]), a ^ b).order_)

    def test_numbers_as_target(self):
        X, y = load_diabetes(return_X_y=True)
        found = InformativeFeatures().fit(X, y)
        assert {2, 8} <= set(found.order_.tolist())  # body mass index and log triglycerides
        assert found.notes_ == ("target and numbers: 4 bins of equal mass",)

    def test_missing_values_are_a_bin(self):
        rng = np.random.default_rng(3)
        X, y = rng.standard_normal((1000, 2)), rng.integers(2, size=1000)
        X[y == 1, 1] = np.nan
        assert InformativeFeatures().fit(X, y).order_.tolist() == [1]

    def test_codes_of_categories_have_no_order(self):
        rng = np.random.default_rng(4)
        code = rng.integers(6, size=2000)
        y = np.isin(code, [0, 2, 4])
        X = code[:, None]
        as_numbers = InformativeFeatures(num_bins=2).fit(X, y)
        as_labels = InformativeFeatures(num_bins=6, categorical_features=[0]).fit(X, y)
        assert as_labels.information_[0] == pytest.approx(np.log(2), abs=0.01)
        assert as_numbers.information_[0] < 0.1

    def test_in_a_pipeline(self):
        X, y = load_breast_cancer(return_X_y=True)
        model = make_pipeline(StandardScaler(), InformativeFeatures(), LogisticRegression())
        assert cross_val_score(model, X, y, cv=3).mean() > 0.94

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"criterion": "cmim"}, "criterion must be a function such as cmim, got 'cmim'"),
            ({"num_features": 0}, "num_features must be at least 1"),
            ({"alpha": None}, "give num_features"),
            ({"alpha": 1.5}, "alpha must be between 0 and 1"),
            ({"num_bins": 1}, "num_bins must be at least 2"),
        ],
    )
    def test_settings_that_are_refused(self, settings, message):
        with pytest.raises(ValueError, match=message):
            InformativeFeatures(**settings).fit(*redundant_table(100))

    def test_a_constant_target_is_refused(self):
        with pytest.raises(ValueError, match="y has one value"):
            InformativeFeatures().fit(RNG.standard_normal((20, 2)), np.zeros(20, int))


class TestTerms:
    def test_they_are_those_of_slow_loops(self):
        rng = np.random.default_rng(5)
        features, target = rng.integers(3, size=(4, 400)), rng.integers(2, size=400)
        features[1] = (features[1] + target) % 3
        terms = Terms(features, target)
        terms.add(1)
        terms.add(3)
        for j, feature in enumerate(features):
            assert terms.relevance[j] == pytest.approx(MillerMadow().estimate(feature, target).value)
            for selected, redundancy, conditional in zip(
                (1, 3), terms.redundancy, terms.conditional, strict=True
            ):
                given = features[selected]
                expected = MillerMadow().estimate(feature, target, given=given).value
                assert conditional[j] == pytest.approx(expected, abs=1e-12)
                expected = MillerMadow().estimate(feature, given).value
                assert redundancy[j] == pytest.approx(expected, abs=1e-12)

    def test_p_values_are_those_of_scipys_g_test_in_every_cell(self):
        rng = np.random.default_rng(6)
        tables = rng.integers(5, 30, size=(3, 4, 3, 2))  # [m, x, y, z]
        tables[0, 2, :, 1] = 0  # a label that does not occur with z = 1
        found = np.exp(codes.log_p_values(tables))
        for table, p_value in zip(tables, found, strict=True):
            cells = [table[:, :, z][table[:, :, z].any(axis=1)] for z in range(2)]
            tests = [chi2_contingency(c, correction=False, lambda_="log-likelihood") for c in cells]
            statistic, degrees = sum(t.statistic for t in tests), sum(t.dof for t in tests)
            assert p_value == pytest.approx(chi2.sf(statistic, degrees), rel=1e-9)

    def test_tables_hold_the_rows(self):
        features, other = RNG.integers(4, size=(3, 50)), RNG.integers(2, size=50)
        tables = codes.tables_with(features, other, 2)
        assert tables.sum() == 150
        for table, feature in zip(tables, features, strict=True):
            expected = mutual_info_score(feature, other)
            assert PlugIn().information_of_counts(table).value == pytest.approx(expected)

    def test_bins_have_equal_mass_and_keep_ties_together(self):
        assert np.bincount(codes.binned(RNG.standard_normal(1000), 8)).tolist() == [125] * 8
        tied = np.repeat([0.0, 1.0, 2.0], [80, 10, 10])
        assert len(np.unique(codes.binned(tied, 4))) <= 3
        assert all(len(np.unique(tied[codes.binned(tied, 2) == bin_])) >= 1 for bin_ in (0, 1))

    @pytest.mark.parametrize(
        ("n", "classes", "bins"), [(150, 3, 3), (100_000, 2, 16), (20, 2, 2), (442, None, 4)]
    )
    def test_bins_suit_the_number_of_rows(self, n, classes, bins):
        assert codes.suited_num_bins(n, classes) == bins
