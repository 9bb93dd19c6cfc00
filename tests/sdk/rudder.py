"""The Python SDK rudder-sdk-python, unmodified: only its data plane and its write key are ours.

Usage: URL=… WRITE_KEY=… python rudder.py USER EMAIL TRACKS
"""

import os
import sys

import rudderstack.analytics as analytics

failures = []

user, email, tracks = sys.argv[1], sys.argv[2], int(sys.argv[3])
analytics.write_key = os.environ["WRITE_KEY"]
analytics.host = os.environ["URL"]
analytics.on_error = lambda error, _events: failures.append(error)

traits = {"email": email, "firstName": "Bruno", "lastName": "Müller", "plan": "gold", "address": {"city": "Jena"}}
analytics.identify(user, traits)
for n in range(tracks):
    analytics.track(user, "Product Viewed", {"sku": f"sku-{n}", "price": 12.5, "none": None})
analytics.page(user, None, "Home", {"path": "/", "title": "Tea & Co"})
analytics.group(user, "tea-lovers", {"name": "Tea lovers", "seats": 12})
analytics.alias(f"before-{user}", user)
analytics.shutdown()

for failure in failures:
    print(f"rudder-sdk-python could not deliver: {failure}", file=sys.stderr)
sys.exit(bool(failures))
