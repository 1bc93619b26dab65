"""Results reach every sink although one fails; a line is complete or missing."""

import json
import os
import subprocess
import sys
import threading

import pytest

from corallite.device.engine.classifier import Prediction
from corallite.device.loop.classify_frames import Result
from corallite.device.loop.result_lines import to_json_line
from corallite.device.outputs.lines import Lines, Sinks


def result(frame=0, label="cat"):
    return Result(frame, 0.0, "clip.mp4", [Prediction(label, 0.9)], label, 1.0)


class Recording:
    def __init__(self):
        self.frames = []
        self.is_closed = False

    def put(self, result):
        self.frames.append(result.frame)

    def close(self):
        self.is_closed = True


class Broken(Recording):
    error: Exception = OSError(28, "No space left on device")

    def put(self, result):
        raise self.error


def test_failing_sink_stops_neither_the_others_nor_the_loop(caplog):
    recording, broken = Recording(), Broken()
    sinks = Sinks([broken, recording])
    for frame in range(9):
        sinks.put(result(frame))
    assert recording.frames == list(range(9))
    # The 1st, 2nd, 4th and 8th.
    assert caplog.text.count("Broken: No space left on device. (") == 4
    assert "(8 so far)" in caplog.text


def test_sink_without_a_thread_stops_nothing(caplog):
    broken = Broken()
    broken.error = RuntimeError("can't start new thread")
    Sinks([broken]).put(result())
    assert "Broken: can't start new thread. (1 so far)" in caplog.text


def test_closed_pipe_is_raised():
    broken = Broken()
    broken.error = BrokenPipeError(32, "Broken pipe")
    with pytest.raises(BrokenPipeError):
        Sinks([broken]).put(result())


def test_lines_are_written_at_once(tmp_path):
    with open(tmp_path / "log", "wb") as file:
        lines = Lines(file.fileno(), lambda result: f"ä{result.frame}")
        lines.put(result(1))
        assert (tmp_path / "log").read_bytes() == b"\\xe41\n"
        lines.close()
    assert lines.lost == 0


def test_lines_that_do_not_fit_are_counted_as_lost(caplog):
    with open("/dev/full", "wb") as file:
        lines = Lines(file.fileno(), to_json_line)
        for _ in range(3):
            with pytest.raises(OSError, match="No space left on device"):
                lines.put(result())
        lines.close()
    assert lines.lost == 3 and "3 results could not be written." in caplog.text


def test_partial_line_is_completed_before_the_next(tmp_path):
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    lines = Lines(writer, lambda result: f"{result.frame}:" + "x" * 40_000)
    written = []
    for frame in range(4):
        # A pipe takes 64 KiB: the second line is partial, the third does not fit.
        try:
            lines.put(result(frame))
            written.append(frame)
        except BlockingIOError:
            pass
    assert written == [0] and lines.lost == 2
    seen = os.read(reader, 1 << 20)
    lines.put(result(9))
    os.close(writer)
    with open(reader, "rb") as file:
        seen += file.read()
    found = seen.decode().splitlines()
    assert [line.partition(":")[0] for line in found] == ["0", "1", "9"]
    assert {len(line) for line in found} == {40_002}


def test_line_never_completed_is_lost(caplog):
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    lines = Lines(writer, lambda result: "x" * 100_000)
    with pytest.raises(BlockingIOError):
        lines.put(result())
    lines.close()
    assert lines.lost == 1 and "1 results could not be written." in caplog.text
    os.close(reader)
    os.close(writer)


def test_reader_that_reads_nothing_is_waited_for_until_stop(caplog):
    reader, writer = os.pipe()
    lines = Lines(writer, lambda result: "x" * 100_000)
    thread = threading.Thread(target=Sinks([lines]).put, args=(result(),))
    thread.start()
    thread.join(2)  # Twice as long as it waits after `stop`.
    assert thread.is_alive()
    lines.stop.set()
    thread.join(60)
    assert not thread.is_alive()
    lines.close()
    os.close(writer)
    with open(reader, "rb") as file:
        assert len(file.read()) == 1 << 16  # A pipe takes no more.
    assert (
        lines.lost == 1
        and "Lines: the reader does not read the results." in caplog.text
    )


@pytest.fixture
def small_disk(tmp_path):
    """A file system with room for 512 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "none", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs to mount a file system, which is for root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


WRITE = """
import sys
from corallite.device.engine.classifier import Prediction
from corallite.device.loop.classify_frames import Result
from corallite.device.loop.result_lines import to_json_line
from corallite.device.outputs.lines import Lines, Sinks

lines = Lines(1, to_json_line)
sinks = Sinks([lines])
for frame in range(2000):
    if frame == 1500:
        input()
    sinks.put(Result(frame, 0.0, "x", [Prediction("cat", 0.9)], "cat", 1.0))
    if frame == 1499:
        print("full", file=sys.stderr, flush=True)
print(lines.lost, file=sys.stderr)
"""


def test_full_disk_loses_only_complete_lines_and_the_loop_continues(small_disk):
    with open(small_disk / "log", "ab") as log, open(small_disk / "other", "wb") as old:
        old.write(bytes(400_000))
        old.flush()
        process = subprocess.Popen(
            [sys.executable, "-c", WRITE],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdin and process.stderr
        while process.stderr.readline() != "full\n":
            assert process.poll() is None
        size = (small_disk / "log").stat().st_size
        os.truncate(small_disk / "other", 0)
        _, complaints = process.communicate("\n", timeout=60)
    found = (small_disk / "log").read_text().splitlines()
    frames = [json.loads(line)["frame"] for line in found]
    assert process.returncode == 0
    assert (small_disk / "log").stat().st_size > size
    # Some from before the disk was full, and some from after there was room again.
    assert frames == sorted(frames) and frames[0] == 0 and max(frames) >= 1500
    assert len(frames) + int(complaints.split()[-1]) == 2000
