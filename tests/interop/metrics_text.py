"""Reads Prometheus text 0.0.4 from an URL: enough to compare counts, no checker of the format."""
import re
import urllib.request

SAMPLE = re.compile(r'^([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def fetch(url, accept="text/plain"):
    request = urllib.request.Request(url, headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.read().decode()


def samples(text):
    """(name, labels, value) of each sample."""
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, labels, number = SAMPLE.match(line).groups()
            yield name, dict(LABEL.findall(labels or "")), float(number)


def total(text, name, **labels):
    """The sum of the samples of `name` that carry all of `labels`."""
    return sum(number for sample, has, number in samples(text)
               if sample == name and labels.items() <= has.items())
