"""The frozen plan of a run: everything a run needs to know, independent of the manifest's files from here on.

A plan holds `${secret:...}` markers, never secrets. `store` turns it into JSON text and back;
clusters and release specs are written once each, so a plan of 100,000 deployments stays small.
"""
