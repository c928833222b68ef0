"""What to do and what to say, decided from what was observed.

Nothing in this package touches a cluster, a broker, a clock or chance: `now` is an argument, and
the same arguments give the same answer. Only `ledger.report_book` keeps state between two calls.

The modules directly in `planning/` hold what every rule uses: `Situation` goes in, and a `Plan` of
actions and a verdict comes out. `plan.py` asks the rules in order; begin there.
"""
