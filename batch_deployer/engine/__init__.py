"""The engine's steps. Decide without awaiting, then do; only pool knows an event loop."""
