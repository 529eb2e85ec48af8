-- One row per column of the published tables: what it means, in both languages. What is not published stands in
-- core.internal_dictionary.
{{ described_columns(['mart']) }}
