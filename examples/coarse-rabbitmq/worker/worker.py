#!/usr/bin/env python3
"""Processes one item: reads it from standard input, works for a moment, says what it did."""

import sys
import time

item = sys.stdin.read()
time.sleep(1)
print(f"Processed {item.strip()}", flush=True)
