"""Checks on a Jetson the folder that `corallite convert --to=tensorrt` has written.

python3 verify.py tensorrt

runs verify.py of that folder, which is `exports/tensorrt` of a run, copied to the
board. It builds a plan with TensorRT, compares, and writes verify.json there; further
arguments are passed on. The check is the same for all boards: `examples/boards`.
"""

import runpy
import sys
from pathlib import Path


def main():
    if len(sys.argv) < 2 or not (Path(sys.argv[1]) / "verify.py").is_file():
        print(
            "verify: name the folder that `corallite convert --to=tensorrt` has "
            "written, such as: python3 verify.py tensorrt",
            file=sys.stderr,
        )
        sys.exit(2)
    check = Path(sys.argv[1]).resolve() / "verify.py"
    sys.argv = [str(check), *sys.argv[2:]]
    runpy.run_path(str(check), run_name="__main__")


if __name__ == "__main__":
    main()
