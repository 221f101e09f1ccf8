// What a term means, beside it: while the pointer or the focus is on it, or after the first touch.
// Escape closes it. The pointer may move onto the text, and a second touch follows the link.
{
  let open = null; // the link whose meaning shows
  let waiting = 0;
  const hint = (link) => document.getElementById(link.getAttribute("aria-describedby"));

  const close = () => {
    clearTimeout(waiting);
    if (open) hint(open).hidePopover();
    open = null;
  };

  const place = (link, box) => {
    const word = link.getClientRects()[0];
    const left = Math.min(word.left, document.documentElement.clientWidth - box.offsetWidth - 8);
    const below = word.bottom + box.offsetHeight + 8 < window.innerHeight;
    box.style.left = `${Math.max(8, left)}px`;
    box.style.top = `${below ? word.bottom + 4 : Math.max(8, word.top - box.offsetHeight - 4)}px`;
  };

  const show = (link) => {
    clearTimeout(waiting);
    if (link === open) return;
    close();
    open = link;
    hint(link).showPopover();
    place(link, hint(link));
  };

  const later = (act) => {
    clearTimeout(waiting);
    waiting = setTimeout(act, 250);
  };

  const links = document.querySelectorAll('a[aria-describedby^="hint-term-"]');
  links.forEach((link) => {
    let first = false; // a touch that only opens
    link.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && later(() => show(link)));
    link.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && later(close));
    link.addEventListener("pointerdown", (event) => (first = event.pointerType === "touch" && open !== link));
    link.addEventListener("focus", () => show(link));
    link.addEventListener("blur", close);
    link.addEventListener("click", (event) => {
      if (first) {
        event.preventDefault();
        show(link);
      }
      first = false;
    });
  });
  document.querySelectorAll(".hint").forEach((box) => {
    box.addEventListener("pointerenter", () => clearTimeout(waiting));
    box.addEventListener("pointerleave", () => later(close));
  });
  document.addEventListener("keydown", (event) => event.key === "Escape" && close());
  document.addEventListener("pointerdown", (event) => event.target.closest(".hint, a[aria-describedby]") || close());
  window.addEventListener("scroll", () => open && place(open, hint(open)), { passive: true });
}
