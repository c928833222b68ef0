"""Kubernetes: reading and writing objects through the API server. Decides nothing."""
