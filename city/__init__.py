"""A city in a box: simulated departments that speak only public doors (HTTP, SQL, files)."""
