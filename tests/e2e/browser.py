# SPDX-License-Identifier: MIT
"""A headless Chromium, driven over its debugging pipe (file descriptors 3 and 4, messages of JSON that
end with NUL)."""
import base64
import fcntl
import json
import os
import shutil
import subprocess

import processes
from processes import wait_for

NAMES = ["chromium", "chromium-browser", "google-chrome"]


def browser_missing():
    """Why the page cannot be looked at here, or None."""
    if not any(shutil.which(name) for name in NAMES):
        return "no Chromium on this machine: the search page is not looked at in a browser"
    return None


class Browser:
    def __init__(self, folder, width=1100, height=900):
        self.number, self.events, self.rest, self.page = 0, [], b"", None
        ours_in, theirs_out = os.pipe()
        theirs_in, ours_out = os.pipe()
        program = next(filter(None, map(shutil.which, NAMES)))
        high_in, high_out = (fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (theirs_in, theirs_out))

        def place_ends():
            processes._die_with_parent()
            os.dup2(high_in, 3)
            os.dup2(high_out, 4)

        self.child = subprocess.Popen(
            [program, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
             "--remote-debugging-pipe", f"--user-data-dir={folder}", f"--window-size={width},{height}", "about:blank"],
            pass_fds=(3, 4), preexec_fn=place_ends, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(high_in)
        os.close(high_out)
        os.close(theirs_in)
        os.close(theirs_out)
        self.reading, self.writing = ours_in, ours_out
        target = next(t for t in self.call("Target.getTargets")["targetInfos"] if t["type"] == "page")
        self.page = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def close(self):
        self.child.kill()
        self.child.wait()
        os.close(self.reading)
        os.close(self.writing)

    def receive(self):
        while b"\0" not in self.rest:
            more = os.read(self.reading, 1 << 16)
            assert more, "Chromium ended"
            self.rest += more
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.page:
            message["sessionId"] = self.page
        os.write(self.writing, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == self.number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def complaints(self):
        """What the browser logged as an error: exceptions, refusals by the policy, failed requests."""
        self.call("Runtime.evaluate", expression="0")  # what came before it is here now
        return [event["params"] for event in self.events
                if event["method"] == "Runtime.exceptionThrown" or
                event["method"] == "Log.entryAdded" and event["params"]["entry"]["level"] == "error"]

    def go(self, url):
        self.call("Page.navigate", url=url)

    def ask(self, expression):
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait(self, expression):
        return wait_for(lambda: self.ask(f"Boolean({expression})"), expression)

    def type(self, text):
        for letter in text:
            self.call("Input.dispatchKeyEvent", type="keyDown", text=letter, key=letter)
            self.call("Input.dispatchKeyEvent", type="keyUp", key=letter)

    def resize(self, width, height):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def screenshot(self, path):
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))
