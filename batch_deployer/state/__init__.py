"""Append-only events, the lock and the state folder. The only truth about a run."""
