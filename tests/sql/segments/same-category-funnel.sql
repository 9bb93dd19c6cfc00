WITH step AS (SELECT person, name, ts, properties->>'$.category' AS category FROM events)
SELECT DISTINCT a.person
FROM step a
JOIN step b ON b.person = a.person AND b.category = a.category AND b.name = 'Product Clicked' AND b.ts > a.ts
JOIN step c ON c.person = a.person AND c.category = a.category AND c.name = 'Product Added' AND c.ts > b.ts
WHERE a.name = 'Product Viewed'
  AND c.ts <= a.ts + INTERVAL 2 DAY
  AND c.ts > moment() - INTERVAL 40 DAY
