"""YAML without its traps: plain values in one document, bounded before anything is built of it. Pure."""

from __future__ import annotations

import yaml

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
STR = "tag:yaml.org,2002:str"
MAX_DEPTH = 6
"""Lists and mappings inside one another; a settings file needs four."""


class YamlError(ValueError):
    """Text that is not taken: the line, what is wrong with it, and what to do."""

    def __init__(self, line: int, what: str, remedy: str = "") -> None:
        super().__init__(f"{what}; {remedy}" if remedy else what)
        self.line = line
        self.what = what
        self.remedy = remedy


def composed(text: str, depth: int = MAX_DEPTH, values: int = 0) -> yaml.Node | None:
    """The one document of a text; `values` bounds how many there may be, 0 does not."""
    try:
        _check_events(text, depth, values)
        node: yaml.Node | None = yaml.compose(text, _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlError(
            mark.line + 1 if mark else 1, f"is not YAML: {error.problem or error.context}"
        ) from None
    except yaml.YAMLError as error:
        raise YamlError(1, f"is not YAML: {error}") from None
    return node


def line_of(node: yaml.Node) -> int:
    """Where it stands, from 1."""
    return int(node.start_mark.line) + 1


def plain_rows(text: str, values: int) -> list[tuple[int, str | dict[str, str]]]:
    """A list of texts or of mappings of texts, each with its line."""
    root = composed(text, depth=2, values=values)
    if root is None:
        return []
    if not isinstance(root, yaml.SequenceNode):
        raise YamlError(line_of(root), "is no list", "begin each entry with `- `")
    return [(line_of(one), _row(one)) for one in root.value]


def _row(node: yaml.Node) -> str | dict[str, str]:
    if not isinstance(node, yaml.MappingNode):
        return _text(node)
    row: dict[str, str] = {}
    for key, value in node.value:
        name = _text(key)
        if name in row:
            raise YamlError(line_of(key), f"{name!r} stands twice in one entry", "keep one")
        row[name] = _text(value)
    if not row:
        raise YamlError(line_of(node), "is empty", "write what it names, or remove it")
    return row


def _text(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode) or node.tag != STR:
        what = "is no text" if isinstance(node, yaml.ScalarNode) else "is no plain text"
        raise YamlError(line_of(node), what, "put it in quotes; an entry is a text, or has texts by name")
    return str(node.value)


def _check_events(text: str, most_depth: int, most_values: int) -> None:
    """Refuses what a plain file never needs, before anything is built of it: it could grow without end."""
    depth = documents = values = 0
    for event in yaml.parse(text, _Loader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.AliasEvent):
            raise YamlError(line, "an alias (*name) is not taken here", "write the entry out")
        if isinstance(event, yaml.NodeEvent) and event.anchor is not None:
            raise YamlError(line, "an anchor (&name) is not taken here", "write the entries out")
        if getattr(event, "tag", None) is not None:
            raise YamlError(line, "a tag (!name) is not taken here", "write plain values")
        documents += isinstance(event, yaml.DocumentStartEvent)
        if documents > 1:
            raise YamlError(line, "a second document (---) is not taken here", "put all into one")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > most_depth:
            remedy = "a section is a list of entries, an entry has plain fields"
            raise YamlError(line, "is nested too deep", remedy)
        values += isinstance(event, yaml.ScalarEvent)
        if most_values and values > most_values:
            raise YamlError(line, f"has more than {most_values} values", "keep only what playbooks need")
