"""Encrypted channels (JEP 145), and kernels that choose their own ports (JEP 66)."""

import hashlib
import hmac
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
import unittest

import zmq
from frontend import FIRST, TIMEOUT, Frontend
from jupyter_client import BlockingKernelClient
from protocol import resident, wait_until


class Curve(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.f = Frontend(transport_encryption="required")

    @classmethod
    def tearDownClass(cls):
        cls.f.close()

    def test_every_channel(self):
        self.assertIsNotNone(self.f.km.curve_publickey)
        cell = self.f.execute('import "fmt"\nvar s string\nfmt.Scanln(&s)\ns', allow_stdin=True)
        self.f.kc.get_stdin_msg(timeout=TIMEOUT)
        self.f.kc.input("typed")
        self.assertEqual(self.f.reply(cell)["content"]["status"], "ok")
        self.assertEqual(self.f.published(cell)[-1]["content"]["data"]["text/plain"], "typed")
        self.assertEqual(self.f.ask("kernel_info_request", {}, "control")[0]["status"], "ok")
        self.f.kc.hb_channel.unpause()
        time.sleep(1.2)
        self.assertTrue(self.f.kc.hb_channel.is_beating())

    def test_large_messages(self):
        text = "x" * 3_000_000
        _, out = self.f.run(f'fmt.Print(len("{text}"))')
        self.assertEqual(out[-1]["content"]["text"], "3000000")
        _, out = self.f.run('import "strings"\nfmt.Print(strings.Repeat("y", 5_000_000))')
        self.assertEqual(sum(len(m["content"].get("text", "")) for m in out), 5_000_000)

    def subscriber(self, **keys):
        socket = zmq.Context.instance().socket(zmq.SUB)
        socket.linger = 0
        socket.subscribe(b"")
        for name, key in keys.items():
            setattr(socket, f"curve_{name}", key)
        socket.connect(self.f.km._make_url("iopub"))
        self.addCleanup(socket.close)
        return socket

    def test_nobody_listens_without_the_key(self):
        mine, other = zmq.curve_keypair(), zmq.curve_keypair()
        pair = {"publickey": mine[0], "secretkey": mine[1]}
        strangers = [self.subscriber(), self.subscriber(serverkey=other[0], **pair)]
        friend = self.subscriber(serverkey=self.f.km.curve_publickey, **pair)
        self.assertTrue(friend.poll(5000), "no welcome")
        self.f.run("1")
        self.assertTrue(friend.poll(1000))
        self.assertFalse(any(s.poll(300) for s in strangers))

    def test_strangers_cost_nothing(self):
        before = resident(self.f)
        sockets = []
        for _ in range(50):
            socket = zmq.Context.instance().socket(zmq.DEALER)
            socket.linger = 0
            socket.connect(self.f.km._make_url("shell"))
            sockets.append(socket)
            try:
                socket.send(b"x" * 100_000, zmq.NOBLOCK)
            except zmq.Again:
                pass  # refused already: there is nobody to send to
        time.sleep(1)
        self.assertEqual(self.f.run("1")[0]["status"], "ok")
        self.assertLess(resident(self.f) - before, 32 << 10, "KiB more")
        for socket in sockets:
            socket.close()

    def test_ipc_and_restart(self):
        with tempfile.TemporaryDirectory(prefix="ipc") as folder:
            f = Frontend(transport="ipc", ip=os.path.join(folder, "k"), transport_encryption="auto")
            try:
                key = f.km.curve_publickey
                f.km.restart_kernel()
                f.kc.wait_for_ready(timeout=60)
                self.assertEqual(f.run("1", timeout=FIRST)[0]["status"], "ok")
                self.assertEqual(f.km.curve_publickey, key)
            finally:
                f.close()

    def test_half_a_pair_is_refused(self):
        info = {"transport": "tcp", "ip": "127.0.0.1", "key": "k", "signature_scheme": "hmac-sha256",
                "curve_publickey": zmq.curve_keypair()[0].decode()}
        with tempfile.TemporaryDirectory() as folder:
            done = serve(write(folder, info), stderr=subprocess.PIPE, text=True)
            _, log = done.communicate(timeout=TIMEOUT)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("encryption needs both", log)


def write(folder, info):
    path = os.path.join(folder, "file.json")
    with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
        json.dump(info, file)
    return path


def serve(path, **options):
    return subprocess.Popen([os.environ["FOVEA_COMMAND"], "kernel", "serve", path], **options)


class Registration(unittest.TestCase):
    """jupyter_client does not register kernels yet: this is the other end, as its messaging specification has it."""

    def start(self, answer, **options):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        key = secrets.token_hex(16)
        socket = zmq.Context.instance().socket(zmq.ROUTER)
        self.addCleanup(socket.close, 0)
        port = socket.bind_to_random_port("tcp://127.0.0.1")
        info = {"kernel_id": "k1", "transport": "tcp", "registration_ip": "127.0.0.1", "registration_port": port,
                "signature_scheme": "hmac-sha256", "key": key}
        kernel = serve(write(folder, info), stderr=sys.stderr if answer else subprocess.PIPE, text=True, **options)
        self.addCleanup(kernel.wait)
        self.addCleanup(kernel.kill)
        self.assertTrue(socket.poll(10_000), "the kernel does not register")
        identity, delimiter, signature, content = socket.recv_multipart()
        sign = lambda text: hmac.new(key.encode(), text, hashlib.sha256).hexdigest().encode()  # noqa: E731
        self.assertEqual((delimiter, signature), (b"<IDS|MSG>", sign(content)))
        if answer:
            socket.send_multipart([identity, b"<IDS|MSG>", sign(b"{}"), b"{}"])
        return folder, key, json.loads(content), kernel

    def test_kernel_chooses_its_ports(self):
        folder, key, told, kernel = self.start(True)
        self.assertEqual(told.pop("kernel_id"), "k1")
        ports = {name: int(port) for name, port in told.items()}
        self.assertEqual(sorted(ports), ["control_port", "hb_port", "iopub_port", "shell_port", "stdin_port"])
        self.assertEqual(len(set(ports.values())), 5)
        client = BlockingKernelClient(ip="127.0.0.1", transport="tcp", **ports)
        client.session.key = key.encode()
        client.start_channels()
        client.wait_for_ready(timeout=60)
        # Other clients find it by the file that the kernel wrote.
        path = os.path.join(folder, "kernel-k1.json")
        self.assertTrue(wait_until(lambda: os.path.exists(path)))
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        other = BlockingKernelClient(connection_file=path)
        other.load_connection_file()
        other.start_channels()
        other.wait_for_ready(timeout=60)
        self.assertEqual(other.execute_interactive("1", timeout=FIRST, output_hook=lambda msg: None)["content"]["status"], "ok")
        other.shutdown()
        kernel.wait(10)
        self.assertFalse(os.path.exists(path))
        for c in (client, other):
            c.stop_channels()

    def test_a_kernel_that_nobody_acknowledges_ends(self):
        _, _, _, kernel = self.start(False)
        _, log = kernel.communicate(timeout=TIMEOUT)
        self.assertNotEqual(kernel.returncode, 0)
        self.assertIn("nobody has acknowledged", log)
