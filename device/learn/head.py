"""Fits a linear head to features, and evaluates it on held-out photos.

NumPy only. The head is multinomial logistic regression: the minimum of the mean
cross-entropy, plus penalty / 2 * the squared weights. The penalty with the least
cross-entropy on held-out photos is chosen.
"""

from typing import Any, NamedTuple

import numpy as np

from corallite.device.learn.interval import wilson_interval
from corallite.device.learn.minimize import minimize

# From large to small. Each fit starts from the one before; stops when one is worse.
_PENALTIES = (3e-1, 1e-1, 3e-2, 1e-2, 3e-3, 1e-3)
# With it, the head of one photo a class is as good as the means of the classes
# (prototypes), and with more photos it is better: see docs/results.md.
_USUAL_PENALTY = 1e-2
_FOLDS = 5

Array = np.ndarray[Any, np.dtype[Any]]


class Head(NamedTuple):
    """Logits are features @ kernel + bias.

    Attributes:
        kernel: float64 `[features, classes]`.
        bias: float64 `[classes]`.
    """

    kernel: Array
    bias: Array


class CrossValidation(NamedTuple):
    """Predictions for held-out photos: each by a head that was not fitted to it.

    Attributes:
        penalty: The chosen one.
        folds: Number of folds. The photos of a fold are predicted by a head that was
            fitted to the other folds.
        fold_of: int `[n]`, the fold of each photo.
        probabilities: float64 `[n, classes]`.
        right: Number of photos whose most probable class is right.
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
) -> tuple[Head, CrossValidation | None]:
    """Fits a head to photos, and cross-validates it.

    Args:
        features: float `[n, size]`.
        labels: int `[n]`, each below `classes`; each class has a photo.
        groups: int `[n]`; the photos of a group are held out together.
        classes: Number of classes.
        known: See `assign_folds`.
        is_balanced: Gives all classes the same total weight.

    Returns:
        The head and its cross-validation. If a class has only one group, nothing can
        be held out: then the penalty is 0.01, and the cross-validation is None.
    """
    folds = assign_folds(labels, groups, classes, known)
    mean, deviation = features.mean(0, np.float64), float(features.std()) or 1.0
    # float32 holds int8 features, and takes half the time.
    scaled = ((features - mean) / deviation).astype(np.float32)
    # n photos span at most n directions; weights of other directions would be 0. So
    # with fewer photos than features, the same minimum takes a fraction of the time.
    basis = np.linalg.qr(scaled.T)[0] if len(scaled) < scaled.shape[1] else None
    points = scaled if basis is None else scaled @ basis
    examples = _Examples(points, labels, classes, is_balanced)
    validation = None if folds is None else _cross_validate(examples, folds)
    penalty = validation.penalty if validation else _USUAL_PENALTY
    weights = _fit(examples, penalty)
    kernel = weights[:-1] if basis is None else basis @ weights[:-1]
    kernel = kernel / deviation
    return Head(kernel, weights[-1] - mean @ kernel), validation


def assign_folds(
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
        known: int `[n]`, the folds of an earlier run, -1 for new photos. They are kept
            if the number of folds is the same: other folds would change predictions
            although nothing was learned.
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
        # On a tie, the fold with the fewest photos of all classes.
        here = filled[of_class[group]]
        fold = int(np.lexsort((filled.sum(0), here))[0])
        fold_of[group] = fold
        filled[:, fold] += photos[group]
    return fold_of[number]


def count_confusions(labels: Array, predicted: Array) -> list[tuple[int, int, int]]:
    """Returns (class, predicted class, count), the most frequent confusions first."""
    wrong = predicted != labels
    pairs, counts = np.unique(
        np.stack([labels[wrong], predicted[wrong]]), axis=1, return_counts=True
    )
    order = np.argsort(-counts, kind="stable")
    return [(*pairs[:, n].tolist(), int(counts[n])) for n in order]


class _Examples(NamedTuple):
    """Photos to fit to: float `[n, size]`, int `[n]`, and how they are weighted."""

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


def _cross_validate(examples: _Examples, fold_of: Array) -> CrossValidation:
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
    return CrossValidation(penalty, folds, fold_of, chosen, right, accuracy, interval)


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
    return minimize(loss, begin.reshape(-1)).reshape(shape)


def _log_softmax(logits: Array) -> Array:
    shifted = logits - logits.max(1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
