"""What several observations say together: since when something has been so, and how fast it goes.

The operator keeps evidence in memory from one reconcile to the next. Nothing here decides what
follows from it.
"""
