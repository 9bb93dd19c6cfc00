SELECT person FROM local_events
WHERE kind = 'page'
GROUP BY person
HAVING count(*) FILTER (date_trunc('month', local_at) = date_trunc('month', local_moment)) >= 1
   AND count(*) FILTER (date_trunc('month', local_at) = date_trunc('month', local_moment) - INTERVAL 1 MONTH) >= 10
