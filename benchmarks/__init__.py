"""Figures with their harness: each benchmark runs alone, compares with a stated limit and names the machine.

A benchmark judges nothing; it prints medians and ratios of one run.
"""
