"""Telling people: notices, the outbox, and the channels that carry them."""
