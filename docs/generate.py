"""The pages that are made from code and configuration; MkDocs calls this file as a hook.

It is also the Griffe extension that turns Sphinx roles in docstrings into Markdown.
"""

import inspect
import pkgutil
import re
from pathlib import Path

import griffe
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from omegaconf import OmegaConf

import grn_exp
from grn_exp import config as choices
from grn_exp.models.base import GRNModel

ROOT = Path(__file__).resolve().parents[1]
CONF = ROOT / "conf"
# files of the repository that are pages too
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "ARCHITECTURE.md": "architecture.md",
    "CHANGELOG.md": "changelog.md",
}
SHOWN = {
    "reads_labels": "training labels",
    "reads_embedding": "gene embedding",
    "reads_pools": "candidate pools",
    "reads_truth": "**the truth** (a control, not a method)",
}
GIVES = {
    "edges": "a score for every regulator and gene",
    "sets": "a regulator set for every target",
}
# what a method's card gathers from the docstrings of its class and of those it derives from
SECTIONS = ("Notes", "References")
# names on a line of their own, and the indented lines below
SHARED = r"^(\w+(?:, \w+)+)\n((?: {4}.*\n)+)"


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


def on_page_markdown(markdown: str, **_: object) -> str:
    """Let links that are right in the repository be right on the site."""
    markdown = markdown.replace("](docs/", "](")
    for name, page in PAGES.items():
        markdown = re.sub(rf"\]\((\.\./)?{re.escape(name)}", f"]({page}", markdown)
    return markdown


class PlainRoles(griffe.Extension):
    """Make Markdown of the docstrings' Sphinx.

    ``:class:`~a.b.C``` becomes ``C``, and what follows two colons becomes code. Parameters that
    share a description get one each, or Griffe would give them the first one's default.
    """

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        """Rewrite an object's docstring."""
        if obj.docstring:
            text = re.sub(r":\w+:`~?(?:[\w.]*\.)?(\w+)`", r"`\1`", obj.docstring.value)
            text = re.sub(r"::\n\n", ":\n\n", text)
            if obj.path.startswith("grn_exp.models."):  # the card shows these by themselves
                text = "".join(re.split(section_pattern("|".join(SECTIONS)), text)[::3])
            obj.docstring.value = re.sub(SHARED, self._one_each, text + "\n", flags=re.MULTILINE)

    @staticmethod
    def _one_each(found: re.Match[str]) -> str:
        return "".join(f"{name}\n{found[2]}" for name in found[1].split(", "))


# -- the methods -----------------------------------------------------------------------------


def methods() -> list[str]:
    """Return the choices of ``model=``."""
    return choices.choices("model")


def rooms() -> list[str]:
    """Return the packages that the reference describes; methods have cards of their own."""
    return [
        m.name for m in pkgutil.iter_modules(grn_exp.__path__) if m.ispkg and m.name != "models"
    ]


def summary(path: Path) -> str:
    """Return a configuration file's first comment."""
    found = re.search(r"^# (?!@package)(.*)", path.read_text(), re.MULTILINE)
    return found[1] if found else ""


def is_shown(model: type[GRNModel]) -> str:
    """Return what a benchmark shows a method."""
    return ", ".join(
        ["expression", *(text for name, text in SHOWN.items() if getattr(model, name))]
    )


def method_table() -> str:
    """Return the page that lists all methods by what they give."""
    lines = [
        "# Methods",
        "",
        "Every method is a choice of `model=`. Its card says what it does, what a benchmark shows",
        "it, and which options it has.",
    ]
    for task, gives in GIVES.items():
        lines += [
            "",
            f"## Methods that give {gives}",
            "",
            "| method | | is shown |",
            "|---|---|---|",
        ]
        for name in methods():
            model = choices.model_class(name)
            if model.task == task:
                about = summary(CONF / "model" / f"{name}.yaml")
                lines.append(f"| [`{name}`]({name}.md) | {about} | {is_shown(model)} |")
    return "\n".join(lines) + "\n"


