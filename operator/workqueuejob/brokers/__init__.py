"""The brokers: a room for each, and beside the rooms what they share.

A room holds everything about one broker: how to connect, what its errors mean, how deep a queue is
(the operator's side: `probe`, `resolve`) and how a worker takes and settles items (the worker's
side: `broker`, `session`). A room never imports another room. Nothing here decides about Jobs, and
nothing on the operator's side declares, purges or changes a user's queue.
"""
