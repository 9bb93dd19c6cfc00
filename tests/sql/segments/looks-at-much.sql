SELECT person FROM events
WHERE name IN ('Product Viewed', 'Product Clicked') AND ts > moment() - INTERVAL 14 DAY
GROUP BY person
HAVING count(DISTINCT properties->>'$.category') >= 5
