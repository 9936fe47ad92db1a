"""YAML text as plain data, with the line of every value.

Scalars follow YAML 1.2's core schema: only ``true`` and ``false`` are booleans, so a stream may be called
``on``. Keys are always text. Aliases and ``<<`` merges work, within the bounds below; tags other than the
plain ones are mistakes, and nothing is ever constructed from them.
"""

from __future__ import annotations

import pathlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import yaml

from weft.core.errors import InputError, NotFoundError, Problem
from weft.core.files import read_whole
from weft.core.suggest import did_you_mean
from weft.core.units import format_size

MAX_BYTES = 128 * 1024
MAX_VALUES = 20_000
MAX_DEPTH = 32
MAX_DIGITS = 100

Path = tuple[str | int, ...]

_TAG = "tag:yaml.org,2002:"
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(slots=True)
class Parsed:
    """A document's ``data``, the ``lines`` of its values by path, and the ``problems`` met on the way.

    ``broken`` are the paths whose value could not be made; what stands there in ``data`` is None.
    """

    data: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    broken: set[Path] = field(default_factory=set)

    def line(self, path: Path) -> int:
        """The line of a path, or of the nearest thing around it that has one; 0 where there is none."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 0)

    def problem(self, path: Path, message: str, cure: str = "") -> Problem:
        """A problem at a path, with its line."""
        return Problem(show_path(path), message, self.line(path), cure)


def show_path(path: Path) -> str:
    """A path as people read it: ``functions.detect.inputs[0]``; "document" for the whole."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".") or "document"


def read_file(path: pathlib.Path) -> bytes:
    """The bytes of a document's file, a little more than a document may have at most.

    Raises NotFoundError, with the document that was probably meant, and InputError when it cannot be read.
    """
    try:
        return read_whole(path, 4 * MAX_BYTES)
    except FileNotFoundError:
        raise NotFoundError("there is no such file", where=str(path), cure=_similar(path)) from None
    except OSError as error:
        cure = "name a file that may be read"
        raise InputError(f"cannot be read: {error.strerror}", where=str(path), cure=cure) from error


def _similar(path: pathlib.Path) -> str:
    documents = sorted(file.name for suffix in ("*.yaml", "*.yml") for file in path.parent.glob(suffix))
    return did_you_mean(path.name, documents) or "check the path"


def read(content: str | bytes) -> Parsed:
    """The plain data of one YAML document. Never raises: what is wrong is in ``problems``."""
    if len(content) > 4 * MAX_BYTES:  # so much UTF-8 is too much text, wherever it was cut off
        return _too_large()
    try:
        text = content.decode("utf-8-sig") if isinstance(content, bytes) else content
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        return _failed("is not UTF-8 text", line, "save the file as UTF-8")
    if len(text) > MAX_BYTES:
        return _too_large()
    try:
        root = _compose(text)
    except _TooDeep as error:
        return _failed(f"is nested deeper than {MAX_DEPTH} levels", error.line, "flatten it")
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        return _failed("has a character that YAML does not allow", line, "remove it")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return _failed(_syntax(error), mark.line + 1 if mark else 0, _syntax_cure(error))
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # an escape such as "\\UFFFFFFFF" is a ValueError
        return _failed(f"is no YAML: {error}", 0)
    return _Walk().document(root)


class _TooDeep(Exception):
    def __init__(self, line: int) -> None:
        self.line = line


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with YAML 1.2 scalars and a bound on nesting."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """One node; refuses to go deeper than the bound, before Python's own stack ends."""
        if self.depth >= MAX_DEPTH:
            raise _TooDeep(self.line + 1)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


_NUMBER = r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
_CORE = {
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    "float": (rf"{_NUMBER}|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", list("-+0123456789.")),
    "merge": (r"<<", ["<"]),
}
_Loader.yaml_implicit_resolvers = {}
for _name, (_pattern, _first) in _CORE.items():
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(rf"(?:{_pattern})\Z"), _first)


def _compose(text: str) -> yaml.Node | None:
    loader = _Loader(text)
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


def _too_large() -> Parsed:
    return _failed(f"is larger than {format_size(MAX_BYTES)}", 0, "split it, or keep data out of it")


def _failed(message: str, line: int, cure: str = "") -> Parsed:
    return Parsed(problems=[Problem("document", message, line, cure)], broken={()})


def _syntax(error: yaml.MarkedYAMLError) -> str:
    if error.problem and "another document" in error.problem:
        return "holds more than one YAML document"
    parts = [part for part in (error.context, error.problem) if part]
    return f"is no YAML: {', '.join(parts)}"


