{# What tables were made of when they were built: one row a table. #}

{% macro made_of_table() %}
    {{ return(api.Relation.create(target.database, 'staging', 'tables_made_of')) }}
{% endmacro %}


{% macro made_of(relation) %}
    {% do run_query(
        'create table if not exists ' ~ made_of_table()
        ~ ' (relation_name varchar primary key, inputs varchar)'
    ) %}
    {% set rows = run_query(
        'select inputs from ' ~ made_of_table() ~ ' where relation_name = '
        ~ quoted(relation.schema ~ '.' ~ relation.identifier)
    ).rows %}
    {{ return(rows[0][0] if rows else '') }}
{% endmacro %}


{% macro record_made_of(relation, inputs) %}
    insert or replace into {{ made_of_table() }}
    values ({{ quoted(relation.schema ~ '.' ~ relation.identifier) }}, {{ quoted(inputs) }})
{% endmacro %}
