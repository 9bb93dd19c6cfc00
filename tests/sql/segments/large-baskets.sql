SELECT person FROM events
WHERE name = 'Order Completed' AND CAST(properties->>'$.shipping' AS DECIMAL(18, 4)) > 0
GROUP BY person
HAVING sum(CAST(properties->>'$.revenue' AS DECIMAL(18, 4))) >= 250 * count(*)
