"""The events of a run."""
