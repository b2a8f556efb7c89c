"""Loads before the first write whatever a run needs up to its end: the program's files may be replaced while it runs."""

from importlib import import_module

from batch_deployer.journal import named
from batch_deployer.report import formats

_MODULES = (
    "encodings.idna",
    "tempfile",
    "traceback",
)
"""Modules that are imported late because most commands do not need them."""


def load_what_the_end_needs() -> None:
    """Load SQL, report formats with their templates, and what errors and later logins need."""
    named.load_all()
    formats.load_all()
    for name in _MODULES:
        import_module(name)
