"""A city in a box: simulated departments that speak only the public doors (HTTP, SQL, files).

Not here: anything the product may import or open. Only the command line starts it; only tests read its truth.
"""
