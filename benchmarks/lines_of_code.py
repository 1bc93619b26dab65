"""Counts lines of code of the four packages: no blanks, comments or docstrings.

python benchmarks/lines_of_code.py
"""

import ast
import io
import tokenize
from pathlib import Path

_PACKAGES = ("train", "optimize", "convert", "device")
_NOT_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def count_lines(source: str) -> int:
    """Returns the number of lines of Python `source` that hold code."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in _NOT_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node) is not None:
            docstring = node.body[0]
            lines.difference_update(
                range(docstring.lineno, (docstring.end_lineno or 0) + 1)
            )
    return len(lines)


def main() -> None:
    root = Path(__file__).parents[1]
    total = 0
    for package in _PACKAGES:
        paths = sorted((root / package).rglob("*.py"))
        count = sum(count_lines(path.read_text("utf-8")) for path in paths)
        total += count
        print(f"{package:<9} {len(paths):>4} files {count:>7,} lines")
    print(f"{'all':<9} {total:>18,} lines")


if __name__ == "__main__":
    main()
