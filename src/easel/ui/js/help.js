// The help's search: entries that have none of the words are hidden, and chapters without entries.

easel.help = (element) => {
  const field = element.querySelector("input");
  const entries = [...element.querySelectorAll("dl > div")].map((entry) => ({
    entry,
    text: entry.textContent.toLocaleLowerCase(),
  }));
  const empty = element.querySelector(".empty");
  field.addEventListener("input", () => {
    const words = field.value.toLocaleLowerCase().split(/\s+/).filter(Boolean);
    for (const { entry, text } of entries) entry.hidden = !words.every((word) => text.includes(word));
    for (const chapter of element.querySelectorAll("section")) {
      chapter.hidden = !chapter.querySelector("dl > div:not([hidden])");
    }
    element.querySelector("nav").hidden = words.length > 0;
    empty.hidden = entries.some(({ entry }) => !entry.hidden);
  });
  element.querySelector("nav").addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (!link) return;
    event.preventDefault(); // the address holds the form's settings
    element.querySelector(link.hash).scrollIntoView({ behavior: "smooth", block: "start" });
  });
};
