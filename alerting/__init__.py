"""Turn breaches into alerts that people can follow: rule engine, life cycle, routing, channels.

Not here: thresholds (they are rows), Dagster, Streamlit, or the wall clock inside a rule.
"""
