"""Which two models are a cascade, and the sentences for those that are not."""

import pytest
from fixtures.cascade import FIRST, FITTED, SECOND

from corallite.device.image.preprocess import Preprocessing
from corallite.device.model.cascade.same_task import require_cascade
from corallite.device.model.manifest import MULTILABEL
from corallite.device.system.errors import RequestError


def test_fitted_models_of_the_same_task_are_accepted():
    require_cascade(FIRST._replace(cascade=FITTED), SECOND, FITTED.second_hash)


def test_another_file_of_the_same_name_and_version_is_refused():
    with pytest.raises(RequestError, match="for another file of large 1 as the second"):
        require_cascade(FIRST._replace(cascade=FITTED), SECOND, "another")


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [
        (FIRST, SECOND, "small 1 has no threshold at which a second model is asked"),
        (
            FIRST._replace(cascade=FITTED),
            SECOND._replace(version="2"),
            "has a threshold for large 1 as the second model, not for large 2",
        ),
        (
            FIRST._replace(cascade=FITTED),
            SECOND.with_classes(labels=("red", "blue", "green")),
            "the labels red, green, blue, but large 1 has red, blue, green",
        ),
        (
            FIRST._replace(cascade=FITTED),
            SECOND.with_image(preprocessing=Preprocessing((64, 64))),
            "give two models with the same input",
        ),
        (
            FIRST._replace(cascade=FITTED),
            SECOND.with_classes(values=MULTILABEL),
            "one of its models is multi-label",
        ),
    ],
)
def test_other_models_are_refused_in_a_sentence(first, second, why):
    with pytest.raises(RequestError, match=why):
        require_cascade(first, second, FITTED.second_hash)
