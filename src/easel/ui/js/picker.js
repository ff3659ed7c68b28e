// What may be put into a prompt by a click: words, LoRAs, embeddings. `field`: the prompt's element.
easel.picker = (element, trigger, props, server, { field, negative, words, categories }) => {
  const { make } = easel;
  const word = (key) => words[`picker.${key}`] ?? key;
  const kinds = { words: "words", lora: "files", embedding: "files" };
  const state = { kind: "words", category: "", search: "", from: 0, asked: 0 };
  const root = element.querySelector(".picker");
  const list = make("div", { class: "found" });
  const more = make("button", { type: "button", class: "act", hidden: true, onclick: () => load(true) }, word("more"));
  const box = make("input", { type: "search", placeholder: word("search"), "aria-label": word("search") });
  const choice = make("select", { "aria-label": word("category") }, make("option", { value: "" }, word("all")), ...categories.map(([name, shown]) => make("option", { value: name }, shown)));
  const tabs = Object.keys(kinds).map((kind) =>
    make("button", { type: "button", class: "act", "aria-pressed": String(kind === state.kind), onclick: () => turn(kind) }, word(kind)));
  root.replaceChildren(make("div", { class: "row" }, ...tabs), make("div", { class: "row" }, box, choice), list, more);

  function turn(kind) {
    state.kind = kind;
    tabs.forEach((tab, place) => tab.setAttribute("aria-pressed", String(Object.keys(kinds)[place] === kind)));
    choice.hidden = kind !== "words";
    load();
  }

  async function load(further = false) {
    const mine = ++state.asked;
    state.from = further ? list.childElementCount : 0;
    const wishes = { kind: state.kind, search: box.value, from: state.from };
    if (state.kind === "words") wishes.category = choice.value;
    const found = await server[kinds[state.kind]](wishes).catch(() => null);
    if (mine !== state.asked || !found) return;
    if (!further) list.replaceChildren();
    list.classList.toggle("cards", state.kind !== "words");
    list.append(...(found.entries ?? []).map(tile));
    if (!list.childElementCount) list.append(make("p", { class: "note" }, found.error ?? word(state.kind === "words" ? "nothing" : `no_${state.kind}`)));
    more.hidden = !found.more;
  }

  function tile(one) {
    const picture = one.preview ? make("img", { src: one.preview, alt: "", loading: "lazy", onerror: (event) => event.target.remove() }) : null;
    return make("button", { type: "button", class: "chip", title: one.note || one.put, onclick: (event) => put(one.put, event.shiftKey) },
      picture, make("span", {}, one.name), one.also ? make("small", {}, one.also) : null);
  }

  function put(text, away) {
    const area = document.querySelector(`${away ? negative : field} textarea`);
    const before = area.value.trimEnd();
    easel.fill(area, before ? `${before.replace(/,$/, "")}, ${text}` : text);
  }

  let typed;
  box.addEventListener("input", () => {
    clearTimeout(typed);
    typed = setTimeout(load, 200);
  });
  choice.addEventListener("change", () => load());
  new IntersectionObserver((seen, watching) => {
    if (!seen.some((one) => one.isIntersecting)) return;
    watching.disconnect();
    load();
  }).observe(root);
};
