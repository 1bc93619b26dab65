"""The program `serve`: how it starts, keeps running, and ends."""

import contextlib
import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from corallite.device.image.jpeg_stream import JpegSplitter
from corallite.device.image.preprocess import decode_image, read_image

COMMAND = [sys.executable, "-m", "corallite.device.cli.serve_main"]
BLUE = (0, 0, 255)
# Hides packages of the extra `serve`, as on an installation without it.
HIDE = """
import runpy, sys
from importlib.machinery import PathFinder
class Hiding(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        hidden = name.partition(".")[0] in ("fastapi", "uvicorn")
        return None if hidden else super().find_spec(name, path, target)
sys.meta_path[sys.meta_path.index(PathFinder)] = Hiding
sys.argv = ["serve", "--model=x.tflite"]
runpy.run_module("corallite.device.cli.serve_main", run_name="__main__", alter_sys=True)
"""


@pytest.mark.usefixtures("default_signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_the_server_while_a_stream_is_open(serve, camera_server, number):
    served = serve(f"--source={camera_server.url}")
    with httpx.stream("GET", f"{served.url}/stream.mjpg", timeout=60) as answer:
        assert b"\xff\xd8\xff" in next(
            part for part in answer.iter_raw() if b"\xff" in part
        )
        served.process.send_signal(number)
        assert served.process.wait(60) == 0
    assert "Traceback" not in served.log


def test_server_keeps_running_while_the_camera_is_lost(
    serve, camera_server, jpeg, wait_until
):
    served = serve(f"--source={camera_server.url}", "--stale_after=1")
    wait_until(lambda: served.state()["result"])
    # On a busy machine a live camera may be stale for a moment.
    wait_until(lambda: httpx.get(f"{served.url}/readyz").status_code == 200)
    camera_server.kill()
    wait_until(lambda: served.state()["source"]["state"] == "reopening")
    answer = httpx.get(f"{served.url}/readyz")
    assert answer.status_code == 503 and "reopening" in answer.json()["error"]
    sent = httpx.post(
        f"{served.url}/v1/classify",
        content=jpeg(BLUE),
        headers={"Content-Type": "image/jpeg"},
    )
    assert sent.json()["top"][0]["label"] == "blue"
    camera_server.part = jpeg(BLUE)
    camera_server.start()
    wait_until(lambda: served.state()["result"]["top"][0]["label"] == "blue")
    metric = 'corallite_source_state{state="live"} 1.0'
    wait_until(lambda: metric in httpx.get(f"{served.url}/metrics").text)


def test_state_of_a_lost_camera_has_its_reason(serve, camera_server, jpeg, wait_until):
    camera_server.kill()
    url = camera_server.url.replace("//", "//me:secret@")
    served = serve(f"--source={url}?token=secret", "--rotate=90", "--mirror")

    def is_failing():
        source = served.state()["source"]
        # Together, at every moment.
        assert (source["state"] == "reopening") == bool(source["last_error"])
        assert (source["connection_failures"] > 0) == bool(source["last_error"])
        return source["connection_failures"] >= 2

    wait_until(is_failing)
    source = served.state()["source"]
    assert f"{camera_server.url}: cannot be reached" in source["last_error"]
    metrics = httpx.get(f"{served.url}/metrics").text
    assert "corallite_source_failures_total" in metrics
    camera_server.part = jpeg(BLUE, (20, 40))
    camera_server.start()
    wait_until(lambda: served.state()["result"])
    # The page shows what is classified: a picture on its side.
    with httpx.stream("GET", f"{served.url}/stream.mjpg", timeout=60) as answer:
        splitter, images = JpegSplitter(), []
        for part in answer.iter_raw():
            images += splitter.feed(part)
            if images:
                break
    assert decode_image(images[0], "shown").shape == (40, 20, 3)
    shown = f"{served.log}{metrics}{served.state()}{httpx.get(served.url).text}"
    assert "secret" not in shown


def test_sighup_reloads_the_model(serve, jpeg, wait_until):
    served = serve()
    served.process.send_signal(signal.SIGHUP)

    def is_swapped():
        # The new model is used from the next image on.
        headers = {"Content-Type": "image/jpeg"}
        sent = httpx.post(f"{served.url}/v1/classify", content=jpeg(), headers=headers)
        assert sent.json()["top"][0]["label"] == "red"
        return served.state()["model"]["swaps"] == 1

    wait_until(is_swapped)
    wait_until(lambda: "the new model runs" in served.log)
    assert served.process.poll() is None


def wait_for_source(served, state, wait_until):
    """Returns the source of the first response with that state."""
    sources = []

    def has_state():
        sources.append(served.state()["source"])
        return sources[-1]["state"] == state

    wait_until(has_state)
    return sources[-1]


def test_end_of_a_recording_and_a_camera_given_up_are_states(
    serve, tmp_path, jpeg, wait_until
):
    path = tmp_path / "red.jpg"
    path.write_bytes(jpeg())
    served = serve(f"--source={path}")
    assert wait_for_source(served, "ended", wait_until)["frames"] == 1
    answer = httpx.get(f"{served.url}/readyz")
    assert answer.status_code == 503 and "source has ended" in answer.json()["error"]
    served.process.terminate()
    served = serve("--source=http://127.0.0.1:9/x", "--give_up_after=0.1")
    source = wait_for_source(served, "given up", wait_until)
    assert "cannot be reached" in source["last_error"]
    assert "was given up" in httpx.get(f"{served.url}/readyz").json()["error"]


def test_too_large_body_is_answered_before_its_end(serve):
    served = serve("--max_body_mb=0.01")
    host, port = served.url.removeprefix("http://").split(":")
    head = f"POST /v1/classify HTTP/1.1\r\nHost: {host}\r\nContent-Type: image/png\r\n"
    with socket.create_connection((host, int(port)), 60) as client:
        client.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        client.sendall(b"5000\r\n" + bytes(0x5000) + b"\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 413 ")
    with socket.create_connection((host, int(port)), 60) as client:
        client.sendall(f"{head}Content-Length: 99999\r\n\r\n".encode())
        assert client.recv(1000).startswith(b"HTTP/1.1 413 ")


def test_incomplete_body_does_not_delay_the_end(serve):
    served = serve()
    host, port = served.url.removeprefix("http://").split(":")
    head = f"POST /v1/classify HTTP/1.1\r\nHost: {host}\r\nContent-Type: image/png\r\n"
    with socket.create_connection((host, int(port)), 60) as client:
        # The 100 shows that the server itself, not only the kernel, waits for the body.
        head += "Expect: 100-continue\r\n"
        client.sendall(f"{head}Content-Length: 99\r\n\r\n".encode())
        assert client.recv(1000).startswith(b"HTTP/1.1 100 ")
        client.sendall(b"begun")
        served.process.terminate()
        assert served.process.wait(60) == 0
        # 408 would mean that the server had waited for the body.
        assert client.recv(1000).startswith(b"HTTP/1.1 503 ")
    assert "Traceback" not in served.log


def test_certificate_encrypts_all_responses(serve, jpeg, certificate):
    cert, key = certificate
    files = (f"--tls_cert={cert}", f"--tls_key={key}")
    served = serve(*files)
    assert served.url.startswith("https://127.0.0.1:")
    trusted = ssl.create_default_context(cafile=cert)
    sent = httpx.post(
        f"{served.url}/v1/classify",
        content=jpeg(BLUE),
        headers={"Content-Type": "image/jpeg"},
        verify=trusted,
    )
    assert sent.json()["top"][0]["label"] == "blue"
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"{served.url}/healthz")
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http{served.url.removeprefix('https')}/healthz")
    said = refused("--model=/none.tflite", "--host=0.0.0.0", *files)
    assert "--host=0.0.0.0: would show the camera to the whole network; set" in said


