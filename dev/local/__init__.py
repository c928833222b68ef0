"""A local, single-node Kubernetes made of Go modules and Debian packages.

It imports only Python's standard library, because it runs before anything is installed.
"""