def method_card(name: str) -> str:
    """Return a method's card: facts, what its classes say of themselves, and its defaults."""
    path = CONF / "model" / f"{name}.yaml"
    model = choices.model_class(name)
    batches = getattr(model, "batches_of", None)
    fitted = f"by gradient descent, in batches of {batches}" if batches else "once, without epochs"
    extra = f"- **Needs** `pip install 'grn_exp[{name}]'`.\n" if model.requires else ""
    data = {"edges": "toy", "sets": "toy_sets"}[model.task]
    return f"""# {name}

{summary(path)}

- **Gives** {GIVES[model.task]}.
- **Is shown** {is_shown(model)}.
- **Is fitted** {fitted}.
{extra}
```
python -m grn_exp model={name} data={data}
```

{own_words(model)}
{gathered(model)}
## Defaults

{defaults(model)}
`conf/model/{name}.yaml` comes before these:

```yaml
{path.read_text()}```
"""


def own_words(model: type[GRNModel]) -> str:
    """Return the docstrings of a method's class and of the methods that it derives from."""
    classes = [c for c in own_classes(model) if not c.__module__.endswith(".base")]
    options = "{members: false, show_bases: false, show_root_heading: true}"
    blocks = [f"::: {c.__module__}.{c.__qualname__}\n    options: {options}\n" for c in classes]
    return "\n".join(blocks)


def own_classes(model: type[GRNModel]) -> list[type]:
    """Return a method's class and the classes of ``grn_exp.models`` that it derives from."""
    return [c for c in model.__mro__ if c.__module__.startswith("grn_exp.models.")]


def section_pattern(title: str) -> str:
    """Return what matches a section of a NumPy docstring: its title, then its text."""
    return rf"(?ms)^({title})\n-+\n(.*?)(?=^\w[\w ]*\n-+\n|\Z)"


def section(model: type[GRNModel], title: str) -> list[str]:
    """Return a section's text in the docstring of each class that a method consists of."""
    texts = [inspect.cleandoc(vars(c)["__doc__"] or "") for c in own_classes(model)]
    found = [re.search(section_pattern(title), text) for text in texts]
    return [each[2].strip() for each in found if each]


def gathered(model: type[GRNModel]) -> str:
    """Return what a method assumes, reads and costs, and the papers that it comes from."""
    parts = []
    for title in SECTIONS:
        texts = "\n\n".join(section(model, title)).replace("``", "`")
        parts.append(f"## {title}\n\n" + re.sub(r":\w+:`~?(?:[\w.]*\.)?(\w+)`", r"`\1`", texts))
    return "\n\n".join(parts) + "\n"


def defaults(model: type[GRNModel]) -> str:
    """Return the table of a constructor's defaults, as one writes them on the command line."""
    lines = ["| option | default |", "|---|---|"]
    for option in inspect.signature(model).parameters.values():
        if option.default is not option.empty:
            value = option.default
            node = value.get("_target_") if isinstance(value, dict) else None
            text = node or OmegaConf.to_yaml([value], resolve=False).removeprefix("- ").strip()
            lines.append(f"| `model.{option.name}` | `{text}` |")
    return "\n".join(lines) + "\n"


# -- the configuration -----------------------------------------------------------------------


def configuration() -> str:
    """Return the page of all groups with their choices and files."""
    lines = [
        "# Configuration",
        "",
        "Everything after `python -m grn_exp` is Hydra: `group=choice` takes a file of `conf/`,",
        "and `key=value` sets one value. `--cfg job --resolve` after a command shows its whole",
        "configuration. This page is made from the files themselves.",
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
                lines += [
                    "",
                    f'??? note "conf/{group}/{path.name}"',
                    "",
                    "    ```yaml",
                    text,
                    "    ```",
                ]
    return "\n".join(lines) + "\n"
