"""The programs that the benchmarks compare, started side by side, and what they use of the CPU."""
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
WORKERS = 4
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

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()


def whole(name, work, **env):
    """lighttpd, analyze and the agent, as `make run` starts them."""
    port, agent = free_ports(2)
    state = os.path.join(work, name)
    os.makedirs(state)
    clean = {key: "" for key in os.environ if key.startswith(("OTEL_", "MICROTRACE_"))}
    program = Program(name, [f"{BUILD}/bin/microtrace-run"],
                      {**clean, "PORT": str(port), "BIND": "127.0.0.1", "STATE_DIR": state,
                       "AGENT_LISTEN": f"127.0.0.1:{agent}", "WORKERS": str(WORKERS), **env},
                      port, f"{state}.log")
    program.agent_url = f"http://127.0.0.1:{agent}/metrics"
    wait_for(lambda: answers(f"http://127.0.0.1:{port}/readyz"), name)
    return program


def bare(work, name="bare", *defines):
    """The bare program behind lighttpd with the very same lighttpd.conf."""
    port, agent = free_ports(2)
    state = os.path.join(work, name.replace(",", "").replace(" ", "-"))
    programs = os.path.join(state, "programs")
    os.makedirs(os.path.join(state, "run", "upload"))
    os.makedirs(programs)
    flags = ["-std=gnu11", "-D_GNU_SOURCE", "-O2", "-g", "-fno-common", "-fstack-protector-strong",
             *defines]
    subprocess.run([os.environ.get("CC", "gcc"), *flags, "-o", f"{programs}/analyze",
                    f"{ROOT}/tests/bench/bare.c", "-lfcgi", "-ljansson", "-lm"], check=True)
    env = {"PORT": str(port), "BIND": "127.0.0.1", "STATE_DIR": state, "WORKERS": str(WORKERS),
           "AGENT_HOST": "127.0.0.1", "AGENT_PORT": str(agent), "MAX_REQUEST_KB": "1088",
           "LIGHTTPD_METRICS_CLIENTS": "^127", "REQUEST_TIMEOUT": "60",
           "MICROTRACE_PROGRAMS": programs, "MICROTRACE_DOCS_ASSETS": "",
           "MICROTRACE_RUN_DIR": f"{state}/run", "MICROTRACE_SPOOL_DIR": f"{state}/spool"}
    program = Program(name, [LIGHTTPD, "-D", "-f", f"{ROOT}/lighttpd.conf"], env, port,
                      f"{state}.log")
    wait_for(lambda: answers(program.url), "the bare program")
    return program
