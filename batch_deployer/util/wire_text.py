"""Making a server's text safe to print, and sizing up a document before it is read. Pure."""

import re

MAX_TEXT = 128 * 1024
"""Characters of a server's text that are kept until secrets have been taken out of it; only then it is cut to be shown."""

# A whole escape sequence goes, not only its ESC: `[31m` left behind would be noise. CSI, OSC, then two-character ones.
_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x9b[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -~]?")
_NO_BRACKETS = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[^][{}"]++', re.DOTALL)
_ALIKE = str.maketrans("{}", "[]")


def clean(text: str, longest: int = MAX_TEXT) -> str:
    """Leave only what a terminal shows as itself, on one line, at most `longest` characters.

    Escape sequences, control, bidirectional, zero-width and other unprintable characters are dropped;
    every kind of white space becomes one blank.
    """
    if len(text) <= longest and text.isprintable() and "  " not in text:
        return text.strip()
    # Bounded before the costly part: dropping characters can only shorten.
    bare = _ESCAPES.sub("", text[: longest * 2])
    shown = "".join(char if char.isprintable() else " " if char.isspace() else "" for char in bare)
    line = " ".join(shown.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def deeper_than(text: str, limit: int) -> bool:
    """Whether a JSON text nests deeper than `limit`; brackets within strings do not count.

    Most documents are settled by counting brackets. Of the rest only the brackets are kept, and pairs with nothing
    between them are taken out, which takes one level a time. Never recurses.
    """
    if text.count("[") + text.count("{") <= limit:
        return False
    brackets = _NO_BRACKETS.sub("", text).translate(_ALIKE)
    for _ in range(limit):
        left = brackets.replace("[]", "")
        if left == brackets:
            break
        brackets = left
    # What is left once its pairs are gone is deeper, or no JSON: an open bracket too many may be the 65th.
    return "[" in brackets
