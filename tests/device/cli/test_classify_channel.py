"""Publishing and classifying with a channel, as a user does."""

import contextlib
import functools
import http.server
import json
import os
import ssl
import subprocess
import sys
import threading

import pytest

from corallite.device.image.preprocess import Preprocessing
from corallite.device.model.manifest import Manifest
from corallite.device.model.write import attach_manifest

MANIFEST = Manifest.of_classifier(
    "tiny", "1", ("red", "green", "blue"), Preprocessing((32, 32))
)


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        """Stays silent."""


@pytest.fixture
def model(tiny_models, tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(attach_manifest(tiny_models["uint8"].read_bytes(), MANIFEST))
    return path


@pytest.fixture
def run(tmp_path, jpeg):
    """A function that runs a verb, with one red image on stdin."""
    folders = {"XDG_CONFIG_HOME": "config", "XDG_STATE_HOME": "state"}
    environment = {name: str(tmp_path / folder) for name, folder in folders.items()}

    def run(verb, *flags, **more):
        part = "convert" if verb == "publish" else "device"
        module = f"corallite.{part}.cli.{verb}_main"
        return subprocess.run(
            [sys.executable, *more.pop("python", ()), "-m", module, *flags],
            input=jpeg((255, 0, 0)),
            capture_output=True,
            env={**os.environ, "STATE_DIRECTORY": "", **environment, **more},
            timeout=120,
        )

    return run


@contextlib.contextmanager
def serving(folder, certificate):
    """Yields the URL of the channel in a folder, over https."""
    handler = functools.partial(Handler, directory=str(folder))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"https://127.0.0.1:{server.server_port}/channel.json"
        server.shutdown()


def test_what_is_published_is_classified_with(run, model, tmp_path, certificate):
    done = run("publish", f"--model={model}", f"--channel={tmp_path / 'public'}")
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.decode().splitlines()
    assert "public: release 1 for all devices, signed until 20" in first
    assert second.startswith(f"new key {tmp_path / 'config'}")
    trusting = {"SSL_CERT_FILE": certificate[0]}
    with serving(tmp_path / "public", certificate) as url:
        untrusted = run("classify", url, "--source=-")
        done = run("classify", url, "--source=-", **trusting)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["top"][0]["label"] == "red"
    # A server with a self-signed certificate.
    assert (untrusted.returncode, untrusted.stdout) == (2, b"")
    last = untrusted.stderr.splitlines()[-1]
    assert b"certificate verify failed" in last and b"start again" in last
    # The server is away now.
    later = run("classify", url, "--source=-", **trusting)
    assert later.returncode == 0 and later.stdout.count(b"\n") == 1


def test_models_of_files_load_nothing_of_channels(run, model):
    done = run("classify", str(model), "--source=-", python=("-X", "importtime"))
    assert done.returncode == 0
    modules = {line.rpartition(b"|")[2].strip() for line in done.stderr.splitlines()}
    assert b"corallite.device.channel.follow" in modules
    for name in (b"tuf", b"cryptography", b"urllib3", b"ssl", b"hashlib"):
        assert name not in modules
    assert b"corallite.device.channel.follower" not in modules


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["http://models.example/channel.json"], "http is not encrypted"),
        (["https://models.example/model.tflite"], "is not the URL of a channel"),
        (["https://x.example/channel.json", "--then=b.tflite"], "--then: is a file"),
        (["a.tflite", "--then=https://x.example/channel.json"], "them is a URL; leave"),
        (["https://x.example/mychannel.json"], "is not the URL of a channel"),
        (["https://x.example/channel.json", "--cpu_model=b"], "--cpu_model: is a file"),
        (["model.tflite", "--channel_root=root.json"], "--channel_root: is for"),
        (
            ["https://x.example/channel.json", "--channel_root=missing.json"],
            "--channel_root=missing.json: cannot be used (No such file",
        ),
    ],
)
def test_wrong_flags_are_refused_in_one_sentence(run, flags, sentence):
    done = run("classify", *flags, "--source=-")
    assert done.returncode == 2
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("corallite: ") and sentence in line


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        ([], "Expected one of --model, --renew and --rotate_key"),
        (["--renew", "--rotate_key"], "give one of them"),
        (["--renew", "--rollout=5"], "--rollout: is for a model"),
        (["--renew"], "is not a channel; publish a model there first"),
        (["missing.tflite"], "missing.tflite"),
        (["{model}", "--min_version=new"], "is not a version"),
        (["{model}", "--rollout=101"], "rollout"),
        (["{model}", "--keys={public}/keys"], "is inside the channel"),
    ],
)
def test_wrong_publications_are_refused_in_one_sentence(
    run, model, tmp_path, flags, sentence
):
    public = tmp_path / "public"
    given = [flag.format(model=model, public=public) for flag in flags]
    done = run("publish", *given, f"--channel={public}")
    assert done.returncode == 2 and done.stdout == b""
    line = done.stderr.decode().splitlines()[-1]
    assert line.startswith("corallite: ") and sentence in line
    assert not list(tmp_path.rglob("*.json")) and not list(tmp_path.rglob("*.pem"))
