"""The commands, flags and links in the documentation exist."""

import json
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from corallite.device.cli.command import VERBS, module_of

ROOT = Path(__file__).parents[1]
EXPLAIN = ROOT / "tests" / "fixtures" / "explain_programs.py"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(ROOT.glob("docs/*.md"))]


def commands(page: Path) -> list[str]:
    """Returns the `corallite VERB --flags` of a page, with continued lines joined."""
    text = page.read_text("utf-8").replace("\\\n", " ")
    return re.findall(r"^ *(?:\$ )?corallite +([a-z].*)$", text, re.MULTILINE)


def explain(verbs: Iterable[str]) -> dict[str, str]:
    """Returns the output of `--helpfull` by verb."""
    program_of = {verb: module_of(verb) for verb in verbs}
    command = [sys.executable, str(EXPLAIN), "--helpfull", *program_of.values()]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    texts = json.loads(done.stdout)
    return {verb: texts[program] for verb, program in program_of.items()}


def flags_in(text: str) -> set[str]:
    """Returns the flags in a program's help, with both forms of a boolean."""
    flags = re.findall(r"^ +(?:-.,)?--(\[no\])?(\w+)", text, re.MULTILINE)
    return {form for no, name in flags for form in (name, f"no{name}" if no else name)}


def test_table_in_the_documentation_has_every_room_of_the_device():
    table = (ROOT / "docs/device.md").read_text("utf-8").partition("\n## ")[0]
    rooms = {path.parent.name for path in ROOT.glob("device/*/__init__.py")}
    assert rooms == set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))


@pytest.mark.slow
def test_flags_in_the_documentation_exist() -> None:
    used: dict[str, set[str]] = {}
    for command in (command for page in PAGES for command in commands(page)):
        found = re.findall(r"--([a-z]\w*)", command)
        used.setdefault(command.split()[0], set()).update(found)
    assert used.keys() <= VERBS.keys()
    known = {verb: flags_in(text) for verb, text in explain(used).items()}
    unknown = {verb: names - known[verb] for verb, names in used.items()}
    assert unknown == {verb: set() for verb in used}


def test_readme_has_the_commands_from_photos_to_a_pi() -> None:
    verbs = [command.split()[0] for command in commands(ROOT / "README.md")]
    steps = ["train", "prune", "quantize", "convert", "evaluate", "classify"]
    assert verbs[:6] == steps


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_of_a_page_exist(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8"))
    assert [link for link in targets if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_make_targets_of_a_page_exist(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    text = page.read_text("utf-8")
    used = re.findall(r"(?:^ *|`)make ([a-z]+)", text, re.MULTILINE)
    missing = [name for name in used if not re.search(f"(?m)^{name}:", makefile)]
    assert missing == []
