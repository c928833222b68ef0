"""Redis lists and streams: items change hands by Lua scripts that run on the server.

What a worker and the operator do at a Redis belongs here, and nothing that another broker needs.
"""
