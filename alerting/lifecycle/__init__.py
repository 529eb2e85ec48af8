"""The life cycle of an alert: its record and steps, the unit of work that writes them, people and timers."""
