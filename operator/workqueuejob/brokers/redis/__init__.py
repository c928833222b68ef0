"""Redis: lists and streams, by scripts that run on the server."""
