// The npm SDK @segment/analytics-node, unmodified: only its host and its write key are ours.
//
// Usage: URL=… WRITE_KEY=… node segment.mjs MODULES USER EMAIL TRACKS
import { createRequire } from "node:module";

const [modules, userId, email, tracks] = process.argv.slice(2);
const { Analytics } = createRequire(`${modules}/`)("@segment/analytics-node");

const analytics = new Analytics({ host: process.env.URL, writeKey: process.env.WRITE_KEY });
analytics.on("error", (error) => {
  console.error(`analytics-node could not deliver: ${error.code}: ${error.reason?.message ?? error.reason ?? ""}`);
  process.exitCode = 1;
});

const traits = { email, firstName: "Anna", lastName: "Кузнецова", plan: "gold", address: { city: "Novi Sad" } };
analytics.identify({ userId, traits });
for (let n = 0; n < Number(tracks); n += 1) {
  analytics.track({ userId, event: "Product Viewed", properties: { sku: `sku-${n}`, price: 12.5, none: null } });
}
analytics.page({ userId, name: "Home", properties: { path: "/", title: "Tea & Co" } });
analytics.group({ userId, groupId: "tea-lovers", traits: { name: "Tea lovers", seats: 12 } });
analytics.alias({ userId, previousId: `before-${userId}` });
await analytics.closeAndFlush();
