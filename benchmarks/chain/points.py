"""Placeholder."""

import argparse
from typing import Any
from benchmarks.chain.place import Fleet
from benchmarks.chain.programs import Chain


def latency(chain: Chain, fleet: Fleet, options: argparse.Namespace) -> dict[str, Any]:
    return {}


points = latency
