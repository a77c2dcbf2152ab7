"""The house keeps its order: who may depend on whom, how large a file may grow, what every unsafe block says."""

import pathlib
import re
import tomllib

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
CRATES = {"base", "kernels", "core", "data", "python"}
LONGEST_FILE = 600

# design: base <- kernels <- core <- python, and data <- base
MAY_USE = {
    "base": set(),
    "kernels": {"base"},
    "core": {"base", "kernels"},
    "data": {"base"},
    "python": {"base", "kernels", "core", "data"},
}


def manifest(crate):
    return tomllib.loads((ROOT / "rust" / crate / "Cargo.toml").read_text())


def rust_files(crate):
    return sorted((ROOT / "rust" / crate / "src").rglob("*.rs"))


def sources():
    folders = ("rust", "python", "tests", "examples", "benchmarks", ".ci")
    found = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in (".rs", ".py")]
    return sorted(path for path in found if "target" not in path.parts)


def without_tests(text):
    """A Rust file up to its test module."""
    return text.split("#[cfg(test)]")[0]


def test_the_crates_are_the_five_of_the_design():
    assert {path.name for path in (ROOT / "rust").iterdir() if (path / "Cargo.toml").exists()} == CRATES


@pytest.mark.parametrize("crate", sorted(CRATES))
def test_crates_depend_only_downwards(crate):
    dependencies = manifest(crate).get("dependencies", {})
    ours = {name.removeprefix("rustorch-") for name in dependencies if name.startswith("rustorch-")}
    assert ours <= MAY_USE[crate]


@pytest.mark.parametrize("crate", sorted(CRATES - {"python"}))
def test_only_the_binding_knows_python(crate):
    assert not {"pyo3", "pyo3-ffi", "numpy"} & set(manifest(crate).get("dependencies", {}))


@pytest.mark.parametrize("crate", sorted(CRATES))
def test_every_crate_takes_the_workspace_lints_and_versions(crate):
    description = manifest(crate)
    assert description["lints"]["workspace"] is True
    outside = {
        name: value
        for name, value in description.get("dependencies", {}).items()
        if not (isinstance(value, dict) and value.get("workspace"))
    }
    assert outside == {}


def test_every_dependency_has_its_reason():
    reasons = (ROOT / "docs" / "dependencies.md").read_text()
    crates = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["dependencies"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    packages = [*project["dependencies"], *(p for extra in project["optional-dependencies"].values() for p in extra)]
    names = [name for name in crates if not name.startswith("rustorch-")] + [
        re.match(r"[\w-]+", p)[0] for p in packages
    ]
    assert [name for name in names if f"`{name}`" not in reasons] == []


def test_exact_versions_serve_every_extra():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    pinned = (ROOT / "requirements-examples.txt").read_text() + (ROOT / "requirements-dev.txt").read_text()
    for requirement in (requirement for extra in extras.values() for requirement in extra):
        name = re.match(r"[\w-]+", requirement)[0]
        assert re.search(rf"^{name}==", pinned, re.MULTILINE), name


def test_kernels_know_neither_tensors_nor_autograd():
    for path in rust_files("kernels"):
        words = set(re.findall(r"\b(Tensor|autograd|grad_fn)\b", re.sub(r'//.*|"[^"\n]*"', "", path.read_text())))
        assert words == set(), path.relative_to(ROOT)


def test_long_files_have_their_reason():
    listed = (ROOT / "docs" / "architecture.md").read_text()
    long = [path for path in sources() if path.read_text().count("\n") > LONGEST_FILE]
    unexplained = [str(path.relative_to(ROOT)) for path in long if f"`{path.relative_to(ROOT)}`" not in listed]
    assert unexplained == []


def test_no_file_is_named_after_nothing():
    vague = {"utils", "helpers", "helper", "misc", "common", "util", "stuff"}
    # rustorch.utils is PyTorch's own name
    named = [path for path in sources() if path.stem in vague]
    assert named == []


def test_every_unsafe_block_says_why_it_is_safe():
    """Clippy asks for it too (`undocumented_unsafe_blocks`); this holds where clippy is not installed."""
    bare = []
    for crate in CRATES:
        for path in rust_files(crate):
            lines = without_tests(path.read_text()).splitlines()
            for number, line in enumerate(lines):
                code = line.split("//")[0]
                if not re.search(r"\bunsafe\s*(\{|impl\b)", code):
                    continue
                above = number
                while above > 0 and not lines[above - 1].strip().startswith("//") and number - above < 4:
                    above -= 1
                comment = "\n".join(lines[max(0, above - 12) : number + 1])
                if "SAFETY" not in comment:
                    bare.append(f"{path.relative_to(ROOT)}:{number + 1}")
    assert bare == []


def test_families_have_the_same_stem_everywhere():
    """Whoever knows an operation's file in one place finds its kernels by the same name."""

    def stems(*folder):
        return {path.stem for path in ROOT.joinpath("rust", *folder).iterdir()} - {"mod"}

    families = stems("core", "src", "ops")
    kernels = stems("kernels", "src", "cpu")
    page = (ROOT / "docs" / "architecture.md").read_text()
    machinery = set(re.findall(r"`(\w+)`", page.split("What serves several families")[1].split("\n\n")[0]))
    assert kernels - families - machinery == set()


def test_the_prescribed_top_level_exists():
    for name in ("rust", "python/rustorch", "shaders", "tests", "Cargo.toml", "pyproject.toml", "Makefile", "docs"):
        assert (ROOT / name).exists(), name


def pages():
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_documents_link_to_files_that_exist(page):
    targets = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text())
    assert [t for t in targets if "://" not in t and not (page.parent / t).exists()] == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_documents_name_files_that_exist(page):
    """A path in back quotes that begins with one of our folders must be there."""
    folders = "rust|python|tests|docs|examples|benchmarks|shaders"
    paths = re.findall(rf"`((?:{folders})/[\w./-]+)`", page.read_text())
    assert [path for path in paths if not (ROOT / path).exists()] == []
