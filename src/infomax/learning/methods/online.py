"""Classifiers trained along on the detached global feature: a running sign of progress, not an evaluation."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class OnlineResult:
    """loss: to be minimised, summed over classifiers. accuracies: name -> share right of what is labelled in
    this batch; NaN where nothing is.
    """

    loss: Float[Tensor, ""]
    accuracies: Mapping[str, Float[Tensor, ""]]


class OnlineClassifiers(nn.Module):
    """A linear classifier and an MLP; no gradient reaches the features.

    Label −1 is ignored, but for the MLP's batch norm, which is over all rows.

    Loss of each: cross-entropy of 10·tanh(z/10) plus 10⁻³ · mean(z²), z the logits, as in the public code.
    """

    def __init__(self, num_features: int, num_classes: int):
        super().__init__()
        hidden = 1024
        self.heads = nn.ModuleDict(
            {
                "linear": nn.Linear(num_features, num_classes),
                "mlp": nn.Sequential(
                    nn.Dropout(0.2),
                    nn.Linear(num_features, hidden, bias=False),
                    nn.BatchNorm1d(hidden),
                    nn.ReLU(),
                    nn.Dropout(0.2),
                    nn.Linear(hidden, num_classes),
                ),
            }
        )

    def forward(self, features: Float[Tensor, "b d"], labels: Int[Tensor, " b"]) -> OnlineResult:
        """Loss and accuracies, means over the labelled rows; no labels, no loss."""
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
