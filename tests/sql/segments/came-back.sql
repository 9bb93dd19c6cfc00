WITH ordered AS (
  SELECT person, ts, lag(ts) OVER (PARTITION BY person ORDER BY ts) AS before
  FROM events WHERE name = 'Order Completed')
SELECT DISTINCT person FROM ordered
WHERE before + INTERVAL 10 DAY <= ts AND ts > moment() - INTERVAL 25 DAY
