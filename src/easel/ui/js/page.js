// What scripts of all tabs share: one object, window.easel, and the keys of the whole page. Loaded before the others.
window.easel = {
  // Fill {names} in a text.
  say: (text, values = {}) => (text || "").replace(/\{(\w+)\}/g, (_, name) => values[name] ?? ""),

  // Make an element: easel.make("button", { class: "quiet", onclick }, "text", child ...).
  make(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (value === true) made.setAttribute(name, "");
      else if (value !== false && value != null) made.setAttribute(name, value);
    }
    made.append(...children.filter((child) => child != null));
    return made;
  },

  // What this window remembers, and no other.
  recall(name, otherwise) {
    try {
      return JSON.parse(sessionStorage.getItem(`easel.${name}`)) ?? otherwise;
    } catch {
      return otherwise;
    }
  },
  keep(name, value) {
    try {
      sessionStorage.setItem(`easel.${name}`, JSON.stringify(value));
    } catch {
      // A browser that keeps nothing: the page works without.
    }
  },

  // Put a text into a field, as if it had been typed.
  fill(area, text) {
    area.value = text;
    area.dispatchEvent(new Event("input", { bubbles: true }));
  },

  // The tab that is in view.
  panel: () => [...document.querySelectorAll('[role="tabpanel"]')].find((one) => one.offsetParent !== null),

  language(name) {
    document.cookie = `easel_language=${name};path=/;max-age=31536000;samesite=lax`;
    location.pathname = `/${name}/`;
  },
};

addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, textarea, [contenteditable]");
  const panel = easel.panel();
  if ((event.ctrlKey || event.metaKey) && event.key === "Enter") {
    const main = [...(panel?.querySelectorAll("button.main, .main button") ?? [])].find((one) => one.offsetParent);
    if (main && !main.disabled) {
      typing?.dispatchEvent(new Event("change", { bubbles: true }));
      setTimeout(() => main.click(), 60); // what was typed last is on its way to the form
      event.preventDefault();
    }
  } else if (event.altKey && !event.ctrlKey && /^Digit[0-9]$/.test(event.code)) {
    const place = (Number(event.code.slice(5)) + 9) % 10;
    const tab = document.querySelectorAll('#tabs [role="tab"]')[place];
    if (tab) {
      tab.click();
      event.preventDefault();
    }
  }
});
