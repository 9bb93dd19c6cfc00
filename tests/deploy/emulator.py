"""ministack on a port and a folder of its own, and what it keeps to itself on AWS: waiting, logs, HTTP."""

import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
from pathlib import Path

import boto3

START_SECONDS = 60
PAUSE_SECONDS = 0.25
LOG_SHOWN = 20_000      # characters of the emulator's log that a failure shows
REGION = "eu-central-1"
# Twelve digits are an account of their own, and its root user.
ACCOUNT = "210987654321"


def wait_for(what, seconds, probe):
    """Asks until the answer is neither None nor false, and gives it back."""
    end = time.monotonic() + seconds
    while True:
        found = probe()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(PAUSE_SECONDS)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Emulator:
    """Started by `with`, and gone with all that it wrote when that ends."""

    def __init__(self):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder = tempfile.TemporaryDirectory(prefix="tributary-deploy-")
        self.log = Path(self.folder.name) / "ministack.log"
        # What a shell has set must not reach the functions, which inherit this; nor may a real account be reached.
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        self.environment = kept | {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": ACCOUNT,
            "AWS_SECRET_ACCESS_KEY": "none",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "SAM_CLI_TELEMETRY": "0",
        }

    def __enter__(self):
        own = {
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            # Whose the requests are that nobody has signed.
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "TMPDIR": self.folder.name,
            # Functions act as their roles, whose policies are enforced.
            "AUTH": "true",
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [Path(sys.executable).with_name("ministack")],
                env=self.environment | own,
                cwd=self.folder.name,
                stdout=log,
                stderr=log,
            )
        wait_for("ministack answers", START_SECONDS, self.is_up)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.folder.cleanup()

    def is_up(self):
        if self.process.poll() is not None:
            raise AssertionError(f"ministack ended:\n{self.log.read_text()}")
        try:
            return self.send(self.url, "GET", "/_ministack/health")[0] == 200
        except OSError:
            return False

    def client(self, service):
        return boto3.Session(ACCOUNT, "none", region_name=REGION).client(service, endpoint_url=self.url)

    def run(self, *command):
        """Runs a program against the emulator; gives back what it prints."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise AssertionError(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def send(self, endpoint, method, path, headers=None, body=None):
        """A request to a URL of AWS's form, for which the emulator stands in; its status and its JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"host": urllib.parse.urlsplit(endpoint).netloc} | (headers or {})
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, json.loads(text) if text.startswith(("{", "[")) else text

    def logged(self, group):
        """What a function logged, a line each."""
        pages = self.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
        return [event["message"] for page in pages for event in page["events"]]

    def everything_logged(self):
        """What helps to understand a failure."""
        groups = self.client("logs").describe_log_groups()["logGroups"] if self.is_up() else []
        logged = [f"{group['logGroupName']}:\n" + "\n".join(self.logged(group["logGroupName"])) for group in groups]
        return "\n".join([self.log.read_text()[-LOG_SHOWN:], *logged])
