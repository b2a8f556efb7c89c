"""The simulated cluster service: what it stores, does and shows."""
