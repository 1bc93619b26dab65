"""Puts a stand-in in the Edge TPU's place, in each Python that has this on its path.

What it does is told by the folder EDGETPU_STANDIN: the file `mode` says how it is,
and each process that has it adds its id to `users`. Like a real one it serves one
process at a time. What it runs is the file `standin.tflite` inside of the model.
"""

import ctypes
import fcntl
import io
import os
import time
import zipfile
from pathlib import Path


def load(content, options):
    folder = Path(os.environ["EDGETPU_STANDIN"])
    mode = (folder / "mode").read_text()
    with (folder / "users").open("a") as users:
        print(os.getpid(), options.get("device", ""), file=users)
    if mode == "hangs at loading":
        time.sleep(1000)
    handle = os.open(folder / "lock", os.O_CREAT | os.O_RDWR)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        mode = "absent"
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        model = archive.read("standin.tflite")
    if mode == "absent" or not model:
        raise ValueError("Failed to load delegate from libedgetpu.so.1\n")
    return StandIn(folder / "mode", model)


class StandIn:
    def __init__(self, mode, model):
        from ai_edge_litert.interpreter import Interpreter

        self.mode = mode
        self.inner = Interpreter(model_content=model)
        self.inner.allocate_tensors()
        self.get_input_details = self.inner.get_input_details
        self.get_output_details = self.inner.get_output_details
        self.set_tensor = self.inner.set_tensor

    def invoke(self):
        mode = self.mode.read_text()
        if mode == "hangs":
            time.sleep(1000)
        if mode == "crashes":
            ctypes.string_at(0)
        if mode == "unplugged":
            raise RuntimeError("Failed to execute request.\n")
        self.inner.invoke()

    def get_tensor(self, index):
        answer = self.inner.get_tensor(index)
        ways = {"lies": answer[..., ::-1], "is cut short": answer[..., :-1]}
        return ways.get(self.mode.read_text(), answer)


if "EDGETPU_STANDIN" in os.environ:
    from corallite.device import interpreter

    interpreter.load_on_edgetpu = load
