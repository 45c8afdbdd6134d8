from .estimation.binning import AdaptivePartition as AdaptivePartition
from .estimation.binning import EqualMassBins as EqualMassBins
from .estimation.binning import FixedBins as FixedBins
from .estimation.bounds import infonce as infonce
from .estimation.bounds import infonce_by_image as infonce_by_image
from .estimation.choosing.estimating import estimate as estimate
from .estimation.counting.counts import NSB as NSB
from .estimation.counting.counts import ChaoShen as ChaoShen
from .estimation.counting.counts import Grassberger as Grassberger
from .estimation.counting.counts import JamesStein as JamesStein
from .estimation.counting.counts import MillerMadow as MillerMadow
from .estimation.counting.counts import PlugIn as PlugIn
from .estimation.estimate import Estimate as Estimate
from .estimation.gaussian import CCA as CCA
from .estimation.gaussian import Gaussian as Gaussian
from .estimation.gaussian import GaussianCopula as GaussianCopula
from .estimation.kernel_density import KernelDensity as KernelDensity
from .estimation.lags import lagged as lagged
from .estimation.lags import lagged_information as lagged_information
from .estimation.lags import transfer_entropy as transfer_entropy
from .estimation.latent import Latent as Latent
from .estimation.learned.classifier import FromClassifier as FromClassifier
from .estimation.learned.conditional import CCMI as CCMI
from .estimation.learned.entropies import DifferenceOfEntropies as DifferenceOfEntropies
from .estimation.learned.extrapolated import ExtrapolatedCritic as ExtrapolatedCritic
from .estimation.learned.flow import GaussianFlow as GaussianFlow
from .estimation.learned.telescoping import TelescopingRatios as TelescopingRatios
from .estimation.neighbors.entropy import KozachenkoLeonenko as KozachenkoLeonenko
from .estimation.neighbors.ksg import KSG as KSG
from .estimation.neighbors.mixed import MixedKSG as MixedKSG
from .estimation.neighbors.mixed import Ross as Ross
from .estimation.neighbors.nonuniformity import LocalNonuniformity as LocalNonuniformity
from .estimation.neighbors.strong_dependence import ResidualKSG as ResidualKSG
from .estimation.neural import Neural as Neural
from .estimation.resampling.intervals import bootstrap_interval as bootstrap_interval
from .estimation.resampling.intervals import subsampling_interval as subsampling_interval
from .estimation.resampling.nulls import Blocks as Blocks
from .estimation.resampling.nulls import CircularShifts as CircularShifts
from .estimation.resampling.nulls import WithinGroups as WithinGroups
from .estimation.resampling.permutation import PermutationTest as PermutationTest
from .estimation.resampling.permutation import permutation_test as permutation_test
from .estimation.resampling.sample_size import SampleSizeCurve as SampleSizeCurve
from .estimation.resampling.sample_size import sample_size_curve as sample_size_curve
from .estimation.tables.joint import rank_pairs as rank_pairs
from .estimation.tables.pairwise import pairwise as pairwise
from .estimation.tables.rank import rank_columns as rank_columns
from .estimation.tables.read import read_frame as read_frame
from .evaluation.embedding import embed as embed
from .evaluation.evaluating import evaluate_run
from .evaluation.finetuning.classifier import load_classifier as load_classifier
from .evaluation.finetuning.comparing import finetune as finetune
from .evaluation.given import Given as Given
from .evaluation.probes.dependence import neural_dependence as neural_dependence
from .evaluation.probes.few_labels import few_labels as few_labels
from .evaluation.probes.information import input_information as input_information
from .evaluation.probes.information import label_information as label_information
from .evaluation.probes.linear import linear_probe as linear_probe
from .evaluation.probes.mlp import mlp_probe as mlp_probe
from .evaluation.probes.neighbors import nearest_neighbor_probe as nearest_neighbor_probe
from .evaluation.probes.reconstruction import decoder_similarity as decoder_similarity
from .evaluation.probes.svm import svm_probe as svm_probe
from .evaluation.similarity.maps import similarity_maps as similarity_maps
from .information.beyond_normal import beyond_normal_tasks as beyond_normal_tasks
from .information.channels.best_channel import best_channel as best_channel
from .information.channels.best_channel import best_channel_before as best_channel_before
from .information.channels.best_channel import best_quantizer as best_quantizer
from .information.channels.best_channel import equal_mass_thresholds as equal_mass_thresholds
from .information.channels.bottleneck import (
    deterministic_information_bottleneck as deterministic_information_bottleneck,
)
from .information.channels.bottleneck import information_bottleneck as information_bottleneck
from .information.channels.channel import Channel as Channel
from .information.channels.gaussian import awgn_capacity as awgn_capacity
from .information.channels.gaussian import best_linear_channel as best_linear_channel
from .information.channels.gaussian import gaussian_information_bottleneck as gaussian_information_bottleneck
from .information.channels.gaussian import gaussian_rate_distortion as gaussian_rate_distortion
from .information.channels.gaussian import parallel_gaussian_capacity as parallel_gaussian_capacity
from .information.channels.rate_distortion import rate_distortion as rate_distortion
from .information.channels.scalar import amplitude_limited_capacity as amplitude_limited_capacity
from .information.channels.scalar import (
    information_through_gaussian_noise as information_through_gaussian_noise,
)
from .information.differential import differential_entropy as differential_entropy
from .information.differential import differential_kl_divergence as differential_kl_divergence
from .information.distributions import correlated_gaussians as correlated_gaussians
from .information.distributions import staircase as staircase
from .information.divergences import chi_squared_divergence as chi_squared_divergence
from .information.divergences import cross_entropy as cross_entropy
from .information.divergences import js_divergence as js_divergence
from .information.divergences import kl_divergence as kl_divergence
from .information.divergences import reverse_kl_divergence as reverse_kl_divergence
from .information.divergences import squared_hellinger as squared_hellinger
from .information.divergences import total_variation as total_variation
from .information.gaussian import canonical_correlations as canonical_correlations
from .information.gaussian import (
    gaussian_conditional_mutual_information as gaussian_conditional_mutual_information,
)
from .information.gaussian import gaussian_entropy as gaussian_entropy
from .information.gaussian import gaussian_kl_divergence as gaussian_kl_divergence
from .information.gaussian import gaussian_mutual_information as gaussian_mutual_information
from .information.joint import Joint as Joint
from .information.measures import conditional_entropy as conditional_entropy
from .information.measures import conditional_mutual_information as conditional_mutual_information
from .information.measures import dual_total_correlation as dual_total_correlation
from .information.measures import entropy as entropy
from .information.measures import interaction_information as interaction_information
from .information.measures import joint_entropy as joint_entropy
from .information.measures import mutual_information as mutual_information
from .information.measures import normalized_mutual_information as normalized_mutual_information
from .information.measures import normalized_variation_of_information as normalized_variation_of_information
from .information.measures import pointwise_mutual_information as pointwise_mutual_information
from .information.measures import renyi_entropy as renyi_entropy
from .information.measures import total_correlation as total_correlation
from .information.measures import tsallis_entropy as tsallis_entropy
from .information.measures import uncertainty_coefficient as uncertainty_coefficient
from .information.measures import variation_of_information as variation_of_information
from .learning.data.dataset import Dataset as Dataset
from .learning.data.loading import load_images as load_images
from .learning.encoders.saving import load_encoder as load_encoder
from .learning.encoders.tapped import TappedEncoder as TappedEncoder
from .learning.exporting.export import export_encoder as export_encoder
from .learning.exporting.hub import from_pretrained as from_pretrained
from .learning.exporting.hub import push_to_hub as push_to_hub
from .learning.exporting.transformer import EncoderTransformer as EncoderTransformer
from .learning.objectives.scoring import Scoring as Scoring
from .learning.training.config import Recipe as Recipe
from .learning.training.loop import resume as resume
from .learning.training.recipes import recipe_named
from .learning.training.run import Run as Run
from .learning.views.images import ViewsConfig as ViewsConfig
from .principle.ica import InfoMaxICA as InfoMaxICA
from .principle.ica import amari_distance as amari_distance
from .principle.linear import LinearUnits as LinearUnits
from .principle.maps import TopographicMap as TopographicMap
from .principle.network import develop as develop
from .principle.network import linsker_plans as linsker_plans
from .principle.optima import best_units_of_norm as best_units_of_norm
from .principle.optima import best_units_of_power as best_units_of_power
from .workflow import pretrain as pretrain

evaluate = evaluate_run
recipe = recipe_named

__version__: str
