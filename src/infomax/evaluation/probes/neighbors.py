"""Weighted nearest neighbours by cosine similarity, `knn` in options and tables: the probe without training.

Features are compared as they are, without whitening and centring; the linear probe may therefore see more in
them.

Memory: besides the features one block of similarities, at most 64 MiB or one row; never [m, n]. Rows that are
stored (`StoredRows`) are read a block at a time, twice for each block of queries: for the k nearest, and for
their votes.

References: Wu et al. (2018), "Unsupervised Feature Learning via Non-Parametric Instance Discrimination",
section 3.4, with k = 200; k = 20 with their temperature 0.07, the default here, as Caron et al. (2021).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from infomax.errors import refuse
from infomax.evaluation.probes.classifiers import FittedClassifier
from infomax.evaluation.probes.probe import ProbeResult, tested
from infomax.evaluation.probes.rows import Array, Device, Features, ProbeData, as_features, labelled
from infomax.evaluation.probes.stored import StoredRows, blocks, mapped

DEFAULT_K, DEFAULT_TEMPERATURE = 20, 0.07
MAX_BLOCK_ELEMENTS = 2**24
"""Similarities that are held at a time."""


@runtime_checkable
class Index(Protocol):
    """Finds rows near to queries."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """How it finds them."""
        ...

    def __call__(
        self, queries: Float[Tensor, "m d"], k: int
    ) -> tuple[Int[np.ndarray, "m k"], Float[np.ndarray, "m k"]]:
        """Return k rows for each query, nearest first, and cosines; −1 and −∞ where it finds fewer."""
        ...


MakeIndex = Callable[..., Index]
"""Called with the directions of all rows, [n, d]."""


def nearest_neighbor_probe(
    train_features: Features,
    train_labels: Array,
    test_features: Features,
    test_labels: Array,
    *,
    seed: int = 0,
    k: int = DEFAULT_K,
    temperature: float = DEFAULT_TEMPERATURE,
    index: MakeIndex | None = None,
    device: Device = "cpu",
) -> ProbeResult:
    """Return the test accuracy of the vote of the k nearest training rows; see `fit_nearest_neighbors`.

    Args:
        train_features: [n, d], NumPy, torch or `StoredRows`.
        train_labels: [n], integers, −1 for none.
        test_features: [m, d].
        test_labels: [m].
        seed: not used, since nothing is random; all probes are called alike.
        k: neighbours.
        temperature: of their weights.
        index: as of `fit_nearest_neighbors`.
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
        data.train_features, data.train_labels, k=k, temperature=temperature, index=index, device=device
    )
    return tested("nearest neighbours", [classifier], data)


