SELECT person FROM people
WHERE CAST(traits->>'$.createdAt' AS TIMESTAMP) > moment() - INTERVAL 80 DAY
  AND CAST(traits->>'$.createdAt' AS TIMESTAMP) <= moment()
  AND (traits->>'$.language' = 'de'
    OR regexp_matches(traits->>'$.firstName', '^(Li|Em)')
    OR lower(traits->>'$.email') LIKE '%5@example.com')
