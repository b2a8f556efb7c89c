"""Credentials: where they come from, how they are renewed, how a request is signed. Secrets never leave in a text."""
