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
            {{ quoted(feature.label_en) }} as label_en,
            {{ quoted(feature.label_fr) }} as label_fr,
            {{ quoted(feature.definition) }} as definition,
            {{ quoted(feature.why) }} as why
        {{ 'union all' if not loop.last }}
    {% endfor %}
)

select * from feature_catalogue
