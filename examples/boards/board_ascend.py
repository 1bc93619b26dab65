"""Runs model.om, which atc has made, on an Ascend NPU by pyACL."""

import numpy as np
from verify import BoardError

_TO_DEVICE, _TO_HOST = 1, 2
_HUGE_FIRST = 0  # Of aclrtMemMallocPolicy.


class Board:
    def __init__(self, folder):
        self.model = folder / "model.om"
        if not self.model.exists():
            raise BoardError("model.om is missing; make it with atc as README.md says")
        import acl

        self.acl = acl
        self.check("acl.init", acl.init())
        self.check("acl.rt.set_device", acl.rt.set_device(0))
        self.context = self.get("acl.rt.create_context", acl.rt.create_context(0))
        loaded = acl.mdl.load_from_file(str(self.model))
        self.id = self.get("acl.mdl.load_from_file", loaded)
        self.description = acl.mdl.create_desc()
        self.check("acl.mdl.get_desc", acl.mdl.get_desc(self.description, self.id))
        size = acl.mdl.get_input_size_by_index(self.description, 0)
        self.input, self.input_set = self.allocate(size)
        self.output_size = acl.mdl.get_output_size_by_index(self.description, 0)
        self.output, self.output_set = self.allocate(self.output_size)
        self.input_size = size

    def check(self, name, status):
        if status != 0:
            raise BoardError(f"{name} failed with error {status}; see CANN's log")

    def get(self, name, answer):
        value, status = answer
        self.check(name, status)
        return value

    def allocate(self, size):
        """Returns the address of a buffer on the NPU, and a data set that holds it."""
        malloc = self.acl.rt.malloc(size, _HUGE_FIRST)
        address = self.get("acl.rt.malloc", malloc)
        data_set = self.acl.mdl.create_dataset()
        buffer = self.acl.create_data_buffer(address, size)
        added = self.acl.mdl.add_dataset_buffer(data_set, buffer)
        self.get("acl.mdl.add_dataset_buffer", added)
        return address, data_set

    def run(self, image):
        """Returns the probabilities of an image, uint8 [height, width, 3], RGB."""
        values = (image.transpose(2, 0, 1)[None] / 255).astype(np.float32)
        content = np.ascontiguousarray(values).tobytes()
        if len(content) != self.input_size:
            raise BoardError(
                f"model.om takes {self.input_size} bytes instead of {len(content)}; "
                "make it with atc as README.md says"
            )
        pointer, copy = self.acl.util.bytes_to_ptr(content), self.acl.rt.memcpy
        size = self.input_size
        self.check("acl.rt.memcpy", copy(self.input, size, pointer, size, _TO_DEVICE))
        done = self.acl.mdl.execute(self.id, self.input_set, self.output_set)
        self.check("acl.mdl.execute", done)
        size = self.output_size
        host = self.get("acl.rt.malloc_host", self.acl.rt.malloc_host(size))
        self.check("acl.rt.memcpy", copy(host, size, self.output, size, _TO_HOST))
        result = self.acl.util.ptr_to_bytes(host, size)
        self.acl.rt.free_host(host)
        return np.frombuffer(result, np.float32)

    def versions(self):
        return {"soc": self.acl.get_soc_name()}
