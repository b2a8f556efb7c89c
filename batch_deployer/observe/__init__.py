"""Listeners: what a run looks like from outside while it goes on. None of them can slow it down or make it fail."""
