"""The one way to read the published city and to act on it; pages and command line come through here.

`serving` opens the newest generation; `city`, `map`, `feeds` answer the pages; `sandbox` runs foreign SQL; `export`
writes files; `actions` are deeds of people and leave a row. Not here: computing risk (dbt_project).
"""
