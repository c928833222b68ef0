"""The status, conditions and Events that follow from a plan and an observation.

These modules build values. Nothing here writes them, and nothing here decides what a run does.
"""
