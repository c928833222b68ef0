"""In which order requests and questions go, how many at a time, and how soon again.

What they are about is decided elsewhere; nothing here sends or asks.
"""
