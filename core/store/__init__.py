"""The ops store and what else a home keeps: tables by noun, migrations, vault, archive. Decides nothing."""
