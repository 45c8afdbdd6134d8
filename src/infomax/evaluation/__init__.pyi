from .ablation.ablating import ablate as ablate
from .clean import evaluate_clean as evaluate_clean
from .dim import evaluate_dim as evaluate_dim
from .embedding import embed as embed
from .embedding import embed_layers as embed_layers
from .embedding import embed_to_file as embed_to_file
from .embedding import embed_to_parts as embed_to_parts
from .evaluating import evaluate_run as evaluate_run
from .evaluating import finetune_run as finetune_run
from .finetuning.classifier import (
    FinetunedClassifier as FinetunedClassifier,
)
from .finetuning.classifier import (
    load_classifier as load_classifier,
)
from .finetuning.classifier import (
    save_classifier as save_classifier,
)
from .finetuning.comparing import compare_finetuning as compare_finetuning
from .finetuning.comparing import finetune as finetune
from .finetuning.labels import LabelBudget as LabelBudget
from .given import Given as Given
from .grouping.groups import Groups as Groups
from .grouping.groups import grouped as grouped
from .grouping.looking import groups_of_run as groups_of_run
from .grouping.parts import group_parts as group_parts
from .grouping.parts import nearest_in_parts as nearest_in_parts
from .grouping.searching import nearest_rows as nearest_rows
from .grouping.searching import search_of_run as search_of_run
from .in_parts.nearest import InvertedLists as InvertedLists
from .options import (
    CleanOptions as CleanOptions,
)
from .options import (
    DIMOptions as DIMOptions,
)
from .options import (
    FinetuningConfig as FinetuningConfig,
)
from .options import (
    PaperOptions as PaperOptions,
)
from .paper import evaluate_paper as evaluate_paper
from .probes import PROBES as PROBES
from .probes import NamedProbe as NamedProbe
from .probes.dependence import neural_dependence as neural_dependence
from .probes.few_labels import few_labels as few_labels
from .probes.information import input_information as input_information
from .probes.information import label_information as label_information
from .probes.linear import fit_linear as fit_linear
from .probes.linear import linear_probe as linear_probe
from .probes.mlp import fit_mlps as fit_mlps
from .probes.mlp import mlp_probe as mlp_probe
from .probes.neighbors import (
    fit_nearest_neighbors as fit_nearest_neighbors,
)
from .probes.neighbors import (
    nearest_neighbor_probe as nearest_neighbor_probe,
)
from .probes.neighbors import (
    nearest_neighbors as nearest_neighbors,
)
from .probes.probe import ProbeResult as ProbeResult
from .probes.reconstruction import decoder_similarity as decoder_similarity
from .probes.stored import StoredRows as StoredRows
from .probes.svm import svm_probe as svm_probe
from .protocols import PROTOCOLS as PROTOCOLS
from .protocols import Protocol as Protocol
from .protocols import register_protocol as register_protocol
from .results import Assessment as Assessment
from .similarity.maps import similarity_maps as similarity_maps
from .similarity.panel import similarity_panel as similarity_panel
from .similarity.searching import similarity_of_run as similarity_of_run
from .splits import Split as Split
from .splits import labelled_split as labelled_split
from .verification.intact import checked_files as checked_files
from .verification.verifying import verify_run as verify_run
