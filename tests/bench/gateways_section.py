"""The section of the gateways: what they take of a script's requests, beside the gateways that they
replace."""
import os
import shutil
import signal
import subprocess

import loads
import programs
from figures import median, ratio, table, values

FCGIWRAP = shutil.which("fcgiwrap", path=os.environ["PATH"] + ":/usr/sbin")
PROCESSES = 4  # of each gateway
CONNECTIONS = 8
SCRIPTS = {
    "C": '#include <stdio.h>\nint main(void) { return puts("Content-Type: text/plain\\n\\nhello") < 0; }\n',
    "shell": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nhello\\n'\n",
}
LIGHTTPD_CONF = """
server.port = {port}
server.bind = "127.0.0.1"
server.document-root = "{site}"
server.modules = ( "mod_cgi", "mod_fastcgi", "mod_setenv" )
server.upload-dirs = ( "{state}" )
{how}
"""
BY_FASTCGI = """fastcgi.server = ( ".cgi" => (( "socket" => "{state}/sock", "max-procs" => 1,
    "bin-path" => "{command}", "bin-environment" => ( "MICROTRACE_RUN_DIR" => "{state}/run",
    "MICROTRACE_SPOOL_DIR" => "{state}/spool", "MICROTRACE_SPOOL_MAX_BYTES" => "67108864" ) )) )"""
BY_CGI = """cgi.assign = ( ".cgi" => "{command}" )
setenv.add-environment = ( "MICROTRACE_RUN_DIR" => "{state}/run",
    "MICROTRACE_SPOOL_DIR" => "{state}/spool", "MICROTRACE_SPOOL_MAX_BYTES" => "67108864" )"""


class Gateway(programs.Program):
    """lighttpd with one way to run scripts. Their processes come and go: CPU is not told."""

    method = "GET"

    def cpu(self):
        return {}

    def stop(self):
        """fcgiwrap's processes do not end with the one that has started them."""
        started = [pid for pid, name in programs.processes_below(self.process.pid).items()
                   if name == "fcgiwrap"]
        super().stop()
        for pid in started:
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                pass


def make_scripts(work):
    site = os.path.join(work, "site")
    os.makedirs(site)
    for name, text in SCRIPTS.items():
        path = os.path.join(site, f"{name}.cgi")
        if name == "C":
            subprocess.run([os.environ.get("CC", "gcc"), "-O2", "-x", "c", "-o", path, "-"],
                           input=text, text=True, check=True)
            continue
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        os.chmod(path, 0o755)
    return site


def start(work, site, name, how, command):
    (port,) = programs.free_ports(1)
    state = programs.folder_of(work, name)
    os.makedirs(f"{state}/run")
    os.makedirs(f"{state}/spool")
    with open(f"{state}.conf", "w", encoding="ascii") as file:
        file.write(LIGHTTPD_CONF.format(port=port, site=site, state=state, how=how.format(
            state=state, command=command)))
    program = Gateway(name, [programs.LIGHTTPD, "-D", "-f", f"{state}.conf"], {}, port,
                      f"{state}.log")
    return program.wait_for_answer(f"http://127.0.0.1:{port}/shell.cgi")


def scripts(work, rounds, seconds, builds):
    if FCGIWRAP is None:
        raise SystemExit("bench: no fcgiwrap on this machine")
    site = make_scripts(work)
    running = []
    try:
        running.append(start(work, site, "fcgiwrap", BY_FASTCGI, f"{FCGIWRAP} -c {PROCESSES}"))
        for build in builds:
            running.append(start(work, site, build.name("microtrace-cgi"), BY_FASTCGI,
                                 f"{build.folder}/bin/microtrace-cgi -c {PROCESSES}"))
        running.append(start(work, site, "cgi.assign, the script alone", BY_CGI, ""))
        for build in builds:
            running.append(start(work, site, build.name("cgi.assign, microtrace-cgi"), BY_CGI,
                                 f"{build.folder}/bin/microtrace-cgi"))
        for script in SCRIPTS:
            for program in running:
                program.url = f"http://127.0.0.1:{program.port}/{script}.cgi"
            results = loads.interleave(
                running, rounds, lambda p: loads.wrk(p, seconds, connections=CONNECTIONS))
            base = results["fcgiwrap"]
            table(f"A CGI script in {script}: {PROCESSES} processes, {CONNECTIONS} connections, "
                  f"{rounds} rounds of {seconds} s each in turn",
                  ["gateway", "requests/s", "p50 us", "p99 us", "requests/s, times fcgiwrap's"],
                  [[name, values(r, "rate"), f"{median(r, 'p50'):.0f}", f"{median(r, 'p99'):.0f}",
                    ratio(r, base, "rate")] for name, r in results.items()])
    finally:
        for program in running:
            program.stop()


def run(work, rounds, seconds, builds):
    scripts(work, rounds, seconds, builds)
