"""What jupyter_kernel_test does not look at."""

import os
import re
import signal
import socket
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


def resident(frontend, line="VmRSS"):
    """The kernel's memory in KiB; VmHWM: at most so far."""
    with open(f"/proc/{frontend.km.provisioner.pid}/status") as status:
        return [int(text.split()[1]) for text in status if text.startswith(line)][0]


def plain(traceback):
    return [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in traceback]


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

    def test_user_expressions_have_live_values(self):
        reply, _ = self.f.run("fresh := []int{1, 2}", user_expressions={"a": "kept + len(fresh)", "b": "noSuchName", "c": 'fmt.Sprint(fresh)'})
        answers = reply["user_expressions"]
        self.assertEqual((answers["a"]["status"], answers["a"]["data"]["text/plain"]), ("ok", "44"))
        self.assertEqual(answers["b"]["status"], "error")
        self.assertIn("noSuchName", answers["b"]["evalue"])
        self.assertEqual(answers["c"]["data"]["text/plain"], "[1 2]")

    def test_silent_error(self):
        before = self.f.run("1")[0]["execution_count"]
        reply, out = self.f.run('panic("silent")', silent=True)
        self.assertEqual((reply["status"], reply["evalue"], out), ("error", "silent", []))
        self.assertEqual(self.f.run("1")[0]["execution_count"], before + 1)

    def test_errors_name_the_place(self):
        reply, _ = self.f.run("if kept > 0 {\n\tvar s string = kept\n\t_ = s\n}")
        trace = plain(reply["traceback"])
        at = [i for i, line in enumerate(trace) if "In[" in line and ":2:" in line][0]
        self.assertIn("var s string = kept", trace[at + 1])
        self.assertEqual(trace[at + 2].index("^"), trace[at + 1].index("kept"), trace)
        reply, _ = self.f.run("func deep(m map[string]int) {\n\tm[``] = 1\n}\ndeep(nil)")
        trace = plain(reply["traceback"])
        self.assertRegex(trace[1], r"In\[\d+\]:2 in deep")
        self.assertRegex(trace[3], r"In\[\d+\]:4$")
        self.assertNotIn("runtime.", "".join(trace))

    def test_question_is_paged(self):
        reply, out = self.f.run("kept?")
        self.assertEqual(kinds(out), ["execute_input"])
        self.assertIn("int", reply["payload"][0]["data"]["text/plain"])

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

    def test_control_overtakes_everything(self):
        cell = self.f.execute('fmt.Println("begun")\ntime.Sleep(time.Second)')
        self.f.wait_for("begun")
        waiting = [self.f.send("history_request", {"hist_access_type": "tail", "n": 1, "output": True, "raw": True}) for _ in range(300)]
        began = time.monotonic()
        for _ in range(5):
            self.f.reply(self.f.send("kernel_info_request", {}, "control"), "control")
        self.assertLess(time.monotonic() - began, 0.5)
        replies = {self.f.kc.get_shell_msg(timeout=TIMEOUT)["parent_header"]["msg_id"] for _ in range(301)}
        self.assertEqual(replies, set(waiting) | {cell})

    def test_subshells_live_and_end(self):
        ids = [self.f.ask("create_subshell_request", {}, "control")[0]["subshell_id"] for _ in range(3)]
        self.assertEqual(sorted(self.f.ask("list_subshell_request", {}, "control")[0]["subshell_id"]), sorted(ids))
        for i in ids:
            reply = self.f.reply(self.f.send("execute_request", {"code": "kept"}, subshell=i))
            self.assertEqual((reply["content"]["status"], reply["parent_header"]["subshell_id"]), ("ok", i))
        for i in ids:
            self.assertEqual(self.f.ask("delete_subshell_request", {"subshell_id": i}, "control")[0]["status"], "ok")
        self.assertEqual(self.f.ask("list_subshell_request", {}, "control")[0]["subshell_id"], [])
        for msg_type, channel, content, options in [
            ("delete_subshell_request", "control", {"subshell_id": ids[0]}, {}),
            ("execute_request", "shell", {"code": "kept"}, {"subshell": ids[0]}),
        ]:
            reply, _ = self.f.ask(msg_type, content, channel, **options)
            self.assertEqual((reply["status"], reply["ename"]), ("error", {"shell": "BadRequest"}.get(channel, "SubshellError")))

    def test_subshells_run_beside_each_other(self):
        """Each answers while the others and the main shell are busy; the values are the same everywhere."""
        ids = [self.f.ask("create_subshell_request", {}, "control")[0]["subshell_id"] for _ in range(2)]
        cell = self.f.execute('fmt.Println("begun")\ntime.Sleep(time.Second)')
        self.f.wait_for("begun")
        began = time.monotonic()
        for i in ids * 3:
            msg = self.f.reply(self.f.send("complete_request", {"code": "kep", "cursor_pos": 3}, subshell=i))
            self.assertEqual(msg["content"]["matches"], ["kept"])
        self.assertLess(time.monotonic() - began, 0.7)
        self.f.reply(cell)
        self.f.reply(self.f.send("execute_request", {"code": "shared := 5"}, subshell=ids[0]))
        self.assertEqual(self.f.run("shared")[1][-1]["content"]["data"]["text/plain"], "5")
        for i in ids:
            self.f.ask("delete_subshell_request", {"subshell_id": i}, "control")

    def test_an_error_stops_its_own_subshell_only(self):
        subshell = self.f.ask("create_subshell_request", {}, "control")[0]["subshell_id"]
        first = self.f.execute('fmt.Println("begun")\ntime.Sleep(700 * time.Millisecond)')
        self.f.wait_for("begun")
        failing = [self.f.send("execute_request", {"code": code, "stop_on_error": True}, subshell=subshell) for code in ('panic("sub")', "kept", "kept")]
        later = self.f.execute("kept")
        replies = {}
        for _ in range(5):
            msg = self.f.kc.get_shell_msg(timeout=TIMEOUT)
            replies[msg["parent_header"]["msg_id"]] = msg["content"]["status"]
        self.assertEqual([replies[i] for i in failing], ["error", "aborted", "aborted"])
        self.assertEqual([replies[first], replies[later]], ["ok", "ok"])
        self.f.ask("delete_subshell_request", {"subshell_id": subshell}, "control")

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
    def interrupted(self, code, stop, begun=True, runs=""):
        cell = self.f.execute(('fmt.Println("begun")\n' if begun else "") + code)
        if begun:
            self.f.wait_for("begun")
        time.sleep(0.3 if begun else 0.6)
        began = time.monotonic()
        stop()
        reply = self.f.reply(cell)["content"]
        self.assertEqual((reply["status"], reply["ename"]), ("error", "Interrupted"), reply)
        self.assertIn(runs, reply["evalue"])
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

    def test_error_check_after_a_command(self):
        # The cell sees the command's end before the kernel may have noted the interrupt.
        self.interrupted('err := exec.Command("sleep", "1234").Run()\nfmt.Println(err)', self.by_message)

    def test_compilation(self):
        # Thousands of instances of generic functions keep the compiler busy for seconds.
        lines = [f"type T{i} struct{{ a{i} [{i + 1}]int }}" for i in range(400)]
        calls = [f"_, _ = many[T{i}, T{j}]()" for i in range(400) for j in range(i, min(i + 12, 400))]
        generic = "func many[A, B any]() (a A, b B) { fmt.Sprint(a, b); return }"
        self.interrupted("\n".join([generic] + lines + calls), self.by_message, begun=False, runs="while it was compiled")

    def test_shell_with_children(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "pids")
            self.interrupted(f"!sleep 1111 & echo $! > {path}; sleep 2222 & echo $! >> {path}; echo $$ >> {path}; wait", self.by_message, begun=False)
            with open(path) as file:
                pids = [int(line) for line in file]
        self.assertEqual(len(pids), 3)
        self.assertTrue(wait_until(lambda: all(ended(pid) for pid in pids)), "children still run")

    def test_input(self):
        cell = self.f.execute("var line string\nfmt.Scanln(&line)", allow_stdin=True)
        question = self.f.kc.get_stdin_msg(timeout=TIMEOUT)
        self.assertEqual(question["parent_header"]["msg_id"], cell)
        began = time.monotonic()
        self.by_message()
        self.assertEqual(self.f.reply(cell)["content"]["ename"], "Interrupted")
        self.assertLess(time.monotonic() - began, 5)
        # An answer that comes too late is not the next question's.
        self.f.kc.input("late")
        cell = self.f.execute('var next string\nfmt.Scanln(&next)\nnext', allow_stdin=True)
        self.f.kc.get_stdin_msg(timeout=TIMEOUT)
        self.f.kc.input("in time")
        self.assertEqual(self.f.reply(cell)["content"]["status"], "ok")
        self.assertEqual(self.f.published(cell)[-1]["content"]["data"]["text/plain"], "in")

    def test_go_get(self):
        # A proxy that takes connections and never answers.
        with socket.create_server(("127.0.0.1", 0)) as proxy:
            url = f"http://127.0.0.1:{proxy.getsockname()[1]}"
            self.interrupted(f"!*GOPROXY={url} GOFLAGS=-mod=mod GONOSUMDB=* go get example.org/nowhere@latest", self.by_message, begun=False)

    def test_import_that_is_fetched(self):
        with socket.create_server(("127.0.0.1", 0)) as proxy:
            environment = dict(os.environ, GOPROXY=f"http://127.0.0.1:{proxy.getsockname()[1]}", GONOSUMDB="*")
            f = Frontend(start={"env": environment})
            try:
                f.run("kept := 42")
                cell = f.execute('import "example.org/nowhere"\n_ = nowhere.X')
                proxy.settimeout(TIMEOUT)
                proxy.accept()  # it asks, and gets no answer
                f.ask("interrupt_request", {}, "control")
                self.assertEqual(f.reply(cell)["content"]["ename"], "Interrupted")
                self.assertEqual(f.run("kept")[1][-1]["content"]["data"]["text/plain"], "42")
            finally:
                f.close()

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

    def test_shutdown_ends_a_shell_line(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "pid")
            f = Frontend()
            f.execute(f"!sleep 3333 & echo $! > {path}; wait")
            self.assertTrue(wait_until(lambda: os.path.exists(path) and os.path.getsize(path)))
            with open(path) as file:
                pid = int(file.read())
            f.km.shutdown_kernel(now=False)
            self.assertTrue(wait_until(lambda: ended(pid)), "the shell's child still runs")
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

    def test_history_outlives_the_kernel(self):
        f = Frontend()
        f.run("whatWasTyped := 1234567")
        f.close()
        f = Frontend()
        try:
            ask = {"hist_access_type": "search", "pattern": "whatWasTyped*", "output": False, "raw": True, "n": 10, "unique": True}
            reply, _ = f.ask("history_request", ask)
            self.assertEqual([source for _, _, source in reply["history"]], ["whatWasTyped := 1234567"])
            session = reply["history"][0][0]
            ask = {"hist_access_type": "range", "session": session, "start": 0, "stop": 100, "output": False, "raw": True}
            self.assertIn("whatWasTyped := 1234567", [source for _, _, source in f.ask("history_request", ask)[0]["history"]])
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
        self.assertLess(resident(self.f, "VmHWM"), 512 << 10, "KiB at most")

    def test_garbage_on_every_port(self):
        """Bytes that are no ZMTP, half handshakes, frames that announce more than they bring: nothing grows, nobody waits."""
        info = self.f.km.get_connection_info()
        before = resident(self.f)
        greeting = b"\xff" + bytes(8) + b"\x7f\x03\x01NULL" + bytes(16 + 32)
        ready = b"\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x01X"
        huge = b"\x02" + (1 << 62).to_bytes(8, "big")
        said = [b"GET / HTTP/1.1\r\n\r\n" * 100, os.urandom(65536), b"", greeting, greeting + ready, greeting + huge,
                greeting[:12] + b"PLAIN" + greeting[17:], greeting + b"\x04\xff" + b"\x05READY" + os.urandom(249)]
        open_ones = []
        for port in ("shell_port", "control_port", "stdin_port", "iopub_port", "hb_port"):
            for text in said * 3:
                peer = socket.create_connection(("127.0.0.1", info[port]), timeout=5)
                open_ones.append(peer)
                try:
                    peer.sendall(text)
                except OSError:
                    pass  # refused already
        self.assertEqual(self.f.run("kept")[0]["status"], "ok")
        self.assertLess(resident(self.f) - before, 32 << 10, "KiB more for 120 peers")
        for peer in open_ones:
            peer.close()
        self.assertEqual(self.f.run("kept")[0]["status"], "ok")

    def test_welcome_comes_first(self):
        context = zmq.Context.instance()
        subscriber = context.socket(zmq.SUB)
        subscriber.linger = 0
        subscriber.subscribe(b"kernel.")
        subscriber.connect(self.f.km._make_url("iopub"))
        self.assertTrue(subscriber.poll(5000))
        _, frames = self.f.kc.session.feed_identities(subscriber.recv_multipart())
        msg = self.f.kc.session.deserialize(frames)
        self.assertEqual((msg["msg_type"], msg["content"]["subscription"]), ("iopub_welcome", "kernel."))
        subscriber.close()

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
        self.f.send("comm_open", {"comm_id": "c1", "target_name": "nowhere", "data": {}}, buffers=[b"\0\1\2"])
        # The cells' process answers, maybe after the request's idle.
        self.assertEqual(self.f.wait_for_message("comm_close")["content"]["comm_id"], "c1")
        self.assertNotIn("c1", self.f.ask("comm_info_request", {})[0]["comms"])

    def test_comms_carry_buffers_both_ways(self):
        """A cell's target answers a message from the page while another cell runs; widgets need all of it."""
        self.f.run('import "encoding/json"\ngot := make(chan string, 9)\n'
                   'display.HandleComm("echo", func(c *display.Comm, data json.RawMessage, buffers [][]byte) {\n'
                   '\tc.Handle(func(data json.RawMessage, buffers [][]byte) { c.Send(data, append(buffers, []byte{9, 0, 255})...) },\n'
                   '\t\tfunc(json.RawMessage) { got <- "closed" })\n'
                   '\tgot <- string(data) + fmt.Sprint(buffers)\n})')
        self.f.send("comm_open", {"comm_id": "c2", "target_name": "echo", "data": {"a": 1}}, buffers=[b"\0\1", b""])
        self.assertEqual(self.f.run("<-got")[1][-1]["content"]["data"]["text/plain"], '{"a":1}[[0 1] []]')
        self.assertEqual(self.f.ask("comm_info_request", {"target_name": "echo"})[0]["comms"], {"c2": {"target_name": "echo"}})
        cell = self.f.execute('fmt.Println("begun")\ntime.Sleep(time.Second)')
        self.f.wait_for("begun")
        began = time.monotonic()
        large = os.urandom(2_000_000)
        self.f.send("comm_msg", {"comm_id": "c2", "data": {"n": [1, None]}}, buffers=[large])
        answer = self.f.wait_for_message("comm_msg")
        self.assertLess(time.monotonic() - began, 0.8)
        self.assertEqual((answer["content"]["comm_id"], answer["content"]["data"]), ("c2", {"n": [1, None]}))
        self.assertEqual([bytes(b) for b in answer["buffers"]], [large, b"\x09\0\xff"])
        self.f.reply(cell)
        self.f.send("comm_close", {"comm_id": "c2", "data": {}})
        self.assertEqual(self.f.run("<-got")[1][-1]["content"]["data"]["text/plain"], "closed")
        # And opened by a cell.
        self.f.execute('mine, err := display.OpenComm("page", map[string]int{"x": 2}, display.CommOptions{Buffers: [][]byte{{7}}, Metadata: map[string]string{"version": "2.1.0"}})')
        opened = self.f.wait_for_message("comm_open")
        self.assertEqual((opened["content"]["target_name"], opened["content"]["data"], opened["metadata"]), ("page", {"x": 2}, {"version": "2.1.0"}))
        self.assertEqual([bytes(b) for b in opened["buffers"]], [b"\7"])
        self.f.kc.get_shell_msg(timeout=TIMEOUT)

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
