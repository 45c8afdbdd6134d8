"""Fine-tuning: an encoder and a linear head trained together on few labels; and the same from scratch.

Semi-supervised learning as in Hjelm et al. (2018), section 4.1: what matters is how much better the few
labels do on an encoder that has seen many images without them.
"""

import copy
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from infomax.evaluation.classifiers import validation_parts
from infomax.evaluation.fitting import ascend, batches, seeded
from infomax.evaluation.probes import ProbeResult, result_of, stratified_draw
from infomax.learning.images import Images
from infomax.learning.pretrained import PretrainedEncoder
from infomax.learning.views import AugmentedViews, EvaluationView

_BLOCK = 512  # images classified at a time


def finetune(
    encoder: PretrainedEncoder,
    train: Images,
    test: Images,
    *,
    labels_per_class: int = 50,
    num_draws: int = 3,
    max_steps: int = 400,
    batch_size: int = 64,
    evaluate_every: int = 20,
    patience: int = 5,
    encoder_lr: float = 3e-4,
    head_lr: float = 3e-3,
    seed: int = 0,
) -> ProbeResult:
    """Test accuracy of a copy of the encoder with a linear head, trained end to end on a few labels.

    Labels are drawn of each class without replacement, several times; a fifth of each draw stops training
    early. Images are augmented as the encoder's views say. Batch norm goes on learning its statistics.

    Args:
        encoder: learned, or with random weights for training from scratch; it stays as it is.
        train: labelled images to draw from. test: labelled images.
        labels_per_class: drawn from each class.
        num_draws: of labels; also of the order of batches and of views.
        max_steps, batch_size, evaluate_every, patience: of training.
        encoder_lr, head_lr: rates of Adam.

    Returns:
        Mean and standard deviation over draws.

    Raises:
        ValueError: a class with fewer labels, or a single label of each, which leaves none to stop by.
    """
    if labels_per_class < 2 or num_draws < 1:
        raise ValueError(
            "finetune: labels_per_class must be at least 2, one of them to stop training by, and num_draws "
            f"at least 1; got {labels_per_class} and {num_draws}"
        )
    train, tested = (images.subset(np.flatnonzero(images.labels >= 0)) for images in (train, test))
    classes = np.unique(train.labels)
    options = {
        "max_steps": max_steps,
        "batch_size": batch_size,
        "evaluate_every": evaluate_every,
        "patience": patience,
    }
    accuracies, steps = [], []
    for draw in range(num_draws):
        randomness = np.random.default_rng([seed, draw])
        rows = stratified_draw("finetune", train.labels, labels_per_class, randomness)
        with seeded(seed, draw, torch.device("cpu")):
            model = Classifier(encoder, len(classes))
            optimizer = torch.optim.Adam(
                [
                    {"params": model.encoder.parameters(), "lr": encoder_lr},
                    {"params": model.head.parameters(), "lr": head_lr},
                ],
                maximize=True,
            )
            steps.append(_train(model, optimizer, train.subset(rows), classes, draw, options))
        accuracies.append(_accuracy(model, tested, classes))
    settings: dict[str, Any] = {
        **options,
        "encoder_lr": encoder_lr,
        "head_lr": head_lr,
        "labels_per_class": labels_per_class,
        "num_draws": num_draws,
        "steps": steps,
    }
    chance = float(np.unique(tested.labels, return_counts=True)[1].max() / len(tested))
    num_labels = labels_per_class * len(classes)
    return result_of("fine-tuning", accuracies, num_labels, len(tested), chance, settings)


class Classifier(nn.Module):
    """A copy of an encoder, with a linear head on its global feature.

    Args:
        pretrained: whose encoder is copied, and whose views are made.
        num_classes: of the head.
    """

    def __init__(self, pretrained: PretrainedEncoder, num_classes: int):
        super().__init__()
        self.encoder = copy.deepcopy(pretrained.encoder).requires_grad_(True)
        self.augment, self.plain = AugmentedViews(pretrained.views, 1), EvaluationView(pretrained.views)
        num_features = pretrained(
            torch.zeros(1, *pretrained.views.stored_shape, dtype=torch.uint8)
        ).global_.shape[1]
        self.norm = nn.BatchNorm1d(num_features, affine=False)
        self.head = nn.Linear(num_features, num_classes)

    def forward(self, images: UInt8[Tensor, "b c h w"]) -> Float[Tensor, "b k"]:
        """Logits: of an augmented view in training, else of the plain one."""
        view = self.augment(images)[0] if self.training else self.plain(images)
        return self.head(self.norm(self.encoder(view).global_.float()))


def _train(
    model: Classifier,
    optimizer: torch.optim.Optimizer,
    images: Images,
    classes: Int[np.ndarray, " k"],
    draw: int,
    options: dict[str, int],
) -> int:
    """Until held-out images say so; the step that is kept."""
    targets = torch.from_numpy(np.searchsorted(classes, images.labels))
    held_out = validation_parts(targets.numpy(), draw)[0]
    fitted, spared = np.flatnonzero(~held_out), np.flatnonzero(held_out)
    chosen = batches(len(fitted), options["batch_size"])

    def log_probability(rows: np.ndarray) -> Tensor:
        return -F.cross_entropy(model(images.batch(rows)), targets[rows])

    return ascend(
        "finetune",
        model,
        optimizer,
        lambda: log_probability(fitted[next(chosen).numpy()]),
        lambda: log_probability(spared).item(),
        max_steps=options["max_steps"],
        evaluate_every=options["evaluate_every"],
        patience=options["patience"],
    )


@torch.no_grad()
def _accuracy(model: Classifier, images: Images, classes: Int[np.ndarray, " k"]) -> float:
    model.eval()
    blocks = [slice(start, start + _BLOCK) for start in range(0, len(images), _BLOCK)]
    answers = np.concatenate([model(images.batch(block)).argmax(1).numpy() for block in blocks])
    return float(np.mean(classes[answers] == images.labels))
