"""The ground floor: what systems, contracts, areas and settings are, said once."""
