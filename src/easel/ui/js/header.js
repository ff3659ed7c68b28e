// The line above the tabs.
easel.header = (element, { title, language, languages, choose, shade, keys }) => {
  const { make } = easel;
  const dark = (on) => {
    document.body.classList.toggle("dark", on);
    document.documentElement.style.colorScheme = on ? "dark" : "light";
  };
  const chosen = localStorage.getItem("easel.dark");
  dark(chosen === null ? matchMedia("(prefers-color-scheme: dark)").matches : chosen === "1");
  const toggle = make("button", { type: "button", class: "act", "aria-label": shade, title: shade, onclick: () => {
    const on = !document.body.classList.contains("dark");
    localStorage.setItem("easel.dark", on ? "1" : "0");
    dark(on);
  } }, "◐");
  const switches = Object.entries(languages).map(([name, shown]) =>
    make("button", { type: "button", class: "act", lang: name, "aria-pressed": String(name === language), onclick: () => name !== language && easel.language(name) }, shown));
  element.querySelector(".easel-header").replaceChildren(
    make("h1", {}, title), make("span", { class: "keys" }, keys),
    make("div", { role: "group", "aria-label": choose, class: "languages" }, ...switches), toggle);
};
