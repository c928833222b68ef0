"""The status, conditions and Events that a plan amounts to. Writes nothing."""
