"""The pages' sessions run, and print what the pages say they print."""

import doctest
import pathlib

import pytest

import rustorch  # noqa: F401

ROOT = pathlib.Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("page", ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))])
def test_sessions_print_what_the_page_says(page):
    text = (ROOT / page).read_text()
    # The closing fence of a block is not part of what is printed.
    session = doctest.DocTestParser().get_doctest(text.replace("```", "\n"), {}, page, page, 0)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS, verbose=False)
    report: list[str] = []
    runner.run(session, out=report.append)
    assert runner.failures == 0, "".join(report)
