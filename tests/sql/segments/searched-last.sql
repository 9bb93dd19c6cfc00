SELECT person FROM events
WHERE name = 'Products Searched'
GROUP BY person
HAVING arg_max(properties->>'$.query', ts) = 'headlamp'
   AND arg_min(properties->>'$.query', ts) <> 'headlamp'
