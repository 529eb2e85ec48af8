"""Who hears what, and when: routing, grouping, inhibition, escalation, flapping, as rows say it. Pure."""
