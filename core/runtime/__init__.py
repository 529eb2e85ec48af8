"""What every process of a home shares: health and metrics, locks, the supervisor. Knows not what a process is for."""
