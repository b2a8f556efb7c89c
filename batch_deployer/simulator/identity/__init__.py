"""The simulated identity service."""
