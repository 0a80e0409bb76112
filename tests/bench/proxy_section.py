"""The section of microtrace-proxy: a trivial PHP page behind lighttpd, with PHP-FPM directly behind
it and with the proxy between the two, in front of the same PHP-FPM; and memory with slow clients."""
import glob
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import loads
import programs
from figures import difference, ratio, table, values

CHILDREN = 40  # more than connections that the proxy keeps: none has to wait for another to end
SLOW = 1000
SLOW_ANSWER = 4 << 20  # bytes that a slow client does not take

sys.path.insert(0, f"{programs.ROOT}/tests/tools")

LIGHTTPD_CONF = """
server.bind = "127.0.0.1"
server.port = {port}
server.document-root = "{work}/site"
server.upload-dirs = ( "{work}" )
server.modules = ( "mod_fastcgi" )
server.max-keep-alive-requests = 100000
fastcgi.server = ( ".php" => (( "socket" => "{socket}", "check-local" => "disable" )) )
"""
FPM_CONF = """
[global]
error_log = {work}/fpm.log
daemonize = no
[www]
{user}
listen = {work}/fpm.sock
listen.mode = 0666
listen.backlog = 1024
pm = static
pm.max_children = {children}
"""


TICK_NS = 10 ** 9 // os.sysconf("SC_CLK_TCK")


def user_and_system_ns(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return int(fields[11]) * TICK_NS, int(fields[12]) * TICK_NS


class Site(programs.Program):
    """A lighttpd with what is behind it, whose time counts as its own."""

    method = "GET"
    fpm = proxy = agent = None

    def cpu(self):
        by_name = super().cpu()
        by_name["fpm"] = sum(map(programs.cpu_ns, programs.processes_below(self.fpm.pid)))
        if self.proxy is not None:
            by_name["user"], by_name["system"] = user_and_system_ns(self.proxy.pid)
            by_name["metrics-agent"] = programs.cpu_ns(self.agent.pid)
        return by_name


def start(running, command, log, **env):
    with open(log, "wb") as file:
        process = subprocess.Popen(command, env={**os.environ, **env}, stdout=file, stderr=file)
    running.append(process)
    return process


def accepts(path):
    with socket.socket(socket.AF_UNIX) as s:
        return s.connect_ex(path) == 0


def start_fpm(work, running):
    found = sorted(glob.glob("/usr/sbin/php-fpm*"))
    if not found:
        raise SystemExit("bench: no php-fpm on this machine")
    root = os.getuid() == 0
    with open(f"{work}/fpm.conf", "w", encoding="ascii") as file:
        file.write(FPM_CONF.format(work=work, children=CHILDREN,
                                   user="user = root\ngroup = root" if root else ""))
    process = start(running, [found[0], "-n", "-F", *(["-R"] if root else []), "-y",
                              f"{work}/fpm.conf"], f"{work}/fpm.out")
    programs.wait_for(lambda: accepts(f"{work}/fpm.sock"), "PHP-FPM")
    return process


def start_proxy(work, memory, name, build, upstream, running):
    """
    Its socket, its process, and that of the agent that sees to its spool. The run directory is in
    `memory`, as /run is on a host.
    """
    state = programs.folder_of(work, name)
    os.makedirs(f"{state}/spool")
    path = f"{state}/proxy.sock"
    port, = programs.free_ports(1)
    env = {"MICROTRACE_RUN_DIR": programs.folder_of(memory, name),
           "MICROTRACE_SPOOL_DIR": f"{state}/spool",
           "MICROTRACE_SPOOL_MAX_BYTES": str(64 << 20), "MICROTRACE_SPOOL_SEGMENT_BYTES": "8M",
           "MICROTRACE_AGENT_LISTEN": f"127.0.0.1:{port}"}
    # Without an agent the spool would soon be full, and cost nothing any more.
    agent = start(running, [f"{build.folder}/bin/metrics-agent"], f"{state}/agent.log", **env)
    process = start(running, [f"{build.folder}/bin/microtrace-proxy", "--listen", path, "--mode",
                              "0666", "--upstream", upstream], f"{state}/log", **env)
    programs.wait_for(lambda: os.path.exists(path) and accepts(path), name)
    return path, process, agent


def lighttpd(work, name, path, running):
    port, = programs.free_ports(1)
    conf = os.path.join(work, f"lighttpd-{port}.conf")
    with open(conf, "w", encoding="ascii") as file:
        file.write(LIGHTTPD_CONF.format(work=work, port=port, socket=path))
    program = Site(name, [programs.LIGHTTPD, "-D", "-f", conf], {}, port, f"{conf}.log")
    program.url = f"http://127.0.0.1:{port}/page.php"
    running.append(program)
    return program.wait_for_answer(program.url)


def stop_all(running):
    for each in reversed(running):
        if isinstance(each, programs.Program):
            each.stop()
        elif each.poll() is None:
            each.send_signal(signal.SIGTERM)
            try:
                each.wait(10)
            except subprocess.TimeoutExpired:
                each.kill()
                each.wait()


def memory_kb(process, key):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(key))


