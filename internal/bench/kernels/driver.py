"""Measure kernels through jupyter_client, as told by lines of JSON on standard input; answer each with one.

One process and one client library drive all kernels, so that what the client costs is the same for each. Times are in
milliseconds, from the moment a request is handed to the client.
"""

import json
import platform
import sys
import time

import jupyter_client
import zmq
from jupyter_client.manager import KernelManager

kernels = {}  # those that run, by the name that the requests use


class Fault(Exception):
    """What is told instead of a measurement."""


class Kernel:
    def __init__(self, spec, cwd):
        self.begun = time.perf_counter()
        self.manager = KernelManager(kernel_name=spec)
        self.manager.start_kernel(cwd=cwd)
        self.client = self.manager.client()
        self.client.start_channels(hb=False)
        self.poller = zmq.Poller()
        for channel in (self.client.shell_channel, self.client.iopub_channel, self.client.control_channel):
            self.poller.register(channel.socket, zmq.POLLIN)

    def send(self, kind, content, channel="shell"):
        message = self.client.session.msg(kind, content)
        sent = time.perf_counter()
        self.client.session.send(getattr(self.client, f"{channel}_channel").socket, message)
        return message["header"]["msg_id"], sent

    def execute(self, code):
        # All fields: a kernel may rely on them.
        return self.send("execute_request", {"code": code, "silent": False, "store_history": True, "user_expressions": {},
                                             "allow_stdin": False, "stop_on_error": True})

    def messages(self, limit):
        """Every message of every channel with the time it came, until the limit in seconds."""
        end = time.monotonic() + limit
        while (left := end - time.monotonic()) > 0:
            for socket, _ in self.poller.poll(min(left, 1) * 1000):
                came = time.perf_counter()
                _, parts = self.client.session.feed_identities(socket.recv_multipart())
                yield self.client.session.deserialize(parts), came
            if not self.manager.is_alive():
                raise Fault("the kernel has ended")
        raise Fault(f"no answer in {limit} s")

    def reply(self, request, limit):
        for message, came in self.messages(limit):
            if message["msg_type"].endswith("_reply") and message["parent_header"].get("msg_id") == request:
                return message["content"], came

    def cell(self, code, limit, on_output=None):
        """Run a cell until it is idle and replied to. on_output is called with the text so far."""
        request, sent = self.execute(code)
        got = Cell(sent)
        for message, came in self.messages(limit):
            if message["parent_header"].get("msg_id") == request and got.take(message, came):
                return got
            if on_output is not None and got.text:
                on_output(got.text)

    def close(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=False)
        self.manager.cleanup_resources()


class Cell:
    """What came of a cell."""

    def __init__(self, sent):
        self.sent, self.idle, self.first, self.status, self.text = sent, None, None, None, ""

    def take(self, message, came):
        """Note a message; True when it was the last one."""
        kind, content = message["msg_type"], message["content"]
        if kind == "status":
            if content["execution_state"] == "idle":
                self.idle = came
        elif kind == "execute_reply":
            self.status = content["status"]
            if self.status == "error":
                self.text += content.get("ename", "") + ": " + content.get("evalue", "")
        elif kind in ("stream", "execute_result", "display_data", "error"):
            self.first = self.first or came
            self.text += content.get("text", "") or str(content.get("data", {}).get("text/plain", ""))
        return self.idle is not None and self.status is not None

    def told(self):
        told = {"ms": (self.idle - self.sent) * 1e3, "status": self.status, "text": self.text[-2000:]}
        if self.first is not None:
            told["first_ms"] = (self.first - self.sent) * 1e3
        return told


def start(a):
    """A new kernel, and its first cell. ready_ms is when it says who it is, ms when the cell's reply has come."""
    kernel = kernels[a["kernel"]] = Kernel(a["spec"], a["cwd"])
    info, ready = kernel.reply(kernel.send("kernel_info_request", {})[0], a["limit"])
    request, sent = kernel.execute(a["code"])
    content, done = kernel.reply(request, a["limit"])
    return {"ready_ms": (ready - kernel.begun) * 1e3, "cell_ms": (done - sent) * 1e3, "ms": (done - kernel.begun) * 1e3,
            "status": content["status"], "text": content.get("evalue", ""),
            "version": f"{info['implementation']} {info['implementation_version']}, protocol {info['protocol_version']}"}


def stop(a):
    kernels.pop(a["kernel"]).close()
    return {}


def execute(a):
    return kernels[a["kernel"]].cell(a["code"], a["limit"]).told()


def complete(a):
    kernel = kernels[a["kernel"]]
    request, sent = kernel.send("complete_request", {"code": a["code"], "cursor_pos": a["cursor"]})
    content, came = kernel.reply(request, a["limit"])
    return {"ms": (came - sent) * 1e3, "status": content["status"], "text": "\n".join(content.get("matches") or [])}


def inspect(a):
    kernel = kernels[a["kernel"]]
    request, sent = kernel.send("inspect_request", {"code": a["code"], "cursor_pos": a["cursor"], "detail_level": 0})
    content, came = kernel.reply(request, a["limit"])
    return {"ms": (came - sent) * 1e3, "status": content["status"], "text": "\n".join(map(str, (content.get("data") or {}).values()))}


def complete_busy(a):
    """Complete while the cell in "running" runs, which prints a line when it does."""
    asked = {}

    def ask(_):
        if not asked:
            asked["id"], asked["sent"] = kernel.send("complete_request", {"code": a["code"], "cursor_pos": a["cursor"]})

    kernel = kernels[a["kernel"]]
    answered, cell = None, None
    request, sent = kernel.execute(a["running"])
    got = Cell(sent)
    for message, came in kernel.messages(a["limit"]):
        parent = message["parent_header"].get("msg_id")
        if parent == request:
            if got.take(message, came):
                cell = got
            elif got.text:
                ask(got.text)
        elif message["msg_type"] == "complete_reply" and parent == asked.get("id"):
            answered = (message["content"], came)
        if answered and cell:
            content, came = answered
            return {"ms": (came - asked["sent"]) * 1e3, "status": content["status"], "text": "\n".join(content.get("matches") or [])}


def interrupt(a):
    """Interrupt a cell that has printed something and then runs for a while; the time from the request to idle."""
    kernel = kernels[a["kernel"]]
    asked = {}

    def ask(_):
        if not asked:
            time.sleep(a["settle"])
            _, asked["sent"] = kernel.send("interrupt_request", {}, "control")

    got = kernel.cell(a["code"], a["limit"], ask)
    if not asked:
        raise Fault(f"the cell has ended before it was interrupted: {got.text}")
    return {"ms": (got.idle - asked["sent"]) * 1e3, "status": got.status, "text": got.text[-2000:]}


def versions(_):
    return {"text": f"jupyter_client {jupyter_client.__version__}, pyzmq {zmq.__version__}, Python {platform.python_version()}"}


operations = {f.__name__: f for f in (start, stop, execute, complete, inspect, complete_busy, interrupt, versions)}

try:
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            answer = operations[asked["do"]](asked)
        except Fault as e:
            answer = {"fault": str(e)}
        print(json.dumps(answer), flush=True)
finally:
    for kernel in kernels.values():
        kernel.close()
