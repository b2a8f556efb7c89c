"""Report formats, a module each."""
