"""The operator's process: watches, reconciles and reports.

This is the only package that joins the decisions with the outside world.
"""
