{# Named twice in place of one CTE: DuckDB would write that out, all features of all users. #}
{% set segmented_users -%}
    {{ ref('user_features') }} as users
    inner join {{ ref('user_segments') }} as user_segments
        on users.user_key = user_segments.user_key
    where user_segments.status = 'segmented'
{%- endset %}

with

-- every feature in one scan of the users, a row a segment
measured_at_once as (
    select
        user_segments.segment,
        {% for feature in catalogued_features() %}
            count(users.{{ feature.name }}) as user_count_{{ loop.index }},
            avg(cast(users.{{ feature.name }} as double precision)) as mean_{{ loop.index }},
            var_pop(cast(users.{{ feature.name }} as double precision))
                as variance_{{ loop.index }},
        {% endfor %}
        max(user_segments.model_version) as model_version
    from {{ segmented_users }}
    group by user_segments.segment
),

-- An exact median holds every value. Keys are keyed hashes, so the lowest are a random sample.
median_users as (
    select
        user_segments.segment,
        users.*
    from {{ segmented_users }}
    order by users.user_key
    limit 200000
),

-- one branch a feature: Redshift allows one ordering a select for medians
medians as (
    {% for feature in catalogued_features() %}
        select
            median_users.segment,
            {{ loop.index }} as position,
            median(cast(median_users.{{ feature.name }} as double precision)) as median
        from median_users
        group by median_users.segment
        {{ 'union all' if not loop.last }}
    {% endfor %}
),

measured as (
    {% for feature in catalogued_features() %}
        select
            measured_at_once.segment,
            measured_at_once.model_version,
            '{{ feature.name }}' as feature,
            measured_at_once.user_count_{{ loop.index }} as user_count,
            measured_at_once.mean_{{ loop.index }} as mean,
            medians.median,
            measured_at_once.variance_{{ loop.index }} as variance
        from measured_at_once
        left join medians
            on measured_at_once.segment = medians.segment and medians.position = {{ loop.index }}
        where measured_at_once.user_count_{{ loop.index }} > 0
        {{ 'union all' if not loop.last }}
    {% endfor %}
),

population_means as (
    select
        measured.feature,
        sum(measured.user_count) as user_count,
        sum(measured.user_count * measured.mean) / sum(measured.user_count) as mean
    from measured
    group by measured.feature
),

-- the population's variance is that within the segments and that between them
population as (
    select
        measured.feature,
        max(population_means.mean) as mean,
        sqrt(
            sum(
                measured.user_count * (
                    measured.variance
                    + (measured.mean - population_means.mean)
                    * (measured.mean - population_means.mean)
                )
            ) / max(population_means.user_count)
        ) as standard_deviation
    from measured
    inner join population_means on measured.feature = population_means.feature
    group by measured.feature
),

segment_profiles as (
    select
        measured.segment,
        measured.feature,
        cast(measured.model_version as integer) as model_version,
        measured.user_count,
        measured.mean,
        measured.median,
        population.mean as population_mean,
        population.standard_deviation as population_standard_deviation,
        (measured.mean - population.mean) / nullif(population.standard_deviation, 0) as deviation,
        measured.mean / nullif(population.mean, 0) as lift
    from measured
    inner join population on measured.feature = population.feature
)

select * from segment_profiles
