"""The sentences that people read in conditions, Events and `status.lastDecision`.

No sentence contains a secret or a URL with a password. Nothing here decides when one is said.
"""
