"""A busy disk: copies that fill the page cache past its dirty limit, and small files with fsync.

usage: noise.py copies PARENT DIR BYTES | noise.py files PARENT DIR

`Noise` starts both and ends them. Each ends by itself when PARENT, the process that started it, is
gone.
"""
import os
import shutil
import subprocess
import sys
import tempfile
import time

COPY = 64 << 20  # bytes of the file that is copied
PIECE = 1 << 20
NAMES = 256  # small files that are written again and again
SMALL = 4096


def copies(parent, folder, size):
    """Copies one file over and over into so many that together they have `size` bytes."""
    source = os.open(f"{folder}/source", os.O_RDWR | os.O_CREAT)
    for _ in range(COPY // PIECE):
        os.write(source, os.urandom(PIECE))
    # Pages of a file that is overwritten get dirty again; those of one that is emptied first would
    # be dropped unwritten.
    targets = [os.open(f"{folder}/copy-{n}", os.O_RDWR | os.O_CREAT) for n in range(size // COPY)]
    while True:
        for target in targets:
            os.lseek(target, 0, os.SEEK_SET)
            for at in range(0, COPY, PIECE):
                os.write(target, os.pread(source, PIECE, at))
                if os.getppid() != parent:
                    return


def files(parent, folder):
    content, n = os.urandom(SMALL), 0
    while os.getppid() == parent:
        path = f"{folder}/small-{n % NAMES}"
        with open(path, "wb", buffering=0) as file:
            file.write(content)
            os.fsync(file.fileno())
        if n % 2:
            os.unlink(path)
        n += 1


def pages(*names):
    """Bytes of these counts of /proc/vmstat together."""
    with open("/proc/vmstat", encoding="ascii") as file:
        found = dict(line.split() for line in file)
    return sum(int(found[name]) for name in names) * os.sysconf("SC_PAGESIZE")


class Noise:
    """Started in a new directory below `parent`, with at most a third of what is free there."""

    def __init__(self, parent):
        self.folder = tempfile.mkdtemp(prefix="noise.", dir=parent)
        disk = os.statvfs(self.folder)
        # Writers are held back from halfway between the background limit and the limit on.
        self.held_back = pages("nr_dirty_threshold", "nr_dirty_background_threshold") // 2
        self.size = min(2 * pages("nr_dirty_threshold"), disk.f_bavail * disk.f_frsize // 3)
        self.most_dirty = 0
        parent_pid = str(os.getpid())
        self.processes = [subprocess.Popen([sys.executable, os.path.realpath(__file__), *what])
                          for what in (["copies", parent_pid, self.folder, str(self.size)],
                                       ["files", parent_pid, self.folder])]
        self.begin = time.monotonic()

    def look(self):
        """Notes how much is dirty; called now and then. Returns whether writers are held back."""
        for process in self.processes:
            if process.poll() is not None:
                raise SystemExit("bench: the noise has ended")
        dirty = pages("nr_dirty", "nr_writeback")
        self.most_dirty = max(self.most_dirty, dirty)
        return dirty >= self.held_back

    def wait(self, seconds):
        """Until writers are held back, or the time is over."""
        end = time.monotonic() + seconds
        while not self.look() and time.monotonic() < end:
            time.sleep(0.1)

    def told(self):
        """What it has done, as text."""
        written = []
        for process in self.processes:
            with open(f"/proc/{process.pid}/io", encoding="ascii") as file:
                written.append(int(dict(line.split(": ") for line in file)["wchar"]))
        seconds = time.monotonic() - self.begin
        return (f"The noise copied {written[0] / seconds / (1 << 20):.0f} MiB/s and wrote "
                f"{written[1] / SMALL / seconds:.0f} small files/s with fsync. Dirty pages: at most "
                f"{self.most_dirty >> 20} MiB; writers are held back from {self.held_back >> 20} "
                f"MiB on{'' if self.most_dirty >= self.held_back else ', which was NOT reached'}.")

    def stop(self):
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()
        shutil.rmtree(self.folder)


if __name__ == "__main__":
    if sys.argv[1] == "copies":
        copies(int(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
    else:
        files(int(sys.argv[2]), sys.argv[3])
