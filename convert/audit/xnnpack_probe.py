"""Loads a model and prints which operators XNNPACK runs; started by `xnnpack`.

python -m corallite.convert.audit.xnnpack_probe FILE ROOM_BYTES
"""

import json
import sys
from pathlib import Path
from typing import Any

from corallite.device.engine.runtime import load_interpreter
from corallite.device.system.errors import RequestError

_DELEGATE = "DELEGATE"


def find_partitions(path: str) -> dict[str, Any]:
    """Returns the fields of `xnnpack.Partitions`."""
    try:
        interpreter = load_interpreter(path)
        operators = interpreter._get_ops_details()
        details = interpreter.get_output_details()
    # UnicodeDecodeError: the name of a tensor in a damaged file.
    except (RequestError, UnicodeDecodeError) as error:
        return {"count": None, "outside": [], "error": str(error)}
    outputs = [int(detail["index"]) for detail in details]
    executed = _find_executed(operators, outputs)
    outside = [index for index in executed if operators[index]["op_name"] != _DELEGATE]
    count = len(executed) - len(outside)
    return {"count": count, "outside": outside, "error": ""}


def _find_executed(operators: list[dict[str, Any]], outputs: list[int]) -> list[int]:
    """Returns the numbers of the operators that run, traced back from the outputs.

    The runtime lists the file's operators, then its delegates. Where two write the
    same tensor, the delegate runs.
    """
    maker = {
        int(tensor): index
        for index, operator in enumerate(operators)
        for tensor in operator["outputs"]
    }
    waiting, executed = list(outputs), set[int]()
    while waiting:
        index = maker.get(waiting.pop())
        if index is not None and index not in executed:
            executed.add(index)
            waiting.extend(int(tensor) for tensor in operators[index]["inputs"])
    return sorted(executed)


def _limit_memory(room_bytes: int) -> None:
    """Limits how much this process can grow, in case a file is damaged."""
    if sys.platform == "linux":
        import resource

        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
        limit = pages * resource.getpagesize() + room_bytes
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    _limit_memory(int(sys.argv[2]))
    print(json.dumps(find_partitions(sys.argv[1])))
