"""Conformed rows become Parquet files that the ledger makes live; old files are merged, and go in time."""
