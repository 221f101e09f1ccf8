// The answers of the form as a Markdown file, made here in the browser: nothing is sent anywhere.
document.querySelectorAll("form.plan").forEach((form) => {
  const answers = (field) => {
    const chosen = [...field.querySelectorAll("input:checked")].map((box) => box.labels[0].textContent);
    const words = field.querySelector("textarea").value.trim();
    return words ? [...chosen, words.replace(/\s*\n\s*/g, "\n  ")] : chosen;
  };
  const asked = (field) => field.querySelector("legend").textContent;
  const list = (given) => given.map((answer) => `- ${answer}`).join("\n");
  const section = (title, texts, gap) => (texts.length ? `\n## ${title}\n\n${texts.join(gap)}\n` : "");

  // By how much an answer weighs; what has none is open.
  const byWeight = () => {
    const sections = { must: [], nice: [], "": [], open: [] };
    form.querySelectorAll("fieldset").forEach((field) => {
      const given = answers(field);
      const weight = given.length ? field.querySelector("select").value : "open";
      sections[weight].push(weight === "open" ? `- ${asked(field)}` : `### ${asked(field)}\n\n${list(given)}`);
    });
    return (
      section("Must have", sections.must, "\n\n") +
      section("Nice to have", sections.nice, "\n\n") +
      section("To keep in mind", sections[""], "\n\n") +
      section("Still open", sections.open, "\n")
    );
  };

  // In the order of the form; what has no answer says so in its place.
  const byPart = () =>
    [...form.querySelectorAll("h3")]
      .map((heading) => {
        const texts = [];
        for (let at = heading.nextElementSibling; at?.matches("fieldset"); at = at.nextElementSibling)
          texts.push(`### ${asked(at)}\n\n${list(answers(at)) || "Not known yet."}`);
        return section(heading.textContent, texts, "\n\n");
      })
      .join("");

  const written = () => {
    const next = [...form.querySelectorAll(".plan-next li")].map((item) => `- [ ] ${item.textContent}`);
    const open = [...form.querySelectorAll("fieldset")].filter((field) => !answers(field).length).length;
    const body = form.querySelector("select") ? byWeight() : byPart();
    const text = `# ${form.dataset.title}\n\n${new Date().toISOString().slice(0, 10)}\n${body}`;
    return { text: text + section("Next", next, "\n"), open };
  };

  const save = form.querySelector(".plan-save");
  const said = form.querySelector("[role=status]");
  save.hidden = false;
  save.addEventListener("click", () => {
    const { text, open } = written();
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/markdown;charset=utf-8" }));
    link.download = form.dataset.file;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    said.textContent = `${form.dataset.file} is in your downloads. Still open: ${open || "nothing"}.`;
  });
  form.addEventListener("reset", () => (said.textContent = ""));
});
