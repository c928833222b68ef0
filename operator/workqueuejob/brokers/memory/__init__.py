"""A queue in memory, for tests of users' programs and of the worker. It opens no connection."""
