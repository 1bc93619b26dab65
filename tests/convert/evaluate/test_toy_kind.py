"""A new kind of stage takes one entry in the table and one file."""

import pytest
from fixtures.small_run import open_run
from fixtures.toy_kind import KIND, halve

from corallite.convert.accuracy.measure_file import recall_comparison
from corallite.convert.evaluate.stages import evaluate_run
from corallite.convert.evaluate.table import format_table
from corallite.convert.report.write import write_report
from corallite.train.runs import kinds

pytestmark = pytest.mark.slow


def test_a_new_kind_is_evaluated_compared_and_reported(small_copy, monkeypatch):
    monkeypatch.setitem(kinds.KINDS, KIND.name, KIND)
    run, data = open_run(small_copy)
    for name in ("qat", "int8"):
        run.stage(name).discard()
    stage = halve(run)
    results = evaluate_run(run, data)
    assert [result.stage for result in results] == ["float", "pruned", "halved"]
    assert format_table(results).splitlines()[-1].startswith("| halved |")
    compared = recall_comparison(run, data)
    assert compared is not None and compared.method == "halved"
    assert [step.to_name for step in compared.steps] == ["pruned", "halved"]
    # Half of all logits: the same label, with less confidence.
    assert compared.steps[-1].agreement == 1
    page = write_report(run, data).read_text("utf-8")
    assert stage.sha256() in page
    assert f"corallite halve --run_dir={run.path}" in page
    with pytest.raises(Exception, match="run `corallite halve --run_dir="):
        stage.reopen()
        stage.model_path.unlink()
        stage.require()
