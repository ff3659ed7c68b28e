// The queue's lists: what runs and waits, looked at while it does, and what has been.
// Asks active, standings, history, cancel, retry and move of queue.py.

easel.queue = (element, trigger, props, server, events) => {
  const { say, make, told, ask, clock, dayName, duration, watched, soon } = easel.listing(element, props, server);
  const QUICK = 1500; // milliseconds between looks at how far jobs are
  const SLOW = 15000; // between looks for jobs that came from elsewhere
  let jobs = []; // what runs and waits, in the order of their turns
  let next = null;
  let asking = 0;
  let timer = 0;
  let lastFull = 0;
  let showing = false;

  // ---- the page

  const mine = make("input", { type: "checkbox", id: "queue-mine", onchange: () => { full(); anew(); } });
  const mineField = make("label", { class: "check", for: "queue-mine", hidden: true }, mine, say("only_mine"));
  const summary = make("p", { class: "summary", role: "status" });
  const list = make("ul", { class: "jobs", role: "list" });
  const search = make("input", { type: "search", id: "queue-search", placeholder: say("search_hint"), oninput: soon(anew) });
  const state = make("select", { id: "queue-state", onchange: anew },
    ...["all", "done", "failed", "cancelled"].map((name) => make("option", { value: name }, say(`show_${name}`))));
  const past = make("ul", { class: "jobs", role: "list" });
  const empty = make("p", { class: "empty", hidden: true });
  const more = make("button", { type: "button", class: "act", hidden: true, onclick: () => page() }, say("more"));
  element.replaceChildren(
    make("div", { class: "bar" }, make("h2", {}, say("now")), summary, mineField),
    told, list,
    make("div", { class: "bar", role: "search" },
      make("h2", {}, say("history")),
      make("label", { class: "field grow", for: "queue-search" }, make("span", {}, say("search")), search),
      make("label", { class: "field", for: "queue-state" }, make("span", {}, say("state")), state)),
    past, empty, more);

  // ---- what runs and waits

  async function full() {
    const answer = await ask("active", { mine: mine.checked });
    lastFull = Date.now();
    if (!answer) return;
    mineField.hidden = !answer.all;
    jobs = answer.jobs;
    draw();
  }

  async function look() {
    clearTimeout(timer);
    if (!showing) return;
    const quick = jobs.length > 0;
    if (!quick || Date.now() - lastFull > SLOW / 2) await full();
    else await standings();
    clearTimeout(timer);
    if (showing) timer = setTimeout(look, jobs.length > 0 ? QUICK : SLOW);
  }

  async function standings() {
    const answer = await ask("standings", { jobs: jobs.map((job) => job.id) });
    if (!answer) return;
    const stirred = jobs.some((job) => answer[job.id]?.state !== job.state);
    const ended = jobs.some((job) => !["queued", "running"].includes(answer[job.id]?.state));
    for (const job of jobs) Object.assign(job, answer[job.id]);
    if (stirred) await full();
    else draw();
    if (ended) freshen();
  }

  function draw() {
    const running = jobs.filter((job) => job.state === "running").length;
    const waiting = jobs.length - running;
    summary.textContent = jobs.length ? say("summary", { running, waiting }) : say("idle");
    const focused = document.activeElement?.dataset?.deed && list.contains(document.activeElement)
      ? [document.activeElement.closest("li").dataset.id, document.activeElement.dataset.deed] : null;
    list.replaceChildren(...jobs.map(row));
    if (focused) {
      const [id, deed] = focused;
      const there = [...list.children].find((one) => one.dataset.id === id);
      (there?.querySelector(`[data-deed="${deed}"]:not(:disabled)`) ?? there?.querySelector("button"))?.focus();
    }
  }

  // ---- what has been

  async function anew() {
    next = null;
    past.replaceChildren();
    await page(true);
  }

  async function page(first = false) {
    const question = ++asking;
    const answer = await ask("history", { ...wishes(), before: first ? null : next });
    if (!answer || question !== asking) return;
    next = answer.next;
    past.append(...answer.jobs.map(row));
    more.hidden = next === null;
    empty.hidden = past.children.length > 0;
    empty.textContent = search.value.trim() || state.value !== "all" ? say("nothing_found") : say("nothing_yet");
  }

  async function freshen() {
    const answer = await ask("history", wishes());
    if (!answer) return;
    const there = new Set([...past.children].map((one) => one.dataset.id));
    past.prepend(...answer.jobs.filter((job) => !there.has(job.id)).map(row));
    empty.hidden = past.children.length > 0;
  }

  function wishes() {
    return { state: state.value, search: search.value.trim(), mine: mine.checked };
  }

  // ---- one job

  function row(job) {
    const size = job.width && job.height ? `${job.width} × ${job.height}` : null;
    const facts = [job.user, job.model, size, job.count > 1 ? say("count", { count: job.count }) : null,
      moment(job.created), job.seconds ? duration(job.seconds) : null].filter(Boolean);
    const small = job.pictures.map((one, at) =>
      make("a", { href: one.picture, target: "_blank", rel: "noopener" },
        make("img", { src: one.small, loading: "lazy", decoding: "async", alt: say("picture", { number: at + 1 }) })));
    if (job.more) small.push(make("span", { class: "more" }, `+${job.more}`));
    return make("li", { "data-id": job.id, class: job.state },
      make("div", { class: "words" },
        make("p", { class: "prompt" }, job.prompt || say("no_words")),
        make("p", { class: "facts" }, facts.join(" · ")),
        job.error ? make("p", { class: "error" }, job.error) : null,
        job.state === "running" ? progress(job) : null,
        small.length ? make("div", { class: "small" }, ...small) : null),
      make("div", { class: "side" },
        make("span", { class: `state ${job.state}` }, job.state === "queued" ? say("place", { place: (job.place ?? 0) + 1 }) : say(`is_${job.state}`)),
        make("div", { class: "deeds" }, ...deeds(job))));
  }

  // When something was: today the time is enough.
  function moment(seconds) {
    const day = (date) => [date.getFullYear(), date.getMonth() + 1, date.getDate()].join("-");
    const then = day(new Date(seconds * 1000));
    return then === day(new Date()) ? clock(seconds) : `${dayName(then)} ${clock(seconds)}`;
  }

  function progress(job) {
    const { step = 0, steps = 0, evaluations = 0, seconds = 0, seconds_left: left = null } = job.progress ?? {};
    const line = [step ? say("step", { step, steps }) : say("beginning"),
      left !== null ? say("left", { time: duration(left) }) : null,
      seconds > 0 && evaluations > 0 ? say("speed", { speed: (evaluations / seconds).toFixed(2) }) : null].filter(Boolean);
    return make("div", { class: "progress" },
      make("progress", { max: steps || 1, value: steps ? step : false, "aria-label": say("progress") }),
      make("span", {}, line.join(" · ")));
  }

  function deeds(job) {
    const deed = (name, label, action, off = false) =>
      make("button", { type: "button", class: "act", "data-deed": name, disabled: off, title: label, onclick: action }, label);
    const made = [];
    if (job.state === "queued") {
      const theirs = jobs.filter((other) => other.state === "queued" && other.whose === job.whose);
      const at = theirs.findIndex((other) => other.id === job.id);
      if (theirs.length > 1) {
        made.push(deed("first", say("first"), () => act("move", { job: job.id, place: 0 }), at === 0));
        made.push(deed("up", say("up"), () => act("move", { job: job.id, place: at - 1 }), at === 0));
        made.push(deed("down", say("down"), () => act("move", { job: job.id, place: at + 1 }), at === theirs.length - 1));
      }
    }
    if (["queued", "running"].includes(job.state)) made.push(deed("cancel", say("cancel"), () => act("cancel", { job: job.id })));
    if (["failed", "cancelled"].includes(job.state)) made.push(deed("retry", say("retry"), () => act("retry", { job: job.id })));
    made.push(deed("settings", say("use"), () => trigger(events.find((event) => event === "to_create"), { job: job.id })));
    return made;
  }

  async function act(name, wishes) {
    if (!(await ask(name, wishes))) return;
    if (name === "retry") [...past.children].find((one) => one.dataset.id === wishes.job)?.remove();
    await full();
    if (name === "cancel") freshen();
    look();
  }

  watched((now) => {
    showing = now;
    clearTimeout(timer);
    if (!now) return;
    full().then(look);
    if (past.children.length) freshen(); else anew();
  });
};
