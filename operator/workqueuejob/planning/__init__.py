"""What to do and what to say, decided from what was observed.

Nothing in this package touches a cluster, a broker, a clock or chance: `now` is an argument,
and the same observation gives the same answer.
"""
