"""The one way to read what is published and to act on it."""
