"""References to Secrets: which key of which Secret, never what is in it.

A Secret is always one of the WorkQueueJob's own namespace. The default keys are those that common
tools write, so that a Secret fits as it is.
"""

from workqueuejob.api.base import Model
from workqueuejob.api.scalars import SecretKey, SecretName


class SecretKeyReference(Model):
    """One value in a Secret."""

    name: SecretName
    """Name of the Secret, in the WorkQueueJob's namespace."""

    key: SecretKey
    """Key in the Secret's data that holds the value."""


class URISecretReference(SecretKeyReference):
    """The whole URI of a broker, as cloud services write it into a Secret. The RabbitMQ Cluster
    Operator writes it with the key connection_string."""

    key: SecretKey = "uri"
    """Key in the Secret's data that holds the URI. Default: uri."""


class CASecretReference(SecretKeyReference):
    """The certificate authorities that signed the broker's certificate."""

    key: SecretKey = "ca.crt"
    """Key in the Secret's data that holds one or more certificates in PEM. Default: ca.crt, the
    key that cert-manager writes."""


class CredentialsSecretReference(Model):
    """A password, and the user name if the field beside the reference is unset. The default keys
    are those of the type kubernetes.io/basic-auth, and of the RabbitMQ Cluster Operator."""

    name: SecretName
    """Name of the Secret, in the WorkQueueJob's namespace."""

    username_key: SecretKey = "username"
    """Key in the Secret's data that holds the user name. It is not read if username is set.
    Default: username."""

    password_key: SecretKey = "password"  # noqa: S105 (the key's name, not a password)
    """Key in the Secret's data that holds the password. Default: password."""


class RedisCredentialsSecretReference(Model):
    """A password, and the user name if Redis has an ACL user for you."""

    name: SecretName
    """Name of the Secret, in the WorkQueueJob's namespace."""

    username_key: SecretKey | None = None
    """Key in the Secret's data that holds the ACL user name. It can't be set with a username beside
    the reference. Unset: that username, or else Redis' default user."""

    password_key: SecretKey = "password"  # noqa: S105 (the key's name, not a password)
    """Key in the Secret's data that holds the password. Default: password."""


class KafkaCredentialsSecretReference(Model):
    """A password, and the user name if the field beside the reference is unset."""

    name: SecretName
    """Name of the Secret, in the WorkQueueJob's namespace."""

    username_key: SecretKey = "username"
    """Key in the Secret's data that holds the user name. It is not read if username is set.
    Default: username."""

    password_key: SecretKey = "password"  # noqa: S105 (the key's name, not a password)
    """Key in the Secret's data that holds the password. Default: password."""


class ClientCertificateSecretReference(Model):
    """A certificate and its private key. The default keys are those of the type
    kubernetes.io/tls."""

    name: SecretName
    """Name of the Secret, in the WorkQueueJob's namespace."""

    certificate_key: SecretKey = "tls.crt"
    """Key in the Secret's data that holds the certificate chain in PEM. Default: tls.crt."""

    private_key_key: SecretKey = "tls.key"
    """Key in the Secret's data that holds the unencrypted private key in PEM. Default: tls.key."""
