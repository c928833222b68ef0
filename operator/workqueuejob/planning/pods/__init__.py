"""What a wave's Job and its pods are made of: manifest, environment, injected worker.

These modules build manifests. Nothing here decides whether a Job is made, or makes it. What comes
from a Secret is put in as a reference, never as a value.
"""
