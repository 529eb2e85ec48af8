"""A city in a box: simulated departments that speak only public doors (HTTP, SQL, files).

Not here: anything of the product. No other room is imported, and the product never opens `truth.parquet`.
"""
