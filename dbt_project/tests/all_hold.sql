-- Every test of a column or key of the models named in `built` and of all seeds holds (macros/hold_at_once.sql).
{{ tests_that_fail(var('built', [])) }}
