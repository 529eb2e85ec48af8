"""The ground floor: what a system is, said once, for every other room. Not here: anything that knows one of them."""
