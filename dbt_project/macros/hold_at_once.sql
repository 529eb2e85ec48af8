{#-
    Tests of columns and keys, asked in one statement: as a node of its own each costs dbt more than the database needs
    to answer it. `orchestration.build` asks in this way first, and lets dbt run each test by itself where one fails.
-#}

{#- The kinds whose SQL names no model but the one that is tested and the one that it refers to. -#}
{%- macro kinds_asked_at_once() -%}
    {{- return(['not_null', 'unique', 'accepted_values', 'relationships', 'within', 'key_holds']) -}}
{%- endmacro -%}

{#- Whether a node is a test that is asked together with others. A test that only warns says so as its own node. -#}
{%- macro is_asked_at_once(node) -%}
    {{- return(
        node.resource_type == 'test' and node.test_metadata is defined and node.test_metadata is not none
        and node.test_metadata.name in kinds_asked_at_once()
        and node.config.severity | lower == 'error'
    ) -}}
{%- endmacro -%}

{#- One row for each test of these models and of all seeds that does not hold. -#}
{%- macro tests_that_fail(models) -%}
    {%- set asked = [] -%}
    {#- While dbt parses, the graph is empty. -#}
    {%- for node in (graph.nodes.values() if execute else []) if is_asked_at_once(node) -%}
        {%- set tested = graph.nodes[node.attached_node] -%}
        {%- if tested.resource_type == 'seed' or tested.name in models -%}{%- do asked.append(node) -%}{%- endif -%}
    {%- endfor -%}
    {%- for node in asked %}
    select '{{ node.unique_id }}' as test_id
    where exists ({{ sql_of_test(node) }})
    {{ "union all" if not loop.last }}
    {%- endfor %}
    {%- if not asked %}
    select cast(null as {{ sql_type('string') }}) as test_id
    where 1 = 0
    {%- endif %}
{%- endmacro -%}

{#- The rows that break a test. -#}
{%- macro sql_of_test(node) -%}
    {%- set arguments = {} -%}
    {%- for name, value in node.test_metadata.kwargs.items() -%}
        {%- do arguments.update({name: relation_of_text(value) if name == 'to' else value}) -%}
    {%- endfor -%}
    {%- set tested = relation_of(graph.nodes[node.attached_node]) -%}
    {%- if node.config.where -%}
        {%- set tested = '(select * from ' ~ tested ~ ' where ' ~ node.config.where ~ ') as tested' -%}
    {%- endif -%}
    {%- do arguments.update({'model': tested}) -%}
    {{- context['test_' ~ node.test_metadata.name](**arguments) -}}
{%- endmacro -%}

{#- The table or view of a node. -#}
{%- macro relation_of(node) -%}
    {{- return(api.Relation.create(database=node.database, schema=node.schema, identifier=node.alias)) -}}
{%- endmacro -%}

{#- The same of a reference as a test's arguments have it, the text `ref('name')`. -#}
{%- macro relation_of_text(reference) -%}
    {%- set name = modules.re.fullmatch("ref\\('(\\w+)'\\)", reference).group(1) -%}
    {%- for node in graph.nodes.values() if node.name == name and node.resource_type in ('model', 'seed') -%}
        {{- return(relation_of(node)) -}}
    {%- endfor -%}
{%- endmacro -%}
