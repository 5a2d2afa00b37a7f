with

history as (
    select * from {{ ref('user_segment_history') }}
),

personas as (
    select * from {{ ref('persona_registry') }}
),

-- Personas as they are called today: one that was renamed is the same. So is a new segment that
-- bears the name of the former one, but not where nobody has named either.
named as (
    select
        history.month_on,
        history.previous_month_on,
        case when history.cause = 'start' then 'unknown' else former.persona end
            as previous_persona,
        case when history.cause = 'start' then 'Not known' else former.name_en end
            as previous_persona_name_en,
        case when history.cause = 'start' then 'Inconnu' else former.name_fr end
            as previous_persona_name_fr,
        present.persona,
        present.name_en as persona_name_en,
        present.name_fr as persona_name_fr,
        case
            when former.persona = present.persona and present.persona != 'to_be_reviewed' then null
            else history.cause
        end as cause,
        history.revenue_amount
    from history
    left join personas as former on history.previous_identity = former.identity
    left join personas as present on history.identity = present.identity
),

segment_migrations as (
    select
        named.month_on,
        named.previous_month_on,
        coalesce(named.previous_persona, 'unsegmented') as previous_persona,
        coalesce(named.previous_persona_name_en, 'No segment') as previous_persona_name_en,
        coalesce(named.previous_persona_name_fr, 'Sans segment') as previous_persona_name_fr,
        coalesce(named.persona, 'unsegmented') as persona,
        coalesce(named.persona_name_en, 'No segment') as persona_name_en,
        coalesce(named.persona_name_fr, 'Sans segment') as persona_name_fr,
        named.cause,
        case named.cause
            when 'start' then 'First month'
            when 'model' then 'Another model'
            when 'correction' then 'Corrected data'
            when 'behaviour' then 'The customer came'
            when 'clock' then 'Time passed'
            else 'No change'
        end as cause_en,
        case named.cause
            when 'start' then 'Premier mois'
            when 'model' then 'Autre modèle'
            when 'correction' then 'Données corrigées'
            when 'behaviour' then 'Le client est venu'
            when 'clock' then 'Le temps a passé'
            else 'Sans changement'
        end as cause_fr,
        count(*) as user_count,
        cast(sum(named.revenue_amount) as decimal(18, 2)) as revenue_amount
    from named
    group by
        named.month_on,
        named.previous_month_on,
        named.previous_persona,
        named.previous_persona_name_en,
        named.previous_persona_name_fr,
        named.persona,
        named.persona_name_en,
        named.persona_name_fr,
        named.cause
)

select * from segment_migrations
