// The answers of the form as a Markdown file, made here in the browser: nothing is sent anywhere.
document.querySelectorAll("form.plan").forEach((form) => {
  const answers = (field) => {
    const chosen = [...field.querySelectorAll("input:checked")].map((box) => box.labels[0].textContent);
    const words = field.querySelector("textarea").value.trim();
    return words ? [...chosen, words.replace(/\s*\n\s*/g, "\n  ")] : chosen;
  };

  const plan = () => {
    const sections = { must: [], nice: [], "": [], open: [] };
    form.querySelectorAll("fieldset").forEach((field) => {
      const asked = field.querySelector("legend").textContent;
      const given = answers(field);
      const weight = given.length ? field.querySelector("select").value : "open";
      const lines = given.map((answer) => `- ${answer}`).join("\n");
      sections[weight].push(weight === "open" ? `- ${asked}` : `### ${asked}\n\n${lines}`);
    });
    const section = (title, texts, gap) => (texts.length ? `\n## ${title}\n\n${texts.join(gap)}\n` : "");
    const next = [...form.querySelectorAll(".plan-next li")].map((item) => `- [ ] ${item.textContent}`);
    return {
      text:
        `# Plan: choosing a tool\n\n${new Date().toISOString().slice(0, 10)}\n` +
        section("Must have", sections.must, "\n\n") +
        section("Nice to have", sections.nice, "\n\n") +
        section("To keep in mind", sections[""], "\n\n") +
        section("Still open", sections.open, "\n") +
        section("Next", next, "\n"),
      open: sections.open.length,
    };
  };

  const save = form.querySelector(".plan-save");
  const said = form.querySelector("[role=status]");
  save.hidden = false;
  save.addEventListener("click", () => {
    const { text, open } = plan();
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/markdown;charset=utf-8" }));
    link.download = "tool-plan.md";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    said.textContent = `tool-plan.md is in your downloads. Still open: ${open || "nothing"}.`;
  });
  form.addEventListener("reset", () => (said.textContent = ""));
});
