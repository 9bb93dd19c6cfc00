SELECT person FROM events
GROUP BY person
HAVING min(ts) <= moment() - INTERVAL 40 DAY
   AND coalesce(max(ts) FILTER (kind = 'page') <= moment() - INTERVAL 12 DAY, true)
   AND coalesce(sum(CAST(properties->>'$.revenue' AS DECIMAL(18, 4)))
     FILTER (name = 'Order Completed' AND ts > moment() - INTERVAL 60 DAY), 0) < 1200
