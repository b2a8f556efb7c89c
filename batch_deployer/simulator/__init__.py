"""A seeded cloud to test and rehearse against: pure fleet, in-process transport, HTTP server."""
