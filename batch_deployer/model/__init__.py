"""The words of the program as frozen values. Nothing here waits, reads a clock, or does I/O."""
