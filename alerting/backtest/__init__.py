"""Rules on landed history, beside the alerts that were."""
