-- An evening goes on until two of the next morning and belongs to the day on which it began.
SELECT person FROM local_events
WHERE name = 'Product Viewed' AND ts > moment() - INTERVAL 30 DAY
  AND isodow(local_at - INTERVAL 2 HOUR) IN (6, 7)
  AND (hour(local_at) >= 17 OR hour(local_at) < 2)
GROUP BY person
HAVING count(*) >= 2
