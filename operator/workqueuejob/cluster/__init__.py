"""Kubernetes: reads and writes objects through the API server. Decides nothing.

What comes in is trimmed to what planning reads. What goes out passes the guard, which asks whether
this replica leads.
"""
