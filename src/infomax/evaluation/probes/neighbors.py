"""Weighted nearest neighbours by cosine similarity, `knn` in options and tables: the probe without training.

Features are compared as they are, without whitening and centring; the linear probe may therefore see more in
them.

Memory: besides the features one block of similarities, at most 64 MiB or one row; never [m, n].

References: Wu et al. (2018), "Unsupervised Feature Learning via Non-Parametric Instance Discrimination",
section 3.4, with k = 200; k = 20 with their temperature 0.07, the default here, as Caron et al. (2021).
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from infomax.errors import refuse
from infomax.evaluation.probes.classifiers import FittedClassifier
from infomax.evaluation.probes.probe import ProbeResult, tested
from infomax.evaluation.probes.rows import Array, Device, ProbeData, as_features, labelled

DEFAULT_K, DEFAULT_TEMPERATURE = 20, 0.07
MAX_BLOCK_ELEMENTS = 2**24
"""Similarities that are held at a time."""


def nearest_neighbor_probe(
    train_features: Array,
    train_labels: Array,
    test_features: Array,
    test_labels: Array,
    *,
    seed: int = 0,
    k: int = DEFAULT_K,
    temperature: float = DEFAULT_TEMPERATURE,
    device: Device = "cpu",
) -> ProbeResult:
    """Return the test accuracy of the vote of the k nearest training rows; see `fit_nearest_neighbors`.

    Args:
        train_features: [n, d], NumPy or torch.
        train_labels: [n], integers, −1 for none.
        test_features: [m, d].
        test_labels: [m].
        seed: not used, since nothing is random; all probes are called alike.
        k: neighbours.
        temperature: of their weights.
        device: where similarities are computed.

    Returns:
        `std` is None. Settings name k (all labelled rows where there are fewer) and the temperature.

    Raises:
        ValueError: shapes that do not fit, NaN or infinity, no labels, k < 1, temperature ≤ 0.

    Example:
        >>> features, labels = np.eye(4)[[0, 1] * 8], np.array([3, 7] * 8)
        >>> nearest_neighbor_probe(features, labels, features, labels).accuracy
        1.0
    """
    data = ProbeData.of("nearest_neighbor_probe", train_features, train_labels, test_features, test_labels)
    classifier = fit_nearest_neighbors(
        data.train_features, data.train_labels, k=k, temperature=temperature, device=device
    )
    return tested("nearest neighbours", [classifier], data)


def fit_nearest_neighbors(
    features: Array,
    labels: Array,
    *,
    k: int = DEFAULT_K,
    temperature: float = DEFAULT_TEMPERATURE,
    device: Device = "cpu",
) -> FittedClassifier:
    """Return a classifier whose vote for class c is Σ e^{s_i/τ} over the nearest rows i of class c.

    s_i is the cosine similarity of row i, and the k nearest rows vote. Rows tied at the k-th place share the
    places left for them, so the order of the rows does not matter. At equal votes the smallest label wins. A
    row of zeros has no direction; its similarity to every row is 0.

    Args:
        features: [n, d].
        labels: [n], integers; rows with −1 (none) are left out.
        k: neighbours; n where there are fewer rows.
        temperature: τ.
        device: where similarities are computed.

    Raises:
        ValueError: shapes that do not fit, NaN or infinity, no labels, k < 1, temperature ≤ 0.
    """
    features, labels, _ = labelled("fit_nearest_neighbors", "train", features, labels)
    _check_weights("fit_nearest_neighbors", k, temperature)
    classes, targets = np.unique(labels, return_inverse=True)
    directions = _directions(features, device)
    members = F.one_hot(torch.from_numpy(targets).to(device)).float()  # [n, classes]
    k = min(k, len(labels))

    def votes(rows: np.ndarray) -> Tensor:
        blocks = _similarities(_directions(rows, device), directions)
        return torch.cat([_weights(block, k, temperature) @ members for block in blocks])

    return FittedClassifier(
        classes, features.shape[1], votes, {"k": k, "temperature": temperature, "similarity": "cosine"}
    )


def neighbor_means(
    features: Float[np.ndarray, "n d"],
    values: Float[np.ndarray, " n"],
    *,
    k: int = DEFAULT_K,
    temperature: float = DEFAULT_TEMPERATURE,
    device: Device = "cpu",
) -> Callable[[Float[np.ndarray, "m d"]], Float[np.ndarray, " m"]]:
    """Return a function of rows: Σ e^{s_i/τ} y_i / Σ e^{s_i/τ} over the k nearest rows i of features.

    The weights are those of `fit_nearest_neighbors`.

    Args:
        features: [n, d].
        values: [n], y.
        k: neighbours; n where there are fewer rows.
        temperature: τ.
        device: where similarities are computed.

    Raises:
        ValueError: k < 1, temperature ≤ 0.

    Example:
        >>> mean = neighbor_means(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([5.0, 7.0]), k=1)
        >>> mean(np.array([[2.0, 0.1], [0.0, 3.0]]))
        array([5., 7.])
    """
    _check_weights("neighbor_means", k, temperature)
    directions, y = _directions(features, device), torch.from_numpy(values).to(device, torch.float64)
    k = min(k, len(values))

    def means(rows: np.ndarray) -> np.ndarray:
        blocks = _similarities(_directions(rows, device), directions)
        weights = (_weights(block, k, temperature).double() for block in blocks)
        return torch.cat([block @ y / block.sum(1) for block in weights]).cpu().numpy()

    return means


def _check_weights(operation: str, k: int, temperature: float) -> None:
    refuse(
        k < 1 or not temperature > 0,
        f"{operation}: k must be at least 1 and temperature positive, got {k} and {temperature}",
    )


def nearest_neighbors(
    queries: Array, features: Array, *, k: int, device: Device = "cpu"
) -> tuple[Int[np.ndarray, "m k"], Float[np.ndarray, "m k"]]:
    """Return the rows of features nearest to each query by cosine, nearest first, and their similarities.

    Args:
        queries: [m, d].
        features: [n, d].
        k: neighbours of each query, at most n.
        device: where similarities are computed.

    Raises:
        ValueError: shapes that do not fit, NaN or infinity, k not in 1…n.

    Example:
        >>> features = np.array([[0.0, 2.0], [3.0, 3.0], [5.0, 0.0]])
        >>> indices, similarities = nearest_neighbors(np.array([[1.0, 0.0]]), features, k=2)
        >>> indices, similarities.round(3)
        (array([[2, 1]]), array([[1.   , 0.707]], dtype=float32))
    """
    queries = as_features("nearest_neighbors", "queries", queries)
    features = as_features("nearest_neighbors", "features", features)
    refuse(
        queries.shape[1] != features.shape[1],
        f"nearest_neighbors: queries are {list(queries.shape)}, features {list(features.shape)}; "
        "both must come from the same encoder",
    )
    refuse(
        not 1 <= k <= len(features),
        f"nearest_neighbors: k must be from 1 to {len(features)}, the rows of features, got {k}",
    )
    blocks = _similarities(_directions(queries, device), _directions(features, device))
    nearest = [block.topk(k) for block in blocks]
    indices = torch.cat([block.indices for block in nearest])
    return indices.cpu().numpy(), torch.cat([block.values for block in nearest]).cpu().numpy()


def _weights(similarities: Float[Tensor, "b n"], k: int, temperature: float) -> Float[Tensor, "b n"]:
    """e^{(s − s_max)/τ} for the k nearest, else 0; rows tied at the k-th place share the places left."""
    nearest = similarities.topk(k, sorted=True).values
    last = nearest[:, -1:]
    closer, tied = similarities > last, similarities == last
    share = (k - closer.sum(1, keepdim=True)) / tied.sum(1, keepdim=True)
    return torch.exp((similarities - nearest[:, :1]) / temperature) * (closer + tied * share)


def _similarities(
    queries: Float[Tensor, "m d"], directions: Float[Tensor, "n d"]
) -> Iterator[Float[Tensor, "b n"]]:
    """Cosine similarities of blocks of queries to all rows."""
    for block in queries.split(max(1, MAX_BLOCK_ELEMENTS // len(directions))):
        yield block @ directions.T


def _directions(features: np.ndarray, device: Device) -> Float[Tensor, "n d"]:
    """Rows scaled to unit length (float64 lengths: neither overflow nor underflow); zero rows stay zero."""
    lengths = np.sqrt(np.einsum("nd,nd->n", features, features, dtype=np.float64))[:, None]
    unit = np.divide(features, lengths, out=np.zeros(features.shape), where=lengths > 0)
    return torch.from_numpy(unit.astype(np.float32)).to(device)
