"""Who hears what, and when not: routing, grouping, escalation, inhibition, silence and its limits, flapping."""
