"""The life cycle of an alert: its record, the steps it may take, and how episodes make one. Pure."""
