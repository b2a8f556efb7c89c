"""Names that were replaced by the field's words do not come back."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "batch_deployer"
MODULES = [
    "again",
    "answers",
    "arrivals",
    "ask",
    "board",
    "broken",
    "cadence",
    "chance",
    "choose",
    "desk",
    "difference",
    "estate",
    "faster",
    "forecast",
    "frozen",
    "kept",
    "line",
    "look",
    "loose",
    "machine",
    "manner",
    "named",
    "nobody",
    "outlook",
    "pacing",
    "past",
    "private",
    "queue",
    "settle",
    "shape",
    "spoiling",
    "store",
    "track",
    "trouble",
    "turn",
    "undo",
    "verdicts",
    "wanted",
    "wants",
]
CLASSES = [
    "Audience",
    "BadInput",
    "Beat",
    "Board",
    "Bucket",
    "Channel",
    "Chaos",
    "Checked",
    "ClusterQueue",
    "Deaf",
    "Desk",
    "DiscreetApi",
    "Ending",
    "Estate",
    "Exchange",
    "Fate",
    "Fault",
    "Fleet",
    "Holding",
    "IllegalMove",
    "Kept",
    "LateApi",
    "Line",
    "LookJob",
    "Manner",
    "NotAgreed",
    "Opening",
    "Others",
    "Past",
    "PastRun",
    "Place",
    "Played",
    "Question",
    "Rehearsed",
    "Settled",
    "Sight",
    "Slot",
    "Stage",
    "Telling",
    "TooLate",
    "Track",
    "Turn",
    "Undo",
    "Undoing",
    "Wanted",
    "Wants",
    "WorldMoved",
    "_Door",
]
FUNCTIONS = [
    "_beat",
    "_goes_on",
    "_made_anew",
    "_settle",
    "_stand",
    "_told",
    "answer",
    "born",
    "crowded",
    "fault",
    "freeze",
    "give_way",
    "good",
    "good_words",
    "hear",
    "here",
    "hopeless",
    "judge_fate",
    "judge_sight",
    "learn",
    "lesson",
    "look",
    "look_again",
    "look_at",
    "look_soon",
    "manner_options",
    "named",
    "next_gap",
    "no_news",
    "opened",
    "pace",
    "passed",
    "past_of",
    "perform",
    "place",
    "recall",
    "said",
    "say",
    "stamp",
    "tell",
    "thaw",
    "tracks",
    "tripped",
    "under_way",
    "unheard",
    "waiting",
    "wish",
]
KEPT = {
    "simulator/faults/injection.py::answer": "a fault's answer to a request, not a query of the engine",
    "simulator/http/admin.py::answer": "the answer to an admin request",
    "simulator/identity/iam.py::answer": "the answer to a login",
}
"""Names of the lists that mean something else there, each with its reason."""


def defined():
    """(place, kind, name) of every module, class and function of the package."""
    for path in sorted(PACKAGE.rglob("*.py")):
        file = path.relative_to(PACKAGE).as_posix()
        yield file, "module", path.stem
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                yield f"{file}::{node.name}", "class", node.name
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{file}::{node.name}", "function", node.name


@pytest.mark.parametrize(
    ("kind", "replaced"),
    [("module", MODULES), ("class", CLASSES), ("function", FUNCTIONS)],
    ids=lambda value: str(value)[:8],
)
def test_no_replaced_name_remains(kind, replaced):
    found = [place for place, its_kind, name in defined() if its_kind == kind and name in replaced]
    assert [place for place in found if place not in KEPT] == []


def test_every_exception_is_still_needed():
    places = {place for place, _, _ in defined()}
    assert [place for place in KEPT if place not in places] == []
