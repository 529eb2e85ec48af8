"""Make the graph from the contracts, run it, publish what passed the audit; the command line."""
