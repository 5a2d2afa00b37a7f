{# What tests look at. Relations of the size of the events are tested where a file touched them that no
   passed build has had; relations of the size of the users, and laws that group by session, in one
   key of sixteen: a fault of the code does not spare a random sixteenth, and laws of sums look at all.
   The sixteenth is a range, for tables lie sorted by user: the rest is not read. `audit: true` is
   everything. #}

{% macro untested(loaded_at) -%}
    {%- if var('audit') -%}
        true
    {%- else -%}
        {{ loaded_at }} >= (
            {# compared with null, DuckDB would read every row #}
            select coalesce(min(files.loaded_at), timestamp '9999-12-31 00:00:00')
            from {{ ref('stg_event_files') }} as files
            where files.state = 'loaded' and files.tested_at is null
        )
    {%- endif -%}
{%- endmacro %}


{% macro sampled(key) -%}
    {{ 'true' if var('audit') else key ~ ' < cast(power(2, 56) as bigint)' }}
{%- endmacro %}


{# At the end of a run in which every data test passed, its files need no test again. #}
{% macro mark_files_tested(results) %}
    {% set ledger = ref('stg_event_files') %}
    {% if execute and not var('as_of') %}
        {% set tests = graph.nodes.values() | selectattr('resource_type', 'equalto', 'test') | list %}
        {% set passed = results | selectattr('node.resource_type', 'equalto', 'test')
            | selectattr('status', 'in', ['pass', 'warn']) | list %}
        {% if passed | length == tests | length %}
            update {{ ledger }}
            set tested_at = {{ dbt.current_timestamp() }}
            where tested_at is null
        {% endif %}
    {% endif %}
{% endmacro %}
