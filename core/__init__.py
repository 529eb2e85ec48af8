"""The ground floor: what systems, contracts, areas and settings are, said once. Not here: what knows another room."""
