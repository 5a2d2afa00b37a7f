with

feature_catalogue as (
    {% for feature in catalogued_features() %}
        select
            {{ loop.index }} as position,
            '{{ feature.name }}' as feature,
            '{{ feature.family }}' as family,
            '{{ feature.unit }}' as unit,
            cast({{ feature.minimum }} as double precision) as minimum,
            cast({{ feature.maximum | default('null') }} as double precision) as maximum,
            '{{ feature.transform }}' as transform,
            {{ feature.in_model }} as is_in_model,
            {{ dbt.string_literal(dbt.escape_single_quotes(feature.label_en)) }} as label_en,
            {{ dbt.string_literal(dbt.escape_single_quotes(feature.label_fr)) }} as label_fr,
            {{ dbt.string_literal(dbt.escape_single_quotes(feature.definition)) }} as definition,
            {{ dbt.string_literal(dbt.escape_single_quotes(feature.why)) }} as why
        {{ 'union all' if not loop.last }}
    {% endfor %}
)

select * from feature_catalogue
