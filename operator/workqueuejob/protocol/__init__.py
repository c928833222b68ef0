"""What operator and worker agree on: settings, reports, exit codes, names at the brokers.

Imported by the worker too, which travels into any image, so nothing here needs more than the
standard library and a broker's own client. Nothing here connects, decides or waits.
"""
