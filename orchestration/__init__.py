"""Make the graph from the contracts, run it, publish what passed the audit.

Not here: SQL on data, business rules, or the name of any department.
"""
