"""Rung 5: what an encoder is worth, and what it is used for.

`evaluate_run` evaluates a run by a protocol, `finetune_run` fine-tunes it on few labels, `embed` and
`embed_to_file` give the features of a dataset. The probes are functions of features and labels alone.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from infomax.evaluation.ablation.ablating import ablate
    from infomax.evaluation.clean import evaluate_clean
    from infomax.evaluation.dim import evaluate_dim
    from infomax.evaluation.embedding import embed, embed_layers, embed_to_file
    from infomax.evaluation.evaluating import evaluate_run, finetune_run
    from infomax.evaluation.finetuning.classifier import FinetunedClassifier, load_classifier, save_classifier
    from infomax.evaluation.finetuning.comparing import compare_finetuning, finetune
    from infomax.evaluation.finetuning.labels import LabelBudget
    from infomax.evaluation.options import CleanOptions, DIMOptions, FinetuningConfig, PaperOptions
    from infomax.evaluation.paper import evaluate_paper
    from infomax.evaluation.probes import PROBES, NamedProbe
    from infomax.evaluation.probes.dependence import neural_dependence
    from infomax.evaluation.probes.few_labels import few_labels
    from infomax.evaluation.probes.information import input_information, label_information
    from infomax.evaluation.probes.linear import fit_linear, linear_probe
    from infomax.evaluation.probes.mlp import fit_mlps, mlp_probe
    from infomax.evaluation.probes.neighbors import (
        fit_nearest_neighbors,
        nearest_neighbor_probe,
        nearest_neighbors,
    )
    from infomax.evaluation.probes.probe import ProbeResult
    from infomax.evaluation.probes.reconstruction import decoder_similarity
    from infomax.evaluation.probes.svm import svm_probe
    from infomax.evaluation.protocols import PROTOCOLS, Protocol, register_protocol
    from infomax.evaluation.results import Assessment
    from infomax.evaluation.similarity.maps import similarity_maps
    from infomax.evaluation.similarity.panel import similarity_panel
    from infomax.evaluation.similarity.searching import similarity_of_run
    from infomax.evaluation.splits import Split, labelled_split

_HOME = {
    "Assessment": "results",
    "CleanOptions": "options",
    "DIMOptions": "options",
    "FinetunedClassifier": "finetuning.classifier",
    "FinetuningConfig": "options",
    "LabelBudget": "finetuning.labels",
    "NamedProbe": "probes",
    "PROBES": "probes",
    "PROTOCOLS": "protocols",
    "PaperOptions": "options",
    "ProbeResult": "probes.probe",
    "Protocol": "protocols",
    "Split": "splits",
    "ablate": "ablation.ablating",
    "compare_finetuning": "finetuning.comparing",
    "decoder_similarity": "probes.reconstruction",
    "embed": "embedding",
    "embed_layers": "embedding",
    "embed_to_file": "embedding",
    "evaluate_clean": "clean",
    "evaluate_dim": "dim",
    "evaluate_paper": "paper",
    "evaluate_run": "evaluating",
    "few_labels": "probes.few_labels",
    "finetune": "finetuning.comparing",
    "finetune_run": "evaluating",
    "fit_linear": "probes.linear",
    "fit_mlps": "probes.mlp",
    "fit_nearest_neighbors": "probes.neighbors",
    "input_information": "probes.information",
    "label_information": "probes.information",
    "labelled_split": "splits",
    "linear_probe": "probes.linear",
    "load_classifier": "finetuning.classifier",
    "mlp_probe": "probes.mlp",
    "nearest_neighbor_probe": "probes.neighbors",
    "nearest_neighbors": "probes.neighbors",
    "neural_dependence": "probes.dependence",
    "register_protocol": "protocols",
    "save_classifier": "finetuning.classifier",
    "similarity_maps": "similarity.maps",
    "similarity_of_run": "similarity.searching",
    "similarity_panel": "similarity.panel",
    "svm_probe": "probes.svm",
}

__all__ = [
    "PROBES",
    "PROTOCOLS",
    "Assessment",
    "CleanOptions",
    "DIMOptions",
    "FinetunedClassifier",
    "FinetuningConfig",
    "LabelBudget",
    "NamedProbe",
    "PaperOptions",
    "ProbeResult",
    "Protocol",
    "Split",
    "ablate",
    "compare_finetuning",
    "decoder_similarity",
    "embed",
    "embed_layers",
    "embed_to_file",
    "evaluate_clean",
    "evaluate_dim",
    "evaluate_paper",
    "evaluate_run",
    "few_labels",
    "finetune",
    "finetune_run",
    "fit_linear",
    "fit_mlps",
    "fit_nearest_neighbors",
    "input_information",
    "label_information",
    "labelled_split",
    "linear_probe",
    "load_classifier",
    "mlp_probe",
    "nearest_neighbor_probe",
    "nearest_neighbors",
    "neural_dependence",
    "register_protocol",
    "save_classifier",
    "similarity_maps",
    "similarity_of_run",
    "similarity_panel",
    "svm_probe",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
