"""Doors for departments that push: what comes in is handed to landing, or refused with a reason."""
