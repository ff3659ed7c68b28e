// Control units, picture prompts, details and finishing: rows that are added, filled in and taken away, under headings
// that open. ui/parts/ says which fields there are and reads what comes of them; pictures are data URLs.
easel.partsValue = async (name) => (await easel.partsOf?.[name]?.value()) ?? {};

easel.parts = (element, props, server, watch, { name, canvas, begin, groups, words }) => {
  const { make } = easel;
  const SHELF = `${name}.parts`;
  const root = element.querySelector(".parts");
  const parts = Object.fromEntries(groups.flatMap((group) => group.parts).map((part) => [part.name, part]));
  const places = {}; // by part: {list, add, rows}
  const sections = {}; // by group: {element, count}
  let lists = null;
  let asked = null;
  let saving = 0;

  // ---------------------------------------------------------------- what there is to choose

  async function listed() {
    const answer = await server.lists({}).catch(() => ({ error: words.lost }));
    if (!answer?.error) lists = answer;
    for (const place of Object.values(places)) for (const row of place.rows) row.listed();
  }
  const soon = () => (asked ??= listed());

  const usual = (row, field) => row.said[field.name] ?? field.value;
  const MAKERS = easel.partFields({ name, words, parts, lists: () => lists, usual });

  // ---------------------------------------------------------------- rows

  function rowOf(part, said) {
    const row = { part: part.name, said: { ...said }, onlists: [], onsay: [], onpicture: {} };
    const shown = () => {
      const values = Object.fromEntries(part.fields.map((field) => [field.name, usual(row, field)]));
      for (const { field, element: one } of made) {
        const counts = Object.entries(field.shown).every(([other, fitting]) => fitting.includes(values[other]) || (fitting.includes("*") && values[other]));
        one.classList.toggle("away", !counts);
      }
    };
    row.say = (field, value) => {
      row.said[field.name] = value;
      for (const hear of row.onsay) hear(field);
      shown();
      changed();
    };
    row.listed = () => {
      for (const fill of row.onlists) fill();
      shown();
    };
    const made = part.fields.map((field) => ({ field, element: MAKERS[field.kind](row, field) }));
    const some = (more) => made.filter(({ field }) => field.more === more).map((one) => one.element);
    const further = some(true);
    const remove = make("button", { type: "button", class: "act", "aria-label": `${words.remove}: ${part.title}`, onclick: () => take(part, row) }, words.remove);
    const on = make("input", { type: "checkbox", title: words.on });
    on.checked = !row.said.off;
    on.onchange = () => {
      row.said.off = !on.checked;
      row.element.classList.toggle("off", row.said.off);
      changed();
    };
    const head = make("div", { class: "head" }, make("label", { class: "title" }, on, part.title), remove);
    row.element = make("div", { class: "unit", role: "group", "aria-label": part.title, "data-part": part.name }, head,
      make("div", { class: "fields" }, ...some(false)),
      part.name === "controls" ? hintOf(row) : null,
      further.length ? make("details", { class: "further" }, make("summary", {}, words.more), make("div", { class: "fields" }, ...further)) : null);
    row.element.classList.toggle("off", !!row.said.off);
    row.listed();
    return row;
  }

  function hintOf(row) {
    const image = make("img", { alt: words.hint_title, hidden: true });
    const told = make("p", { class: "told", role: "status", hidden: true });
    const button = make("button", { type: "button", class: "act hint", onclick: look }, words.hint);
    async function look() {
      button.disabled = true;
      told.hidden = false;
      told.textContent = words.drawing_hint;
      const start = canvas && !row.said.image ? (await easel.canvasValue(canvas))?.picture : null;
      const found = await server.hint({ row: row.said, start }).catch(() => ({ error: words.lost }));
      button.disabled = false;
      image.hidden = !found.picture;
      if (found.picture) image.src = found.picture;
      told.textContent = found.error ?? "";
      told.hidden = !found.error;
      told.classList.toggle("wrong", !!found.error);
    }
    row.onsay.push(() => (image.hidden = true));
    return make("div", { class: "look" }, button, told, image);
  }

  function put(part, said = {}) {
    const place = places[part.name];
    const row = rowOf(part, said);
    place.rows.push(row);
    place.list.append(row.element);
    soon();
    count();
    return row;
  }

  function take(part, row) {
    const place = places[part.name];
    place.rows = place.rows.filter((one) => one !== row);
    row.element.remove();
    place.add.focus();
    changed();
  }

  function count() {
    for (const group of groups) {
      const there = group.parts.reduce((sum, part) => sum + places[part.name].rows.filter((row) => !row.said.off).length, 0);
      sections[group.name].count.textContent = there || "";
      sections[group.name].count.hidden = !there;
      for (const part of group.parts) places[part.name].add.hidden = places[part.name].rows.length >= part.most;
    }
  }

  function rows(given) {
    for (const [part, place] of Object.entries(places)) {
      place.rows = [];
      place.list.replaceChildren();
      for (const said of given?.[part] ?? []) put(parts[part], clean(said));
    }
    for (const group of groups) if (group.parts.some((part) => places[part.name].rows.length)) sections[group.name].element.open = true;
    count();
  }
  const clean = (said) => Object.fromEntries(Object.entries(said).filter(([, value]) => value != null));

  // ---------------------------------------------------------------- kept for this window

  const said = () => Object.fromEntries(Object.entries(places).map(([part, place]) => [part, place.rows.map((row) => row.said)]).filter(([, all]) => all.length));

  function changed() {
    count();
    clearTimeout(saving);
    saving = setTimeout(() => easel.shelf.put({ rows: said() }, SHELF), 300);
  }

  async function arrived() {
    const given = props.value;
    if (given?.rows) rows(given.rows);
    else if (given?.add && parts[given.add.part]) {
      const { part, field, url } = given.add;
      const free = places[part].rows.find((row) => !row.said[field]);
      const last = places[part].rows.at(-1);
      const row = free ?? (places[part].rows.length < parts[part].most ? put(parts[part]) : last);
      row.onpicture[field](await easel.fetched(url));
      const group = groups.find((one) => one.parts.some((each) => each.name === part));
      sections[group.name].element.open = true;
      row.element.scrollIntoView({ block: "nearest" });
    } else return;
    changed();
  }

  // ---------------------------------------------------------------- the page

  root.replaceChildren(...groups.map((group) => {
    const badge = make("span", { class: "badge", hidden: true });
    const made = make("details", { class: "group", "data-group": group.name }, make("summary", {}, make("span", {}, group.title), badge),
      make("p", { class: "note" }, group.note),
      ...group.parts.map((part) => {
        const list = make("div", { class: "rows" });
        const add = make("button", { type: "button", class: "act add", onclick: () => { put(part).element.querySelector("select, input, textarea, button.drop")?.focus(); changed(); } }, `+ ${part.add}`);
        places[part.name] = { list, add, rows: [] };
        return make("div", { class: "part" }, list, add);
      }));
    made.addEventListener("toggle", () => {
      if (!made.open) return;
      asked = null;
      soon();
    });
    sections[group.name] = { element: made, count: badge };
    return made;
  }));
  const restored = (async () => {
    if (props.value?.rows || props.value?.add) return arrived();
    const kept = await easel.shelf.take(SHELF);
    if (!Object.values(places).some((place) => place.rows.length)) rows(kept?.rows ?? begin);
  })();
  watch("value", async () => {
    await restored;
    arrived();
  });
  easel.partsOf = {
    ...easel.partsOf,
    [name]: {
      async value() {
        await restored;
        return said();
      },
      forget: () => easel.shelf.put(null, SHELF),
    },
  };
};
