"""Check what landed against its contract and write verdicts: passed, failed or raised."""
