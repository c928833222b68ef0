"""What several observations say together: since when something has been so, and how fast it goes.

One observation is never evidence. Nothing here acts on it.
"""
