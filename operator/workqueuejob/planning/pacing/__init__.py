"""In which order requests and questions go, and how many at a time.

What they are about is decided elsewhere; nothing here sends or asks.
"""
