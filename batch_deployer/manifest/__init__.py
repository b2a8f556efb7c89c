"""Text to Manifest: reading, merging, interpolating, selecting. No clock, no network; every fault reported at once."""
