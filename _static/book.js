// What is wider than its place scrolls: from the keyboard, with a name, and so that one sees it.
// Paper is light.
{
  const root = document.documentElement;
  const WIDE = ".pst-scrollable-table-container, .aim-scroll, .aim-chart";
  // The theme lets the keyboard scroll these. It looks when the page opens and a while after the
  // window has changed, and what is folded then has no width.
  const FOLDED = "pre, .cell_output > .output, .jp-RenderedHTMLCommon";

  // Its own name, its caption, or the heading above it.
  const nameOf = (box) => {
    const own = box.getAttribute("aria-label") || box.querySelector("caption")?.textContent;
    if (own) return own.replace(/\s*#$/, "").trim();
    const heading = box.closest("section")?.querySelector("h1, h2, h3, h4");
    const kind = box.querySelector("table") ? "Table" : "Figure";
    return heading ? `${kind}: ${heading.firstChild.textContent.trim()}` : kind;
  };

  const look = (box) => {
    const hidden = box.scrollWidth - box.clientWidth;
    const at = Math.abs(box.scrollLeft);
    const sides = [hidden > 1 && at > 1 && "left", hidden > 1 && at < hidden - 1 && "right"];
    box.dataset.more = sides.filter(Boolean).join(" ");
    if (hidden > 1) {
      box.tabIndex = 0;
      box.setAttribute("role", "group");
      box.setAttribute("aria-label", nameOf(box));
    } else {
      box.removeAttribute("tabindex");
    }
  };

  addEventListener("DOMContentLoaded", () => {
    const sizes = new ResizeObserver((seen) => seen.forEach((entry) => look(entry.target)));
    for (const box of document.querySelectorAll(WIDE)) {
      sizes.observe(box);
      box.addEventListener("scroll", () => look(box), { passive: true });
    }
    const stops = new ResizeObserver((seen) => {
      for (const { target: box } of seen) {
        const scrolls = box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight;
        box.tabIndex = scrolls ? 0 : -1;
      }
    });
    for (const box of document.querySelectorAll(FOLDED)) stops.observe(box);
  });

  let theme = null;
  addEventListener("beforeprint", () => {
    theme = root.dataset.theme;
    root.dataset.theme = "light";
  });
  addEventListener("afterprint", () => {
    root.dataset.theme = theme;
  });
}
