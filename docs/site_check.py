"""Look at every page of the built site in Chromium, at three widths, light and dark: `make site-check`.

A page fails if it is wider than the window, writes an error to the console, asks anything of a network, or
breaks a rule of axe: a contrast of at least 4.5, a name for each link, button, field and picture. Of pages
that one template makes, some are looked at: one in so many.
"""

import argparse
import functools
import re
import shutil
import sys
import threading
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

WIDTHS = (360, 800, 1400)
HEIGHT = 900
PROCESSES = 2
ONE_IN = {"_modules": 60, "names": 12}  # pages of a template that are looked at: source, public names
RULES = (
    "color-contrast", "image-alt", "svg-img-alt", "label", "button-name", "link-name", "select-name",
    "document-title", "html-has-lang", "aria-allowed-attr", "aria-required-attr", "aria-valid-attr",
    "aria-valid-attr-value", "duplicate-id-aria", "meta-viewport",
)  # fmt: skip
LOADING = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href", "use": "href"}
NOT_LOADED = {"canonical", "prev", "next", "search", "index", "author", "license", "help"}  # kinds of <link>
ELSEWHERE = re.compile(r"(?:https?:)?//", re.IGNORECASE)
URL_IN_STYLE = re.compile(r"(?:url\(|@import)\s*[\"']?((?:https?:)?//[^\"')\s]+)", re.IGNORECASE)
WIDEST = """
() => {
  const wide = [...document.body.querySelectorAll("*")].filter((one) => {
    if (one.getBoundingClientRect().right <= innerWidth + 1) return false;
    for (let up = one.parentElement; up; up = up.parentElement)
      if (up !== document.body && getComputedStyle(up).overflowX !== "visible") return false;
    return true;
  });
  return wide.slice(-1).map((one) => one.outerHTML.slice(0, 80)).join("");
}
"""


class Loads(HTMLParser):
    """The addresses that a page loads by itself: scripts, styles, pictures, frames."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        address = given.get(LOADING.get(tag, ""), "") or ""
        kinds = set((given.get("rel") or "").split())
        if ELSEWHERE.match(address) and not kinds & NOT_LOADED:
            self.found.append(address)
        self.found += URL_IN_STYLE.findall(given.get("style") or "")


def loads_from_elsewhere(path):
    """Return the addresses on a network that an HTML or CSS file loads from."""
    text = path.read_text(encoding="utf-8", errors="replace")
    if path.suffix == ".css":
        return URL_IN_STYLE.findall(text)
    parser = Loads()
    parser.feed(text)
    styles = re.findall(r"<style.*?</style>", text, re.DOTALL)
    return parser.found + [url for style in styles for url in URL_IN_STYLE.findall(style)]


def requests_of_files(site):
    """Return a line for each address on a network that a file of the site loads from."""
    files = sorted(path for path in site.rglob("*") if path.suffix in (".html", ".css"))
    return [f"{path.relative_to(site)}: loads {url}" for path in files for url in loads_from_elsewhere(path)]


def pages_of(site):
    """Return the pages to look at."""
    pages = [page for page in sorted(site.rglob("*.html")) if "_static" not in page.parts]
    for template, step in ONE_IN.items():
        made = [page for page in pages if template in page.relative_to(site).parts]
        pages = [page for page in pages if page not in set(made) - set(made[::step])]
    return pages


@contextmanager
def served(site):
    """Serve a folder on this machine, as browsers cache what a server gives them, and not files."""
    handler = functools.partial(Files, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Files(SimpleHTTPRequestHandler):
    """Files of a folder, to be cached, without a log."""

    def end_headers(self):
        self.send_header("Cache-Control", "max-age=3600")
        super().end_headers()

    def log_message(self, *_):
        pass


class Looker:
    """A window of Chromium that is led from page to page and notes what is wrong."""

    def __init__(self, browser, address):
        from axe_playwright_python.sync_playwright import Axe

        self.address, self.axe, self.found = address, Axe(), []
        self.page = browser.new_page(color_scheme="light", viewport={"width": WIDTHS[0], "height": HEIGHT})
        self.page.on("console", self.hear)
        self.page.on("pageerror", lambda error: self.note("error", str(error)))
        self.page.route(lambda url: not url.startswith((address, "data:", "blob:")), self.refuse)

    def hear(self, told):
        """Note an error of the console, and the address of what could not be loaded."""
        if told.type == "error":
            loading = told.text.startswith("Failed to load")
            self.note("console", f"{told.text} {told.location['url']}" if loading else told.text)

    def refuse(self, route):
        """Note a request, and leave it unanswered."""
        self.note("asks the network", route.request.url)
        route.abort()

    def note(self, kind, what):
        """Remember what is wrong, with the name of the page."""
        self.found.append(f"{self.name}: {kind}: {what}")
        print(self.found[-1], flush=True)  # at once: all pages take minutes

    def look(self, name):
        """Note what is wrong on one page."""
        self.name = name
        self.page.goto(f"{self.address}/{name}")
        self.page.add_style_tag(content="* { transition: none !important; }")
        for width in WIDTHS:
            self.page.set_viewport_size({"width": width, "height": HEIGHT})
            if (wide := self.page.evaluate("document.documentElement.scrollWidth")) > width:
                self.note(f"{wide} pixels wide in a window of {width}", self.page.evaluate(WIDEST))
        self.hold_against("light", RULES)
        self.hold_against("dark", ("color-contrast",))

    def hold_against(self, shade, rules):
        """Note which of the rules of axe the page breaks."""
        self.page.evaluate("shade => document.documentElement.dataset.theme = shade", shade)
        options = {"runOnly": list(rules), "resultTypes": ["violations"]}
        for broken in self.axe.run(self.page, options=options).response["violations"]:
            first = broken["nodes"][0]
            reasons = [reason["message"] for reason in first["any"]][:1]
            self.note(
                f"{shade}: {broken['id']}, {len(broken['nodes'])} times", f"{first['html'][:100]} {reasons}"
            )


def look_at(site, pages, chromium):
    """Return what is wrong on some pages."""
    from playwright.sync_api import sync_playwright

    with served(site) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        looker = Looker(browser, address)
        for page in pages:
            looker.look(page.relative_to(site).as_posix())
        browser.close()
    return looker.found


def look_at_all(site, chromium):
    """Return what is wrong on any page; processes share the pages."""
    pages = pages_of(site)
    print(f"site-check: looking at {len(pages)} pages", file=sys.stderr)
    with ProcessPoolExecutor(PROCESSES) as pool:
        shares = [pages[start::PROCESSES] for start in range(PROCESSES)]
        found = [pool.submit(look_at, site, share, chromium) for share in shares]
    return sorted(line for one in found for line in one.result())


def find_chromium():
    """Return the path of an installed Chromium, or None."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if (path := shutil.which(name))), None)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("site", type=Path, help="folder of the built site")
    parser.add_argument("--files-only", action="store_true", help="read the files, without Chromium")
    options = parser.parse_args(arguments)
    site = options.site.resolve()
    if not (site / "index.html").is_file():
        parser.error(f"site-check: no built site in {site}; build it with `make docs`")
    found = requests_of_files(site)
    print("\n".join(found), end="\n" if found else "")
    if not options.files_only:
        if (chromium := find_chromium()) is None:
            parser.error("site-check: no Chromium is installed; install it (`apt-get install chromium`)")
        found += look_at_all(site, chromium)
    print(f"site-check: {len(found)} found" if found else "site-check: nothing found")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
