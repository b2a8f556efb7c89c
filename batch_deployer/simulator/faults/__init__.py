"""Faults: how they are written, and when they strike."""
