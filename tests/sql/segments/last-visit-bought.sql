WITH
  gaps AS (
    SELECT person, name, ts, ts - lag(ts) OVER (PARTITION BY person ORDER BY ts) > INTERVAL 30 MINUTE AS anew
    FROM events),
  visits AS (
    SELECT *, count(*) FILTER (anew) OVER (PARTITION BY person ORDER BY ts DESC
      ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS later FROM gaps)
SELECT DISTINCT person FROM visits
WHERE later = 0 AND name IN ('Product Added', 'Order Completed')
