{# The end of a materialization of our own, whose rows are committed already. #}
{% macro persist_docs_and_commit(relation) %}
    {# begins the transaction that is committed below, also where there is nothing to persist #}
    {% call statement('main') %}select 1{% endcall %}
    {% do persist_docs(relation, model) %}
    {% do adapter.commit() %}
{% endmacro %}
