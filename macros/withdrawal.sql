{# Pre-hook of a model with rows by file: those of files loaded anew go, in the transaction that
   makes the others. #}

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
