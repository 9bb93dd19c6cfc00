WITH
  said AS (
    SELECT person, ts, traits->>'$.plan' IN ('team', 'business') AS paid
    FROM events WHERE kind = 'identify' AND traits->>'$.plan' IS NOT NULL),
  broken AS (SELECT person, max(ts) FILTER (NOT paid) AS last FROM said GROUP BY person),
  since AS (
    SELECT said.person, min(said.ts) AS ts FROM said JOIN broken USING (person)
    WHERE paid AND (broken.last IS NULL OR said.ts > broken.last) GROUP BY said.person)
SELECT person FROM since WHERE ts <= moment() - INTERVAL 20 DAY
