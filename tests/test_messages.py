"""Flags and commands that errors, logs and help name exist where they are shown."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fixtures.program_flags import flags_in, program_of

from corallite.device.cli.command import VERBS

ROOT = Path(__file__).parents[1]
PACKAGES = ("device", "train", "optimize", "convert")
# Placeholders, and flags of pip, docker, curl and others.
NOT_OURS = {
    *("flags", "name"),
    *("data-binary", "dearmor", "force-reinstall", "platform", "reload-rules"),
    *("no-deps", "system-site-packages", "tag"),
    "version",  # Of `corallite` itself.
}
# They run the code of other programs, whose texts name flags of those.
COMPOSED = {"pipeline", "report", "search"}
# They read the images that `train` has listed and split.
AFTER_TRAINING = {"prune", "quantize", "convert", "evaluate"}
# Modules that a program imports for other functions than those with the texts.
UNUSED_BY = {
    "corallite.train.cli.recipe_flags": {"prune", "quantize"},
    "corallite.train.runs.stage": {"evaluate", "inspect", "pack"},
    "corallite.device.benchmark.layers.latency_table": {"prune"},
    "corallite.device.engine.open_model": {"benchmark", "publish"},
    "corallite.device.engine.edgetpu.failover": {"benchmark", "publish"},
    "corallite.train.training.detect.task": {"adopt"},
    "corallite.train.training.initialization": {"prune", "adopt"},
    "corallite.train.training.teaching.open_network": {"convert", "adopt"},
    "corallite.train.weights.imagenet": {"prune", "adopt"},
    "corallite.train.data.decoded.open_splits": {"inspect", "pack"},
    "corallite.train.data.inspect.findings": {*AFTER_TRAINING, "pack"},
    "corallite.train.data.inspect.grouping": AFTER_TRAINING,
    "corallite.train.data.listing.layout": AFTER_TRAINING,
    "corallite.train.data.run_split": {*AFTER_TRAINING, "inspect", "pack"},
    "corallite.train.data.load": {"inspect", "pack"},
    "corallite.device.cli.program": {
        *("prune", "quantize", "convert", "inspect", "pack", "fleet"),
    },
}


def read_modules() -> dict[str, ast.Module]:
    modules = {}
    for path in (x for package in PACKAGES for x in (ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(("corallite", *parts)).removesuffix(".__init__")
        modules[name] = ast.parse(path.read_text("utf-8"))
    return modules


MODULES = read_modules()


def imports_of(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
            yield str(node.module)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value  # A module that is loaded by its name.


def modules_of(program: str) -> set[str]:
    """Returns the modules that a program can load."""
    seen: set[str] = set()
    left = [program]
    while left:
        name = left.pop()
        if name in MODULES and name not in seen:
            seen.add(name)
            left += imports_of(MODULES[name])
    return seen


def texts_of(name: str) -> Iterator[str]:
    """Yields the texts of a module that a user may read; {} stands for a value.

    Docstrings are for developers, but for that of a program, which is its help. An
    argument of another program is a text without blanks.
    """
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    hidden = {
        id(node.body[0].value)
        for node in ast.walk(MODULES[name])
        if isinstance(node, documented)
        and node.body
        and isinstance(node.body[0], ast.Expr)
        and not (isinstance(node, ast.Module) and name.endswith("_main"))
    }
    for node in ast.walk(MODULES[name]):
        if isinstance(node, ast.JoinedStr):
            hidden |= set(map(id, node.values))
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else "{}"
                for part in node.values
            )
        elif isinstance(node, ast.Constant) and id(node) not in hidden:
            yield from [node.value] if isinstance(node.value, str) else []


def flags_named(text: str) -> set[str]:
    is_argument = text.startswith("--") and " " not in text.strip()
    named = [] if is_argument else re.findall(r"(?<![\w-])--([a-z][\w-]*)", text)
    return set(named) - NOT_OURS


def lacks(
    text: str, programs: set[str], flags: dict[str, set[str]]
) -> dict[str, list[str]]:
    """Returns the flags that a text names and programs lack that may show it.

    A text may name another program that has the flag, as in "give classify --labels".
    """
    missing = {}
    for flag in flags_named(text):
        named = [verb for verb in VERBS if re.search(rf"\b{verb}\b", text)]
        if not any(flag in flags[verb] for verb in named):
            missing[flag] = [verb for verb in programs if flag not in flags[verb]]
    return {flag: programs for flag, programs in missing.items() if programs}


@pytest.fixture(scope="module")
def flags(help_texts: dict[str, str]) -> dict[str, set[str]]:
    """The flags of each verb."""
    return {verb: flags_in(text) for verb, text in help_texts.items()}


@pytest.mark.slow
def test_flags_that_texts_name_are_those_of_the_programs_that_show_them(
    flags: dict[str, set[str]],
) -> None:
    everywhere = set().union(*flags.values())
    loaded = {verb: modules_of(program_of(verb)) for verb in VERBS}
    wrong = []
    for name in MODULES:
        programs = {x for x in VERBS if name in loaded[x]} - COMPOSED
        programs -= UNUSED_BY.get(name, set())
        for text in texts_of(name):
            unknown = flags_named(text) - everywhere
            if unknown or lacks(text, programs, flags):
                wrong.append((name, text, unknown, lacks(text, programs, flags)))
    assert wrong == []


def test_a_flag_that_a_program_lacks_is_found() -> None:
    flags: dict[str, set[str]] = {verb: set() for verb in VERBS}
    flags["classify"] = {"labels"}
    text = "{}: carries no manifest; give --labels=FILE."
    assert lacks(text, {"classify", "evaluate"}, flags) == {"labels": ["evaluate"]}
    assert lacks(text.replace("give", "give classify"), {"evaluate"}, flags) == {}
    assert lacks("docker run --rm", {"compile"}, flags) == {"rm": ["compile"]}
    assert flags_named("--network=none") == set()


def test_commands_that_texts_name_exist() -> None:
    pages = [*ROOT.glob("*/*/templates/*.html"), *ROOT.glob("*/*/page/*.html")]
    texts = [text for name in MODULES for text in texts_of(name)]
    named = {
        verb
        for text in [*texts, *(page.read_text("utf-8") for page in pages)]
        for verb in re.findall(r"(?:`|: |\n)corallite ([a-z]\w*)", text)
    }
    assert len(named) > 8
    assert named <= set(VERBS)
