"""Keeps what a forked child inherited from being freed there.

A client in C has threads, which a child lacks: to free it there waits for them, or ends the child.
Imported where such a client is opened, because a child can't rely on importing anything: another
thread of its parent may have been loading a library when it was forked.
"""

import ctypes


def keep_for_ever(thing: object) -> None:
    """Have Python never free it, not even at its end."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))
