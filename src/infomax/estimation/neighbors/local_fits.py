"""Predictions of each row from other rows: polynomials fitted to windows of nearest rows, each row left out.

Every window belongs to an anchor, one of the rows. A row is predicted by the polynomial of the anchor nearest
to it, and is left out of the fit by its leverage h: if p is the prediction of the fit with the row, then
(p − h y)/(1 − h) is the one without it. The anchors are so many that a row is predicted in the middle of a
window; the work is the same for windows of every width.
"""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.spatial import KDTree

MAX_CELLS = 2**21  # in the largest array of a batch of fits
MAX_LEVERAGE = 0.999  # of a row that is left out
RIDGE = 1e-10  # of the mean square of a column: keeps fits to rows in a line stable
ROWS_FOR_TERM = 4  # in the narrowest window, for each term of the polynomial
DEGREES = {1: (1, 3), 2: (1, 2), 3: (1, 2)}  # of the polynomials, by columns of x; else (1,)


class Fit(NamedTuple):
    """Predictions of each row without it.

    Args:
        predicted: [n, dy].
        terms_per_row: terms of the polynomial, divided by the rows in a window: the share by which the fit
            widens the variance of the errors.
    """

    predicted: Float[np.ndarray, "n dy"]
    terms_per_row: float


def best_prediction(x: Float[np.ndarray, "n dx"], y: Float[np.ndarray, "n dy"], num_workers: int = -1) -> Fit:
    """Return the prediction of y [n, dy] from x [n, dx], each row left out, with the smallest error.

    The fits are a straight line through all rows, and polynomials in windows of every width that is a power
    of two times the narrowest, up to half of the rows. Errors are compared by their geometric mean, which no
    heavy tail spoils.
    """
    return min(_fits(x, y, num_workers), key=lambda fit: _log_error(y - fit.predicted))


def _fits(x: np.ndarray, y: np.ndarray, num_workers: int) -> Iterator[Fit]:
    num_rows, num_columns = x.shape
    yield Fit(fit_in_windows(x, y, num_rows, 1, num_workers), (num_columns + 1) / num_rows)
    for degree in DEGREES.get(num_columns, (1,)):
        num_terms = 1 + len(_powers(num_columns, degree))
        width = ROWS_FOR_TERM * num_terms
        while width < num_rows // 2:
            yield Fit(fit_in_windows(x, y, width, degree, num_workers), num_terms / width)
            width *= 2


def fit_in_windows(
    x: Float[np.ndarray, "n dx"], y: Float[np.ndarray, "n dy"], width: int, degree: int, num_workers: int = -1
) -> Float[np.ndarray, "n dy"]:
    """Return the prediction of each row by a polynomial in x, fitted to `width` rows without it: [n, dy]."""
    anchors, own, windows = _windows(x, width, num_workers)
    terms = _powers(x.shape[1], degree)
    order = np.argsort(own, kind="stable")
    ends = np.append(0, np.cumsum(np.bincount(own, minlength=len(anchors))))
    per_batch = max(MAX_CELLS // (windows.shape[1] * (len(terms) + 1)), 1)
    predicted = np.empty_like(y)
    for first in range(0, len(anchors), per_batch):
        batch = slice(first, min(first + per_batch, len(anchors)))
        rows = order[ends[batch.start] : ends[batch.stop]]
        predicted[rows] = _predict(x, y, anchors[batch], windows[batch], rows, own[rows] - first, terms)
    return predicted


def _windows(x: np.ndarray, width: int, num_workers: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the anchors [a], the number of each row's anchor [n], and the rows of each window [a, width]."""
    if width >= len(x):
        return np.zeros(1, np.intp), np.zeros(len(x), np.intp), np.arange(len(x))[None]
    if x.shape[1] == 1:
        return _windows_in_line(x[:, 0], width)
    tree = KDTree(x, balanced_tree=False)
    anchors = tree.indices[width // 4 :: max(width // 2, 1)]  # neighbours in the tree are neighbours in space
    own = np.asarray(KDTree(x[anchors]).query(x, workers=num_workers)[1])
    return anchors, own, np.asarray(tree.query(x[anchors], k=width, workers=num_workers)[1])


def _windows_in_line(values: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the same for one column: a window has as many rows on either side, except at the ends."""
    order, num_rows, step = np.argsort(values), len(values), max(width // 2, 1)
    places = np.minimum(np.arange(step // 2, num_rows + step // 2, step), num_rows - 1)
    own = np.empty(num_rows, np.intp)
    own[order] = np.arange(num_rows) // step
    first = np.clip(places - width // 2, 0, num_rows - width)
    return order[places], own, order[first[:, None] + np.arange(width)]


def _predict(
    x: np.ndarray,
    y: np.ndarray,
    anchors: np.ndarray,
    windows: np.ndarray,
    rows: np.ndarray,
    own: np.ndarray,
    terms: list[tuple[int, ...]],
) -> np.ndarray:
    """Return predictions of the rows by the polynomials of their own anchors: [rows, dy]."""
    about = x[windows] - x[anchors][:, None]  # [a, m, dx]
    reach = np.linalg.norm(about, axis=2).max(axis=1) + np.finfo(float).tiny
    design = _design(about / reach[:, None, None], terms)
    transposed = design.transpose(0, 2, 1)
    gram = transposed @ design
    size = np.einsum("app->a", gram)[:, None, None] / gram.shape[1]
    inverse = np.linalg.inv(gram + RIDGE * size * np.eye(gram.shape[1]))
    coefficients = inverse @ (transposed @ y[windows])
    place = (x[rows] - x[anchors[own]]) / reach[own, None]
    row = _design(place, terms)  # [rows, terms]
    prediction = np.einsum("rp,rpy->ry", row, coefficients[own])
    leverage = np.einsum("rp,rpq,rq->r", row, inverse[own], row).clip(max=MAX_LEVERAGE)
    inside = np.linalg.norm(place, axis=1) <= 1 + 1e-12
    left_out = np.where(inside, leverage, 0.0)[:, None]
    return (prediction - left_out * y[rows]) / (1 - left_out)


def _powers(num_columns: int, degree: int) -> list[tuple[int, ...]]:
    """Return the columns that each term multiplies, the constant term left out."""
    columns = range(num_columns)
    degrees = range(1, degree + 1)
    return [term for d in degrees for term in itertools.combinations_with_replacement(columns, d)]


def _design(x: np.ndarray, terms: list[tuple[int, ...]]) -> np.ndarray:
    columns = [np.ones(x.shape[:-1]), *(np.prod(x[..., list(term)], axis=-1) for term in terms)]
    return np.stack(columns, axis=-1)


def _log_error(errors: np.ndarray) -> float:
    sizes = np.linalg.norm(errors, axis=1)
    return float(np.log(np.maximum(sizes, np.finfo(float).tiny)).mean())
