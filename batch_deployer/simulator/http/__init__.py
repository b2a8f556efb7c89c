"""The simulated API over HTTP."""
