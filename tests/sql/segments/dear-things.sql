SELECT person FROM events
WHERE name = 'Product Viewed' AND ts > moment() - INTERVAL 10 DAY
GROUP BY person
HAVING max(CAST(properties->>'$.price' AS DECIMAL(18, 4))) >= 249
   AND min(CAST(properties->>'$.price' AS DECIMAL(18, 4))) > 30
