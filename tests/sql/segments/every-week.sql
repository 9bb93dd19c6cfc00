SELECT person FROM local_events
WHERE name = 'Products Searched'
  AND date_trunc('week', local_at) > date_trunc('week', local_moment) - INTERVAL 28 DAY
GROUP BY person
HAVING count(DISTINCT date_trunc('week', local_at)) >= 3
