{# Puts a model version to use from the next build on: a way back, or forward to one that the training
   refused. #}
{% macro use_model(model_version) %}
    {% set selection = ref('segmentation_k_selection') %}
    {% set known = [] %}
    {% for feature in model_features() %}
        {% do known.append(feature.name ~ ':' ~ feature.transform) %}
    {% endfor %}
    {% set fitted = run_query(
        'select selection.features from ' ~ selection ~ ' as selection where selection.is_chosen'
        ~ ' and selection.model_version = ' ~ model_version
        ~ ' and exists (select 1 from ' ~ ref('segmentation_parameters') ~ ' as parameters'
        ~ ' where parameters.model_version = selection.model_version)'
    ).rows %}
    {% if not fitted %}
        {% do exceptions.raise_compiler_error(
            'there is no model version ' ~ model_version ~ ': see ' ~ ref('segmentation_models')
        ) %}
    {% elif fitted[0][0] != known | join(',') %}
        {% do exceptions.raise_compiler_error(
            'model version ' ~ model_version ~ ' has other features than those in the model today: '
            ~ fitted[0][0]
        ) %}
    {% endif %}
    {% do run_query(
        'update ' ~ selection ~ " set promoted_at = timestamp '"
        ~ modules.datetime.datetime.utcnow() ~ "', refusal = null where is_chosen and model_version = "
        ~ model_version
    ) %}
    {% do log('The next dbt build uses model version ' ~ model_version, info=true) %}
{% endmacro %}
