"""Did-you-mean: the known word that a misspelt one is nearest to."""

from collections.abc import Iterable
from difflib import get_close_matches

MAX_LISTED = 8
MAX_SUGGESTED_CHARACTERS = 200
"""Length up to which an unknown word is compared with the known ones."""


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that is nearly `word`, or an empty string."""
    if len(word) > MAX_SUGGESTED_CHARACTERS:
        return ""
    by_folded = {name.casefold().replace("_", "-"): name for name in known}
    close = get_close_matches(word.casefold().replace("_", "-"), by_folded, n=1, cutoff=0.6)
    return by_folded[close[0]] if close else ""


def unknown(kind: str, word: str, known: Iterable[str]) -> str:
    """`unknown cluster "prd-1"; did you mean "prod-1"?`, or the known ones where there are few."""
    names = sorted(set(known))
    close = nearest(word, names)
    if close:
        return f'unknown {kind} "{word}"; did you mean "{close}"?'
    if not names:
        return f'unknown {kind} "{word}"; there is none'
    listed = ", ".join(names[:MAX_LISTED]) + (", ..." if len(names) > MAX_LISTED else "")
    return f'unknown {kind} "{word}"; known: {listed}'
