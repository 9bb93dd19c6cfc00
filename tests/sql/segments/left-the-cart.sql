SELECT DISTINCT added.person FROM events added
WHERE added.name = 'Product Added'
  AND added.ts + INTERVAL 7 DAY <= moment()
  AND added.ts + INTERVAL 7 DAY > moment() - INTERVAL 20 DAY
  AND NOT EXISTS (
    FROM events ordered
    WHERE ordered.person = added.person AND ordered.name = 'Order Completed'
      AND ordered.ts > added.ts AND ordered.ts <= added.ts + INTERVAL 7 DAY)
