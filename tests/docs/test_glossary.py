"""docs/glossary.md: each term stands once and has a name in the code that exists."""

import importlib
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| ([^|]+?) \| ([^|]+?) \| `([\w/]+\.py)(?:::(\w+))?` \|$", re.MULTILINE)


def rows():
    return ROW.findall((ROOT / "docs" / "glossary.md").read_text())


def test_every_row_has_a_term_a_meaning_and_a_place():
    lines = [line for line in (ROOT / "docs" / "glossary.md").read_text().splitlines() if line.startswith("| ")]
    headings = [line for line in lines if line.startswith("| Term |")]
    assert len(rows()) == len(lines) - len(headings) > 60


def test_each_term_has_one_meaning():
    terms = [term for term, *_ in rows()]
    assert sorted(terms) == sorted(set(terms))


def test_each_name_exists():
    for _, _, path, name in rows():
        module = importlib.import_module(path.removesuffix(".py").replace("/", "."))
        assert not name or hasattr(module, name), f"{path}::{name}"


def test_the_page_on_the_journal_names_every_kind_of_event():
    events = (ROOT / "batch_deployer" / "model" / "events.py").read_text()
    kinds = set(re.findall(r'tag="(\w+)"', events))
    named = re.findall(r"^Kinds of .*$", (ROOT / "docs" / "journal.md").read_text(), re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", "".join(named))) == kinds
