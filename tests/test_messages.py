"""The words of refused calls, letter by letter as PyTorch 2.13 says them (recorded in files/messages.json)."""

import json
from pathlib import Path

import pytest

import rustorch as torch

WORDS = json.loads((Path(__file__).parent / "files" / "messages.json").read_text(encoding="utf-8"))

# Calls whose words differ on purpose, and why.
_FORMS = "the forms of max are listed in another order, and without the one that takes out="
_DEPRECATED = "PyTorch keeps a deprecated form add(input, alpha, other), and so speaks of a combination of arguments"
DIFFERENT = {
    "add(t)": _DEPRECATED,
    "t.add()": _DEPRECATED,
    "add()": _DEPRECATED,
    "max()": _FORMS,
    "max(t,'x')": _FORMS,
    "t.max('x')": _FORMS,
    "max(t,dim='x')": _FORMS,
}


def said(call):
    names = {**vars(torch), "t": torch.ones(2, 3), "bool_": bool, "int": int, "float": float}
    names |= {"divmod": divmod, "len": len, "iter": iter}
    try:
        eval(call, names)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "no error"


@pytest.mark.parametrize("call", [call for call in WORDS if call not in DIFFERENT])
def test_a_refusal_is_worded_as_pytorchs(call):
    assert said(call) == WORDS[call]


@pytest.mark.parametrize("call", DIFFERENT)
def test_a_difference_is_still_a_refusal(call):
    assert said(call) not in ("no error", WORDS[call])
