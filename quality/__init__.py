"""Check what landed against its contract and write verdicts: passed, failed or raised.

Not here: row rules (`ingest.conform` applied them), a check that no contract states, repair of data.
"""
