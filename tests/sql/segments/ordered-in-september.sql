SELECT DISTINCT person FROM events
WHERE name = 'Order Completed' AND ts >= TIMESTAMP '2026-09-05' AND ts < TIMESTAMP '2026-09-25'
