"""Compares members of segments with what SQL finds in the same events; prints how many there were and who changed.

    compare.py POPULATION SEGMENTS

Each SEGMENTS/NAME.sql gives the persons who are in NAME, in one column. It reads, with all times in UTC:

    moment()      when we look
    events        what happened until then: person, kind, name, ts, properties, traits
    people        each person's traits, of each name what was said last
    local_events  events with `local_at` and `local_moment`, by the clock of the person's zone
"""

import sys
from pathlib import Path

import duckdb

SEGMENTS_MIN = 20
FLIPS_MIN = 12  # segments whose members change while nothing but time passes

VIEWS = """
CREATE OR REPLACE MACRO moment() AS TIMESTAMP '{at}';
CREATE OR REPLACE VIEW events AS FROM everything WHERE ts <= moment();
CREATE OR REPLACE VIEW people AS
  WITH said AS (
    SELECT person, name.unnest AS name, json_extract(traits, '$."' || name.unnest || '"') AS value, ts
    FROM events, unnest(json_keys(traits)) AS name WHERE kind = 'identify'),
  last AS (SELECT person, name, arg_max(value, ts) AS value FROM said GROUP BY ALL)
  SELECT person, json_group_object(name, value) AS traits FROM last GROUP BY person;
CREATE OR REPLACE VIEW local_events AS
  SELECT events.*, ts AT TIME ZONE 'UTC' AT TIME ZONE (people.traits->>'$.timezone') AS local_at,
    moment() AT TIME ZONE 'UTC' AT TIME ZONE (people.traits->>'$.timezone') AS local_moment
  FROM events JOIN people USING (person);
"""


def load(engine, population):
    engine.execute("SET TimeZone = 'UTC'")
    engine.execute(
        f"""CREATE TABLE everything AS FROM read_json('{population}/events.ndjson', columns = {{
            person: 'VARCHAR', kind: 'VARCHAR', name: 'VARCHAR', ts: 'TIMESTAMP',
            properties: 'JSON', traits: 'JSON'}})"""
    )
    engine.execute(
        f"""CREATE TABLE members AS FROM read_json('{population}/members.ndjson', columns = {{
            segment: 'VARCHAR', moment: 'VARCHAR', person: 'VARCHAR'}})"""
    )
    moments = engine.execute(f"SELECT moment FROM read_json('{population}/moments.ndjson', columns = {{moment: 'VARCHAR'}})")
    return sorted(at for at, in moments.fetchall())


def compare(engine, segments, moments):
    """The members of each segment at each moment, and whatever the two say differently."""
    queries = {file.stem: file.read_text() for file in sorted(segments.glob("*.sql"))}
    definitions = {file.stem for file in segments.glob("*.yaml")}
    assert set(queries) == definitions, f"not in both languages: {sorted(set(queries) ^ definitions)}"
    members, differences = {segment: [] for segment in queries}, []
    for at in moments:
        engine.execute(VIEWS.format(at=at.removesuffix("Z").replace("T", " ")))
        for segment, query in queries.items():
            found = {person for person, in engine.execute(query).fetchall()}
            told = engine.execute("SELECT person FROM members WHERE segment = ? AND moment = ?", [segment, at])
            listed = {person for person, in told.fetchall()}
            members[segment].append(listed)
            for who, only in (("lists", listed - found), ("does not list", found - listed)):
                differences += [f"{at}: {segment} {who} {person}, and SQL says otherwise" for person in sorted(only)]
    return members, differences


def main(population, segments):
    engine = duckdb.connect()
    moments = load(engine, population)
    people, events = engine.execute("SELECT count(DISTINCT person), count(*) FROM everything").fetchone()
    members, differences = compare(engine, Path(segments), moments)
    print(f"{events} events of {people} people; members of {len(members)} segments at {', '.join(moments)}")
    for segment, then in members.items():
        print(f"{segment:24}" + "".join(f"{len(listed):6}" for listed in then))
    # The last two moments are those before which nobody did anything.
    flipped = [segment for segment, then in members.items() if then[-3] != then[-2] or then[-2] != then[-1]]
    print(f"{len(flipped)} of them change while nothing but time passes")
    idle = [segment for segment, then in members.items() if not any(then) or all(len(one) == people for one in then)]
    assert not differences, f"{len(differences)} differences:\n" + "\n".join(differences[:40])
    assert not idle, f"these hold nobody or everybody, and so show nothing: {idle}"
    assert len(members) >= SEGMENTS_MIN and len(flipped) >= FLIPS_MIN, "too little was asked"


if __name__ == "__main__":
    main(*sys.argv[1:])
