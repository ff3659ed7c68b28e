// The panel of results: follows the jobs of this window, shows and chooses their pictures. One for each tab that draws.
(() => {
  const KEPT = 60; // jobs that a window remembers for each tab
  const ENDED = ["done", "failed", "cancelled"];
  const thumb = (picture) => `/files/small/${encodeURIComponent(picture.job)}/${picture.number}`;
  const full = (picture) => `/v1/jobs/${encodeURIComponent(picture.job)}/${picture.film ? "film" : `pictures/${picture.number}`}`;
  const key = (picture) => `${picture.job}/${picture.film ? "film" : picture.number}`;
  const shownOf = ({ id: job, film, done = [] }) => [...(film ? done.slice(0, 1).map((one) => ({ ...one, job, film })) : []), ...done.map((one) => ({ ...one, job }))]; // a clip's film is before its frames

  easel.results = (element, trigger, props, watch, { name, events, words, examples }) => {
    const { make, say } = easel;
    const word = (key, values) => say(words[`results.${key}`], values);
    const root = element.querySelector(".results");
    const memory = `results.${name}`;
    const state = { jobs: easel.recall(memory, []), view: null, chosen: new Set(), source: null, followed: null };

    // The parts of the panel, made once.
    const bar = make("progress", { max: 1, value: 0, "aria-label": word("progress") });
    const told = make("p", { class: "told", role: "status" });
    const stop = make("button", { class: "act stop", type: "button", title: word("stop_title"), onclick: () => interrupt() }, word("stop"));
    const running = make("div", { class: "running", hidden: true }, make("div", { class: "how" }, bar, told), stop);
    const wrong = make("p", { class: "wrong", role: "alert", hidden: true });
    const image = make("img", { alt: "", hidden: true });
    const link = make("a", { target: "_blank", rel: "noopener", title: word("open"), hidden: true }, image);
    const video = make("video", { controls: true, loop: true, muted: true, autoplay: true, playsinline: true, hidden: true });
    const live = make("img", { class: "live", alt: word("live"), hidden: true });
    const empty = make("div", { class: "empty" }, make("p", { class: "head" }, word("empty_head")), make("p", {}, word(examples.length ? "try" : "empty")),
      ...examples.map((one) => make("button", { class: "act", type: "button", onclick: () => easel.fill(document.querySelector(`#${name}-prompt textarea`), one) }, one)));
    const stage = make("div", { class: "stage" }, empty, link, video, live);
    const save = make("a", { class: "act", download: "" }, word("save"));
    const copy = make("button", { class: "act", type: "button", onclick: () => copied() }, word("copy"));
    const sends = events.filter((one) => one.startsWith("to_")).map((one) =>
      make("button", { class: "act", type: "button", onclick: () => trigger(one, state.view) }, words[`tab.${one.slice(3)}`]));
    const acts = make("div", { class: "acts", hidden: true }, save, copy, make("span", { class: "to" }, word("send")), ...sends);
    const infotext = make("pre", { tabindex: 0, "aria-label": word("settings") });
    const facts = make("details", { class: "facts", hidden: true }, make("summary", {}, word("settings")), infotext);
    const enlarge = events.includes("enlarge_chosen")
      ? make("button", { class: "act strong", type: "button", title: "E", onclick: () => enlarged() }, word("enlarge", { count: 0 }))
      : null;
    const all = make("button", { class: "act", type: "button", onclick: () => chooseAll() }, word("all"));
    const clear = make("button", { class: "act", type: "button", onclick: () => forget() }, word("clear"));
    const hint = make("span", { class: "hint" }, word(enlarge ? "keys_choose" : "keys"));
    const tools = make("div", { class: "tools", hidden: true }, enlarge, enlarge ? all : null, clear, hint);
    const grid = make("div", { class: "grid", role: "listbox", "aria-label": word("pictures"), "aria-multiselectable": enlarge ? "true" : "false" });
    root.replaceChildren(running, wrong, stage, acts, facts, tools, grid);

    const pictures = () => state.jobs.flatMap(shownOf);
    const titleOf = (picture) => word(picture.film ? "film" : "picture", { seed: picture.seed });
    const waiting = () => state.jobs.filter((job) => !ENDED.includes(job.state));
    const remember = () => {
      state.jobs = [...waiting(), ...state.jobs.filter((job) => ENDED.includes(job.state)).slice(0, KEPT)];
      easel.keep(memory, state.jobs.map(({ id, state, done, film, started }) => ({ id, state, done, film, started })));
    };

    function drawGrid() {
      const shown = pictures();
      const known = new Map([...grid.children].map((one) => [one.dataset.key, one]));
      const tiles = shown.map((picture) => {
        const old = known.get(key(picture));
        if (old) return old;
        const tile = make("button", { class: "tile", role: "option", type: "button", tabindex: -1, "aria-selected": "false", "aria-label": titleOf(picture) },
          make("img", { src: thumb(picture), loading: "lazy", alt: "", draggable: "false" }));
        tile.dataset.key = key(picture);
        tile.classList.toggle("film", !!picture.film);
        tile.addEventListener("click", (event) => (event.ctrlKey || event.metaKey || event.shiftKey ? choose(picture) : look(picture)));
        return tile;
      });
      if (tiles.length !== grid.children.length || tiles.some((tile, place) => grid.children[place] !== tile)) grid.replaceChildren(...tiles);
      tools.hidden = !shown.length;
      mark();
    }

    function mark() {
      const shown = pictures();
      const keys = new Set(shown.map(key));
      state.chosen = new Set([...state.chosen].filter((one) => keys.has(one)));
      for (const tile of grid.children) {
        const inView = state.view && tile.dataset.key === key(state.view);
        const chosen = state.chosen.has(tile.dataset.key);
        tile.classList.toggle("in-view", !!inView);
        tile.classList.toggle("chosen", chosen);
        tile.setAttribute("aria-selected", String(enlarge ? chosen : !!inView));
        tile.tabIndex = inView || (!state.view && tile === grid.firstChild) ? 0 : -1;
      }
      if (enlarge) {
        enlarge.textContent = word("enlarge", { count: state.chosen.size });
        enlarge.disabled = !state.chosen.size;
      }
    }

    async function look(picture, focus = false) {
      state.view = picture && { job: picture.job, number: picture.number, film: picture.film };
      const some = !!picture;
      empty.hidden = some || !live.hidden;
      const moving = picture?.film === "mp4";
      link.hidden = image.hidden = !some || moving;
      acts.hidden = facts.hidden = !some;
      video.hidden = !moving;
      moving ? (video.src = full(picture)) : video.removeAttribute("src");
      if (some) {
        live.hidden = true;
        link.href = save.href = full(picture);
        if (!moving) image.src = full(picture);
        image.alt = titleOf(picture);
        video.setAttribute("aria-label", titleOf(picture));
        infotext.textContent = picture.infotext ?? "";
        save.download = `${picture.job}-${picture.film ? `film.${picture.film}` : `${picture.number}.png`}`;
      }
      mark();
      document.dispatchEvent(new CustomEvent("easel:view", { detail: { tab: name, picture: state.view } }));
      if (focus) [...grid.children].find((one) => one.dataset.key === key(picture))?.focus();
      if (some && picture.infotext === undefined) {
        const job = await asked(picture.job);
        const found = job?.pictures?.[picture.number];
        if (found && state.view && key(state.view) === key(picture)) infotext.textContent = found.infotext;
      }
    }

    function choose(picture) {
      if (!enlarge || picture.film) return look(picture);
      const one = key(picture);
      state.chosen.has(one) ? state.chosen.delete(one) : state.chosen.add(one);
      mark();
    }

    function chooseAll() {
      const shown = pictures().filter((one) => !one.film).map(key);
      state.chosen = new Set(shown.every((one) => state.chosen.has(one)) ? [] : shown);
      mark();
    }

    function enlarged() {
      const chosen = pictures().filter((one) => state.chosen.has(key(one))).map(({ job, number }) => ({ job, number }));
      if (chosen.length) trigger("enlarge_chosen", { pictures: chosen });
      state.chosen.clear();
      mark();
    }

    function forget() {
      state.jobs = waiting();
      remember();
      look(null);
      drawGrid();
    }

    async function copied() {
      await navigator.clipboard?.writeText(infotext.textContent);
      copy.textContent = word("copied");
      setTimeout(() => (copy.textContent = word("copy")), 1500);
    }

    grid.addEventListener("keydown", (event) => {
      const shown = pictures();
      const at = shown.findIndex((one) => state.view && key(one) === key(state.view));
      const columns = Math.max(1, getComputedStyle(grid).gridTemplateColumns.split(" ").length);
      const moves = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, Home: -at, End: shown.length - 1 - at };
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key in moves) look(shown[Math.min(Math.max(at + moves[event.key], 0), shown.length - 1)], true);
      else if (event.key === " " && enlarge) choose(shown[at < 0 ? 0 : at]);
      else if (event.key === "Enter" && at >= 0) open(full(shown[at]), "_blank", "noopener");
      else if (event.key.toLowerCase() === "a" && enlarge) chooseAll();
      else if (event.key.toLowerCase() === "e" && enlarge) enlarged();
      else return;
      event.preventDefault();
    });

    // What is told of those that are not done.
    function drawRunning() {
      const left = waiting();
      running.hidden = !left.length;
      if (!left.length) {
        live.hidden = true;
        return;
      }
      const of = state.jobs.filter((job) => job.started === left[0].started);
      const ended = of.filter((job) => ENDED.includes(job.state)).length;
      const now = left.find((job) => job.id === state.followed) ?? left[0];
      const parts = of.length > 1 ? [word("done_of", { done: ended, all: of.length })] : [];
      if (now.state === "running" && now.steps) {
        parts.push(word("step", { step: now.step, steps: now.steps }));
        if (now.step && now.seconds) parts.push(word("pace", { pace: (now.step / now.seconds).toFixed(1) }));
        if (now.left != null) parts.push(word("left", { seconds: Math.max(1, Math.round(now.left)) }));
      } else if (now.state === "running") parts.push(word("loading"));
      else parts.push(now.ahead ? word("ahead", { count: now.ahead }) : word("next"));
      told.textContent = parts.join(" · ");
      bar.value = (ended + (now.steps ? now.step / now.steps : 0)) / of.length;
    }

    async function asked(id) {
      try {
        const answer = await fetch(`/v1/jobs/${encodeURIComponent(id)}`);
        return answer.status === 404 ? { state: "gone" } : answer.ok ? await answer.json() : null;
      } catch {
        return null;
      }
    }

    function settle(job, told) {
      if (told.state === "gone") {
        state.jobs = state.jobs.filter((one) => one !== job);
        return;
      }
      job.state = told.state;
      job.film = told.film && told.request.motion.format;
      job.done = told.pictures.map(({ number, seed, width, height, infotext }) => ({ number, seed, width, height, infotext }));
      if (told.state === "failed") complain(easel.say(words[`error.${told.error?.kind}`] ?? "{message}", told.error ?? {}));
    }

    function complain(message) {
      wrong.textContent = message ?? "";
      wrong.hidden = !message;
    }

    // One stream at a time, so that many windows of one browser have room; the others are asked when it has ended.
    function follow() {
      if (state.source) return;
      const job = waiting().at(-1);
      if (!job) return;
      state.followed = job.id;
      const source = (state.source = new EventSource(`/v1/jobs/${encodeURIComponent(job.id)}/events`));
      const on = (kind, act) => source.addEventListener(kind, (event) => {
        act(JSON.parse(event.data));
        drawRunning();
      });
      on("queued", ({ ahead }) => Object.assign(job, { state: "queued", ahead, step: 0, steps: 0 }));
      on("began", () => Object.assign(job, { state: "running", step: 0, steps: 0 }));
      on("progress", ({ step, steps, seconds, seconds_left }) => Object.assign(job, { state: "running", step, steps, seconds, left: seconds_left }));
      on("preview", ({ media_type, image: data }) => {
        live.src = `data:${media_type};base64,${data}`;
        live.hidden = false;
        link.hidden = video.hidden = empty.hidden = true;
      });
      on("ended", (told) => {
        close();
        settle(job, told);
        catchUp(job);
      });
      source.onerror = async () => {
        if (source.readyState !== EventSource.CLOSED) {
          told.textContent = word("lost");
          return; // the browser connects again
        }
        close();
        const found = await asked(job.id);
        if (found) settle(job, found);
        found ? catchUp(job) : setTimeout(follow, 3000);
      };
    }

    function close() {
      state.source?.close();
      state.source = null;
    }

    async function catchUp(ended) {
      for (const job of waiting()) {
        if (job.ahead) continue;
        const found = await asked(job.id);
        if (found && (ENDED.includes(found.state) || found.state === "gone")) settle(job, found);
      }
      remember();
      drawGrid();
      drawRunning();
      const first = pictures().find((one) => one.job === ended.id);
      if (first && (!state.view || !waiting().length || !live.hidden)) look(first);
      follow();
      document.dispatchEvent(new CustomEvent("easel:ended", { detail: { tab: name } }));
    }

    async function interrupt() {
      stop.disabled = true;
      for (const job of waiting()) {
        const answer = await fetch(`/v1/jobs/${encodeURIComponent(job.id)}/cancel`, { method: "POST" }).catch(() => null);
        if (answer?.ok && job.id !== state.followed) settle(job, await answer.json());
      }
      stop.disabled = false;
      drawRunning();
    }

    watch("value", () => {
      const fresh = (props.value?.jobs ?? []).filter((job) => !state.jobs.some((one) => one.id === job.id));
      if (!fresh.length) return;
      complain("");
      const started = Date.now();
      state.jobs = [...fresh.map(({ id }) => ({ id, state: "queued", started })).reverse(), ...state.jobs];
      remember();
      drawRunning();
      follow();
    });

    root.easel = { seed: () => pictures().find((one) => state.view && key(one) === key(state.view))?.seed };
    drawGrid();
    drawRunning();
    const first = pictures()[0];
    if (first) look(first);
    follow();
  };
})();
