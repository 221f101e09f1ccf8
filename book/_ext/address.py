"""Derive the address of the book from that of its repository, which only _config.yml names."""

from urllib.parse import urlsplit

from sphinx.application import Sphinx
from sphinx.config import Config


def pages_address(repository_url: str) -> str:
    """Return where GitHub Pages serves the repository ``https://github.com/OWNER/NAME``."""
    owner, name = urlsplit(repository_url).path.strip("/").split("/")
    return f"https://{owner}.github.io/{name}/"


def set_addresses(app: Sphinx, config: Config) -> None:
    """Fill in the two settings that want the site's address."""
    config.html_baseurl = config.ogp_site_url = pages_address(
        config.html_theme_options["repository_url"]
    )


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.connect("config-inited", set_addresses)
    app.add_config_value("install_from", "site", "html")  # for scripts/write_install_lines.py
    return {"parallel_read_safe": True, "parallel_write_safe": True}
