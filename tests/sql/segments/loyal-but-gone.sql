SELECT person FROM events
WHERE name = 'Order Completed' AND ts > moment() - INTERVAL 90 DAY
GROUP BY person
HAVING count(*) >= 3 AND max(ts) <= moment() - INTERVAL 30 DAY
