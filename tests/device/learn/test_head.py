import numpy as np
import pytest

from corallite.device.learn import head
from corallite.device.learn.head import count_confusions, fit_head


def fit(features, labels, groups, classes):
    """Fits a head that can be judged."""
    found, judged = fit_head(features, labels, groups, classes)
    assert judged is not None
    return found, judged


def assign_folds(labels, groups):
    folds = head.assign_folds(labels, groups, labels.max() + 1)
    assert folds is not None
    return folds


@pytest.fixture
def clusters():
    """A function that draws overlapping clusters: (count, size, classes)."""

    def draw(count, size, classes, spread=1.0):
        rng = np.random.default_rng(0)
        labels = np.arange(count) % classes
        centres = np.random.default_rng(1).normal(size=(classes, size))
        return centres[labels] + spread * rng.normal(size=(count, size)) + 3, labels

    return draw


@pytest.mark.parametrize(("count", "size"), [(60, 200), (90, 10)])
@pytest.mark.parametrize("classes", [2, 3])
def test_head_is_that_of_scikit_learn(clusters, count, size, classes):
    """With more features than photos, and with fewer."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    features, labels = clusters(count, size, classes, spread=2.0)
    found, judged = fit(features, labels, np.arange(count), classes)
    scaled = (features - features.mean(0)) / features.std()
    strength = {"C": 1 / (judged.penalty * count), "class_weight": "balanced"}
    if classes > 2:
        other = linear_model.LogisticRegression(**strength, max_iter=3000, tol=1e-8)
        expected = other.fit(scaled, labels).predict_proba(scaled)
        logits = features @ found.kernel + found.bias
        powers = np.exp(logits - logits.max(1, keepdims=True))
        assert np.allclose(powers / powers.sum(1, keepdims=True), expected, atol=2e-3)
    else:
        # scikit-learn has one column for two classes, and so half the penalty.
        assert np.allclose(found.kernel[:, 0], -found.kernel[:, 1], atol=1e-6)


def test_classes_weigh_the_same_whatever_their_number(clusters):
    features, labels = clusters(300, 5, 2, spread=3.0)
    kept = np.flatnonzero((labels == 0) | (np.arange(300) % 20 == 1))
    found, _ = fit(features[kept], labels[kept], kept, 2)
    predicted = (features @ found.kernel + found.bias).argmax(1)
    right = [(predicted[labels == n] == n).mean() for n in (0, 1)]
    # Without weights, nearly all are named as the class with 20 times the photos.
    assert abs(right[0] - right[1]) < 0.2


def test_accuracy_of_random_labels_is_that_of_guessing():
    """Photos are not judged by heads that were fitted to them."""
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(200, 400)), rng.integers(0, 2, 200)
    _, judged = fit(features, labels, np.arange(200), 2)
    assert 0.38 < judged.accuracy < 0.62
    low, high = judged.interval
    assert low < judged.accuracy < high
    assert judged.right == (judged.predicted == labels).sum()


def test_near_duplicates_do_not_judge_each_other():
    rng = np.random.default_rng(0)
    scenes, labels = rng.normal(size=(40, 300)), rng.integers(0, 2, 40)
    features, labels = np.repeat(scenes, 5, axis=0), np.repeat(labels, 5)
    _, together = fit(features, labels, np.repeat(np.arange(40), 5), 2)
    _, apart = fit(features, labels, np.arange(200), 2)
    assert apart.accuracy == 1 and together.accuracy < 0.75


def test_groups_stay_together_and_classes_are_spread():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(60), rng.integers(1, 6, 60))
    labels = groups % 3
    folds = assign_folds(labels, groups)
    for group in range(60):
        assert len(set(folds[groups == group])) == 1
    for label in range(3):
        counts = np.bincount(folds[labels == label], minlength=5)
        assert counts.max() - counts.min() <= 3
    assert np.array_equal(folds, assign_folds(labels, groups))


def test_photos_stay_in_their_fold():
    rng = np.random.default_rng(0)
    labels, groups = rng.integers(0, 3, 90), np.arange(90)
    before = assign_folds(labels[:60], groups[:60])
    known = np.concatenate([before, np.full(30, -1)])
    after = head.assign_folds(labels, groups, 3, known)
    assert after is not None and np.array_equal(after[:60], before)
    counts = np.bincount(after, minlength=5)
    assert counts.max() - counts.min() <= 3
    # A new photo of a known group.
    groups[60] = 7
    joined = head.assign_folds(labels, groups, 3, known)
    assert joined is not None and joined[60] == before[7]


def test_another_number_of_folds_begins_anew():
    labels, groups = np.arange(20) % 2, np.arange(20)
    known = np.where(np.arange(20) < 8, np.arange(20) // 2 % 2, -1)
    folds = head.assign_folds(labels, groups, 2, known)
    assert folds is not None and np.bincount(folds).tolist() == [4] * 5


def test_few_scenes_make_few_folds():
    labels = np.array([0, 0, 0, 1, 1, 1])
    assert assign_folds(labels, np.array([0, 0, 1, 2, 2, 3])).max() == 1
    assert head.assign_folds(labels, np.array([0, 0, 0, 2, 2, 3]), 2) is None
    # A group of photos of both classes.
    assert head.assign_folds(labels, np.array([0, 0, 0, 0, 0, 0]), 2) is None


def test_a_single_scene_gives_a_head_that_nothing_judges(clusters):
    features, labels = clusters(6, 20, 3)
    found, judged = fit_head(features, labels, labels, 3)
    assert judged is None
    assert ((features @ found.kernel + found.bias).argmax(1) == labels).all()


@pytest.mark.parametrize("value", [0.0, 7.0])
def test_equal_features_give_a_head(value):
    features, labels = np.full((12, 4), value), np.arange(12) % 2
    found, judged = fit(features, labels, np.arange(12), 2)
    assert np.isfinite(found.kernel).all() and np.isfinite(found.bias).all()
    assert np.isfinite(judged.probabilities).all()


def test_confusions_are_counted_the_most_frequent_first():
    labels, predicted = np.array([0, 0, 0, 1, 1, 2]), np.array([1, 1, 0, 1, 0, 2])
    assert count_confusions(labels, predicted) == [(0, 1, 2), (1, 0, 1)]
    assert count_confusions(labels, labels) == []


def test_classes_that_share_scenes_are_divided():
    # As an open and a closed door: each scene has a photo of both.
    labels, groups = np.tile([0, 1], 10), np.repeat(np.arange(10), 2)
    fold_of = head.assign_folds(labels, groups, 2)
    assert fold_of is not None
    assert (fold_of[::2] == fold_of[1::2]).all()
    assert np.bincount(fold_of).tolist() == [4] * 5


def test_the_rarer_class_of_a_scene_is_spread():
    # Class 1 is in two scenes, and class 0 in one of them and in nine others.
    groups = np.array([*range(10), 0, 10])
    labels = np.array([0] * 10 + [1, 1])
    fold_of = head.assign_folds(labels, groups, 2)
    assert fold_of is not None and fold_of.max() == 1
    assert fold_of[10] != fold_of[11]
