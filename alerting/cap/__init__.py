"""CAP 1.2 of OASIS, out and in: what an alert says in it, which message follows which, and the feed."""
