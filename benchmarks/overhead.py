"""What a small operation costs: nanoseconds a call, and how many times faster than PyTorch where that is installed.

    python benchmarks/overhead.py              # rustorch alone, or beside torch if it can be imported
    python benchmarks/overhead.py --filter add

Each row is timed in turns, rustorch and torch one after the other, and the least of several rounds counts, so that a
busy machine disturbs both alike. One thread.
"""

import argparse
import importlib.util
import math
import timeit

SETUP = """
a, b = torch.ones(4), torch.ones(4)
m = torch.ones(8, 8)
x = torch.ones(4, requires_grad=True)
linear = torch.nn.Linear(8, 8)
batch = torch.ones(4, 8)
model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 8))
optimizer = torch.optim.Adam(model.parameters())
def step():
    optimizer.zero_grad()
    model(batch).sum().backward()
    optimizer.step()
"""

ROWS = {
    "add": "a + b",
    "add a number": "a + 1.5",
    "add in place": "a.add_(b)",
    "exp": "a.exp()",
    "sum": "a.sum()",
    "sum of a dimension": "m.sum(1)",
    "view": "m.view(64)",
    "index": "m[1]",
    "slice": "m[1:3]",
    "transpose": "m.t()",
    "matmul 8x8": "m @ m",
    "shape": "m.shape",
    "item": "a[0].item()",
    "zeros": "torch.zeros(2, 3)",
    "recorded mul": "x * a",
    "forward and backward": "(x * a).sum().backward()",
    "linear": "linear(batch)",
    "training step": "step()",
}


def nanoseconds(timer, calls):
    return timer.timeit(calls) / calls * 1e9


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--filter", default="", help="rows whose name contains this")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()

    names = ["rustorch"] + (["torch"] if importlib.util.find_spec("torch") else [])
    modules = {name: importlib.import_module(name) for name in names}
    for module in modules.values():
        module.set_num_threads(1)

    print(
        f"{'':24}" + "".join(f"{name + ', ns':>16}" for name in names) + (f"{'ratio':>10}" if "torch" in names else "")
    )
    ratios = []
    for row, statement in ROWS.items():
        if arguments.filter not in row:
            continue
        timers = {name: timeit.Timer(statement, SETUP, globals={"torch": modules[name]}) for name in names}
        calls = max(1, int(0.02 / (min(timers["rustorch"].repeat(3, 10)) / 10)))
        best = dict.fromkeys(names, math.inf)
        for _ in range(arguments.rounds):
            for name in names:
                best[name] = min(best[name], nanoseconds(timers[name], calls))
        line = f"{row:24}" + "".join(f"{best[name]:16,.0f}" for name in names)
        if "torch" in names:
            ratios.append(best["torch"] / best["rustorch"])
            line += f"{ratios[-1]:9.2f}x"
        print(line, flush=True)
    if ratios:
        print(f"geometric mean {math.exp(sum(map(math.log, ratios)) / len(ratios)):.2f}x over {len(ratios)} rows")


if __name__ == "__main__":
    main()
