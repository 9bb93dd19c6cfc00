SELECT person FROM events
WHERE name = 'Order Completed' AND ts > moment() - INTERVAL 60 DAY
GROUP BY person
HAVING sum(CAST(properties->>'$.revenue' AS DECIMAL(18, 4))) >= 1200
