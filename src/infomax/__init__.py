"""From entropy to AMDIM: measure information, then learn by maximising it.

The ladder: `information` (exact, from tables), `estimation` (from samples), `principle` (Linsker's
InfoMax), `learning` (DIM and AMDIM encoders), `evaluation` (what features are worth).
Public names load on first use, so that ``import infomax`` stays fast and does not import torch.
"""

import importlib

from infomax.errors import naming_extras

__version__ = "0.1.0"

_PUBLIC = {  # module -> its public names
    "information.measures": """
        entropy joint_entropy conditional_entropy mutual_information conditional_mutual_information
        pointwise_mutual_information variation_of_information normalized_mutual_information
        uncertainty_coefficient normalized_variation_of_information total_correlation
        dual_total_correlation interaction_information renyi_entropy tsallis_entropy
    """,
    "information.divergences": """
        kl_divergence reverse_kl_divergence cross_entropy js_divergence chi_squared_divergence
        squared_hellinger total_variation
    """,
    "information.joint": "Joint",
    "information.channel": "Channel",
    "information.best_channel": "best_channel best_channel_before best_quantizer equal_mass_thresholds",
    "information.tradeoff": "rate_distortion information_bottleneck deterministic_information_bottleneck",
    "information.gaussian": """
        gaussian_entropy gaussian_mutual_information gaussian_conditional_mutual_information
        gaussian_kl_divergence awgn_capacity parallel_gaussian_capacity gaussian_rate_distortion
        best_linear_channel gaussian_information_bottleneck canonical_correlations
    """,
    "information.scalar": """
        differential_entropy differential_kl_divergence information_through_gaussian_noise
        amplitude_limited_capacity
    """,
    "information.distributions": "correlated_gaussians staircase",
    "information.beyond_normal": "beyond_normal_tasks",
    "estimation.bounds": "infonce infonce_by_image",
    "estimation.estimate": "Estimate",
    "estimation.counts": "PlugIn MillerMadow Grassberger ChaoShen JamesStein NSB",
    "estimation.neighbors.ksg": "KSG",
    "estimation.neighbors.mixed": "MixedKSG Ross",
    "estimation.neighbors.strong_dependence": "ResidualKSG",
    "estimation.neighbors.entropy": "KozachenkoLeonenko",
    "estimation.gaussian": "Gaussian GaussianCopula CCA",
    "estimation.kernel_density": "KernelDensity",
    "estimation.binning": "FixedBins EqualMassBins AdaptivePartition",
    "estimation.neural": "Neural",
    "estimation.latent": "Latent",
    "estimation.lags": "lagged lagged_information transfer_entropy",
    "estimation.resampling.permutation": "permutation_test PermutationTest",
    "estimation.resampling.intervals": "subsampling_interval bootstrap_interval",
    "estimation.resampling.sample_size": "sample_size_curve SampleSizeCurve",
    "estimation.tables.read": "read_frame",
    "estimation.tables.pairwise": "pairwise",
    "estimation.tables.rank": "rank_columns",
    "principle.linear": "LinearUnits best_units_of_power best_units_of_norm",
    "principle.ica": "InfoMaxICA amari_distance",
    "principle.maps": "TopographicMap",
    "principle.network": "develop linsker_plans",
    "evaluation": """
        linear_probe mlp_probe nearest_neighbor_probe svm_probe few_labels label_information input_information
        neural_dependence decoder_similarity finetune load_classifier similarity_maps
    """,
    "learning.data": "Dataset load_images",
    "learning.encoders.saving": "load_encoder",
    "learning.encoders.tapped": "TappedEncoder",
    "learning.training.loop": "pretrain",
}
_HOME = {name: f"infomax.{module}" for module, names in _PUBLIC.items() for name in names.split()}

__all__ = ["__version__", *sorted(_HOME)]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module 'infomax' has no attribute {name!r}")
    with naming_extras(f"infomax.{name}"):
        return getattr(importlib.import_module(_HOME[name]), name)


def __dir__():
    return __all__
