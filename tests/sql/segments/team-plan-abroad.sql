SELECT person FROM people
WHERE lower(traits->>'$.plan') IN ('team', 'business')
  AND traits->>'$.address.city' IN ('Lyon', 'Valencia', 'Toronto')
