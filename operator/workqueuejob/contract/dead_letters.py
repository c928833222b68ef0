"""The name of the key for dead letters where the user names none. Pure.

A clustered key-value store hashes the text in a key's first braces (its hash tag), or else the
whole key. So `{job2}:dead` lies in the slot of the plain `job2`, and a key that has a hash tag
keeps it. A key with a } and without a tag can't share its slot with another key; do not use such a
key in a cluster.
"""

import re

_HASH_TAG = re.compile(r"\{[^}]+\}")


def dead_key(key: str) -> str:
    """Return the key of the dead letters of a queue's key, such as `{job2}:dead` for `job2`."""
    return f"{in_slot_of(key)}:dead"


def in_slot_of(key: str) -> str:
    """Return a prefix of keys that lie in the same hash slot as `key`."""
    return key if _HASH_TAG.search(key) else f"{{{key}}}"
