"""Classifiers trained beside the encoder on its detached features: a sign of progress, not an evaluation."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from infomax.fitting import mlp_head

NUM_HIDDEN = 1024
"""Hidden units of the MLP, as in the public AMDIM code."""


@dataclass(frozen=True)
class OnlineResult:
    """Loss and accuracies of the classifiers on a batch.

    loss: to be minimised, summed over classifiers. accuracies: by name of the classifier, the share of the
    labelled rows that it classifies rightly; NaN where no row is labelled.
    """

    loss: Float[Tensor, ""]
    accuracies: Mapping[str, Float[Tensor, ""]]


class OnlineClassifiers(nn.Module):
    """A linear classifier and an MLP; no gradient reaches the features.

    Rows of label −1 are ignored, except in the MLP's batch norm, which is over all rows.

    Each has the loss of the public code: cross-entropy of 10·tanh(z/10) plus 10⁻³ · mean(z²), z the logits.
    """

    def __init__(self, num_features: int, num_classes: int):
        super().__init__()
        linear = nn.Linear(num_features, num_classes)
        self.heads: nn.ModuleDict = nn.ModuleDict(
            {"linear": linear, "mlp": mlp_head(num_features, NUM_HIDDEN, num_classes)}
        )

    def forward(self, features: Float[Tensor, "b d"], labels: Int[Tensor, " b"]) -> OnlineResult:
        """Return loss and accuracies, means over the labelled rows; without labels the loss is 0."""
        labelled = (labels >= 0).float()
        num_labelled = labelled.sum()
        features, loss, accuracies = features.detach().float(), features.new_zeros(()).float(), {}
        for name, head in self.heads.items():
            logits = head(features).float()
            each = F.cross_entropy(10 * torch.tanh(logits / 10), labels, ignore_index=-1, reduction="none")
            each = each + 1e-3 * logits.square().mean(1) * labelled
            loss = loss + each.sum() / num_labelled.clamp(min=1)
            accuracies[name] = (logits.argmax(1) == labels).sum() / num_labelled
        return OnlineResult(loss, accuracies)
