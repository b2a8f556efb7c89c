"""The lock of a run: lease, fence."""
