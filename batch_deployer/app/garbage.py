"""What this process asks of Python's garbage collector: it loads much, keeps it to the end, and makes hardly any cycles."""

import gc

_COLLECT_AFTER = 20_000
"""Objects made and not yet freed before a collection; Python's default of 700 suits programs that load little."""


def collect_rarely() -> None:
    """Have collections come less often. Best called before anything large is loaded."""
    gc.set_threshold(_COLLECT_AFTER, 20, 20)


def spare_the_plan() -> None:
    """Take what is loaded by now out of the collector's sight: later collections look at what a run makes only.

    Not collected first: that would take longer than all later collections, for the little that loading leaves behind.
    """
    gc.freeze()
