"""What was seen, as values: the Jobs and pods of a run, and whose they are.

These modules read objects as the API server shows them. Nothing here decides, asks the API server,
or knows a broker by name.
"""
