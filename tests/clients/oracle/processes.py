"""The programs that the comparison asks: the transcoder of the project, and one interpreter for each client library."""

import json
import os
import subprocess
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
ENVIRONMENTS = os.environ.get("TWSMUX_CLIENTS_DIR") or os.path.join(HERE, "..", ".venvs")


class Lines:
    """A program that answers every line of JSON with one line of JSON, in order."""

    def __init__(self, command):
        self.name = os.path.basename(command[-1])
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask_all(self, questions):
        """The answers to all questions. Writing goes beside reading, as neither side's pipe holds a batch."""

        def write():
            for question in questions:
                self.process.stdin.write(question.encode() + b"\n")
            self.process.stdin.flush()

        writer = threading.Thread(target=write, daemon=True)
        writer.start()
        answers = []
        for _ in range(len(questions)):
            line = self.process.stdout.readline()
            if not line:
                raise SystemExit(f"{self.name} ended after {len(answers)} of {len(questions)} answers")
            answers.append(json.loads(line))
        writer.join()
        return answers

    def ask(self, **question):
        return self.ask_all([json.dumps(question)])[0]

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def library(name):
    """The interpreter of one client library's environment."""
    if name == "stoqey":
        package = os.path.join(ENVIRONMENTS, "node", "node_modules", "@stoqey", "ib")
        if not os.path.exists(package):
            raise SystemExit(f"{name} is not installed: run tests/clients/setup.sh")
        return Lines(["node", os.path.join(HERE, "library.cjs"), package])
    python = os.path.join(ENVIRONMENTS, name, "bin", "python")
    if not os.path.exists(python):
        raise SystemExit(f"{name} is not installed: run tests/clients/setup.sh")
    return Lines([python, os.path.join(HERE, "libraries.py"), name])


class Transcoder:
    """The project's example program, each question asked once."""

    def __init__(self, binary):
        self.lines = Lines([os.path.abspath(binary)])
        self.known = {}
        self.fields = {}

    def transcode(self, direction, wanted):
        """Makes the answers to all of [(from, to, payload)] known, and counts those that were asked anew."""
        new = list(dict.fromkeys(key for key in wanted if (direction, *key) not in self.known))
        questions = [
            f'{{"direction":"{direction}","from":{source},"to":{target},"payload":"{payload}"}}' for source, target, payload in new
        ]
        for key, answer in zip(new, self.lines.ask_all(questions)):
            self.known[(direction, *key)] = answer

    def answer(self, direction, source, target, payload):
        return self.known[(direction, source, target, payload)]

    def decode(self, direction, wanted):
        """Makes the fields of all of [(version, payload)] known."""
        new = list(dict.fromkeys(key for key in wanted if (direction, *key) not in self.fields))
        questions = [f'{{"direction":"{direction}","decode":{version},"payload":"{payload}"}}' for version, payload in new]
        for key, answer in zip(new, self.lines.ask_all(questions)):
            self.fields[(direction, *key)] = answer

    def message(self, direction, version, payload):
        return self.fields[(direction, version, payload)]

    def end(self):
        self.lines.end()
