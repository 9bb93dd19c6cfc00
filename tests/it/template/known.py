#!/usr/bin/env python3
"""Writes known.txt: which properties the resource types of template.yaml have, at each level that it uses.

The names come from cfn-lint's copies of CloudFormation's schemas and, for what SAM adds, from SAM's translator. Both
are among the linters that .ci/run installs:

    target/tools/python/bin/python tests/it/template/known.py

Run it when the test says that a level is missing, or when the linters' versions change.
"""

import json
from pathlib import Path

import cfnlint
import yaml
from samtranslator.model.eventsources.pull import SQS
from samtranslator.model.eventsources.scheduler import SchedulerEventSource
from samtranslator.model.sam_resources import SamFunction
from samtranslator.plugins.globals.globals import Globals

ROOT = Path(__file__).resolve().parents[3]
SCHEMAS = Path(cfnlint.__file__).parent / "data/schemas"
PROVIDER = json.loads((SCHEMAS / "providers/us-east-1.json").read_text())
# Anything goes: names of our own, or documents of another language.
FREE = None
EVENTS = {"SQS": (SQS, "AWS::Lambda::EventSourceMapping"), "ScheduleV2": (SchedulerEventSource, "AWS::Scheduler::Schedule")}
# What SAM's translator knows and does not list by name.
SAM_ONLY = {
    "EventInvokeConfig": {"properties": {name: {} for name in ("MaximumEventAgeInSeconds", "MaximumRetryAttempts", "DestinationConfig")}},
    "RetryPolicy": {"properties": {name: {} for name in ("MaximumEventAgeInSeconds", "MaximumRetryAttempts")}},
}


class Loader(yaml.SafeLoader):
    """Reads `!If [condition, a, b]` as a list of what it may be, and every other tag as a leaf."""


def tagged(loader, tag, node):
    if tag == "If":
        return [branch for branch in loader.construct_sequence(node, deep=True)[1:] if branch is not None]
    return None


Loader.add_multi_constructor("!", tagged)


def schema(kind):
    return json.loads((SCHEMAS / f"resources/{PROVIDER[kind]}.json").read_text())


def names(root, node):
    """The properties of a level of a schema, and what each leads to; FREE where any name is right."""
    found, free = {}, True
    queue = [node]
    while queue:
        node = queue.pop()
        while "$ref" in node:
            target = root
            for step in node["$ref"].removeprefix("#/").split("/"):
                target = target[step]
            node = target
        if "items" in node:
            queue.append(node["items"])
        for several in ("anyOf", "oneOf", "allOf"):
            queue.extend(branch for branch in node.get(several, []) if isinstance(branch, dict))
        if "properties" in node:
            free = False
            found.update(node["properties"])
    return FREE if free else found


def sam(kind_of_cloudformation, properties):
    """What SAM takes, each leading to what CloudFormation makes of it, if it has it by the same name."""
    root = schema(kind_of_cloudformation)
    known = names(root, root)
    return root, {name: SAM_ONLY.get(name, known.get(name, {})) for name in properties}


def walk(path, value, root, level, out):
    for value in value if isinstance(value, list) else [value]:
        if isinstance(value, list):
            walk(path, value, root, level, out)
        if not isinstance(value, dict):
            continue
        out[path] = "*" if level is FREE else " ".join(sorted(level))
        for name, inner in value.items():
            if level is not FREE and name in level:
                walk(f"{path}.{name}", inner, root, names(root, level[name]), out)


def main():
    template = yaml.load((ROOT / "template.yaml").read_text(), Loader)
    out = {}
    for resource in template["Resources"].values():
        kind, properties = resource["Type"], resource.get("Properties", {})
        if kind != "AWS::Serverless::Function":
            root = schema(kind)
            walk(kind, properties, root, names(root, root), out)
            continue
        properties = dict(properties)
        events = properties.pop("Events", {})
        walk(kind, properties, *sam("AWS::Lambda::Function", SamFunction.property_types), out)
        for event in events.values():
            source, made = EVENTS[event["Type"]]
            walk(f"{kind} {event['Type']}", event["Properties"], *sam(made, source.property_types), out)
    shared = Globals.supported_properties["AWS::Serverless::Function"]
    walk("Globals Function", template["Globals"]["Function"], *sam("AWS::Lambda::Function", shared), out)
    lines = [f"{path}: {known}\n" for path, known in sorted(out.items())]
    (ROOT / "tests/it/template/known.txt").write_text("# Written by known.py.\n" + "".join(lines))


if __name__ == "__main__":
    main()
