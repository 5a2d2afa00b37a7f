{# Pre-hooks of incremental models: what was made of withdrawn events goes, in the transaction that
   rebuilds what is left of it. #}

{% macro delete_files_not_loaded() %}
    {% if is_incremental() %}
        delete from {{ this }}
        where
            loaded_at not in (
                select files.loaded_at from {{ ref('stg_event_files') }} as files
                where files.state = 'loaded'
            )
    {% endif %}
{% endmacro %}


{% macro delete_withdrawn(key) %}
    {% if is_incremental() %}
        delete from {{ this }}
        where
            {{ key }} in (
                select withdrawn.{{ key }} from {{ ref('stg_withdrawn_events') }} as withdrawn
                where withdrawn.withdrawn_at > (select max(built.changed_at) from {{ this }} as built)
            )
    {% endif %}
{% endmacro %}
