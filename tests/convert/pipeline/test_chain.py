"""The steps of a pipeline follow the number of photos."""

import pytest

from corallite.convert.pipeline.chain import choose_chain
from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.train.runs.run import Run


@pytest.fixture
def run(tmp_path):
    return Run.open(tmp_path / "run")


@pytest.mark.parametrize(
    ("images", "given", "sparsity", "method", "reason"),
    [
        (1_999, {}, 0.0, "auto", "1,999 photos are few."),
        (2_000, {}, 0.5, "qat", "2,000 photos are enough for all steps."),
        (
            60,
            {"recipe": "small"},
            0.0,
            "qat",
            "--recipe=small asks for fewer channels.",
        ),
        (60, {"recipe": "full"}, 0.5, "qat", "--recipe=full asks for all steps."),
        (60, {"sparsity": 0.3}, 0.3, "auto", "few, and flags override the choice."),
        (9_000, {"sparsity": 0.0}, 0.0, "qat", "steps, and flags override the choice."),
        (60, {"method": "ptq"}, 0.0, "ptq", "few, and flags override the choice."),
    ],
)
def test_steps_follow_the_photos(run, images, given, sparsity, method, reason):
    chain = choose_chain(images, run, **given)
    assert (chain.sparsity, chain.method) == (sparsity, method)
    assert chain.explain().endswith(reason)
    assert ("prune to" in chain.explain()) == (sparsity > 0)


def test_a_run_with_fewer_channels_keeps_its_steps(run):
    assert not choose_chain(9_000, run).slims
    stage = run.stage("slim")
    files.write_bytes(stage.model_path, b"narrow")
    stage.finish({"method": "channels"}, {})
    for images in (60, 9_000):
        chain = choose_chain(images, run)
        assert (chain.slims, chain.sparsity, chain.method) == (True, 0.0, "qat")
        assert "remove channels, train quantization-aware" in chain.explain()
    assert not choose_chain(9_000, run, "full").slims


def test_zeroing_weights_where_channels_are_removed_is_refused(run):
    with pytest.raises(RequestError, match="needs --recipe=full, but --recipe=small"):
        choose_chain(60, run, "small", sparsity=0.3)
    assert choose_chain(60, run, "small", sparsity=0.0).slims


def test_a_run_that_was_pruned_keeps_its_steps(run):
    stage = run.stage("pruned")
    files.write_bytes(stage.model_path, b"zeros")
    stage.finish({"sparsity": 0.5}, {})
    chain = choose_chain(60, run)
    assert (chain.sparsity, chain.method) == (0.5, "qat")
    assert "pruned before" in chain.explain()
