"""CAP 1.2 of OASIS, out and in: what an alert says in it, which message follows which, and the feed.

Not here: who is told by other ways (`alerting.notify.channels`), when an alert begins or ends
(`alerting.lifecycle.steps`).
"""
