"""A frontend for the tests: a kernel, a client, and the messages of one request in order."""

import time

from jupyter_client.manager import KernelManager

# The first cell ever on a machine waits for the host library to be built.
FIRST = 600
TIMEOUT = 30


class Frontend:
    def __init__(self, start=None, **options):
        self.km = KernelManager(kernel_name="fovea", **options)
        self.km.start_kernel(**(start or {}))
        self.kc = self.km.client()
        self.kc.start_channels()
        self.kc.wait_for_ready(timeout=60)
        self.run("0", timeout=FIRST)

    def close(self):
        self.kc.stop_channels()
        if self.km.has_kernel:
            self.km.shutdown_kernel(now=False)
        self.km.cleanup_resources()

    def send(self, msg_type, content, channel="shell", buffers=None, subshell=None):
        """Send a request; return its message id."""
        msg = self.kc.session.msg(msg_type, content)
        if subshell is not None:
            msg["header"]["subshell_id"] = subshell
        stream = getattr(self.kc, f"{channel}_channel").socket
        self.kc.session.send(stream, msg, buffers=buffers)
        return msg["header"]["msg_id"]

    def execute(self, code, **options):
        return self.send("execute_request", {"code": code, **options})

    def reply(self, msg_id, channel="shell", timeout=TIMEOUT):
        """The next reply of the channel, which must be the one to msg_id."""
        msg = getattr(self.kc, f"get_{channel}_msg")(timeout=timeout)
        if msg["parent_header"].get("msg_id") != msg_id:
            raise AssertionError(f"the reply {msg['msg_type']} {msg['content']} is to another request")
        return msg

    def published(self, msg_id, timeout=TIMEOUT):
        """What iopub says about the request, without the busy and idle around it."""
        got = []
        end = time.monotonic() + timeout
        while True:
            msg = self.kc.get_iopub_msg(timeout=max(end - time.monotonic(), 0.01))
            if msg["parent_header"].get("msg_id") != msg_id:
                continue
            got.append(msg)
            if msg["msg_type"] == "status" and msg["content"]["execution_state"] == "idle":
                break
        if got[0]["msg_type"] != "status" or got[0]["content"]["execution_state"] != "busy":
            raise AssertionError("no busy before the request's output")
        return [m for m in got if m["msg_type"] != "status"]

    def ask(self, msg_type, content, channel="shell", timeout=TIMEOUT, **options):
        msg_id = self.send(msg_type, content, channel, **options)
        return self.reply(msg_id, channel, timeout)["content"], self.published(msg_id, timeout)

    def run(self, code, timeout=TIMEOUT, **options):
        return self.ask("execute_request", {"code": code, **options}, timeout=timeout)

    def wait_for_message(self, msg_type, timeout=TIMEOUT):
        """Read iopub until a message of the type comes."""
        end = time.monotonic() + timeout
        while True:
            msg = self.kc.get_iopub_msg(timeout=max(end - time.monotonic(), 0.01))
            if msg["msg_type"] == msg_type:
                return msg

    def wait_for(self, text, timeout=TIMEOUT):
        """Read iopub until a stream has printed the text."""
        printed = ""
        end = time.monotonic() + timeout
        while text not in printed:
            msg = self.kc.get_iopub_msg(timeout=max(end - time.monotonic(), 0.01))
            if msg["msg_type"] == "stream":
                printed += msg["content"]["text"]


def text_of(messages, name="stdout"):
    return "".join(m["content"]["text"] for m in messages if m["msg_type"] == "stream" and m["content"]["name"] == name)


def kinds(messages):
    return [m["msg_type"] for m in messages]
