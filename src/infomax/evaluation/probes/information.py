"""Information of features about their label and their input, in nats: lower bounds from unseen rows.

    I(Z; Y) ≥ H(Y) − E[ −log q(Y | Z) ]     q a classifier fitted to other rows
    I(X; Z) ≥ value( f(x_i, z_j) )          f a critic trained on other rows

References: Barber and Agakov (2003) for the first; Hjelm et al. (2018), section 4.1 and appendix A.4, for the
second.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor, nn

from infomax.errors import refuse
from infomax.estimation.bounds import infonce
from infomax.estimation.critics import CriticObjective
from infomax.estimation.estimate import Estimate, mean_with_error
from infomax.estimation.neural import Neural
from infomax.evaluation.probes.classifiers import FittedClassifier
from infomax.evaluation.probes.linear import fit_linear
from infomax.evaluation.probes.rows import Array, Device, Features, ProbeData, labelled
from infomax.fitting import perceptron

# -------------------------------------------------------------------------------------- about the label


def label_information(
    train_features: Array,
    train_labels: Array,
    test_features: Array,
    test_labels: Array,
    *,
    fit: Callable[..., FittedClassifier] = fit_linear,
    seed: int = 0,
) -> Estimate:
    """Return a lower bound on I(Z; Y) by a classifier fitted to the training rows, on the test rows.

    See `classifier_information`.

    Args:
        train_features: [n, d], NumPy or torch.
        train_labels: [n], integers, −1 for none.
        test_features: [m, d].
        test_labels: [m].
        fit: (features, labels, seed=) to a `FittedClassifier` whose scores are logits: `fit_linear`, or
            ``lambda *rows, seed: fit_mlps(*rows, seed=seed)[0]``, which is tighter where no linear classifier
            separates the classes.
        seed: of the fit.

    Raises:
        ValueError: as a probe; a class of the test labels never occurs among the training labels.

    Example:
        >>> features, labels = np.eye(4)[[0, 1] * 32], np.array([3, 7] * 32)
        >>> round(label_information(features, labels, features, labels).bits, 1)
        1.0
    """
    data = ProbeData.of("label_information", train_features, train_labels, test_features, test_labels)
    classifier = fit(data.train_features, data.train_labels, seed=seed)
    return classifier_information(classifier, data.test_features, data.test_labels)


def classifier_information(classifier: FittedClassifier, features: Features, labels: Array) -> Estimate:
    """Return H(Y) − mean −log q(y_i | z_i) ≤ I(Z; Y): what a classifier takes away of the label's entropy.

    q is the softmax of a classifier that was fitted by cross-entropy and regularised by held-out
    cross-entropy, as `fit_linear` and `fit_mlps` do; its probabilities are calibrated as well as its labels
    allow. The bound is tight where q is p(y | z), and low by E KL(p ‖ q) elsewhere; it is below 0 where q is
    worse than the shares of the classes. H(Y) is counted, which is low by (classes − 1)/2n on average, and
    the cross-entropy is a mean without bias: for any number of independent rows, and any classifier that was
    fixed before them, the expectation of the value is at most I(Z; Y).

    Args:
        classifier: fitted to other rows than these.
        features: [n, d].
        labels: [n], integers, −1 for none.

    Returns:
        Kind "lower bound", at most H(Y). `local` is log q(y_i | z_i) / p(y_i); the standard error is from its
        spread over the rows.

    Raises:
        ValueError: shapes that do not fit, a single labelled row, or a class that the classifier never saw.
    """
    features, labels, _ = labelled("classifier_information", "test", features, labels)
    unseen = np.setdiff1d(labels, classifier.classes)
    refuse(
        len(unseen) or len(labels) < 2,
        f"classifier_information: got {len(labels)} labelled test rows, of which classes "
        f"{unseen[:5].tolist()} never occur among the training labels, so their probability would be 0; "
        "give at least two rows, of classes that were trained on",
    )
    own = np.searchsorted(classifier.classes, labels)
    log_q = classifier.log_probabilities(features)[np.arange(len(own)), own]
    share = np.bincount(own) / len(own)
    local = log_q.astype(np.float64) - np.log(share[own])
    method = "H(Y) − held-out cross-entropy"
    return Estimate(*mean_with_error(local), len(local), kind="lower bound", method=method, local=local)


# -------------------------------------------------------------------------------------- about the input


def input_information(
    images: Array,
    features: Array,
    *,
    bound: CriticObjective | Callable[..., Any] = infonce,
    critic: Callable[[int, int], nn.Module] | None = None,
    max_steps: int = 1500,
    seed: int = 0,
    device: Device | None = None,
) -> Estimate:
    """Return a lower bound on I(X; Z) of images and their features, on rows not trained on; see `Neural`.

    Features are a function of the image, so I(X; Z) = H(Z) is infinite for most encoders. The part that a
    critic finds tells how easily features distinguish one image from another. With InfoNCE, the default, this
    is at most log 1024 = 10 bits, and a value near this ceiling has the caution "saturated". The paper uses
    Donsker–Varadhan (`donsker_varadhan`, `mine`), which has no such ceiling. But n held-out rows guarantee at
    most log n nats, and larger values have the caution "biased".

    Args:
        images: [n, c, h, w], numbers of any kind; or [n, d], rows of any other input.
        features: [n, d].
        bound: as of `Neural`; `jensen_shannon` is read by NWJ.
        critic: as of `Neural`. None: `ImageCritic` for images, the default of `Neural` for rows.
        max_steps: of training; held-out rows may stop it earlier.
        seed: of the split, the first weights and the batches.
        device: None for a GPU where there is one.

    Returns:
        Kind "lower bound" with the default; "neither" with Donsker–Varadhan. Memory: two float64
        copies of the images while they are prepared.

    Raises:
        ValueError: images have another number of axes, or their number is not that of features; as `Neural`.
    """
    images = images if isinstance(images, Tensor) else np.asarray(images)
    refuse(
        images.ndim not in (2, 4) or len(images) != len(features),
        f"input_information: images must be [n, c, h, w], or rows [n, d], as many as features, got "
        f"{list(images.shape)} and {list(features.shape)}",
    )
    settings: dict[str, Any] = {"bound": bound, "max_steps": max_steps, "seed": seed, "device": device}
    if critic is not None:
        settings["critic"] = critic
    elif images.ndim == 4:
        channels, height, width = images.shape[1:]
        settings["critic"] = partial(ImageCritic, shape=(channels, height, width))
    if images.ndim == 4:
        settings["canonical"] = False  # pixels, whose places a critic needs
    x = images.reshape(len(images), -1)  # [n, c·h·w]
    return Neural(evaluate_every=100, patience=5, **settings).estimate(x, features)


class ImageCritic(nn.Module):
    """f(x, y) = ⟨g(x), h(y)⟩, with g a small convolutional network on images and h a perceptron on features.

    Args:
        dim_x: numbers in an image, c·h·w.
        dim_y: columns of y.
        shape: (c, h, w), the shape in which rows of x are read.
        width: channels of the first convolution; each convolution halves the sides and doubles the channels,
            while a side is above 4.
        embedding: width of g(x) and h(y).
    """

    def __init__(
        self, dim_x: int, dim_y: int, *, shape: tuple[int, int, int], width: int = 32, embedding: int = 64
    ):
        super().__init__()
        refuse(
            dim_x != math.prod(shape) or min(width, embedding, dim_y) < 1,
            f"ImageCritic: {dim_x} columns are no images of {list(shape)}, or dim_y = {dim_y}, width = "
            f"{width} or embedding = {embedding} is below 1",
        )
        self.shape = shape
        self.embed_x: nn.Sequential = nn.Sequential(nn.Unflatten(1, shape), *_layers(shape, width, embedding))
        self.embed_y: nn.Sequential = perceptron([dim_y, 256, 256, embedding])

    def forward(self, x: Float[Tensor, "m dim_x"], y: Float[Tensor, "n dim_y"]) -> Float[Tensor, "m n"]:
        """Return the scores of all pairs."""
        return self.embed_x(x) @ self.embed_y(y).T


def _layers(shape: tuple[int, int, int], width: int, embedding: int) -> list[nn.Module]:
    """Convolutions that halve the sides down to 4, and a perceptron."""
    (num_in, height, breadth), layers = shape, []
    while max(height, breadth) > 4:
        num_out = min(2 * num_in, 8 * width) if layers else width
        layers += [nn.Conv2d(num_in, num_out, 3, 2, 1), nn.ReLU()]
        num_in, height, breadth = num_out, -(-height // 2), -(-breadth // 2)
    return [*layers, nn.Flatten(), perceptron([num_in * height * breadth, 256, embedding])]