def fit_nearest_neighbors(
    features: Features,
    labels: Array,
    *,
    k: int = DEFAULT_K,
    temperature: float = DEFAULT_TEMPERATURE,
    index: MakeIndex | None = None,
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
        index: makes of the directions of all rows what finds the nearest of them, perhaps not all of these;
            None finds them exactly.
        device: where similarities are computed.

    Raises:
        ValueError: shapes that do not fit, NaN or infinity, no labels, k < 1, temperature ≤ 0.
    """
    features, labels, _ = labelled("fit_nearest_neighbors", "train", features, labels)
    _check_weights("fit_nearest_neighbors", k, temperature)
    classes, targets = np.unique(labels, return_inverse=True)
    directions = mapped(features, lambda rows: _directions(rows, device))
    members = _Members(torch.from_numpy(targets).to(device), len(classes), min(k, len(labels)), temperature)
    find = None if index is None else index(directions)

    def votes(rows: np.ndarray) -> Tensor:
        queries = _directions(rows, device)
        if find is not None:
            return members.votes_of_found(*find(queries, members.k))
        return torch.cat([members.votes(each) for each in _similarities(queries, directions)])

    settings = {"k": members.k, "temperature": temperature, "similarity": "cosine"}
    found_by = {} if find is None else find.settings
    return FittedClassifier(classes, features.shape[1], votes, {**settings, **found_by})


@dataclass(frozen=True)
class _Members:
    """The classes of the rows, whose nearest k vote."""

    targets: Int[Tensor, " n"]
    num_classes: int
    k: int
    temperature: float

    def votes(self, each: Iterable[Float[Tensor, "b _"]]) -> Float[Tensor, "b c"]:
        """Return the votes for queries whose similarities to the rows come block by block, twice."""
        nearest, start = _Nearest.among(each, self.k), 0
        votes = nearest.similarities.new_zeros(len(nearest.similarities), self.num_classes)
        for block in each:
            targets = self.targets[start : start + block.shape[1]]
            members = F.one_hot(targets, self.num_classes).float()
            votes += nearest.weights(block, self.temperature) @ members
            start += block.shape[1]
        return votes

    def votes_of_found(
        self, rows: Int[np.ndarray, "b k"], cosines: Float[np.ndarray, "b k"]
    ) -> Float[Tensor, "b c"]:
        """Return the votes of rows that were found, −1 for none."""
        similarities = torch.from_numpy(cosines).to(self.targets.device)
        weights = _Nearest.among([similarities], self.k).weights(similarities, self.temperature)
        targets = self.targets[torch.from_numpy(rows).to(self.targets.device).clamp_min(0)]
        return weights.new_zeros(len(rows), self.num_classes).scatter_add_(1, targets, weights)


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
        each = (block for [block] in _similarities(_directions(rows, device), directions))
        weights = (_Nearest.among([one], k).weights(one, temperature).double() for one in each)
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
    nearest = [
        block.topk(k)
        for [block] in _similarities(_directions(queries, device), _directions(features, device))
    ]
    indices = torch.cat([block.indices for block in nearest])
    return indices.cpu().numpy(), torch.cat([block.values for block in nearest]).cpu().numpy()


@dataclass(frozen=True)
class _Nearest:
    """The k largest similarities of each query, and how many rows are as near as the last of them."""

    similarities: Float[Tensor, "b k"]
    num_tied: Int[Tensor, "b 1"]

    @staticmethod
    def among(each: Iterable[Float[Tensor, "b _"]], k: int) -> "_Nearest":
        """Return the nearest of all rows, whose similarities come block by block."""
        found = None
        for block in each:
            best = block.topk(min(k, block.shape[1]), sorted=True).values
            found = (
                _Nearest(best, (block == best[:, -1:]).sum(1, keepdim=True))
                if found is None
                else (found._with(block, best, k))
            )
        assert found is not None
        return found

    def _with(self, block: Float[Tensor, "b n"], best: Float[Tensor, "b _"], k: int) -> "_Nearest":
        both = torch.cat([self.similarities, best], dim=1)
        both = both.topk(min(k, both.shape[1]), sorted=True).values
        last, before = both[:, -1:], self.similarities
        closer_before = (before == last).sum(1, keepdim=True)  # all rows before that are nearer than the last
        num_tied = torch.where(before[:, -1:] == last, self.num_tied, closer_before)
        return _Nearest(both, num_tied + (block == last).sum(1, keepdim=True))

    def weights(self, similarities: Float[Tensor, "b n"], temperature: float) -> Float[Tensor, "b n"]:
        """e^{(s − s_max)/τ} for the k nearest, else 0; rows tied at the k-th place share the places left."""
        first, last, k = self.similarities[:, :1], self.similarities[:, -1:], self.similarities.shape[1]
        closer, tied = similarities > last, similarities == last
        share = (k - (self.similarities > last).sum(1, keepdim=True)) / self.num_tied
        return torch.exp((similarities - first) / temperature) * (closer + tied * share)


@dataclass(frozen=True)
class _ByBlocks:
    """Similarities of queries to stored rows, computed anew each time that one goes through them."""

    queries: Float[Tensor, "b d"]
    directions: StoredRows

    def __iter__(self) -> Iterator[Float[Tensor, "b _"]]:
        for block in blocks(self.directions):
            yield self.queries @ torch.from_numpy(block).to(self.queries).T


def _similarities(
    queries: Float[Tensor, "m d"], directions: Float[Tensor, "n d"] | StoredRows
) -> Iterator[Iterable[Float[Tensor, "b _"]]]:
    """Cosine similarities of blocks of queries to all rows, in one block or, of stored rows, in several."""
    stored = isinstance(directions, StoredRows)
    at_once = min(directions.most_at_once, len(directions)) if stored else len(directions)
    for some in queries.split(max(1, MAX_BLOCK_ELEMENTS // at_once)):
        yield _ByBlocks(some, directions) if stored else [some @ directions.T]


def _directions(features: np.ndarray, device: Device) -> Float[Tensor, "n d"]:
    """Rows scaled to unit length (float64 lengths: neither overflow nor underflow); zero rows stay zero."""
    lengths = np.sqrt(np.einsum("nd,nd->n", features, features, dtype=np.float64))[:, None]
    unit = np.divide(features, lengths, out=np.zeros(features.shape), where=lengths > 0)
    return torch.from_numpy(unit.astype(np.float32)).to(device)
