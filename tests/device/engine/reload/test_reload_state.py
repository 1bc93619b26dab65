"""Which of two models answers while one replaces the other."""

import pytest

from corallite.device.engine.reload.reload_state import ReloadState, State


@pytest.fixture
def models():
    """Serves "old", and "new" is offered."""
    models = ReloadState("old")
    models.offer("new")
    assert (models.state, models.current) == (State.OFFERED, "old")
    return models


def test_a_new_model_answers_from_the_next_image_on(models):
    assert models.is_waiting
    models.take_over()
    assert (models.state, models.current, models.other) == (
        *(State.SETTLING, "new"),
        "old",
    )
    assert not models.is_waiting
    models.accept()
    assert (models.state, models.current, models.other) == (State.SERVING, "new", None)


def test_a_rejected_model_answers_until_the_next_image(models):
    models.take_over()
    models.reject()
    assert (models.state, models.current) == (State.RETURNING, "new")
    models.take_over()
    assert (models.state, models.current, models.other) == (
        *(State.SERVING, "old"),
        None,
    )


def test_further_images_change_nothing(models):
    models.take_over()
    models.take_over()
    assert (models.state, models.current) == (State.SETTLING, "new")


def test_only_a_model_that_is_not_in_use_is_withdrawn(models):
    assert models.withdraw()
    assert (models.state, models.current, models.other) == (State.SERVING, "old", None)
    models.offer("newer")
    models.take_over()
    assert not models.withdraw()
    assert (models.state, models.current) == (State.SETTLING, "newer")
