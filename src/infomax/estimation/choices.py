"""Tables of estimators, critics and bounds by name; an entry is loaded when it is used."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from infomax.registry import Registry

if TYPE_CHECKING:
    from infomax.estimation.estimate import Estimator

ESTIMATORS: "Registry[Callable[..., Estimator]]" = Registry(
    "estimator",
    {
        "plug-in": "infomax.estimation.counting.counts:PlugIn",
        "miller-madow": "infomax.estimation.counting.counts:MillerMadow",
        "grassberger": "infomax.estimation.counting.counts:Grassberger",
        "chao-shen": "infomax.estimation.counting.counts:ChaoShen",
        "james-stein": "infomax.estimation.counting.counts:JamesStein",
        "nsb": "infomax.estimation.counting.counts:NSB",
        "adjusted-plug-in": "infomax.estimation.counting.adjusted:AdjustedPlugIn",
        "suited-counting": "infomax.estimation.counting.suited:SuitedCounting",
        "ksg": "infomax.estimation.neighbors.ksg:KSG",
        "mixed-ksg": "infomax.estimation.neighbors.mixed:MixedKSG",
        "ross": "infomax.estimation.neighbors.mixed:Ross",
        "residual-ksg": "infomax.estimation.neighbors.strong_dependence:ResidualKSG",
        "local-nonuniformity": "infomax.estimation.neighbors.nonuniformity:LocalNonuniformity",
        "gaussian": "infomax.estimation.gaussian:Gaussian",
        "gaussian-copula": "infomax.estimation.gaussian:GaussianCopula",
        "cca": "infomax.estimation.gaussian:CCA",
        "kernel-density": "infomax.estimation.kernel_density:KernelDensity",
        "fixed-bins": "infomax.estimation.binning:FixedBins",
        "equal-mass-bins": "infomax.estimation.binning:EqualMassBins",
        "adaptive-partition": "infomax.estimation.binning:AdaptivePartition",
        "neural": "infomax.estimation.neural:Neural",
        "latent": "infomax.estimation.latent:Latent",
        "from-classifier": "infomax.estimation.learned.classifier:FromClassifier",
        "extrapolated-critic": "infomax.estimation.learned.extrapolated:ExtrapolatedCritic",
        "difference-of-entropies": "infomax.estimation.learned.entropies:DifferenceOfEntropies",
        "gaussian-flow": "infomax.estimation.learned.flow:GaussianFlow",
        "ccmi": "infomax.estimation.learned.conditional:CCMI",
        "telescoping-ratios": "infomax.estimation.learned.telescoping:TelescopingRatios",
    },
)
"""Classes of estimators of mutual information."""

CRITICS: Registry[Callable[[int, int], Any]] = Registry(
    "critic",
    {
        "bilinear": "infomax.estimation.critics:Bilinear",
        "separable": "infomax.estimation.critics:Separable",
        "distance": "infomax.estimation.critics:Distance",
        "concatenated": "infomax.estimation.critics:Concatenated",
    },
)
"""(columns of x, columns of y) to a critic."""

BoundKind = Literal["lower bound", "upper bound of a known density", "divergence", "neither"]

BOUND_KINDS: Mapping[str, BoundKind] = {
    "infonce": "lower bound",
    "infonce_by_image": "lower bound",
    "donsker_varadhan": "neither",
    "nwj": "lower bound",
    "nwj_of_log_ratio": "lower bound",
    "tuba": "lower bound",
    "interpolated": "lower bound",
    "flo": "lower bound",
    "kl": "lower bound",
    "mine": "neither",
    "jensen_shannon": "divergence",
    "reverse_kl": "divergence",
    "squared_hellinger": "divergence",
    "chi_squared": "divergence",
    "smile": "neither",
    "leave_one_out": "upper bound of a known density",
    "club": "upper bound of a known density",
}
"""How the expectation of each function of `bounds`, over independent samples, compares with I(X;Y).

- lower bound: at most I, for any number of samples and any critic that was fixed before they were drawn;
- upper bound of a known density: at least I where the scores are log p(y|x) of the samples; else neither;
- divergence: a lower bound on another divergence than I between the same two distributions;
- neither: above I or below it, depending on critic and number of samples.
"""

BOUNDS: Registry[Callable[..., Any]] = Registry(
    "bound", {name: f"infomax.estimation.bounds:{name}" for name in BOUND_KINDS}
)
"""Functions of scores ``[n, n, *locations]``."""
