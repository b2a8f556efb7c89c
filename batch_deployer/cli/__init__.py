"""One command, one file, one function that returns an exit code."""
