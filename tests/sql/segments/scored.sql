WITH did AS (
  SELECT person,
    bool_or(name = 'Order Completed' AND ts > moment() - INTERVAL 20 DAY) AS ordered,
    bool_or(name = 'Products Searched' AND ts > moment() - INTERVAL 5 DAY) AS searched,
    count(*) FILTER (kind = 'page' AND ts > moment() - INTERVAL 7 DAY) >= 3 AS read
  FROM events GROUP BY person)
SELECT person FROM did JOIN people USING (person)
WHERE CASE WHEN ordered THEN 40 ELSE 0 END
    + CASE WHEN searched THEN 25.5 ELSE 0 END
    - CASE WHEN traits->>'$.plan' = 'free' THEN 20 ELSE 0 END
    + CASE WHEN read THEN 34.5 ELSE 0 END >= 60
