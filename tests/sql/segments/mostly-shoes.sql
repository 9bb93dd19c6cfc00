-- Of two that are as frequent the first by the alphabet counts.
WITH counted AS (
  SELECT person, properties->>'$.category' AS category, count(*) AS seen
  FROM events WHERE name = 'Product Viewed' AND ts > moment() - INTERVAL 45 DAY
  GROUP BY ALL)
SELECT person FROM counted
QUALIFY row_number() OVER (PARTITION BY person ORDER BY seen DESC, category) = 1 AND category = 'Shoes'
