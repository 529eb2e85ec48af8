"""The broker: its configuration, streams, subjects, and the form of what stands in them.

Not here: who speaks to devices (`ingest.listen`), what readings mean for safety (`alerting`).
"""
