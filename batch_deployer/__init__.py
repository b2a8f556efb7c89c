"""Rolls chart releases out to many Kubernetes clusters through the CCE API."""

__version__ = "0.1.0"
