// The two switches of a page, and the buttons that unfold a result. What is switched on stands as
// an attribute of the page and, where the browser lets us, in its memory.
{
  const root = document.documentElement;
  const switches = document.querySelectorAll(".page-switch");
  const isOn = (name) => root.hasAttribute(`data-${name}`);

  const show = () => {
    for (const one of switches) one.setAttribute("aria-pressed", isOn(one.dataset.switch));
  };

  const turn = (name, on) => {
    root.toggleAttribute(`data-${name}`, on);
    show();
  };

  const remember = (name, on) => {
    try {
      if (on) localStorage.setItem(name, "on");
      else localStorage.removeItem(name);
    } catch {
      // Private windows may keep nothing: then it holds for this page.
    }
  };

  for (const one of switches) {
    const name = one.dataset.switch;
    one.addEventListener("click", () => {
      turn(name, !isOn(name));
      remember(name, isOn(name));
    });
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest(".show-result");
    if (!button) return;
    const cell = button.closest(".guessed");
    cell.classList.add("seen");
    // The button is gone: the focus goes to what it has shown.
    const result = cell.querySelector(".folded-result");
    result.tabIndex = -1;
    result.focus({ preventScroll: true });
  });

  // A link that leads into what is folded unfolds it.
  const unfold = () => {
    const place = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const stretch = place?.closest(".after-question");
    if (!stretch || !isOn("guess-first")) return;
    for (const cell of stretch.querySelectorAll(".guessed")) cell.classList.add("seen");
    place.scrollIntoView();
  };
  addEventListener("hashchange", unfold);
  addEventListener("DOMContentLoaded", unfold);

  // Back from another page, this one may be an old picture of itself.
  addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    try {
      for (const one of switches) {
        turn(one.dataset.switch, localStorage.getItem(one.dataset.switch) !== null);
      }
    } catch {
      // As above.
    }
  });

  show();
}
