"""How long trainers wait for what the service does about a fault: their waits, less what is not the service's.

A wait is cut at the faults that fall into it; each piece counts by itself, and the longest is the stall. Of a piece
does not count:

- when the trainer itself did not run (it was stopped, or the machine had no time for it): a thread of it that only
  sleeps overslept;
- when the service was stopped by the soak, or dead until the soak had started it again;
- for how long the process that made the batch was ready to run and got no processor, as the kernel counts in
  ``/proc/PID/schedstat``. Of a piece that ends with another fault, nobody knows who would have made it: the least among
  all processes that could.
"""

import itertools
from dataclasses import dataclass, field


@dataclass
class Fault:
    """What was done when, and who could have made batches then, with what the machine owed them (``delay_of``)."""

    time: float
    what: str
    makers: dict = field(default_factory=dict)


@dataclass
class Stall:
    wait: tuple
    # The longest piece, without and with the processors' part.
    seconds: float
    with_delays: float


def overlap(one, other):
    return max(0.0, min(one[1], other[1]) - max(one[0], other[0]))


def union(spans):
    """The same moments, each once."""
    merged = []
    for begin, end in sorted(spans):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((begin, end))
    return merged


def owed(begin, before, now):
    """What the machine has owed a process since ``begin``. Where it is not known what it owed then, all the time from
    the process's birth until then may have been owed, and does not count."""
    born, delay = now
    return max(0.0, delay - (before[1] if before else max(0.0, begin - born)))


def stall(line, faults, excused, previous):
    """``previous``: what was owed to the maker of the batch when it made its last one before this wait."""
    wait, (maker, *state) = line["wait"], line["maker"]
    edges = [Fault(wait[0], "", previous), *faults, Fault(wait[1], "", {maker: state})]
    found = []
    for start, end in itertools.pairwise(edges):
        piece = start.time, end.time
        length = end.time - start.time - sum(overlap(piece, span) for span in excused)
        delays = [owed(start.time, start.makers.get(pid), now) for pid, now in end.makers.items()]
        found.append((length - min(delays, default=0.0), length))
    return Stall(wait, max(0.0, *(piece[0] for piece in found)), max(piece[1] for piece in found))


def stalls(lines, faults, excused):
    """The stall of every batch but each trainer's first, which waits for the trainer's own start."""
    found, known = [], {}
    for line in lines:
        begin, end = line["wait"]
        maker, *state = line["maker"]
        if not line["first"]:
            near = [tuple(span) for span in [*line["absences"], *excused] if overlap(span, (begin, end))]
            inside = [fault for fault in faults if begin < fault.time < end]
            previous = {maker: known[maker]} if maker in known else {}
            found.append(stall(line, inside, union(near), previous))
        known[maker] = state
    return found


def summary(times):
    ordered = sorted(times)
    chosen = [ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100], ordered[-1]]
    return "median {:.1f} ms, 99 % {:.1f} ms, worst {:.1f} ms".format(*(1000 * time for time in chosen))
