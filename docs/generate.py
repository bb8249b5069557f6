"""The pages that are made from code and configuration; MkDocs calls this file as a hook.

It is also the Griffe extension that turns Sphinx roles in docstrings into Markdown.
"""

import inspect
import pkgutil
import re
from pathlib import Path
from typing import Any

import griffe
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

import grn_exp
from grn_exp import config as choices

ROOT = Path(__file__).resolve().parents[1]
CONF = ROOT / "conf"
# files of the repository that are pages too
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "ARCHITECTURE.md": "architecture.md",
    "CHANGELOG.md": "changelog.md",
}
READS = {
    "reads_labels": "training labels",
    "reads_embedding": "gene embedding",
    "reads_pools": "candidate pools",
    "reads_truth": "**the truth** (a control, not a method)",
}
GIVES = {"edges": "a score for every regulator and gene", "sets": "a regulator set for every target"}


# -- MkDocs' hooks ---------------------------------------------------------------------------


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Fill the parts of the navigation that consist of generated pages."""
    parts = {title: entry for part in config.nav or [] for title, entry in part.items()}
    parts["Methods"] = ["methods/index.md", *(f"methods/{name}.md" for name in methods())]
    parts["Reference"] += [{name: f"api/{name}.md"} for name in rooms()]
    listed = {*PAGES, *re.findall(r"[\w/-]+\.(?:md|ipynb)", str(config.nav))}
    rest = (path.name for path in sorted(Path(config.docs_dir).glob("*.md")))
    parts["Guide"] += [name for name in rest if name not in listed]
    config.nav = [{title: entry} for title, entry in parts.items()]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    pages = {page: (ROOT / name).read_text() for name, page in PAGES.items()}
    pages["methods/index.md"] = method_table()
    pages |= {f"methods/{name}.md": method_card(name) for name in methods()}
    pages |= {f"api/{name}.md": f"# grn_exp.{name}\n\n::: grn_exp.{name}\n" for name in rooms()}
    pages["configuration.md"] = configuration()
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Let links that are right in the repository be right on the site."""
    markdown = markdown.replace("](docs/", "](")
    for name, page in PAGES.items():
        markdown = re.sub(rf"\]\((\.\./)?{re.escape(name)}", f"]({page}", markdown)
    return markdown


class PlainRoles(griffe.Extension):
    """Show ``:class:`~a.b.C``` as ``C``, and what follows two colons as code."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite an object's docstring."""
        if obj.docstring:
            text = re.sub(r":\w+:`~?(?:[\w.]*\.)?(\w+)`", r"`\1`", obj.docstring.value)
            obj.docstring.value = re.sub(r"::\n\n", ":\n\n", text)


# -- the methods -----------------------------------------------------------------------------


def methods() -> list[str]:
    """Return the choices of ``model=``."""
    return choices.choices("model")


def rooms() -> list[str]:
    """Return the packages that the reference describes; methods have cards of their own."""
    return [m.name for m in pkgutil.iter_modules(grn_exp.__path__) if m.ispkg and m.name != "models"]


def summary(path: Path) -> str:
    """Return a configuration file's first comment."""
    found = re.search(r"^# (?!@package)(.*)", path.read_text(), re.MULTILINE)
    return found[1] if found else ""


def reads(model: Any) -> str:
    """Return what a method sees of a benchmark."""
    return ", ".join(["expression", *(text for name, text in READS.items() if getattr(model, name, 0))])


def method_table() -> str:
    """Return the page that lists all methods by what they give."""
    lines = ["# Methods", "", "Every method is a choice of `model=`. Its card says what it reads and does."]
    for task, gives in GIVES.items():
        lines += ["", f"## Methods that give {gives}", "", "| method | | reads |", "|---|---|---|"]
        for name in methods():
            model = choices.model_class(name)
            if model.task == task:
                text = summary(CONF / "model" / f"{name}.yaml")
                lines.append(f"| [`{name}`]({name}.md) | {text} | {reads(model)} |")
    return "\n".join(lines) + "\n"


def method_card(name: str) -> str:
    """Return a method's card: facts, what its class says of itself, and its options."""
    path = CONF / "model" / f"{name}.yaml"
    model = choices.model_class(name)
    base = "GradientModel" if hasattr(model, "parameter_groups") else "ClosedFormModel"
    fitted = {
        "GradientModel": f"by gradient descent, in batches of {getattr(model, 'batches_of', 'cells')}",
        "ClosedFormModel": "once, without epochs",
    }
    facts = {"Gives": GIVES[model.task], "Reads": reads(model), "Is fitted": fitted[base]}
    if model.requires:
        facts["Needs"] = f"`pip install 'grn_exp[{name}]'`"
    data = {"edges": "toy", "sets": "toy_sets"}[model.task]
    identifier = f"{model.__module__}.{model.__qualname__}"
    signature = inspect.signature(model).parameters.values()
    options = [p for p in signature if p.default is not p.empty]
    lines = [
        f"# {name}",
        "",
        summary(path),
        "",
        "| | |",
        "|---|---|",
        *(f"| **{title}** | {fact} |" for title, fact in facts.items()),
        "",
        f"```\npython -m grn_exp model={name} data={data}\n```",
        "",
        f"::: {identifier}",
        "    options: {members: false, show_root_heading: true, heading_level: 2, show_bases: false}",
        "",
        "## Defaults",
        "",
        "| option | default |",
        "|---|---|",
        *(f"| `model.{p.name}` | {shown(p.default)} |" for p in options),
        "",
        f"`conf/model/{name}.yaml`, whose values come before these:",
        "",
        f"```yaml\n{path.read_text()}```",
        "",
    ]
    return "\n".join(lines)


def shown(value: object) -> str:
    """Return a default as one writes it on the command line."""
    if isinstance(value, dict) and "_target_" in value:
        return f"`{value['_target_']}`"
    return f"`{ {None: 'null', True: 'true', False: 'false'}.get(value, value) if value is None or isinstance(value, bool) else value}`"


# -- the configuration -----------------------------------------------------------------------


def configuration() -> str:
    """Return the page of all groups with their choices and files."""
    lines = [
        "# Configuration",
        "",
        "Everything after `python -m grn_exp` is Hydra: `group=choice` takes a file of `conf/`, `key=value` sets",
        "one value. `--cfg job --resolve` after a command shows its whole configuration. This page is made",
        "from the files themselves.",
        "",
        "## The top",
        "",
        f"```yaml\n{(CONF / 'config.yaml').read_text()}```",
    ]
    folders = [folder for folder in sorted(CONF.rglob("*")) if any(folder.glob("*.yaml"))]
    for folder in folders:
        group = folder.relative_to(CONF).as_posix()
        files = sorted(folder.glob("*.yaml"))
        lines += ["", f"## {group}", "", "| choice | |", "|---|---|"]
        for path in files:
            if not path.stem.startswith("_"):
                title = f"`{group}={path.stem}`"
                link = f"[{title}](methods/{path.stem}.md)" if group == "model" else title
                lines.append(f"| {link} | {summary(path)} |")
        if group != "model":
            for path in files:
                text = "\n".join(f"    {line}" for line in path.read_text().splitlines())
                lines += ["", f'??? note "conf/{group}/{path.name}"', "", "    ```yaml", text, "    ```"]
    return "\n".join(lines) + "\n"
