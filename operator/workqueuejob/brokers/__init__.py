"""The brokers: a room for each, and beside the rooms what they share.

A room holds everything of a broker except its spec model, which is in `api`. It has eight modules
that others ask for: `settings` for operator and worker; `traits`, `environment`, `resolve`,
`reference` and `probe` for the operator; `connecting` and `broker` for the worker. `registry` says
what each is for. A room's other modules are its own. `memory`, for tests of programs, has only
`settings`, `queue` and `broker`, and the registry does not list it. A room never imports another
room.

Nothing here decides about Jobs, and nothing on the operator's side declares, purges or changes a
user's queue.
"""
