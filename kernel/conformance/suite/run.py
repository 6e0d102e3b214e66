"""Run the test cases of one module of this folder and print a line of JSON for each."""

import json
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))


class Verdicts(unittest.TestResult):
    def startTest(self, test):
        super().startTest(test)
        self.began, self.bad = time.monotonic(), []

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.bad.append(self._exc_info_to_string(err, subtest))

    def say(self, test, outcome, text=""):
        # A class that could not be set up has no test that began.
        seconds = time.monotonic() - getattr(self, "began", time.monotonic())
        name = getattr(test, "_testMethodName", None) or str(test)
        print(json.dumps({"test": name, "outcome": outcome, "text": text, "seconds": seconds}), flush=True)

    def addSuccess(self, test):
        super().addSuccess(test)
        self.say(test, "ok")

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        if type(test).__name__ != "_SubTest":
            self.say(test, "skipped", reason)

    def addError(self, test, err):
        super().addError(test, err)
        self.say(test, "failed", self._exc_info_to_string(err, test))

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.say(test, "failed", self._exc_info_to_string(err, test))

    def stopTest(self, test):
        super().stopTest(test)
        if self.bad:
            self.say(test, "failed", "\n".join(self.bad))


module = __import__(sys.argv[1])
loader = unittest.TestLoader()
if len(sys.argv) > 2:
    loader.testNamePatterns = [f"*{pattern}*" for pattern in sys.argv[2:]]
result = Verdicts()
loader.loadTestsFromModule(module).run(result)
sys.exit(0 if result.wasSuccessful() else 1)
