"""Pages from templates: every label escaped, a name that a template misspells is an error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import jinja2


def environment(*, autoescape: Any = True, loader: Any = None, **options: Any) -> jinja2.Environment:
    """Jinja's settings for every page, from `qpv_sante/templates` unless another loader is given."""
    import jinja2

    return jinja2.Environment(
        loader=loader or jinja2.PackageLoader("qpv_sante"),
        autoescape=autoescape,  # noqa: S701 - on unless a caller names the pages that are not HTML
        undefined=jinja2.StrictUndefined,
        **{"trim_blocks": True, "lstrip_blocks": True, **options},
    )


def render(template: str, **values: Any) -> str:
    """Fill in a template of `qpv_sante/templates`."""
    return environment().get_template(template).render(**values)
