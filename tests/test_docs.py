"""Commands, links and names in the documents exist."""

import re
from pathlib import Path

import pytest
from fixtures.program_flags import flags_in

from corallite.device.cli.command import VERBS

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "samples/README.md")),
    ROOT / "examples" / "boards" / "README.md",
    *sorted(ROOT.glob("docs/**/*.md")),
]
GUIDES = sorted(ROOT.glob("docs/guides/*.md"))
PACKAGES = ["device", "train", "optimize", "convert"]


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def commands(page: Path) -> list[str]:
    """Returns the `corallite VERB --flags` of a page, continued lines joined."""
    text = page.read_text("utf-8").replace("\\\n", " ")
    return re.findall(r"^ *(?:\$ )?corallite +([a-z].*)$", text, re.MULTILINE)


def commands_in_sentences(page: Path) -> list[str]:
    text = page.read_text("utf-8")
    return re.findall(r"`corallite\s+([a-z]\w*\s[^`]*)`", text)


def sub_packages_of(package: str) -> dict[str, str]:
    """Returns each sub-package in the table of a package's page, with its row."""
    page = (ROOT / "docs" / f"{package}.md").read_text("utf-8")
    table = page.partition("\n## Sub-packages\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| `([\w/]+)/` \|(.*)$", table, re.MULTILINE))


@pytest.mark.parametrize("package", PACKAGES)
def test_every_sub_package_is_in_the_table_of_its_package(package: str) -> None:
    found = {path.parent.name for path in (ROOT / package).glob("*/__init__.py")}
    assert sub_packages_of(package).keys() == found


@pytest.mark.parametrize("package", PACKAGES)
def test_names_to_start_reading_at_are_defined_in_the_sub_package(package: str) -> None:
    missing = []
    for folder, row in sub_packages_of(package).items():
        files = (ROOT / package / folder).rglob("*.py")
        source = "\n".join(path.read_text("utf-8") for path in files)
        defined = set(re.findall(r"^(?:def|class) (\w+)", source, re.MULTILINE))
        names = re.findall(r"`(\w+)`", row.split("|")[-2])
        missing += [f"{folder}: {x}" for x in names if x not in defined]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_tests_that_a_page_names_exist(page: Path) -> None:
    named = set(re.findall(r"`(test_\w+)`", page.read_text("utf-8")))
    assert named <= {path.stem for path in (ROOT / "tests").rglob("test_*.py")}


@pytest.mark.slow
def test_commands_of_the_pages_have_the_flags_they_use(
    help_texts: dict[str, str],
) -> None:
    used: dict[str, set[str]] = {}
    pages = [commands(page) + commands_in_sentences(page) for page in PAGES]
    for command in (command for page in pages for command in page):
        found = re.findall(r"--([a-z]\w*)", command)
        used.setdefault(command.split()[0], set()).update(found)
    assert used.keys() <= set(VERBS)
    unknown = {x: names - flags_in(help_texts[x]) for x, names in used.items()}
    assert unknown == {verb: set() for verb in used}


@pytest.mark.slow
def test_flags_that_the_guides_name_exist(help_texts: dict[str, str]) -> None:
    existing = set().union(*(flags_in(text) for text in help_texts.values()))
    for page in GUIDES:
        named = set(re.findall(r"`--([a-z]\w*)", page.read_text("utf-8")))
        assert named - existing == set(), name(page)


def test_pictures_of_the_guides_are_shown_and_small() -> None:
    shown = {
        page.parent / target
        for page in GUIDES
        for target in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", page.read_text("utf-8"))
    }
    images = set((ROOT / "docs" / "guides" / "images").iterdir())
    assert images == shown
    # A clone takes them along, with every change of each.
    assert sum(path.stat().st_size for path in images) <= 600_000


def test_readme_has_the_commands_from_photos_to_a_pi() -> None:
    verbs = [command.split()[0] for command in commands(ROOT / "README.md")]
    steps = ["train", "prune", "quantize", "convert", "evaluate", "report"]
    board = ["doctor", "classify"]
    assert verbs == ["serve", "pipeline", "classify", *steps, *board]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_of_a_page_lead_to_files(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8"))
    assert [link for link in targets if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_into_a_page_lead_to_headings(page: Path) -> None:
    for file, heading in re.findall(r"\]\(([^):]*)#([^)]+)\)", page.read_text("utf-8")):
        target = page.parent / file if file else page
        headings = re.findall(r"^#+ (.+)$", target.read_text("utf-8"), re.MULTILINE)
        anchors = [
            re.sub(r"[^\w -]", "", x).lower().replace(" ", "-") for x in headings
        ]
        assert heading in anchors


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_make_targets_of_a_page_exist(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    text = page.read_text("utf-8")
    used = re.findall(r"(?:^ *|`)make ([a-z][a-z0-9-]*)", text, re.MULTILINE)
    missing = [x for x in used if not re.search(f"(?m)^{x}:", makefile)]
    assert missing == []
