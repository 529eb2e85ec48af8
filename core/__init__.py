"""The ground floor: what a system is, said once, for every other room."""
