"""The whole chain as real processes: a home, its programs, devices that send, and what became of what they sent.

For `benchmarks/live.py`, `benchmarks/faults.py` and the short forms of both in tests.
"""
