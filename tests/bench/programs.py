"""The programs that the benchmarks compare, started side by side, and what they use of the CPU."""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
WORKERS = 4
MEMORY = "/dev/shm"
SINK_CORE = "1"
LIGHTTPD = shutil.which("lighttpd", path=os.environ["PATH"] + ":/usr/sbin")


def free_ports(count):
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    return ports


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def wait_for(condition, what, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"bench: waited in vain for {what}")
        time.sleep(0.05)


class Build:
    """Where the programs of one commit are. `label` is put behind the names of what runs them."""

    def __init__(self, root, folder, label=""):
        self.root, self.folder, self.label = root, folder, label

    def name(self, text):
        return f"{text}, {self.label}" if self.label else text

    def has_setting(self, name):
        """Whether analyze of that commit knows a variable of the environment."""
        text = subprocess.run([f"{self.folder}/bin/analyze", "--help"], check=False,
                              capture_output=True, text=True).stdout
        return f"\n  {name}\n" in text


CURRENT = Build(ROOT, BUILD)


def checkout(commit):
    """Builds another commit in a folder of its own below BUILD, once."""
    git = ["git", "-C", ROOT]
    found = subprocess.run([*git, "rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}"],
                           check=False, stdout=subprocess.PIPE, text=True).stdout.strip()
    if not found:
        raise SystemExit(f"bench: {commit} is no commit of {ROOT}")
    root = os.path.join(BUILD, "against", found)
    done = os.path.join(root, "built")
    if not os.path.exists(done):
        shutil.rmtree(root, ignore_errors=True)
        os.makedirs(root)
        with subprocess.Popen([*git, "archive", found], stdout=subprocess.PIPE) as archive:
            subprocess.run(["tar", "-x", "-C", root], stdin=archive.stdout, check=True)
        # What make hands on to its recipes is meant for this commit.
        env = {k: v for k, v in os.environ.items()
               if k not in ("MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "BUILD")}
        make = ["make", "-C", root, f"-j{os.cpu_count()}", "BUILD=build"]
        print(f"bench: building {commit} ({found[:12]}) in {root}", file=sys.stderr)
        subprocess.run([*make, "all"], env=env, check=True, stdout=subprocess.DEVNULL)
        # A commit without that program has no figures of the metrics file.
        subprocess.run([*make, "build/tests/bench/metrics_bench"], env=env, check=False,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with open(done, "w", encoding="ascii"):
            pass
    return Build(root, os.path.join(root, "build"), commit)


def processes_below(root):
    """Pids of `root` and its descendants, with their command names."""
    parents, names = {}, {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                text = file.read()
        except OSError:
            continue
        names[int(pid)] = text[text.index("(") + 1:text.rindex(")")]
        parents[int(pid)] = int(text[text.rindex(")") + 2:].split()[1])
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return {pid: names[pid] for pid in found if pid in names}


def cpu_ns(pid):
    """Time on a CPU of all threads of a process, which have to live on."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
            total += int(file.read().split()[0])
    return total


class Program:
    """One running server. `cpu()` is nanoseconds by command name."""

    method = "POST"  # of the request that loads make

    def __init__(self, name, command, env, port, log, cwd=ROOT):
        self.name, self.port = name, port
        self.url = f"http://127.0.0.1:{port}/analyze"
        self.log = open(log, "wb")
        self.process = subprocess.Popen(command, env={**os.environ, **env}, cwd=cwd,
                                        stdout=self.log, stderr=self.log)

    def cpu(self):
        by_name = {}
        for pid, name in processes_below(self.process.pid).items():
            by_name[name] = by_name.get(name, 0) + cpu_ns(pid)
        return by_name

    def private_mb(self, name):
        """MiB that one process of that name shares with nobody, on average."""
        pids = [pid for pid, found in processes_below(self.process.pid).items() if found == name]
        total = 0
        for pid in pids:
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
                total += sum(int(line.split()[1]) for line in file if line.startswith("Private_"))
        return total / 1024 / len(pids)

    def wait_for_answer(self, url):
        """Returns itself once it answers there; ends the bench where it does not."""
        try:
            wait_for(lambda: self.process.poll() is not None or answers(url), self.name)
            if self.process.poll() is None:
                return self
        except BaseException:
            self.stop()
            raise
        self.stop()
        with open(self.log.name, encoding="utf-8", errors="replace") as file:
            raise SystemExit(f"bench: {self.name} did not start: {file.read()}")

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()


def folder_of(work, name):
    """A new folder for what a program with that name keeps."""
    folder = os.path.join(work, "".join(c if c.isalnum() else "-" for c in name))
    os.makedirs(folder)
    return folder


def whole(name, work, build=CURRENT, workers=WORKERS, spool=None, **env):
    """
    lighttpd, analyze and the agent, as `make run` starts them, with their files in `work`; the
    spool is in the directory `spool` where that is given.
    """
    port, agent = free_ports(2)
    state = folder_of(work, name)
    if spool is not None:
        os.symlink(spool, f"{state}/spool")
    clean = {key: "" for key in os.environ if key.startswith(("OTEL_", "MICROTRACE_"))}
    program = Program(name, [f"{build.folder}/bin/microtrace-run"],
                      {**clean, "PORT": str(port), "BIND": "127.0.0.1", "STATE_DIR": state,
                       "AGENT_LISTEN": f"127.0.0.1:{agent}", "WORKERS": str(workers), **env},
                      port, f"{state}.log", cwd=build.root)
    program.agent_url = f"http://127.0.0.1:{agent}/metrics"
    return program.wait_for_answer(f"http://127.0.0.1:{port}/readyz")


def compile_bare(folder, *defines):
    """tests/bench/bare.c as the program `analyze` in that folder."""
    flags = ["-std=gnu11", "-D_GNU_SOURCE", "-O2", "-g", "-fno-common", "-fstack-protector-strong",
             *defines]
    subprocess.run([os.environ.get("CC", "gcc"), *flags, "-o", f"{folder}/analyze",
                    f"{ROOT}/tests/bench/bare.c", "-lfcgi", "-ljansson", "-lm"], check=True)
    return f"{folder}/analyze"


def bare(work, name, *defines, workers=WORKERS):
    """The bare program behind lighttpd with the very same lighttpd.conf."""
    port, agent = free_ports(2)
    state = folder_of(work, name)
    programs = os.path.join(state, "programs")
    os.makedirs(os.path.join(state, "run", "upload"))
    os.makedirs(programs)
    compile_bare(programs, *defines)
    env = {"PORT": str(port), "BIND": "127.0.0.1", "STATE_DIR": state, "WORKERS": str(workers),
           "AGENT_HOST": "127.0.0.1", "AGENT_PORT": str(agent), "MAX_REQUEST_KB": "1088",
           "LIGHTTPD_METRICS_CLIENTS": r"^(127\.|::1$)", "REQUEST_TIMEOUT": "60",
           "MICROTRACE_PROGRAMS": programs, "MICROTRACE_DOCS_ASSETS": "",
           "MICROTRACE_RUN_DIR": f"{state}/run", "MICROTRACE_SPOOL_DIR": f"{state}/spool"}
    program = Program(name, [LIGHTTPD, "-D", "-f", f"{ROOT}/lighttpd.conf"], env, port,
                      f"{state}.log")
    return program.wait_for_answer(program.url)


def bare_no_linger(work, workers=WORKERS):
    """The bare program that closes a connection at once, as analyze does."""
    return bare(work, "bare, no linger", "-DNO_LINGER", workers=workers)


def compile_tool(work, name, *libraries):
    """A C program of this folder, with all of lib, and what is below build/lib."""
    out = os.path.join(work, name)
    subprocess.run([os.environ.get("CC", "gcc"), "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-g",
                    f"-I{ROOT}", "-o", out, f"{ROOT}/tests/bench/{name}.c",
                    *(f"{BUILD}/lib/{library}" for library in libraries),
                    f"{BUILD}/lib/microtrace-internal.a", "-lm", "-lz"],
                   check=True)
    return out


class Sink:
    """tests/bench/sink.c on its own core."""

    def __init__(self, binary, work, *options):
        port_file = os.path.join(work, f"port-{time.monotonic_ns()}")
        self.process = subprocess.Popen(["taskset", "-c", SINK_CORE, binary, port_file, *options])
        wait_for(lambda: os.path.exists(port_file) and os.path.getsize(port_file),
                          "the sink")
        with open(port_file, encoding="ascii") as file:
            self.port = int(file.read())
        self.url = f"http://127.0.0.1:{self.port}"

    def take(self):
        """What it has seen since the last call."""
        with urllib.request.urlopen(self.url, timeout=30) as answer:
            return json.load(answer)

    def stop(self):
        self.process.terminate()
        self.process.wait()
