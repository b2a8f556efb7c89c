"""Time: the system's, and a virtual one that jumps."""
