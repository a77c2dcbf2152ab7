"""Prints THIRD-PARTY.md from `cargo metadata` on standard input: the crates inside the wheel, and their licences.

Only crates linked into the extension are listed; build scripts, procedural macros and test crates are not in the wheel.
"""

import json
import pathlib
import sys

EXTENSION = "rustorch-python"


def linked_packages(metadata: dict) -> list[dict]:
    """The packages compiled into the extension, our own left out, by name."""
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    waiting = [identity for identity, package in packages.items() if package["name"] == EXTENSION]
    seen = set(waiting)
    while waiting:
        for dependency in nodes[waiting.pop()]["deps"]:
            linked = any(kind["kind"] is None for kind in dependency["dep_kinds"])
            macro = any("proc-macro" in target["kind"] for target in packages[dependency["pkg"]]["targets"])
            if linked and not macro and dependency["pkg"] not in seen:
                seen.add(dependency["pkg"])
                waiting.append(dependency["pkg"])
    foreign = [packages[identity] for identity in seen if packages[identity]["source"] is not None]
    return sorted(foreign, key=lambda package: (package["name"], package["version"]))


def licence_texts(package: dict) -> list[str]:
    folder = pathlib.Path(package["manifest_path"]).parent
    files = sorted(
        p for p in folder.iterdir() if p.name.upper().startswith(("LICENSE", "LICENCE", "COPYING", "NOTICE"))
    )
    return [file.read_text(encoding="utf-8", errors="replace").strip() for file in files if file.is_file()]


def main() -> None:
    packages = linked_packages(json.load(sys.stdin))
    texts: dict[str, tuple[str, list[str]]] = {}
    print("# Third-party notices\n\nThe binary wheel of rustorch contains these crates. `make notices` writes this.\n")
    print("| crate | version | licence |\n|---|---|---|")
    for package in packages:
        print(f"| [{package['name']}]({package['repository'] or ''}) | {package['version']} | {package['license']} |")
        for text in licence_texts(package):
            texts.setdefault(" ".join(text.split()), (text, []))[1].append(package["name"])
    for text, names in texts.values():
        print(f"\n## {', '.join(dict.fromkeys(names))}\n\n```text\n{text}\n```")


if __name__ == "__main__":
    main()
