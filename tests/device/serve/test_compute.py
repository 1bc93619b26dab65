"""Two models, the idle gate and a policy in a server."""

import json

import cv2
import httpx
import numpy as np
from fixtures.cascade import FIRST, WEAK_GREEN, pair, write_pair

__all__ = ["pair"]


def paint(colour):
    image = np.full((48, 64, 3), colour[::-1], np.uint8)
    return cv2.imencode(".jpg", image)[1].tobytes()


def read_metrics(served):
    text = httpx.get(f"{served.url}/metrics").text
    return dict(x.rsplit(" ", 1) for x in text.splitlines() if not x.startswith("#"))


def test_server_runs_two_models_by_motion_and_policy(
    serve, camera_server, pair, tmp_path, wait_until
):
    camera_server.part = paint(WEAK_GREEN)
    policy = tmp_path / "policy.json"
    choice = {"fps": 20, "latency_ms": 1, "accuracy": 0.9}
    choices = [{**choice, "model": "first", "watts": 3}]
    choices.append({**choice, "model": "both", "watts": 4})
    limits = {"temperature_c": 200}
    policy.write_text(json.dumps({"format": 1, "limits": limits, "choices": choices}))
    served = serve(
        *(f"--source={camera_server.url}", f"--model={pair[0]}", f"--then={pair[1]}"),
        *("--motion", f"--policy={policy}"),
    )
    wait_until(lambda: served.state()["result"])
    wait_until(lambda: served.state()["result"]["repeated"])
    state = served.state()
    assert state["result"]["label"] == "green"
    assert state["board"]["policy"] == "both" and state["board"]["limit_fps"] == 20
    assert state["model"]["answered_by"] == "second"
    found = read_metrics(served)
    assert found['corallite_policy{model="both"}'] == "1.0"
    asked = float(found['corallite_images_asked_total{model="second"}'])
    assert float(found['corallite_images_answered_total{model="second"}']) == asked >= 1
    assert float(found["corallite_frames_repeated_total"]) >= 1


def test_a_new_model_without_a_label_of_a_command_is_not_used(
    serve, camera_server, pair, tmp_path, wait_until
):
    camera_server.part = paint(WEAK_GREEN)
    flags = f"--model={pair[1]}", "--on_label=green", "--run=/bin/true"
    served = serve(f"--source={camera_server.url}", *flags)
    wait_until(lambda: served.state()["result"])
    (tmp_path / "new").mkdir()
    other = FIRST.with_classes(labels=("red", "grass", "blue"))
    write_pair(tmp_path / "new", second=other)[1].rename(pair[1])
    wait_until(lambda: served.state()["model"]["last_error"])
    state = served.state()["model"]
    assert state["last_error"] == (
        f"{pair[1]}: the new model is not used (--on_label=green: is not a label of "
        "this model; its labels are red, grass, blue); the former one continues."
    )
    assert state["swaps"] == 0