def refused(*flags):
    done = subprocess.run([*COMMAND, *flags], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    return done.stderr


def test_invalid_flags_are_refused_in_one_sentence(model):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused(f"--model={model}", f"--port={port}")
    assert f"--port={port}: cannot listen there (Address already in use" in said
    assert "set --token_file" in refused(f"--model={model}", "--host=::x")
    assert "--host=0.0.0.0: would show" in refused(f"--model={model}", "--host=0.0.0.0")
    assert "cannot be read" in refused(f"--model={model}", "--token_file=/none")
    assert "no such file" in refused(f"--model={model}", "--port=0", "--source=/none")


@pytest.mark.parametrize(
    "flag",
    [
        *("--mqtt=mqtt://h/t", "--on_label=red", "--run=true", "--count=red"),
        *("--zone=0,0 1,0 1,1", "--line=", "--motion", "--policy=policy.json"),
        *("--home_assistant", "--mqtt_picture"),
    ],
)
def test_flags_for_frames_are_refused_without_a_source(model, flag):
    said = refused(f"--model={model}", "--port=0", flag)
    name = flag.split("=")[0]
    assert f"{name}: needs frames, but there is no source; give a --source." in said


def test_capture_needs_a_camera_and_its_own_folder(model, tmp_path):
    start: tuple[str, ...] = (f"--model={model}", "--port=0")
    for name in ("capture", "keep_uncertain"):
        said = refused(*start, f"--{name}={tmp_path}")
        assert f"--{name}: needs a camera; give a --source." in said
    start = (*start, "--source=http://127.0.0.1:9/x")
    assert "--capture: is empty; give a folder." in refused(*start, "--capture=")
    flags = f"--capture={tmp_path}", "--then=large.tflite"
    assert "--capture: teaches one model" in refused(*start, *flags)
    inside = (f"--capture={tmp_path}/photos", f"--keep_uncertain={tmp_path}/photos/x")
    assert "where it would be a class; give another" in refused(*start, *inside)


def test_server_starts_without_a_model_to_be_taught(
    serve, camera_server, tmp_path, jpeg
):
    served = serve(
        f"--source={camera_server.url}",
        f"--capture={tmp_path}/photos",
        f"--model={tmp_path}/mine.tflite",
        *("--on_label=cup", "--run=true", "--smooth=1", "--threshold=0.8"),
    )
    state = served.state()
    assert state["model"]["state"] == "untaught" and state["capture"]
    headers = {"Content-Type": "image/jpeg"}
    url = f"{served.url}/v1/classify"
    for answer in (
        httpx.get(f"{served.url}/readyz"),
        httpx.post(url, content=jpeg(), headers=headers),
    ):
        assert answer.status_code == 503
        assert "no model yet; teach one" in answer.json()["error"]
    assert httpx.get(f"{served.url}/v1/model").json()["manifest"]["labels"] == []
    assert httpx.get(f"{served.url}/capture").status_code == 200
    assert "Traceback" not in served.log


def test_recording_continues_when_a_lost_camera_is_back(
    serve, camera_server, tmp_path, wait_until
):
    folder = tmp_path / "photos" / "cup"
    folder.mkdir(parents=True)
    flags = (f"--source={camera_server.url}", f"--capture={tmp_path}/photos")
    served = serve(*flags, "--stale_after=1")
    url, body = f"{served.url}/v1/capture", {"label": "cup", "key": "0123abcd"}

    def record():
        return httpx.post(f"{url}/record", json=body).json()

    wait_until(lambda: record()["kept"] == 1)
    camera_server.kill()
    wait_until(lambda: "camera is reopening, so nothing" in record()["problem"])
    same = record()["same"]
    camera_server.start()
    # It shows the same, so its frames are left out.
    wait_until(lambda: record()["same"] > same and not record()["problem"])
    assert len(list(folder.iterdir())) == 1
    # A model that was not taught is not replaced.
    assert httpx.post(f"{url}/teach", json={}).status_code == 202

    def is_refused():
        teach = httpx.get(url).json()["teach"]
        return teach["state"] == "failed" and "was not made by" in teach["lines"][0]

    wait_until(is_refused)
    assert served.process.poll() is None and "Traceback" not in served.log


def test_teaching_ends_with_the_server(
    serve, camera_server, tmp_path, jpeg, wait_until
):
    for label in ("cup", "pen"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        (tmp_path / "photos" / label / "1.jpg").write_bytes(jpeg())
    flags = (f"--capture={tmp_path}/photos", f"--model={tmp_path}/mine.tflite")
    served = serve(f"--source={camera_server.url}", *flags)
    begun = httpx.post(f"{served.url}/v1/capture/teach", json={})
    assert begun.status_code == 202

    def find_teaching():
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                command = path.read_text()
                if "teach_main" in command and str(tmp_path) in command:
                    yield path.parent.name

    wait_until(lambda: list(find_teaching()))
    served.process.kill()
    served.process.wait()
    wait_until(lambda: not list(find_teaching()))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "photos"]


def test_uncertain_frames_are_kept_as_they_are_classified(
    serve, camera_server, tmp_path, jpeg, wait_until
):
    camera_server.part = jpeg(BLUE, (20, 40))
    folder = tmp_path / "unsure"
    served = serve(
        *(f"--source={camera_server.url}", f"--keep_uncertain={folder}"),
        *("--threshold=1", "--rotate=90"),
    )
    wait_until(lambda: [x for x in folder.iterdir() if not x.name.startswith(".")])
    image = read_image(next(folder.iterdir()))
    assert image.shape == (40, 20, 3)
    # All of it is blue: no label is drawn on it.
    assert image[:, :, 2].min() > 200 and image[:, :, :2].max() < 60
    assert not served.state()["capture"]


def test_plain_install_is_told_the_extra():
    done = subprocess.run([sys.executable, "-c", HIDE], capture_output=True, text=True)
    assert done.returncode == 2
    assert "serve needs fastapi, uvicorn; install it with: pip" in done.stderr
