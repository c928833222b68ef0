"""What was seen, as values: the Jobs and pods of a run, and whose they are.

Reads what the API server shows. Nothing here decides, and nothing here knows a broker by name.
"""
