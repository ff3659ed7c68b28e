// The gallery's grid: pictures by day, more of them as one scrolls; search, favourites, a selection, one picture large.
// Asks pictures, days, about and like of gallery.py.

easel.gallery = (element, trigger, props, server, events) => {
  const { say, make, told, ask, clock, dayName, watched, soon } = easel.listing(element, props, server);
  const keyOf = (one) => `${one.job}/${one.number}`;
  const cells = new Map(); // by key: {one, cell}
  const chosen = new Set();
  let next = null;
  let asking = 0; // counts questions, so that an answer to an old one is left alone
  let busy = false;
  let filled = false;

  // ---- the bar above the grid

  const search = make("input", { type: "search", id: "gallery-search", placeholder: say("search_hint"), oninput: soon(anew) });
  const day = make("select", { id: "gallery-day", onchange: anew });
  const liked = make("button", { type: "button", class: "act", "aria-pressed": "false", onclick: () => {
    liked.setAttribute("aria-pressed", String(!only()));
    anew();
  } }, `★ ${say("favourites")}`);
  const only = () => liked.getAttribute("aria-pressed") === "true";
  const count = make("span", { class: "count", role: "status" });
  const tray = make("div", { class: "tray", hidden: true },
    count,
    make("button", { type: "button", class: "act", onclick: () => likeChosen() }, `★ ${say("like_chosen")}`),
    make("button", { type: "button", class: "act strong", onclick: zip }, say("zip_chosen")),
    make("button", { type: "button", class: "act", onclick: () => unchoose() }, say("unchoose")));
  const bar = make("div", { class: "bar", role: "search" },
    make("label", { class: "field grow", for: "gallery-search" }, make("span", {}, say("search")), search),
    make("label", { class: "field", for: "gallery-day" }, make("span", {}, say("day")), day),
    liked);
  const grid = make("div", { class: "days" });
  const empty = make("p", { class: "empty", hidden: true });
  const end = make("div", { class: "end", "aria-hidden": "true" });
  const keys = make("p", { class: "keys" }, say("keys"));
  element.replaceChildren(bar, told, tray, empty, grid, end, keys);

  // ---- what is shown

  function wishes() {
    return { search: search.value.trim(), liked: only(), day: day.value || null };
  }

  async function anew() {
    const mine = ++asking;
    const answer = await ask("pictures", wishes());
    if (!answer || mine !== asking) return;
    filled = true;
    cells.clear();
    chosen.clear();
    grid.replaceChildren();
    next = answer.next;
    answer.pictures.forEach((one) => put(one));
    const asked = wishes();
    empty.textContent = asked.search || asked.liked || asked.day ? say("nothing_found") : say("nothing_yet");
    empty.hidden = answer.pictures.length > 0;
    keys.hidden = answer.pictures.length === 0;
    recount();
    more();
  }

  // Brings the next page while the end of the grid is near.
  async function more() {
    if (busy || next === null || !near()) return;
    busy = true;
    const mine = asking;
    const answer = await ask("pictures", { ...wishes(), before: next });
    busy = false;
    if (mine !== asking) return more();
    if (!answer) return;
    next = answer.next;
    answer.pictures.forEach((one) => put(one));
    if (next !== null) requestAnimationFrame(() => more());
  }

  const AHEAD = 1200; // pixels below the window in which pictures are already there
  const near = () => element.offsetParent !== null && end.getBoundingClientRect().top < innerHeight + AHEAD;
  new IntersectionObserver(() => more(), { rootMargin: `${AHEAD}px` }).observe(end);

  // Looks for pictures that were finished meanwhile.
  async function refresh() {
    const mine = asking;
    const answer = await ask("pictures", wishes());
    if (!answer || mine !== asking) return;
    const fresh = answer.pictures.filter((one) => !cells.has(keyOf(one)));
    if (fresh.length === 0) return;
    if (fresh.length === answer.pictures.length) return anew();
    fresh.reverse().forEach((one) => put(one, true));
    empty.hidden = true;
    keys.hidden = false;
  }

  async function listDays() {
    const answer = await ask("days");
    if (!answer) return;
    const before = day.value;
    day.replaceChildren(make("option", { value: "" }, say("all_days")),
      ...answer.map((one) => make("option", { value: one.day }, `${dayName(one.day)} (${one.pictures})`)));
    day.value = before;
  }

  function section(one, first) {
    const there = grid.querySelector(`[data-day="${one.day}"]`);
    if (there) return there.querySelector("ul");
    const list = make("ul", { role: "list" });
    const zipped = make("a", { class: "act plain", href: one.zip, download: "" }, say("zip_day"));
    const made = make("section", { "data-day": one.day, "aria-label": dayName(one.day) },
      make("header", {}, make("h3", {}, dayName(one.day)), zipped), list);
    if (first) grid.prepend(made); else grid.append(made);
    return list;
  }

  function put(one, first = false) {
    if (cells.has(keyOf(one))) return;
    const tick = make("input", { type: "checkbox", tabindex: "-1", "aria-label": say("choose"), onchange: () => choose(one, tick.checked) });
    const star = make("button", { type: "button", class: "star", tabindex: "-1", "aria-pressed": String(one.favourite), "aria-label": say("favourite"), title: say("favourite"), onclick: () => like(one) }, "★");
    const link = make("a", { href: one.picture, class: "look", tabindex: cells.size ? "-1" : "0", onclick: (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      open(one);
    } }, make("img", { src: one.small, loading: "lazy", decoding: "async", width: one.width, height: one.height, alt: one.alt || say("picture"), title: one.alt }));
    const who = one.user ? make("span", { class: "who" }, one.user) : null;
    const cell = make("li", { "data-key": keyOf(one), class: one.film ? "film" : "", style: `--ratio: ${(one.width / one.height).toFixed(4)}` }, link, tick, star, who);
    cells.set(keyOf(one), { one, cell, tick, star, link });
    const list = section(one, first);
    if (first) list.prepend(cell); else list.append(cell);
  }

  // ---- favourites and the selection

  async function like(one, on = !one.favourite) {
    const answer = await ask("like", { job: one.job, number: one.number, on });
    if (!answer) return;
    one.favourite = answer.favourite;
    cells.get(keyOf(one))?.star.setAttribute("aria-pressed", String(one.favourite));
    if (large.one === one) drawLike();
  }

  async function likeChosen() {
    const ones = [...chosen].map((key) => cells.get(key).one);
    const on = ones.some((one) => !one.favourite);
    for (const one of ones) if (one.favourite !== on) await like(one, on);
  }

  function choose(one, on) {
    const { tick, cell } = cells.get(keyOf(one));
    tick.checked = on;
    cell.classList.toggle("chosen", on);
    if (on) chosen.add(keyOf(one)); else chosen.delete(keyOf(one));
    recount();
  }

  function unchoose() {
    for (const key of [...chosen]) choose(cells.get(key).one, false);
  }

  function recount() {
    tray.hidden = chosen.size === 0;
    count.textContent = say("chosen", { count: chosen.size });
  }

  // A form of its own, so that the browser saves what comes while it comes.
  function zip() {
    const form = make("form", { method: "post", action: props.zip, hidden: true },
      ...[...chosen].map((value) => make("input", { name: "picture", value })));
    document.body.append(form);
    form.submit();
    form.remove();
  }

  // ---- keys within the grid: one picture has the focus, arrows move it

  const links = () => [...grid.querySelectorAll("a.look")];

  function focusOn(link) {
    grid.querySelectorAll('a.look[tabindex="0"]').forEach((other) => other.setAttribute("tabindex", "-1"));
    link.setAttribute("tabindex", "0");
    link.focus();
    link.scrollIntoView({ block: "nearest" });
  }

  function beside(link, up) {
    const from = link.getBoundingClientRect();
    const middle = from.left + from.width / 2;
    const rows = links().map((other) => ({ other, box: other.getBoundingClientRect() }))
      .filter(({ box }) => (up ? box.bottom <= from.top + 2 : box.top >= from.bottom - 2));
    const away = ({ box }) => Math.abs(up ? box.bottom - from.top : box.top - from.bottom);
    const least = Math.min(...rows.map(away));
    const off = ({ box }) => Math.abs(box.left + box.width / 2 - middle);
    return rows.filter((row) => away(row) < least + 8).sort((a, b) => off(a) - off(b))[0]?.other;
  }

  grid.addEventListener("keydown", (event) => {
    const link = event.target.closest?.("a.look");
    if (!link || event.ctrlKey || event.metaKey || event.altKey) return;
    const { one } = cells.get(link.parentElement.dataset.key);
    const all = links();
    const at = all.indexOf(link);
    const moves = {
      ArrowRight: () => all[at + 1], ArrowLeft: () => all[at - 1], Home: () => all[0], End: () => all[all.length - 1],
      ArrowDown: () => beside(link, false), ArrowUp: () => beside(link, true),
    };
    const deeds = { " ": () => choose(one, !chosen.has(keyOf(one))), f: () => like(one), F: () => like(one) };
    const move = moves[event.key];
    const deed = deeds[event.key];
    if (!move && !deed) return;
    event.preventDefault();
    if (deed) return deed();
    const to = move();
    if (to) focusOn(to);
  });

  // ---- one picture, large

  const large = { one: null, file: "" };
  const image = make("img", { alt: "" });
  const video = make("video", { controls: true, loop: true, muted: true, autoplay: true, playsinline: true, hidden: true });
  const facts = make("p", { class: "facts" });
  const infotext = make("pre", { tabindex: "0", "aria-label": say("infotext") });
  const star = make("button", { type: "button", class: "act", "aria-pressed": "false", onclick: () => like(large.one) });
  const save = make("a", { class: "act", download: "" }, say("save"));
  const film = make("button", { type: "button", class: "act", onclick: () => show(film.getAttribute("aria-pressed") !== "true") }, `▶ ${say("film")}`);
  const copy = make("button", { type: "button", class: "act", onclick: async () => {
    await navigator.clipboard?.writeText(infotext.textContent);
    copy.textContent = say("copied");
    setTimeout(() => (copy.textContent = say("copy")), 1500);
  } }, say("copy"));
  const sends = props.targets.map(({ name, label }) => make("button", { type: "button", class: "act", onclick: () => {
    const { job, number } = large.one;
    dialog.close();
    trigger(events.find((event) => event === `to_${name}`), { job, number });
  } }, label));
  const sending = make("div", { class: "row" }, make("span", { class: "label" }, say("send_to")), ...sends);
  const dialog = make("dialog", { class: "gallery-large", "aria-label": say("large") },
    make("div", { class: "stage" }, image,
      make("button", { type: "button", class: "turn before", "aria-label": say("before"), onclick: () => turn(-1) }, "‹"),
      make("button", { type: "button", class: "turn after", "aria-label": say("after"), onclick: () => turn(1) }, "›"),
      video),
    make("aside", {}, make("div", { class: "row" }, star, film, save, copy,
      make("button", { type: "button", class: "act", onclick: () => dialog.close() }, say("close"))),
      sending, facts, infotext));
  element.append(dialog);

  function drawLike() {
    star.setAttribute("aria-pressed", String(large.one.favourite));
    star.textContent = `★ ${say("favourite")}`;
  }

  // A clip's first frame stands for its film, which comes first.
  function show(moving) {
    const { one } = large;
    const played = moving && one.format === "mp4";
    if (!played && document.activeElement === video) star.focus(); // keys go on working
    film.setAttribute("aria-pressed", String(moving));
    image.hidden = played;
    video.hidden = !played;
    video.setAttribute("aria-label", one.alt || say("film"));
    played ? (video.src = one.film) : video.removeAttribute("src");
    if (!played) image.src = moving ? one.film : one.picture;
    save.href = moving ? one.film : one.picture;
    name();
  }

  function name() {
    const { one, file } = large;
    save.download = film.getAttribute("aria-pressed") === "true" ? `${one.job}-film.${one.format}` : file;
  }

  async function open(one) {
    Object.assign(large, { one, file: "" });
    image.alt = one.alt;
    image.width = one.width;
    image.height = one.height;
    film.hidden = !one.film;
    show(!!one.film);
    infotext.textContent = "";
    facts.textContent = `${one.width} × ${one.height} · ${dayName(one.day)} ${clock(one.created)}`;
    drawLike();
    if (!dialog.open) dialog.showModal();
    const answer = await ask("about", { job: one.job, number: one.number });
    if (!answer || large.one !== one) return;
    infotext.textContent = answer.infotext;
    large.file = answer.file;
    name();
  }

  function turn(step) {
    const ones = [...cells.values()].map(({ one }) => one);
    const order = links().map((link) => cells.get(link.parentElement.dataset.key).one);
    const to = (order.length ? order : ones)[order.indexOf(large.one) + step];
    if (to) open(to);
    if (order.length - order.indexOf(large.one) < 12) more();
  }

  dialog.addEventListener("keydown", (event) => {
    if (event.target.closest("pre") && event.key.startsWith("Arrow")) return;
    const deed = { ArrowLeft: () => turn(-1), ArrowRight: () => turn(1), f: () => like(large.one), F: () => like(large.one) }[event.key];
    if (!deed || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    deed();
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener("close", () => {
    video.removeAttribute("src");
    const there = large.one && cells.get(keyOf(large.one));
    if (there) focusOn(there.link);
  });

  watched((showing) => {
    if (!showing) return;
    listDays();
    if (filled) refresh(); else anew();
  });
};
