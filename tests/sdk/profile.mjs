// Looks at a profile through the public API, as an operator's program would.
//
// Usage: URL=… ADMIN_KEY=… node profile.mjs count USER
//                          node profile.mjs expect USER TRACKS TOTAL EMAIL
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";

const TRIES_MAX = 120;
const PAUSE_MS = 500;
const EVENT = "Product Viewed";

// The profile of a user id; nobody has that id: null.
async function lookup(user) {
  const answer = await fetch(new URL("/v1/profiles/lookup", process.env.URL), {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${process.env.ADMIN_KEY}` },
    body: JSON.stringify({ identifier: { kind: "user_id", value: user } }),
  });
  if (answer.status === 404) return null;
  if (answer.status !== 200) throw new Error(`POST /v1/profiles/lookup answered ${answer.status}: ${await answer.text()}`);
  return answer.json();
}

const total = (profile) => profile?.counters?.total ?? 0;
const tracks = (profile) => profile?.counters?.names?.[EVENT]?.count ?? 0;

// Prints how many events, and how many tracks, the profile counts by now.
async function count(user) {
  const profile = await lookup(user);
  console.log(total(profile), tracks(profile));
}

// The queue takes its time: asks until the profile counts as many events as were sent.
async function expect(user, expectedTracks, expectedTotal, email) {
  let profile = null;
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    profile = await lookup(user);
    if (total(profile) >= Number(expectedTotal)) break;
    await pause(PAUSE_MS);
  }
  assert.ok(profile, `${user} has no profile after ${TRIES_MAX} looks`);
  assert.equal(total(profile), Number(expectedTotal), "counters.total: one for each event sent");
  assert.equal(tracks(profile), Number(expectedTracks), `counters.names["${EVENT}"].count: one for each track sent`);
  assert.equal(profile.traits?.email?.value, email, "traits.email.value");
  assert.equal(profile.traits?.plan?.value, "gold", "traits.plan.value");
  console.log(`${user}: ${expectedTotal} events counted, traits as sent`);
}

const [command, ...rest] = process.argv.slice(2);
const commands = { count, expect };
if (!commands[command]) throw new Error(`no command ${command}: count or expect`);
await commands[command](...rest);