def slow_upstream(path):
    """A server that has more for each client than that takes, in this process."""
    import fastcgi_peer as f
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(SLOW)
    answer = (f.record(f.STDOUT, 1, b"Content-Type: text/plain\r\n\r\n") +
              f.records(f.STDOUT, 1, bytes(SLOW_ANSWER)))
    events = selectors.DefaultSelector()
    events.register(listener, selectors.EVENT_READ)

    def serve():
        while True:
            for key, _ in events.select():
                if key.fileobj is listener:
                    connection, _ = listener.accept()
                    connection.recv(65536)
                    connection.setblocking(False)
                    events.register(connection, selectors.EVENT_WRITE, memoryview(answer))
                    continue
                try:
                    sent = key.fileobj.send(key.data)
                    events.modify(key.fileobj, selectors.EVENT_WRITE, key.data[sent:])
                except OSError:
                    events.unregister(key.fileobj)
    threading.Thread(target=serve, daemon=True).start()


def slow_clients(work, memory, build, running):
    """Resident memory of the proxy before, and with SLOW clients that take nothing."""
    import fastcgi_peer as f
    slow_upstream(f"{work}/slow.sock")
    path, process, _ = start_proxy(work, memory, "slow", build, f"{work}/slow.sock", running)
    before = memory_kb(process, "VmRSS")
    held = []
    for _ in range(SLOW):
        connection = f.connect(path)
        connection.send(f.request(query="do=big"))
        held.append(connection)
    for connection in held:  # all are served, and each has the first bytes
        if not connection.sock.recv(1, socket.MSG_PEEK):
            raise SystemExit("bench: the proxy ended a slow client's connection")
    # Until there is nothing more that it could take.
    seen = [-1, 0]
    while len(seen) < 5 or len(set(seen[-4:])) > 1:
        time.sleep(0.2)
        seen.append(memory_kb(process, "VmHWM"))
    after = seen[-1]
    for connection in held:
        connection.close()
    return before, after


def run(work, rounds, seconds, builds):
    running = []
    memory = tempfile.mkdtemp(prefix="microtrace-bench.", dir=programs.MEMORY)
    os.makedirs(f"{work}/site")
    with open(f"{work}/site/page.php", "w", encoding="ascii") as file:
        file.write("<?php echo 'hello';\n")
    try:
        Site.fpm = start_fpm(work, running)
        contenders = [lighttpd(work, "PHP-FPM alone", f"{work}/fpm.sock", running)]
        for build in builds:
            name = build.name("through the proxy")
            path, proxy, agent = start_proxy(work, memory, name, build, f"{work}/fpm.sock",
                                             running)
            contenders.append(lighttpd(work, name, path, running))
            contenders[-1].proxy, contenders[-1].agent = proxy, agent
        one = loads.interleave(contenders, rounds, lambda p: loads.wrk(p, seconds, connections=1))
        many = loads.interleave(contenders, rounds, lambda p: loads.wrk(p, seconds))
        slow = [(build.name("microtrace-proxy"), *slow_clients(work, memory, build, running))
                for build in builds[:1]]
    finally:
        stop_all(running)
        shutil.rmtree(memory, ignore_errors=True)
    for log in glob.glob(f"{work}/*/log"):
        with open(log, encoding="utf-8", errors="replace") as file:
            if text := file.read():
                raise SystemExit(f"bench: {log}: {text}")
    base_one, base_many = one["PHP-FPM alone"], many["PHP-FPM alone"]
    table(f"A trivial PHP page behind lighttpd: {CHILDREN} processes of PHP-FPM, one connection and "
          f"{loads.CONNECTIONS}, {rounds} rounds of {seconds} s each in turn",
          ["program", "p50 us, one", "more than alone", "requests/s", "times alone's", "p50 us"],
          [[name, values(one[name], "p50"), difference(one[name], base_one, "p50"),
            values(many[name], "rate"), ratio(many[name], base_many, "rate"),
            values(many[name], "p50")] for name in one])
    through = [name for name in many if name != "PHP-FPM alone"]
    table(f"Processor time of the same with {loads.CONNECTIONS} connections, us a request; the "
          "proxy's in user space and in the kernel",
          ["program", "proxy, user", "system", "agent", "PHP-FPM", "lighttpd", "all",
           "more than alone"],
          [[name, *(values(many[name], f"{part}_us", ".1f") if part in ("fpm", "lighttpd", "all") or
                    name in through else "" for part in ("user", "system", "agent", "fpm",
                                                         "lighttpd", "all")),
            difference(many[name], base_many, "all_us")] for name in many])
    table(f"{SLOW} clients that take nothing of answers of {SLOW_ANSWER >> 20} MiB",
          ["program", "resident KiB before", "with all of them", "KiB a client"],
          [[name, str(before), str(after), f"{(after - before) / SLOW:.1f}"]
           for name, before, after in slow])
