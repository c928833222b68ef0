"""A local, single-node Kubernetes made of Go modules and Debian packages.

Needs Python's standard library only: it runs before anything is installed. It never imports the
operator.
"""
