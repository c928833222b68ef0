"""The sentences that a person reads in conditions, Events and `status.lastDecision`.

No sentence holds a secret or a URL with a password. Nothing here decides.
"""
