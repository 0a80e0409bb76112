"""What a soak has: an instance, a collector, clients that keep count, and those who look on."""

import collections
import contextlib
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time

import verdict

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
NOBODY = 65534
NAMESPACE = "SOAK_NAMESPACE"  # set in the process that has one of its own for mounts
DISK = "64m"
KINDS = [("/analyze", '{"a": 10.5, "b": 3.5}', 200)] * 8 + [
    ("/analyze", '{"a": 1}', 422), ("/nowhere", "{}", 404)]
PATIENCE_S = 180  # a held batch is tried again after a minute

now = time.monotonic


def free_ports(count):
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for s in sockets:
            while True:
                try:
                    s.bind(("127.0.0.1", random.SystemRandom().randrange(10000, 32000)))
                    break
                except OSError:
                    continue
        return [s.getsockname()[1] for s in sockets]


def process_tree(pid):
    """pid -> name, of all that descends from `pid`."""
    children, names, found = collections.defaultdict(list), {}, {}
    for entry in os.listdir("/proc"):
        with contextlib.suppress(OSError, ValueError):
            with open(f"/proc/{int(entry)}/stat", encoding="utf-8") as file:
                name, _, rest = file.read().partition("(")[2].rpartition(")")
            children[int(rest.split()[1])].append(int(entry))
            names[int(entry)] = name
    queue = [pid]
    while queue:
        for child in children[queue.pop()]:
            found[child] = names[child]
            queue.append(child)
    return found


