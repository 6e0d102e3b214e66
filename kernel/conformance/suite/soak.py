"""A long session: a thousand cells of the kinds that people write. Neither time nor memory may grow with their number."""

import os
import statistics
import time
import unittest

from frontend import Frontend, text_of

CELLS = int(os.environ.get("FOVEA_SOAK") or 1000)
WINDOW = 50

# What README.md says of memory and of time, with room for a busy machine. The worker never unmaps old cells; the kernel
# keeps their types, sources and symbols.
SLOWER = 1.2  # the median of the last cells over that of the first
WORKER = 60  # KiB a cell
KERNEL = 60


def cell(i):
    """The i-th cell, and what it prints."""
    kind, n = i % 5, i // 5
    if kind == 0:
        return f'fmt.Println("cell", {i}, total)', None
    if kind == 1:
        return f"total := {i}\ntotal += len(fmt.Sprint(total))\nfmt.Println(total)", f"{i + len(str(i))}\n"
    if kind == 2:  # a function that is declared anew, and one that calls it
        return f"func changed(x int) int {{ return x + {n} }}\nfmt.Println(changed(1))", f"{n + 1}\n"
    if kind == 3:
        return f"fresh{n} := []int{{{n}, changed(0)}}\nfmt.Println(fresh{n})", f"[{n} {n}]\n"
    return f"for k := range 3 {{\n\tcounts[fmt.Sprint(k)]++\n}}\nfmt.Println(len(counts), latest(counts))", f"3 {n + 1}\n"


def memory(pid):
    with open(f"/proc/{pid}/status") as status:
        return [int(line.split()[1]) for line in status if line.startswith("VmRSS")][0]


def worker_of(pid):
    children = open(f"/proc/{pid}/task/{pid}/children").read().split()
    for task in os.listdir(f"/proc/{pid}/task"):
        children += open(f"/proc/{pid}/task/{task}/children").read().split()
    # The worker is the child with the host library.
    for child in set(children):
        with open(f"/proc/{child}/maps") as maps:
            if "libhost" in maps.read():
                return int(child)
    raise AssertionError("no worker")


class Soak(unittest.TestCase):
    def test_soak(self):
        f = Frontend()
        try:
            f.run('import "fmt"\ntotal := 0\ncounts := map[string]int{}\nfunc latest(m map[string]int) int { return m["2"] }')
            kernel = f.km.provisioner.pid
            worker = worker_of(kernel)
            seconds = []
            at = []
            for i in range(CELLS):
                code, want = cell(i)
                began = time.monotonic()
                reply, out = f.run(code)
                seconds.append(time.monotonic() - began)
                self.assertEqual(reply["status"], "ok", f"cell {i}: {code}\n{reply}")
                if want is not None:
                    self.assertEqual(text_of(out), want, f"cell {i}")
                if i + 1 == WINDOW or i + 1 == CELLS:
                    at.append((memory(kernel), memory(worker)))
            first, last = statistics.median(seconds[:WINDOW]), statistics.median(seconds[-WINDOW:])
            cells = CELLS - WINDOW
            growth = [(b - a) / cells for a, b in zip(*at)]
            print(f"soak: {CELLS} cells, median of the first {WINDOW} {first * 1000:.1f} ms, of the last {last * 1000:.1f} ms "
                  f"({last / first:.2f}); kernel {at[0][0] // 1024} -> {at[1][0] // 1024} MB ({growth[0]:.1f} KB a cell), "
                  f"worker {at[0][1] // 1024} -> {at[1][1] // 1024} MB ({growth[1]:.1f} KB a cell)", flush=True)
            self.assertEqual(worker_of(kernel), worker, "another worker")
            self.assertLess(last / first, SLOWER)
            self.assertLess(growth[0], KERNEL)
            self.assertLess(growth[1], WORKER)
        finally:
            f.close()