def _syntax_cure(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or ""
    if "'\\t'" in problem:
        return "indent with spaces, not tabs"
    if "mapping values are not allowed" in problem:
        return "quote a text that has a colon in it, or check the indentation"
    if "another document" in problem:
        return "keep one, and remove the '---' between them"
    return ""


class _Walk:
    """Nodes to data, counting what it makes so that aliases cannot blow it up."""

    def __init__(self) -> None:
        self.parsed = Parsed()
        self.count = 0
        self.open: set[int] = set()

    def document(self, root: yaml.Node | None) -> Parsed:
        """A whole document: its data, lines and problems."""
        if root is None:
            return _failed("is empty", 0)
        self.parsed.data = self.value(root, ())
        if self.count > MAX_VALUES:
            return _failed(f"has more than {MAX_VALUES} values", 0, "check its aliases: each use counts in full")
        return self.parsed

    def value(self, node: yaml.Node, path: Path) -> Any:
        """Any node's value; None where there are too many or it is wrong."""
        self.count += 1
        if self.count > MAX_VALUES:
            return None
        self.parsed.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node, path)
        if id(node) in self.open:
            return self.broken(path, "refers to itself", "remove the alias")
        self.open.add(id(node))
        made = self.mapping(node, path) if isinstance(node, yaml.MappingNode) else self.sequence(node, path)
        self.open.discard(id(node))
        return made

    def sequence(self, node: yaml.Node, path: Path) -> Any:
        """A list."""
        if node.tag != _TAG + "seq":
            return self.unknown_tag(node, path)
        return [self.value(child, (*path, index)) for index, child in enumerate(node.value)]

    def mapping(self, node: yaml.MappingNode, path: Path) -> Any:
        """A dict; what ``<<`` merges goes behind the keys that are written out."""
        if node.tag != _TAG + "map":
            return self.unknown_tag(node, path)
        made: dict[str, Any] = {}
        merged: list[yaml.Node] = []
        for key, child in node.value:
            if key.tag == _TAG + "merge":
                merged += child.value if isinstance(child, yaml.SequenceNode) else [child]
            else:
                self.entry(made, key, child, path)
        for source in merged:
            self.merge(made, source, path)
        return made

    def entry(self, made: dict[str, Any], key: yaml.Node, child: yaml.Node, path: Path) -> None:
        """A key and its value, into ``made``."""
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode) or not key.value or _SURROGATE.search(key.value):
            self.parsed.problems.append(Problem(show_path(path), "has a key that is no text", line, "give it a name"))
            return
        here = (*path, key.value)
        if key.value in made:
            first = self.parsed.line(here)
            message = f"stands here twice, first on line {first}"
            self.parsed.problems.append(Problem(show_path(here), message, line, "keep one"))
            return
        self.parsed.lines[here] = line
        made[key.value] = self.value(child, here)

    def merge(self, made: dict[str, Any], source: yaml.Node, path: Path) -> None:
        """What ``<<`` names, into ``made``, where it has no such key."""
        if not isinstance(source, yaml.MappingNode):
            self.parsed.problems.append(self.parsed.problem(path, "merges (<<) something that is no mapping"))
            return
        values = self.value(source, (*path, "<<"))
        if isinstance(values, dict):
            made.update({key: value for key, value in values.items() if key not in made})

    def scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        """A text, number, truth value or None."""
        text = str(node.value)
        if _SURROGATE.search(text):
            return self.broken(path, "has half a character (a lone surrogate)", "remove it")
        try:
            return _SCALARS[node.tag](text)
        except KeyError:
            return self.unknown_tag(node, path)
        except ValueError:
            return self.broken(path, f"'{text[:40]}' is no {node.tag.removeprefix(_TAG)}")

    def unknown_tag(self, node: yaml.Node, path: Path) -> None:
        """Note a tag that is none of YAML's own."""
        tag = node.tag.replace(_TAG, "!!")
        self.broken(path, f"has the tag {tag}, which is not allowed here", "leave the tag out")

    def broken(self, path: Path, message: str, cure: str = "") -> None:
        """Note a problem at a place that has no value then."""
        self.parsed.broken.add(path)
        self.parsed.problems.append(self.parsed.problem(path, message, cure))


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError(text)
    return int(text, 0) if text[:2] in ("0x", "0o") else int(text, 10)


def _number(text: str) -> float:
    return float(text.replace(".inf", "inf").replace(".nan", "nan") if text[-1:].isalpha() else text)


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


_SCALARS: dict[str, Callable[[str], Any]] = {
    _TAG + "str": str,
    _TAG + "null": lambda text: None,
    _TAG + "bool": _boolean,
    _TAG + "int": _integer,
    _TAG + "float": lambda text: _number(text.lower()),
    _TAG + "merge": str,
}
