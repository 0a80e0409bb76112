"""Medians with their quartiles, and tables of them."""
import statistics
import sys


def quartiles(values):
    """Lower quartile, median and upper quartile, of at least one value."""
    values = list(values)
    if len(values) == 1:
        return values * 3
    return statistics.quantiles(values, n=4, method="inclusive")


def spread(values, form=".0f"):
    """Median and quartiles as text."""
    low, middle, high = (format(value, form) for value in quartiles(values))
    return f"{middle} ({low} to {high})"


def median(rounds, key):
    return statistics.median(r[key] for r in rounds)


def values(rounds, key, form=".0f"):
    return spread((r[key] for r in rounds), form)


def ratio(rounds, base, key, form=".3f"):
    """Of the rounds' ratios, pair by pair."""
    return spread((r[key] / b[key] for r, b in zip(rounds, base)), form)


def difference(rounds, base, key, form=".1f"):
    return spread((r[key] - b[key] for r, b in zip(rounds, base)), form)


def table(title, heads, rows):
    print(f"\n{title}\n")
    widths = [max(len(r[i]) for r in [heads, *rows]) for i in range(len(heads))]
    for row in [heads, ["-" * w for w in widths], *rows]:
        print("| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths)) + " |")
    sys.stdout.flush()
