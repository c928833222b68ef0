"""What a wave's Job and its pods are made of: manifest, environment, injected worker.

Values only; nothing here decides whether a Job is made.
"""
