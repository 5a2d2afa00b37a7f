{# dbt's own table, but built anew only when something that it is made of has changed: its SQL, the
   views and seeds above it, the files loaded, the models trained, the variables. So a build with
   nothing new costs the same however many users there are. #}
{% materialization table, adapter='duckdb', supported_languages=['sql'] %}
    {% set inputs = inputs_of(model.unique_id) %}
    {% if inputs == made_of(this) and load_cached_relation(this) is not none
        and not should_full_refresh() %}
        {% call noop_statement('main', 'UNCHANGED') %}{% endcall %}
        {{ return({'relations': [this]}) }}
    {% endif %}
    {# should it be killed in between, nothing is known of the table #}
    {% do run_query(record_made_of(this, '')) %}
    {% set built = dbt.materialization_table_duckdb() %}
    {% do run_query(record_made_of(this, inputs)) %}
    {{ return(built) }}
{% endmaterialization %}


{# A hash of all that a table is made of. Seeds and views are looked up in the warehouse: what
   counts is what stands there now. #}
{% macro inputs_of(unique_id) %}
    {{ return(adapter.dispatch('inputs_of')(unique_id)) }}
{% endmacro %}


{# Nothing tells: what stands on Redshift is built anew each time. #}
{% macro redshift__inputs_of(unique_id) %}
    {{ return(none) }}
{% endmacro %}


{% macro duckdb__inputs_of(unique_id) %}
    {% set upstream = [] %}
    {% do add_upstream(unique_id, upstream) %}
    {% set inputs = [model.compiled_code, var('as_of') | string, var('min_events') | string] %}
    {% set queries = [] %}
    {% for node in upstream | sort %}
        {% set node = graph.nodes[node] %}
        {% set relation = api.Relation.create(node.database, node.schema, node.alias) %}
        {% do inputs.append(node.checksum.checksum) %}
        {% if node.resource_type == 'seed' %}
            {% do queries.append("select '" ~ node.alias ~ "', cast(sum(hash(seed)) as varchar) from " ~ relation ~ " as seed") %}
        {% elif node.config.materialized == 'view' %}
            {% do queries.append(
                "select '" ~ node.alias ~ "', sql from duckdb_views() where schema_name = '"
                ~ node.schema ~ "' and view_name = '" ~ node.alias ~ "'"
            ) %}
        {% elif node.name == 'stg_event_files' %}
            {% do queries.append("select '" ~ node.alias ~ "', cast(max(loaded_at) as varchar) || count(*) from " ~ relation ~ " where state = 'loaded'") %}
        {% elif node.config.materialized == 'monthly_history' %}
            {# which months it has depends on the builds before, too #}
            {% do queries.append("select '" ~ node.alias ~ "', cast(max(as_of) as varchar) || count(*) from " ~ relation) %}
        {% elif node.name == 'segmentation_k_selection' %}
            {% do queries.append("select '" ~ node.alias ~ "', cast(max(trained_at) as varchar) || coalesce(cast(max(promoted_at) as varchar), '') from " ~ relation) %}
        {% endif %}
    {% endfor %}
    {% for row in run_query(queries | join(' union all ')).rows %}
        {% do inputs.append(row[0] ~ row[1]) %}
    {% endfor %}
    {{ return(local_md5(inputs | sort | join('|'))) }}
{% endmacro %}


{% macro add_upstream(unique_id, upstream) %}
    {% for parent in graph.nodes[unique_id].depends_on.nodes %}
        {% if parent in graph.nodes and parent not in upstream %}
            {% do upstream.append(parent) %}
            {% do add_upstream(parent, upstream) %}
        {% endif %}
    {% endfor %}
{% endmacro %}