class World:
    def __init__(self, args, folder):
        self.args, self.folder, self.pid = args, folder, os.getpid()
        self.state, self.archive = folder + "/state", folder + "/state/archive"
        self.http, self.agent, self.sink_port = free_ports(3)
        self.instance = self.sink = self.scraper = None
        self.read_log, self.done = threading.Event(), threading.Event()
        self.read_log.set()
        self.lock = threading.Lock()
        self.requests = []  # id, the status that is right, the one that came or None, begin, end
        self.windows = {"web": [], "agent": [], "metrics": []}  # when which may be away
        self.counts, self.peaks = collections.Counter(), collections.Counter()
        self.problems = []
        self.end = 0

    def prepare(self):
        os.mkdir(self.state, 0o755)
        if self.args.tiers:
            self.mount_tiers()
        elif NAMESPACE in os.environ:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=0755", "soak", self.state], check=True)
        os.mkdir(self.archive)
        if os.geteuid() == 0:
            os.chown(self.state, NOBODY, NOBODY)
        for path in (self.folder + "/victim", self.state + "/victim"):
            with open(path, "w", encoding="ascii") as file:
                file.write("nobody else's\n")
        self.start_sink()
        self.sink_answers()
        self.start_instance()

    def mount_tiers(self):
        """A small disk, and the run directory in memory: as on a host with /run and /var."""
        if NAMESPACE not in os.environ:
            raise SystemExit("--tiers needs root, and a mount namespace of its own")
        image, run = self.folder + "/disk", self.state + "/run"
        with open(image, "wb") as file:
            file.truncate(int(DISK[:-1]) << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", image], check=True)
        subprocess.run(["mount", "-o", "loop", image, self.state], check=True)
        os.mkdir(run)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "soak", run], check=True)
        os.chown(run, NOBODY, NOBODY)
        os.chmod(run, 0o2770)

    def start_sink(self):
        self.sink = subprocess.Popen(
            [sys.executable, ROOT + "/tests/tools/otlp_sink.py", "--port", str(self.sink_port), "--dump",
             self.folder + "/dump"], stderr=open(self.folder + "/sink.log", "a", encoding="utf-8"))

    def sink_answers(self, **how):
        deadline = now() + 20
        while now() < deadline:
            with contextlib.suppress(OSError, http.client.HTTPException):
                connection = http.client.HTTPConnection("127.0.0.1", self.sink_port, timeout=5)
                connection.request("POST", "/control", json.dumps(how))
                connection.getresponse().read()
                return
            time.sleep(0.05)
        self.problems.append("the sink can't be told how to answer")

    def start_instance(self):
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "MICROTRACE_"))}
        environment.update(
            PORT=str(self.http), AGENT_LISTEN=f"127.0.0.1:{self.agent}", STATE_DIR=self.state, WORKERS="4",
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{self.sink_port}", OTEL_EXPORTER_OTLP_TIMEOUT="3000",
            MICROTRACE_SPOOL_SEGMENT_BYTES="262144", MICROTRACE_SPOOL_MAX_BYTES="8388608",
            MICROTRACE_SPOOL_MEMORY_BYTES="1048576",
            MICROTRACE_LOG_STDERR="true", LC_ALL="C.UTF-8")
        drop = (["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
                if os.geteuid() == 0 else [])
        self.instance = subprocess.Popen(
            drop + [BUILD + "/bin/microtrace-run", "--config", ROOT + "/lighttpd.conf"], env=environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        threading.Thread(target=self.follow_log, args=(self.instance.stdout,), daemon=True).start()
        deadline = now() + 20
        while now() < deadline and self.instance.poll() is None:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.http), 1).close()
                return
            time.sleep(0.05)
        raise SystemExit(f"the instance does not start; see {self.folder}/log")

    def follow_log(self, pipe):
        with open(self.folder + "/log", "ab") as file:
            while True:
                self.read_log.wait()
                text = os.read(pipe.fileno(), 65536)
                if not text:
                    return
                # What analyze logs is at the collector too.
                file.write(b"".join(line for line in text.splitlines(True) if line[:1] != b"{"))
                file.flush()

    def pids(self, name):
        return [p for p, n in process_tree(self.instance.pid).items() if n == name]

    def note(self, what, count=1, detail=""):
        self.counts[what] += count
        with open(self.folder + "/events", "a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%T')} {now():.2f} {what} {detail}\n")

    def pause(self, what, seconds):
        """`what` (web, agent, metrics) may be away for that long from now on."""
        self.windows[what].append((now(), now() + seconds))

    def client(self, number, clients):
        rng, connection, sent = random.Random(f"client {self.args.seed} {number}"), None, 0
        due = now()
        while now() < self.end:
            due = max(due + clients / self.args.rate, now() - 1)
            time.sleep(max(0, due - now()))
            path, body, expected = rng.choice(KINDS)
            ident, begin, status = f"soak-{self.args.seed}-{number}-{sent}", now(), None
            sent += 1
            try:
                connection = connection or http.client.HTTPConnection("127.0.0.1", self.http, timeout=30)
                connection.request("POST", path, body, {"X-Request-ID": ident, "Content-Type": "application/json"})
                answer = connection.getresponse()
                text = answer.read()
                status = answer.status
                if answer.headers["X-Request-ID"] != ident or (status == 200 and b'"sum": 14.0' not in text):
                    status = status if status >= 500 else -status
            except (OSError, http.client.HTTPException):
                connection.close()
                connection = None
            with self.lock:
                self.requests.append((ident, expected, status, begin, now()))

    def scrape_all_the_time(self):
        """In a process of its own: a line for each scrape, and for each counter that decreased."""
        seen, due = {}, now()
        with open(self.folder + "/scrapes", "w", encoding="utf-8", buffering=1) as out:
            while os.getppid() == self.pid:
                due = max(due + 0.05, now())
                time.sleep(max(0, due - now()))
                begin, error, smaller = now(), None, []
                try:
                    values = verdict.scrape(self.agent, 5)
                    took = now() - begin
                    smaller = [k for k, v in values.items() if verdict.is_counter(k) and v < seen.get(k, 0)]
                    seen = values
                except Exception as e:  # whatever it is, it was no answer
                    took, error = now() - begin, repr(e)
                out.write(json.dumps([begin, took, error, smaller[:5]]) + "\n")

    def sample(self):
        while not self.done.wait(2):
            for pid, name in process_tree(self.instance.pid).items():
                with contextlib.suppress(OSError, IndexError):
                    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
                        memory = int(file.read().split("RssAnon:")[1].split()[0])
                    self.peaks[name + " KiB"] = max(self.peaks[name + " KiB"], memory)
                    files = len(os.listdir(f"/proc/{pid}/fd"))
                    self.peaks[name + " files"] = max(self.peaks[name + " files"], files)

    def look_on(self):
        self.scraper = os.fork()
        if self.scraper == 0:
            try:
                self.scrape_all_the_time()
            finally:
                os._exit(0)
        threading.Thread(target=self.sample, daemon=True).start()

    def look_away(self):
        self.done.set()
        os.kill(self.scraper, signal.SIGKILL)
        os.waitpid(self.scraper, 0)

    def settled(self):
        """Nothing waits, nothing more comes: the last scrape."""
        deadline, last = now() + PATIENCE_S, None
        while now() < deadline:
            time.sleep(2)
            with contextlib.suppress(OSError, http.client.HTTPException):
                values = verdict.scrape(self.agent, 5)
                books = verdict.books(values)
                if books == last and all(b["backlog"] == 0 for b in books.values()):
                    return values
                last = books
        self.problems.append(f"the spool did not drain in {PATIENCE_S} s: {last}")
        return {}

    def stop(self):
        """Ends the instance by SIGTERM; what is left of it."""
        tree = process_tree(self.instance.pid)
        self.instance.terminate()
        try:
            if self.instance.wait(20) != 0:
                self.problems.append(f"microtrace-run ended with {self.instance.returncode}")
        except subprocess.TimeoutExpired:
            self.problems.append("microtrace-run did not end within 20 s")
            self.instance.kill()
        left = [f"{n} {p}" for p, n in tree.items() if os.path.exists(f"/proc/{p}/exe")]
        for port in (self.http, self.agent):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                left.append(f"port {port}")
        return left

    def close(self):
        self.done.set()
        for process in (self.instance, self.sink):
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate() if process is self.instance else process.kill()
                process.wait(20)
        if NAMESPACE in os.environ:
            subprocess.run(["umount", "-l", self.folder + "/state"], check=False)
