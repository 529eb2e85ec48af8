"""Intake: what stands in RAW becomes rows of LIVE and landed files.

Not here: the streams themselves (`core.stream`), who speaks to devices (`ingest.devices`).
"""
