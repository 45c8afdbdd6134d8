"""What features tell, in nats: of their label, of each other, and of the input they were made from.

    I(Z; Y) ≥ H(Y) − E[ −log q(Y | Z) ]                     q a classifier fitted to other rows
    D(p(z) ‖ Π_k p(z_k)) ≥ 1 + E_p f(z) − E_shuffled e^f     f a network trained on other rows
    I(X; Z) ≥ value( f(x_i, z_j) )                           f a critic trained on other rows

References: Hjelm et al. (2018), section 4.1 and appendix A.4, whose measures the last two are; Barber and
Agakov (2003) for the first.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from infomax.estimation.bounds import infonce, jensen_shannon
from infomax.estimation.estimate import Estimate, Kind, mean_with_error
from infomax.estimation.neural import Neural
from infomax.estimation.neural_objectives import Objective, as_objective
from infomax.evaluation.probes.classifiers import (
    Array,
    Classifier,
    Device,
    ProbeData,
    as_features,
    labelled,
    scale_each,
)
from infomax.evaluation.probes.linear import fit_linear
from infomax.fitting import ascend, batches, perceptron, seeded

FEWEST_ROWS = 40
"""Rows that `neural_dependence` needs at least: 24 to train, 8 to stop early by, 8 to report on."""
_NUM_REPLICATES = 100


# ---------------------------------------------------------------------------------------------- of labels


def label_information(
    train_features: Array,
    train_labels: Array,
    test_features: Array,
    test_labels: Array,
    *,
    fit: Callable[..., Classifier] = fit_linear,
    seed: int = 0,
) -> Estimate:
    """I(Z; Y) by a classifier fitted to the training rows, on the test rows; see `classifier_information`.

    Args:
        train_features: [n, d], NumPy or torch. train_labels: [n], integers, −1 for none.
        test_features: [m, d]. test_labels: [m].
        fit: (features, labels, seed=) -> `Classifier` whose scores are logits: `fit_linear`, or
            ``lambda *rows, seed: fit_mlps(*rows, seed=seed)[0]``, tighter where classes are not linear.
        seed: of the fit.

    Raises:
        ValueError: as a probe; a class of the test labels that never occurs among the training labels.

    Example:
        >>> features, labels = np.eye(4)[[0, 1] * 32], np.array([3, 7] * 32)
        >>> round(label_information(features, labels, features, labels).bits, 1)
        1.0
    """
    data = ProbeData.of("label_information", train_features, train_labels, test_features, test_labels)
    classifier = fit(data.train_features, data.train_labels, seed=seed)
    return classifier_information(classifier, data.test_features, data.test_labels)


def classifier_information(classifier: Classifier, features: Array, labels: Array) -> Estimate:
    """H(Y) − mean −log q(y_i | z_i) ≤ I(Z; Y): how much of the label's entropy a classifier takes away.

    q is the softmax of a classifier fitted by cross-entropy, and regularised by held-out cross-entropy, as
    `fit_linear` and `fit_mlps` are; so its probabilities are calibrated as well as its labels could tell. The
    bound is tight where q is p(y | z), and low by E KL(p ‖ q) elsewhere; below 0 where q is worse than the
    shares of the classes. H(Y) is counted, low by (classes − 1)/2n on average, so the bound remains one.

    Args:
        classifier: fitted to other rows than these.
        features: [n, d]. labels: [n], integers, −1 for none.

    Returns:
        Kind "lower bound", at most H(Y); `local` is log q(y_i | z_i) / p(y_i), and its spread over the rows
        gives the standard error.

    Raises:
        ValueError: shapes that do not fit, a single labelled row, or a class that the classifier never saw.
    """
    features, labels, _ = labelled("classifier_information", "test", features, labels)
    unseen = np.setdiff1d(labels, classifier.classes)
    if len(unseen) or len(labels) < 2:
        raise ValueError(
            f"classifier_information: got {len(labels)} labelled test rows, of which classes "
            f"{unseen[:5].tolist()} never occur among the training labels, so their probability would be 0; "
            "needed are two rows, of classes that were trained on"
        )
    own = np.searchsorted(classifier.classes, labels)
    log_q = classifier.log_probabilities(features)[np.arange(len(own)), own]
    share = np.bincount(own) / len(own)
    local = log_q.astype(np.float64) - np.log(share[own])
    method = "H(Y) − held-out cross-entropy"
    return Estimate(*mean_with_error(local), len(local), kind="lower bound", method=method, local=local)


# ------------------------------------------------------------------------------------------ of each other


def neural_dependence(
    features: Array,
    *,
    bound: Objective | Callable[..., Any] = jensen_shannon,
    hidden: Sequence[int] = (256, 256),
    batch_size: int = 256,
    max_steps: int = 2000,
    evaluate_every: int = 50,
    patience: int = 5,
    learning_rate: float = 5e-4,
    seed: int = 0,
    device: Device = "cpu",
) -> Estimate:
    """The total correlation D(p(z) ‖ Π_k p(z_k)) by a network: 0 for independent features.

    It tells rows from shuffled rows, in which each feature comes from a row of its own (each is permuted over
    the batch by itself): trained on three fifths of the rows, stopped by a fifth, its value that of the last
    fifth. Features are standardised. Low where the network has too few rows or steps.

    The default trains by the Jensen–Shannon divergence and reads NWJ, a lower bound in expectation for any
    number of rows. The paper's Donsker–Varadhan is one in the limit of many rows only, as the logarithm of a
    mean of few e^f is low on average, and nothing stops it where features depend strongly: of 64 Gaussian
    features with 2.3, 9.7 and 49 nats, 5000 rows, it made 2.0, 103 and 70,000; the default 1.3, 4.9 and 20.
    No m shuffled rows can vouch for more than log m nats (McAllester and Stratos 2020); a value above that
    says "much", not how much.

    Args:
        features: [n, d], NumPy or torch.
        bound: of `infomax.estimation.bounds`, one that averages positives and negatives apart:
            `jensen_shannon` (read by NWJ), `nwj`, or `donsker_varadhan`, the paper's.
        hidden: widths of the network's hidden layers.
        batch_size: rows a step. max_steps: at most.
        evaluate_every: steps between looks at the rows that stop it. patience: looks without a new best.
        learning_rate: Adam's.
        seed: of the split, the first weights, the batches and the shuffling.

    Returns:
        Kind "lower bound"; "neither" above the logarithm of the number of shuffled rows. The standard error
        is the spread over random halves of the last fifth, each shuffled anew.

    Raises:
        ValueError: features not [n, d] and finite, a single feature, fewer than 40 rows, a bound that needs
            a network of its own, or values that are no longer finite.

    Example:
        >>> z = np.random.default_rng(0).standard_normal((1000, 3))
        >>> abs(neural_dependence(z, max_steps=100).value) < 0.1
        True

    Reference: Hjelm et al. (2018), appendix A.4, the neural dependency measure.
    """
    features = as_features("neural_dependence", "features", features)
    objective = _checked(features, bound)
    order = np.random.default_rng(seed).permutation(len(features))
    train, stop, report = np.split(order, [len(order) * 3 // 5, len(order) * 4 // 5])
    scaling = scale_each(features[train])
    z, z_stop, z_report = (scaling(features[rows], device) for rows in (train, stop, report))
    with seeded(seed, 0, z.device):
        network = perceptron([z.shape[1], *hidden, 1]).to(z.device)
        rows = batches(len(z), batch_size)
        ascend(
            "neural_dependence",
            network,
            torch.optim.Adam(network.parameters(), lr=learning_rate, maximize=True),
            lambda: objective.train(_scores(network, z[next(rows).to(z.device)])),
            lambda: _replicates(network, z_stop, objective.train, seed=1, num=4).mean(),
            max_steps=max_steps,
            evaluate_every=evaluate_every,
            patience=patience,
        )
    return _dependence(network, z_report, objective)


def _checked(features: Float[np.ndarray, "n d"], bound: Objective | Callable[..., Any]) -> Objective:
    n, d = features.shape
    if n < FEWEST_ROWS or d < 2:
        raise ValueError(
            f"neural_dependence: needs at least {FEWEST_ROWS} rows of at least 2 features, got [{n}, {d}]"
        )
    objective = as_objective(bound)
    if objective.network is not None:
        raise ValueError(
            f"neural_dependence: {objective.name} needs a network beside the critic; use donsker_varadhan, "
            "nwj or jensen_shannon"
        )
    return objective


def _dependence(network: nn.Module, z: Float[Tensor, "n d"], objective: Objective) -> Estimate:
    """The value on all rows, averaged over shufflings; its spread over random halves."""
    values = _replicates(network, z, objective.value, seed=2, num=16)
    halves = _replicates(network, z, objective.value, seed=3, num=_NUM_REPLICATES, share=0.5)
    most = math.log(2 * len(z))
    kind: Kind = objective.kind if values.mean() <= most else "neither"
    method = f"neural dependence, {objective.name}"
    return Estimate(float(values.mean()), float(halves.std(ddof=1)), len(z), kind=kind, method=method)


@torch.no_grad()
def _replicates(
    network: nn.Module,
    z: Float[Tensor, "n d"],
    function: Callable[[Tensor], Tensor],
    *,
    seed: int,
    num: int,
    share: float = 1.0,
) -> Float[np.ndarray, " num"]:
    """Values of random parts of the rows, shuffled anew each time."""
    with seeded(seed, 1, z.device):
        size = round(share * len(z))
        parts = [z[torch.randperm(len(z))[:size].to(z.device)] for _ in range(num)]
        return np.array([function(_scores(network, part)).item() for part in parts])


def _scores(network: nn.Module, z: Float[Tensor, "n d"]) -> Float[Tensor, "2 2 n"]:
    """f of rows on the diagonal, twice; of shuffled rows beside it: so that any bound can read them."""
    n = len(z)
    of_rows, first, second = network(torch.cat([z, _shuffled(z), _shuffled(z)])).squeeze(1).split(n)
    return torch.stack([torch.stack([of_rows, first]), torch.stack([second, of_rows])])


def _shuffled(z: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """Each column permuted by itself."""
    return z.gather(0, torch.rand(z.shape).argsort(0).to(z.device))


# ------------------------------------------------------------------------------------------ of their input


class ImageCritic(nn.Module):
    """f(x, y) = ⟨g(x), h(y)⟩, g a small convolutional network on images, h a perceptron on features.

    Args:
        dim_x: numbers an image, c·h·w.
        dim_y: columns of y.
        shape: (c, h, w), as which rows of x are read.
        width: channels of the first convolution; each of them halves the sides and doubles the channels,
            while a side is above 4.
        embedding: width of g(x) and h(y).
    """

    def __init__(
        self, dim_x: int, dim_y: int, *, shape: tuple[int, int, int], width: int = 32, embedding: int = 64
    ):
        super().__init__()
        if dim_x != math.prod(shape) or min(width, embedding, dim_y) < 1:
            raise ValueError(
                f"ImageCritic: {dim_x} columns are no images of {list(shape)}, or dim_y = {dim_y}, width = "
                f"{width} or embedding = {embedding} is below 1"
            )
        self.shape = shape
        (num_in, height, breadth), layers = shape, []
        while max(height, breadth) > 4:
            num_out = min(2 * num_in, 8 * width) if layers else width
            layers += [nn.Conv2d(num_in, num_out, 3, 2, 1), nn.ReLU()]
            num_in, height, breadth = num_out, -(-height // 2), -(-breadth // 2)
        layers += [nn.Flatten(), perceptron([num_in * height * breadth, 256, embedding])]
        self.embed_x = nn.Sequential(nn.Unflatten(1, shape), *layers)
        self.embed_y = perceptron([dim_y, 256, 256, embedding])

    def forward(self, x: Float[Tensor, "m dim_x"], y: Float[Tensor, "n dim_y"]) -> Float[Tensor, "m n"]:
        """Scores of all pairs."""
        return self.embed_x(x) @ self.embed_y(y).T


def input_information(
    images: Array,
    features: Array,
    *,
    bound: Objective | Callable[..., Any] = infonce,
    critic: Callable[[int, int], nn.Module] | None = None,
    max_steps: int = 1500,
    seed: int = 0,
    device: Device | None = None,
) -> Estimate:
    """A lower bound on I(X; Z) of images and their features, on rows not trained on; see `Neural`.

    Features are a function of the image, so I(X; Z) = H(Z) is infinite for most encoders. What a critic finds
    of it says how readily features tell one image from another, and is at most log 1024 = 10 bits with
    InfoNCE, the default. The paper reads Donsker–Varadhan (`donsker_varadhan`, `mine`): without that ceiling,
    but no held-out number of rows vouches for the values that it then takes.

    Args:
        images: [n, c, h, w], numbers of any kind; or [n, d], rows of any other input.
        features: [n, d].
        bound: as of `Neural`; `jensen_shannon` is read by NWJ.
        critic: as of `Neural`. None: `ImageCritic` for images, the default of `Neural` for rows.
        max_steps: of training; it ends earlier where held-out rows say so.
        seed: of the split, the first weights and the batches.
        device: None for a GPU where there is one.

    Returns:
        Kind "lower bound". Memory: two float64 copies of the images while they are prepared.

    Raises:
        ValueError: images of another number of axes, or another number than features; as `Neural`.
    """
    images = images if isinstance(images, Tensor) else np.asarray(images)
    if images.ndim not in (2, 4) or len(images) != len(features):
        raise ValueError(
            f"input_information: images must be [n, c, h, w], or rows [n, d], as many as features, got "
            f"{list(images.shape)} and {list(features.shape)}"
        )
    settings: dict[str, Any] = {"bound": bound, "max_steps": max_steps, "seed": seed, "device": device}
    if critic is not None:
        settings["critic"] = critic
    elif images.ndim == 4:
        channels, height, width = images.shape[1:]
        settings["critic"] = partial(ImageCritic, shape=(channels, height, width))
    x = images.reshape(len(images), -1)  # [n, c·h·w]
    return Neural(evaluate_every=100, patience=5, **settings).estimate(x, features)
