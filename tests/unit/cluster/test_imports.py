"""What the operator's process holds before it has seen anything."""

import subprocess
import sys

LISTING = """
import sys
import workqueuejob.controller.run
from workqueuejob.cluster.api import ClusterAPI
from workqueuejob.leadership.leases import LeaseAPI
from kubernetes.aio import client
opened = client.ApiClient(client.Configuration(host="http://127.0.0.1"))
ClusterAPI(opened), LeaseAPI(opened, namespace="n", name="n")
print(sum(name.startswith("kubernetes.aio.client.models.") for name in sys.modules))
"""


def test_models_of_every_kind_of_kubernetes_stay_on_disk() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LISTING], capture_output=True, text=True, check=True
    )

    # CoreV1Api alone brings some three hundred, of 100 MB.
    assert int(done.stdout) < 60
