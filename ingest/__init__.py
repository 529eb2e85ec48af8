"""Bring department feeds in: contracts, connectors, conform, mask, land, ledger, quarantine.

Not here: rules (alerting), checks on what landed (quality), SQL models (dbt_project), scheduling (orchestration).
"""
