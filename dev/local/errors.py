"""The local cluster's errors, as one tree.

LocalClusterError
├── CommandFailed        a program ended with an error, or is not installed
├── PackagesUnavailable  a Debian package, Go or a module cannot be installed
├── ComponentFailed      a part of the cluster did not start, or died
├── ApiRefused           the API server answered with an error
├── ImageBuildFailed     a base image, a build or an import failed
└── WrongMachine         not root, not Linux, or another cluster is in the way
"""


class LocalClusterError(Exception):
    """A failure with a message that says what to change."""


class CommandFailed(LocalClusterError):
    """A program ended with an error, or is not installed."""


class PackagesUnavailable(LocalClusterError):
    """A package or a program can't be installed."""


class ComponentFailed(LocalClusterError):
    """A part of the cluster did not start, or died."""


class ApiRefused(LocalClusterError):
    """The API server answered with an error, or not at all."""

    def __init__(self, message: str, *, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class ImageBuildFailed(LocalClusterError):
    """A base image, a build or an import failed."""


class WrongMachine(LocalClusterError):
    """The cluster can't run on this machine, or not as this user."""
