customElements.get("aimicro-slider") || customElements.define("aimicro-slider",
class extends HTMLElement {
  connectedCallback() {
    /* The children may not have been read yet: look for them when they are needed. */
    this.oninput = e => {
      const frames = this.querySelectorAll(".aim-frame"), k = +e.target.value;
      frames.forEach((f, i) => f.classList.toggle("aim-on", i === k));
      const value = frames[k].dataset.value;
      e.target.setAttribute("aria-valuetext", value);
      this.querySelector("output").textContent = value;
    };
    /* Notebooks move to the next cell on an arrow key. */
    this.onkeydown = e => e.stopPropagation();
  }
});
