"""Fits a linear head to features, and judges it by photos that it was not fitted to.

NumPy only. The head is multinomial logistic regression: the minimum of the mean
cross-entropy, plus penalty / 2 * the squared weights. The penalty with the least
cross-entropy of left-out photos is chosen.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from corallite.device.learn.interval import wilson_interval

# From large to small: each is fitted starting from the one before, until one is worse.
_PENALTIES = (3e-1, 1e-1, 3e-2, 1e-2, 3e-3, 1e-3)
# With it, the head of one photo a class is as good as the means of the classes
# (prototypes), and with more photos it is better: see docs/results.md.
_USUAL_PENALTY = 1e-2
_FOLDS = 5
_MOST_STEPS = 300
# Of the gradient. Kernels are within 0.2 % of those of scikit-learn at 1e-6.
_TOLERANCE = 3e-5
_MEMORY = 10

Array = np.ndarray[Any, np.dtype[Any]]
_Function = Callable[[Array], tuple[float, Array]]


class Head(NamedTuple):
    """Logits are features @ kernel + bias.

    Attributes:
        kernel: float64 `[features, classes]`.
        bias: float64 `[classes]`.
    """

    kernel: Array
    bias: Array


class Judgement(NamedTuple):
    """What heads predict for photos that they were not fitted to.

    Attributes:
        penalty: The one that was chosen.
        folds: The photos were divided into so many folds, and a head was fitted for
            each fold to the photos of the others.
        fold_of: int `[n]`, the fold of each photo.
        probabilities: float64 `[n, classes]`.
        right: Photos whose most probable class is right.
        accuracy: Their fraction, 0 to 1.
        interval: Its 95 % interval (Wilson, 1927).
    """

    penalty: float
    folds: int
    fold_of: Array
    probabilities: Array
    right: int
    accuracy: float
    interval: tuple[float, float]

    @property
    def predicted(self) -> Array:
        """The most probable class of each photo, int `[n]`."""
        return self.probabilities.argmax(1)


def fit_head(
    features: Array,
    labels: Array,
    groups: Array,
    classes: int,
    known: Array | None = None,
    *,
    is_balanced: bool = True,
) -> tuple[Head, Judgement | None]:
    """Fits a head to photos.

    Args:
        features: float `[n, size]`.
        labels: int `[n]`, each below `classes`; each class has a photo.
        groups: int `[n]`; photos of a group are left out together.
        classes: Number of classes.
        known: See `divide`.
        is_balanced: Gives all classes the same total weight.

    Returns:
        The head and its judgement. If a class has only one group, nothing is left to
        judge by: then the penalty is a usual one, and the judgement is None.
    """
    folds = divide(labels, groups, classes, known)
    mean, deviation = features.mean(0, np.float64), float(features.std()) or 1.0
    # float32 holds int8 features, and takes half the time.
    scaled = ((features - mean) / deviation).astype(np.float32)
    # With fewer photos than features, as many directions hold all photos, and the
    # weights of others would be 0: the minimum is the same, in a fraction of the time.
    basis = np.linalg.qr(scaled.T)[0] if len(scaled) < scaled.shape[1] else None
    points = scaled if basis is None else scaled @ basis
    examples = _Examples(points, labels, classes, is_balanced)
    judgement = None if folds is None else _judge(examples, folds)
    penalty = judgement.penalty if judgement else _USUAL_PENALTY
    weights = _fit(examples, penalty)
    kernel = weights[:-1] if basis is None else basis @ weights[:-1]
    kernel = kernel / deviation
    return Head(kernel, weights[-1] - mean @ kernel), judgement


def divide(
    labels: Array, groups: Array, classes: int, known: Array | None = None
) -> Array | None:
    """Returns the fold of each photo, int `[n]`; None if a class has a single group.

    Groups stay together, and each class is spread over the folds: a group goes into the
    fold with the fewest photos of its class, the largest groups first. The class of a
    group that has several is the one with the fewest groups.

    Args:
        labels: int `[n]`.
        groups: int `[n]`.
        classes: Number of classes.
        known: int `[n]`, the folds of an earlier division, -1 for new photos. If there
            are as many folds again, these stay: other folds would give other
            predictions, although nothing was learned.
    """
    _, number, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    number = number.reshape(-1)
    # Photos of each class in each group, and groups of each class.
    photos = np.zeros((len(sizes), classes), np.int64)
    np.add.at(photos, (number, labels), 1)
    scenes = (photos > 0).sum(0)
    of_class = np.where(photos > 0, scenes, len(sizes) + 1).argmin(1)
    count = min(_FOLDS, *scenes.tolist())
    if count < 2:
        return None
    fold_of = np.full(len(sizes), -1)
    if known is not None and known.max() + 1 == count:
        np.maximum.at(fold_of, number, known)
    filled = np.zeros((classes, count), np.int64)
    is_known = fold_of >= 0
    np.add.at(filled.T, fold_of[is_known], photos[is_known])
    shuffled = np.random.default_rng(0).permutation(np.flatnonzero(~is_known))
    for group in shuffled[np.argsort(-sizes[shuffled], kind="stable")]:
        # Of equal ones, the fold with the fewest photos.
        here = filled[of_class[group]]
        fold = int(np.lexsort((filled.sum(0), here))[0])
        fold_of[group] = fold
        filled[:, fold] += photos[group]
    return fold_of[number]


def confused(labels: Array, predicted: Array) -> list[tuple[int, int, int]]:
    """Returns (class, predicted class, count), the most frequent confusions first."""
    wrong = predicted != labels
    pairs, counts = np.unique(
        np.stack([labels[wrong], predicted[wrong]]), axis=1, return_counts=True
    )
    order = np.argsort(-counts, kind="stable")
    return [(*pairs[:, n].tolist(), int(counts[n])) for n in order]


class _Examples(NamedTuple):
    """Photos to fit to: float `[n, size]`, int `[n]`, and how they count."""

    points: Array
    labels: Array
    classes: int
    is_balanced: bool

    def select(self, rows: Array) -> "_Examples":
        return self._replace(points=self.points[rows], labels=self.labels[rows])

    def weigh(self) -> Array:
        """Returns the weight of each photo, float64 `[n]`; their sum is 1."""
        if not self.is_balanced:
            return np.full(len(self.labels), 1 / len(self.labels))
        counts = np.bincount(self.labels, minlength=self.classes)
        of_class = 1 / np.maximum(counts, 1) / max(1, (counts > 0).sum())
        return of_class[self.labels]


def _judge(examples: _Examples, fold_of: Array) -> Judgement:
    points, labels, classes = examples.points, examples.labels, examples.classes
    folds = int(fold_of.max()) + 1
    weights: list[Array | None] = [None] * folds
    chosen: Array = np.zeros(0)
    penalty, least = 0.0, np.inf
    for tried in _PENALTIES:
        probabilities = np.zeros((len(labels), classes))
        for fold in range(folds):
            is_out = fold_of == fold
            found = _fit(examples.select(~is_out), tried, weights[fold])
            logits = points[is_out] @ found[:-1] + found[-1]
            probabilities[is_out] = np.exp(_log_softmax(logits))
            weights[fold] = found
        of_label = probabilities[np.arange(len(labels)), labels]
        loss = -float(np.log(of_label + 1e-12).mean())
        if loss > least:
            break
        penalty, chosen, least = tried, probabilities, loss
    right = int((chosen.argmax(1) == labels).sum())
    interval = wilson_interval(right, len(labels))
    accuracy = right / len(labels)
    return Judgement(penalty, folds, fold_of, chosen, right, accuracy, interval)


def _fit(examples: _Examples, penalty: float, start: Array | None = None) -> Array:
    """Returns weights `[features + 1, classes]`; the last row is the bias."""
    points, labels, classes, _ = examples
    share = examples.weigh()
    shape = (points.shape[1] + 1, classes)
    is_label = np.eye(classes)[labels]

    def loss(flat: Array) -> tuple[float, Array]:
        weights = flat.reshape(shape)
        logits = points @ weights[:-1].astype(points.dtype)
        log_p = _log_softmax(logits.astype(np.float64) + weights[-1])
        error = share[:, np.newaxis] * (np.exp(log_p) - is_label)
        slope = np.empty(shape)
        slope[:-1] = points.T @ error.astype(points.dtype) + penalty * weights[:-1]
        slope[-1] = error.sum(0)
        value = -share @ (log_p * is_label).sum(1)
        value += penalty / 2 * (weights[:-1] ** 2).sum()
        return float(value), slope.reshape(-1)

    begin = np.zeros(shape) if start is None else start
    return _minimize(loss, begin.reshape(-1)).reshape(shape)


def _minimize(function: _Function, x: Array) -> Array:
    """Returns the minimum of a convex function that also returns its gradient.

    L-BFGS (Nocedal and Wright, Numerical Optimization, algorithm 7.4) with steps that
    are halved until the function falls enough (Armijo).
    """
    value, gradient = function(x)
    pairs: list[tuple[Array, Array]] = []
    for _ in range(_MOST_STEPS):
        if np.abs(gradient).max() < _TOLERANCE:
            break
        direction = -_apply_inverse(pairs, gradient)
        slope, step = gradient @ direction, 1.0
        while True:
            next_x = x + step * direction
            next_value, next_gradient = function(next_x)
            if next_value <= value + 1e-4 * step * slope:
                break
            step /= 2
            if step < 1e-10:  # Rounding errors: it falls no further.
                return x
        pairs = [*pairs, (next_x - x, next_gradient - gradient)][-_MEMORY:]
        x, value, gradient = next_x, next_value, next_gradient
    return x


def _apply_inverse(pairs: Sequence[tuple[Array, Array]], gradient: Array) -> Array:
    """Returns the gradient times the inverse of the Hessian that `pairs` estimate."""
    result, factors = gradient.copy(), []
    for moved, changed in reversed(pairs):
        factor = (moved @ result) / (moved @ changed)
        result -= factor * changed
        factors.append(factor)
    if pairs:
        moved, changed = pairs[-1]
        result *= (moved @ changed) / (changed @ changed)
    for (moved, changed), factor in zip(pairs, reversed(factors), strict=True):
        result += (factor - (changed @ result) / (moved @ changed)) * moved
    return result


def _log_softmax(logits: Array) -> Array:
    shifted = logits - logits.max(1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
