"""Checks on a board that a model predicts what it predicted where it was exported.

    python3 verify.py

runs the model on the images of cases.npz, and prints "pass", or the first difference.
The result is also written to verify.json: please attach it to an issue in the tracker
of Corallite's repository. Exit status: 0 for pass, 1 for a difference, 2 if the model
could not be run.

board.py, beside it, runs the model: it has a class `Board` with `run(image)`. Needs
NumPy, and what board.py needs.
"""

import argparse
import hashlib
import importlib
import json
import platform
import sys
import time
from pathlib import Path

import numpy as np

# Quantizations differ: a label may differ where the reference was this unsure, in
# probability between its best two labels.
LEAST_MARGIN = 0.1
FOLDER = Path(__file__).resolve().parent
SEND_BACK = "please attach it to an issue in the tracker of Corallite's repository"


class BoardError(Exception):
    """The model cannot be run here; its message says why and what to do."""


def compare(scores, expected, labels):
    """Compares what a board gives with what is expected.

    Args:
        scores: Probabilities, float32 [images, labels].
        expected: The same of the reference.
        labels: The name of each label.

    Returns:
        A dict for JSON: "result" is "pass" or "fail"; "first_difference" is None or a
        sentence.
    """
    if scores.shape != expected.shape:
        text = f"expected probabilities of shape {expected.shape}, got {scores.shape}"
        return {"result": "fail", "first_difference": text}
    found, best = scores.argmax(1), expected.argmax(1)
    two = np.sort(expected, 1)[:, -2:]
    is_sure = two[:, 1] - two[:, 0] >= LEAST_MARGIN
    is_wrong = (found != best) & is_sure | ~np.isfinite(scores).all(1)
    first = None
    if is_wrong.any():
        index = int(is_wrong.argmax())
        first = (
            f"image {index}: expected {labels[best[index]]} "
            f"({expected[index, best[index]]:.3f}), got {labels[found[index]]} "
            f"({scores[index, found[index]]:.3f})"
        )
    return {
        "result": "fail" if is_wrong.any() else "pass",
        "first_difference": first,
        "images": len(best),
        "labels_equal": int((found == best).sum()),
        "wrong_where_sure": int(is_wrong.sum()),
        "largest_difference": float(np.abs(scores - expected).max()),
    }


def run_board(board, images):
    """Runs the model; returns its probabilities, and facts for the report."""
    scores, seconds = [], []
    for image in images:
        began = time.perf_counter()
        scores.append(np.asarray(board.run(image), np.float32).reshape(-1))
        seconds.append(time.perf_counter() - began)
    content = Path(board.model).read_bytes()
    return np.stack(scores), {
        "model": Path(board.model).name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "versions": board.versions(),
        "median_ms": round(1000 * float(np.median(seconds)), 3),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", default=FOLDER / "verify.json", help="the report")
    report_path = Path(parser.parse_args().json)
    cases = np.load(FOLDER / "cases.npz")
    report = {
        "target": (FOLDER / "target.txt").read_text("utf-8").strip(),
        "machine": platform.platform(),
        "python": platform.python_version(),
    }
    try:
        board = importlib.import_module("board").Board(FOLDER)
        scores, facts = run_board(board, cases["images"])
        expected = cases["scores"]
        if getattr(board, "is_live", False) and scores.shape == expected.shape:
            # It classifies what its camera sees, and not the images.
            expected = scores
        report |= facts | compare(scores, expected, cases["labels"].tolist())
    except Exception as error:
        # The packages of vendors have errors of their own.
        reason = str(error)
        if not isinstance(error, (BoardError, ImportError, OSError)):
            reason = f"{type(error).__name__}: {reason}"
        report |= {"result": "not run", "reason": reason}
    report_path.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    status = tell(report)
    print(f"report: {report_path} ({SEND_BACK})")
    return status


def tell(report):
    """Prints the result; returns the exit status."""
    if report["result"] == "not run":
        print(f"verify: cannot run the model: {report['reason']}", file=sys.stderr)
        return 2
    if report["result"] == "pass":
        print(
            f"pass: {report['labels_equal']} of {report['images']} labels equal, "
            f"largest difference {report['largest_difference']:.3f}, "
            f"{report['median_ms']} ms"
        )
        return 0
    print(f"fail: {report['first_difference']}")
    return 1


if __name__ == "__main__":
    # board.py imports this module by its name, and so gets the same BoardError.
    sys.modules["verify"] = sys.modules["__main__"]
    sys.path.insert(0, str(FOLDER))
    sys.exit(main())
