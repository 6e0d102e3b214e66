"""What jupyter_kernel_test does not look at."""

import os
import signal
import subprocess
import tempfile
import time
import unittest
from queue import Empty

import zmq
from frontend import TIMEOUT, Frontend, kinds, text_of


def ended(pid):
    """Whether a process has gone; one that waits for its parent to notice has."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def wait_until(condition, timeout=10):
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.f = Frontend()
        cls.f.run('import ("fmt"; "os"; "os/exec"; "time"; "fovea/kernel/display")\nkept := 42')

    @classmethod
    def tearDownClass(cls):
        cls.f.close()


class Cells(Case):
    def test_message_order(self):
        reply, out = self.f.run(
            'for i := range 3 {\n\tfmt.Println("out", i)\n\tfmt.Fprintln(os.Stderr, "err", i)\n\tdisplay.Show(display.Text(fmt.Sprint("shown ", i)))\n}\nkept'
        )
        self.assertEqual(reply["status"], "ok")
        self.assertEqual(kinds(out)[0], "execute_input")
        self.assertEqual(kinds(out)[-1], "execute_result")
        shown = [m["content"]["data"]["text/plain"] for m in out if m["msg_type"] == "display_data"]
        self.assertEqual(shown, ["shown 0", "shown 1", "shown 2"])
        self.assertEqual(text_of(out), "out 0\nout 1\nout 2\n")
        self.assertEqual(text_of(out, "stderr"), "err 0\nerr 1\nerr 2\n")
        # What was printed before a display comes before it.
        for i in range(3):
            at = [k for k, m in enumerate(out) if m["msg_type"] == "display_data"][i]
            self.assertIn(f"out {i}\n", text_of(out[:at]))
            self.assertNotIn(f"out {i + 1}\n", text_of(out[:at]))

    def test_large_output_is_whole(self):
        _, out = self.f.run('for i := range 100_000 {\n\tfmt.Printf("%07d ", i)\n}')
        self.assertEqual(text_of(out), "".join(f"{i:07d} " for i in range(100_000)))
        self.assertLess(len(out), 1000)

    def test_text_is_valid_whatever_is_printed(self):
        _, out = self.f.run('os.Stdout.Write([]byte("ok \\xff\\xfe \\xe2\\x82"))\ntime.Sleep(50 * time.Millisecond)\nos.Stdout.Write([]byte("\\xac"))')
        self.assertTrue(text_of(out).startswith("ok "))

    def test_counts(self):
        first = self.f.run("1")[0]["execution_count"]
        self.assertEqual(self.f.run("1")[0]["execution_count"], first + 1)
        reply, out = self.f.run('fmt.Println("silent")\n1', silent=True)
        self.assertEqual((reply["execution_count"], out), (first + 1, []))
        reply, out = self.f.run("1", store_history=False)
        self.assertEqual(reply["execution_count"], first + 1)
        self.assertIn("execute_result", kinds(out))
        self.assertEqual(self.f.run("1")[0]["execution_count"], first + 2)

    def test_error_is_told_once(self):
        for code in ['panic("boom")', "undefinedName", "var s []int\n_ = s[3]", 'import "no/such/package"\n_ = package.X']:
            reply, out = self.f.run(code)
            self.assertEqual(reply["status"], "error", code)
            self.assertEqual(kinds(out), ["execute_input", "error"], code)
            for key in ("ename", "evalue", "traceback"):
                self.assertEqual(reply[key], out[1]["content"][key])
            self.assertIsInstance(reply["execution_count"], int)

    def test_user_expressions_are_answered(self):
        reply, _ = self.f.run("kept", user_expressions={"a": "kept"})
        self.assertIn(reply["user_expressions"]["a"]["status"], ("ok", "error"))

    def test_worker_death_is_told(self):
        f = Frontend()
        try:
            f.run("lost := 1")
            reply, out = f.run('import ("os"; "syscall")\nsyscall.Kill(os.Getpid(), syscall.SIGKILL)\nselect {}')
            self.assertEqual(reply["status"], "error")
            self.assertIn("lost", "\n".join(reply["traceback"]))
            self.assertEqual(f.run("6 * 7")[0]["status"], "ok")
        finally:
            f.close()


class Queues(Case):
    def test_error_aborts_what_waits(self):
        ids = [self.f.execute('time.Sleep(300 * time.Millisecond)\npanic("first")', stop_on_error=True)]
        ids += [self.f.execute("kept = -1", stop_on_error=True) for _ in range(3)]
        info = self.f.send("kernel_info_request", {})
        replies = {}
        for _ in range(5):
            msg = self.f.kc.get_shell_msg(timeout=TIMEOUT)
            replies[msg["parent_header"]["msg_id"]] = msg["content"]
        self.assertEqual([replies[i]["status"] for i in ids], ["error"] + ["aborted"] * 3)
        self.assertEqual(replies[info]["status"], "ok")
        reply, out = self.f.run("kept")
        self.assertEqual(reply["status"], "ok")
        self.assertEqual(out[-1]["content"]["data"]["text/plain"], "42")

    def test_error_lets_others_run_without_stop_on_error(self):
        first = self.f.execute('time.Sleep(200 * time.Millisecond)\npanic("first")', stop_on_error=False)
        second = self.f.execute("kept", stop_on_error=False)
        self.assertEqual(self.f.reply(first)["content"]["status"], "error")
        self.assertEqual(self.f.reply(second)["content"]["status"], "ok")

    def test_a_run_of_many_cells_stops_at_the_first_error(self):
        # As a frontend sends them: at once, the first failing in a moment.
        session = self.f.kc.session
        cells = [session.msg("execute_request", {"code": code}) for code in ["undefinedName"] + ["kept = -1"] * 50]
        for cell in cells:
            session.send(self.f.kc.shell_channel.socket, cell)
        statuses = [self.f.reply(cell["header"]["msg_id"])["content"]["status"] for cell in cells]
        self.assertEqual(statuses, ["error"] + ["aborted"] * 50)
        time.sleep(0.1)

    def test_requests_are_answered_while_a_cell_runs(self):
        self.f.run("stop := make(chan bool)")
        cell = self.f.execute('fmt.Println("begun")\ntime.Sleep(2 * time.Second)')
        self.f.wait_for("begun")
        began = time.monotonic()
        for channel, msg_type, content in [
            ("control", "kernel_info_request", {}),
            ("shell", "kernel_info_request", {}),
            ("shell", "complete_request", {"code": "kep", "cursor_pos": 3}),
            ("shell", "inspect_request", {"code": "kept", "cursor_pos": 3, "detail_level": 0}),
            ("shell", "is_complete_request", {"code": "x"}),
            ("shell", "history_request", {"hist_access_type": "tail", "n": 2, "output": False, "raw": True}),
            ("shell", "comm_info_request", {}),
        ]:
            self.f.reply(self.f.send(msg_type, content, channel), channel)
        self.assertLess(time.monotonic() - began, 1)
        self.f.reply(cell)
        self.f.published(cell)

    def test_subshell(self):
        reply, _ = self.f.ask("create_subshell_request", {}, "control")
        subshell = reply["subshell_id"]
        self.assertEqual(self.f.ask("list_subshell_request", {}, "control")[0]["subshell_id"], [subshell])
        cell = self.f.execute('fmt.Println("begun")\ntime.Sleep(time.Second)')
        self.f.wait_for("begun")
        began = time.monotonic()
        msg = self.f.reply(self.f.send("complete_request", {"code": "kep", "cursor_pos": 3}, subshell=subshell))
        self.assertLess(time.monotonic() - began, 0.5)
        self.assertEqual(msg["content"]["matches"], ["kept"])
        self.assertEqual(msg["parent_header"]["subshell_id"], subshell)
        self.f.reply(cell)
        self.f.published(cell)
        self.assertEqual(self.f.ask("delete_subshell_request", {"subshell_id": subshell}, "control")[0]["status"], "ok")


class Interrupts(Case):
    def interrupted(self, code, stop, begun=True):
        cell = self.f.execute(('fmt.Println("begun")\n' if begun else "") + code)
        if begun:
            self.f.wait_for("begun")
        time.sleep(0.2)
        began = time.monotonic()
        stop()
        reply = self.f.reply(cell)["content"]
        self.assertEqual((reply["status"], reply["ename"]), ("error", "Interrupted"), reply)
        self.assertLess(time.monotonic() - began, 5)
        _, out = self.f.run("kept")
        self.assertEqual(out[-1]["content"]["data"]["text/plain"], "42")

    def by_message(self):
        self.f.ask("interrupt_request", {}, "control")

    def by_signal(self):
        os.kill(self.f.km.provisioner.pid, signal.SIGINT)

    def test_loop(self):
        self.interrupted("for {\n}", self.by_message)

    def test_loop_by_signal(self):
        self.interrupted("for {\n}", self.by_signal)

    def test_sleep(self):
        self.interrupted("time.Sleep(time.Hour)", self.by_message)

    def test_channel(self):
        self.interrupted("<-make(chan int)", self.by_message)

    def test_command(self):
        self.interrupted('exec.Command("sleep", "1234").Run()', self.by_message)

    def test_while_queued_cells_wait(self):
        cell = self.f.execute('fmt.Println("begun")\nfor {\n}')
        waiting = [self.f.execute("kept = -1") for _ in range(2)]
        self.f.wait_for("begun")
        self.by_message()
        self.assertEqual(self.f.reply(cell)["content"]["ename"], "Interrupted")
        self.assertEqual([self.f.reply(i)["content"]["status"] for i in waiting], ["aborted"] * 2)

    def test_nothing_runs(self):
        self.by_message()
        self.by_signal()
        time.sleep(0.1)
        self.assertEqual(self.f.run("kept")[0]["status"], "ok")


class Ends(unittest.TestCase):
    def children(self, f):
        f.run('import ("os/exec"; "fmt")')
        _, out = f.run('command := exec.Command("sleep", "4321")\nif err := command.Start(); err != nil {\n\tpanic(err)\n}\nfmt.Println(command.Process.Pid)')
        kernel = f.km.provisioner.pid
        listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(kernel)], capture_output=True, text=True).stdout.split()
        return kernel, [int(text_of(out))] + [int(pid) for pid in listed]

    def test_shutdown_takes_children_along(self):
        f = Frontend()
        kernel, children = self.children(f)
        self.assertGreaterEqual(len(children), 2)
        f.execute("for {\n}")
        time.sleep(0.3)
        reply, out = f.ask("shutdown_request", {"restart": False}, "control")
        self.assertEqual(reply["status"], "ok")
        self.assertTrue(wait_until(lambda: f.km.provisioner.process.poll() is not None), "the kernel still runs")
        self.assertEqual(f.km.provisioner.process.returncode, 0)
        self.assertTrue(wait_until(lambda: all(ended(pid) for pid in children)), "children still run")
        f.close()

    def test_terminate_takes_children_along(self):
        f = Frontend()
        kernel, children = self.children(f)
        os.kill(kernel, signal.SIGTERM)
        self.assertTrue(wait_until(lambda: f.km.provisioner.process.poll() is not None), "the kernel still runs")
        self.assertTrue(wait_until(lambda: all(ended(pid) for pid in children)), "children still run")
        f.kc.stop_channels()

    def test_restart_forgets(self):
        f = Frontend()
        try:
            f.run("x := 1")
            f.km.restart_kernel()
            f.kc.wait_for_ready(timeout=60)
            reply, out = f.run("x")
            self.assertEqual((reply["status"], reply["execution_count"]), ("error", 1))
        finally:
            f.close()

    def test_heartbeat(self):
        f = Frontend()
        try:
            f.kc.hb_channel.unpause()
            f.execute("for {\n}")
            time.sleep(1.5)
            self.assertTrue(f.kc.hb_channel.is_beating())
        finally:
            f.close()


class Wire(Case):
    def test_unsigned_and_replayed_messages(self):
        kc = self.f.kc
        msg = kc.session.msg("execute_request", {"code": 'fmt.Println("ran")'})
        frames = kc.session.serialize(msg)
        socket = kc.shell_channel.socket
        forged = list(frames)
        forged[1] = b"0" * 64
        for bad in (forged, [b"<IDS|MSG>"], [b"x"] * 20, frames[:3], [b"<IDS|MSG>", b"", b"{}", b"{}", b"{}", b"{}"]):
            socket.send_multipart(bad)
        socket.send_multipart(frames)
        self.assertEqual(self.f.reply(msg["header"]["msg_id"])["content"]["status"], "ok")
        socket.send_multipart(frames)  # again
        with self.assertRaises(Empty):
            kc.get_shell_msg(timeout=0.5)
        self.assertEqual(self.f.run("kept")[0]["status"], "ok")

    def test_a_flood_before_the_signature_is_refused(self):
        context = zmq.Context.instance()
        attacker = context.socket(zmq.DEALER)
        attacker.linger = 0
        attacker.connect(self.f.km._make_url("shell"))
        for _ in range(4):
            attacker.send(b"x" * (32 << 20))
        self.assertEqual(self.f.run("kept")[0]["status"], "ok")
        attacker.close()
        with open(f"/proc/{self.f.km.provisioner.pid}/status") as status:
            resident = [int(line.split()[1]) for line in status if line.startswith("VmHWM")][0]
        self.assertLess(resident, 512 << 10, "KiB at most")

    def test_second_client(self):
        other = self.f.km.client()
        other.start_channels()
        other.wait_for_ready(timeout=TIMEOUT)
        cell = self.f.execute('fmt.Println("for all")')
        self.f.reply(cell)
        seen = []
        while not seen or seen[-1]["content"].get("execution_state") != "idle":
            msg = other.get_iopub_msg(timeout=TIMEOUT)
            if msg["parent_header"].get("msg_id") == cell:
                seen.append(msg)
        self.assertIn("stream", kinds(seen))
        other.stop_channels()

    def test_comm_to_an_unknown_target_is_closed(self):
        comm = self.f.send("comm_open", {"comm_id": "c1", "target_name": "nowhere", "data": {}}, buffers=[b"\0\1\2"])
        out = self.f.published(comm)
        self.assertEqual([(m["msg_type"], m["content"]["comm_id"]) for m in out], [("comm_close", "c1")])

    def test_headers(self):
        cell = self.f.execute("kept")
        reply = self.f.reply(cell)
        self.assertEqual(reply["header"]["version"], "5.5")
        self.assertNotEqual(reply["header"]["session"], self.f.kc.session.session)
        self.assertIsNotNone(reply["header"]["date"].tzinfo)
        for msg in self.f.published(cell):
            self.assertEqual(msg["header"]["session"], reply["header"]["session"])

    def test_ipc(self):
        with tempfile.TemporaryDirectory(prefix="ipc") as folder:
            f = Frontend(transport="ipc", ip=os.path.join(folder, "k"))
            try:
                modes = [os.stat(os.path.join(folder, name)).st_mode & 0o777 for name in os.listdir(folder)]
                self.assertEqual(modes, [0o600] * 5)
                reply, out = f.run("6 * 7")
                self.assertEqual(out[-1]["content"]["data"]["text/plain"], "42")
            finally:
                f.close()
            self.assertEqual(os.listdir(folder), [])
