// Grids and comparisons. A grid is kept in this window as its ids and labels (ui/plots.py); how its cells stand, the
// server says when it is asked. Asks cells, halt and compare of explore.py.
(() => {
  const PAUSE = 700; // milliseconds between two questions while cells are being drawn
  const PATIENCE = 4000; // after an answer that did not come
  const coded = encodeURIComponent;
  const full = (id) => `/v1/jobs/${coded(id)}/pictures/0`;
  const small = (id) => `/files/small/${coded(id)}/0`;
  const ended = ([state]) => !["queued", "running"].includes(state);
  const heading = ({ label }, value) => (!label || label.startsWith("Prompt") ? value : `${label}: ${value}`);

  easel.plot = (element, trigger, props, server, watch, { words, events, films }) => {
    const { make } = easel;
    const word = (key, values) => easel.say(words[key], values);
    let plot = easel.recall("plot", null);
    let cells = [];
    let ids = [];
    let boxes = [];
    let view = null;
    let timer = 0;

    const bar = make("progress", { max: 1, value: 0, "aria-label": word("progress") });
    const told = make("p", { class: "told", role: "status" });
    const stop = make("button", { class: "stop", type: "button", onclick: () => halt() }, word("stop"));
    const running = make("div", { class: "running", hidden: true }, make("div", { class: "how" }, bar, told), stop);
    const wrong = make("p", { class: "wrong", role: "alert", hidden: true });
    const empty = make("div", { class: "stage" }, make("div", { class: "empty" }, make("p", {}, word("empty"))));
    const sheets = make("div", { class: "sheets" });
    const image = make("img", { alt: "" });
    const link = make("a", { class: "large", target: "_blank", rel: "noopener" }, image);
    const sends = events.map((one) => make("button", { class: "act", type: "button", onclick: () => trigger(one, { job: view, number: 0 }) }, words[`tab.${one.slice(3)}`]));
    const looked = make("div", { class: "looked", hidden: true }, link, make("div", { class: "acts" }, make("span", { class: "to" }, word("send")), ...sends));
    const format = make("select", { "aria-label": word("format") }, ...films.map((one) => make("option", { value: one }, one.toUpperCase())));
    const fps = make("input", { type: "number", min: 0.1, max: 60, step: 0.1, value: 4, id: "plot-fps" });
    const bounce = make("input", { type: "checkbox", id: "plot-bounce" });
    const film = make("div", { class: "film" },
      make("button", { class: "act", type: "button", onclick: () => made("film") }, word("film")), format,
      make("label", { for: "plot-fps" }, word("fps"), fps), make("label", { for: "plot-bounce" }, bounce, word("bounce")));
    const making = make("div", { class: "acts making", hidden: true },
      make("button", { class: "act", type: "button", onclick: () => made("sheet") }, word("sheet")), film);
    const files = make("div", { class: "files" });
    const root = make("div", { class: "results plot" }, running, wrong, empty, sheets, making, files, looked);
    element.replaceChildren(root);

    const complain = (line) => {
      wrong.textContent = line ?? "";
      wrong.hidden = !line;
    };

    function lay() {
      cells = [];
      view = null;
      looked.hidden = true;
      files.replaceChildren();
      empty.hidden = !!plot;
      const { x, y, z } = plot ?? { x: { values: [] }, y: { values: [] }, z: { values: [] } };
      ids = Array.from({ length: x.values.length * y.values.length * z.values.length }, (_, cell) => `${plot.stem}.${cell}`);
      boxes = ids.map((id, cell) => make("div", { class: "box", "data-state": "" }));
      const size = x.values.length * y.values.length;
      sheets.replaceChildren(...z.values.map((value, sheet) => {
        const row = (label, line) => make("tr", {}, y.label ? make("th", { scope: "row" }, heading(y, label)) : null,
          ...x.values.map((_, column) => make("td", {}, boxes[sheet * size + line * x.values.length + column])));
        const head = make("tr", {}, y.label ? make("td", {}) : null, ...x.values.map((one) => make("th", { scope: "col" }, heading(x, one))));
        return make("figure", {}, z.label ? make("figcaption", {}, heading(z, value)) : null,
          make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": z.label ? heading(z, value) : word("grid") },
            make("table", {}, make("thead", {}, head), make("tbody", {}, ...y.values.map(row)))));
      }));
      const varied = plot ? [x, y, z].filter((one) => one.values.length > 1).length : 0;
      film.hidden = varied > 1 || ids.length < 2;
      making.hidden = true;
    }

    function named(cell) {
      const { x, y, z } = plot;
      const column = cell % x.values.length;
      const line = Math.floor(cell / x.values.length) % y.values.length;
      const sheet = Math.floor(cell / (x.values.length * y.values.length));
      return [[x, column], [y, line], [z, sheet]].filter(([one]) => one.label).map(([one, at]) => heading(one, one.values[at])).join(", ");
    }

    function show(fresh) {
      fresh.forEach(([state, share], cell) => {
        const box = boxes[cell];
        const [before] = cells[cell] ?? [];
        if (state === "done") {
          if (before === "done") return;
          const button = make("button", { type: "button", class: "cell", title: named(cell), onclick: () => look(cell) },
            make("img", { src: small(ids[cell]), loading: "lazy", alt: named(cell), draggable: "false" }));
          box.replaceChildren(button);
        } else {
          const line = state === "running" ? `${Math.round(share * 100)} %` : word({ queued: "waiting" }[state] ?? state);
          if (box.textContent !== line) box.replaceChildren(make("span", {}, line));
        }
        box.dataset.state = state;
      });
      cells = fresh;
      const done = cells.filter(([state]) => state === "done").length;
      const over = cells.every(ended);
      const share = cells.reduce((sum, [state, part]) => sum + (ended([state]) ? 1 : part), 0) / cells.length;
      bar.value = share;
      stop.hidden = over;
      running.hidden = over && done === cells.length;
      told.textContent = word(!over ? "going" : "stopped", { done, all: cells.length });
      making.hidden = !(over && done === cells.length);
      return over;
    }

    async function look(cell) {
      view = ids[cell];
      image.src = link.href = full(view);
      image.alt = named(cell);
      looked.hidden = false;
      for (const box of boxes) box.classList.toggle("in-view", box === boxes[cell]);
      looked.scrollIntoView({ block: "nearest", behavior: "smooth" });
    }

    async function poll() {
      clearTimeout(timer);
      if (!plot) return;
      const asked = plot;
      const answer = await server.cells({ plot }).catch(() => null);
      if (asked !== plot) return;
      if (!answer) {
        told.textContent = word("lost");
        timer = setTimeout(poll, PATIENCE);
        return;
      }
      if (answer.error) return complain(answer.error);
      complain(answer.errors.join("\n"));
      if (!show(answer.cells)) timer = setTimeout(poll, document.hidden ? PATIENCE : PAUSE);
    }

    async function halt() {
      const answer = await server.halt({ plot }).catch(() => null);
      if (answer?.error) complain(answer.error);
      poll();
    }

    async function bytes(path, wishes) {
      const answer = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ plot, ...wishes }) });
      if (answer.ok) return answer.blob();
      const said = await answer.json().catch(() => null);
      throw new Error(said?.error?.message ?? word("lost"));
    }

    async function made(what) {
      complain("");
      making.classList.add("busy");
      try {
        const wishes = what === "film"
          ? [{ format: format.value, fps: Number(fps.value), bounce: bounce.checked }]
          : plot.z.values.map((_, z) => ({ z }));
        const shown = [];
        for (const [place, wish] of wishes.entries()) {
          const blob = await bytes(`/files/plots/${what}`, wish);
          const url = URL.createObjectURL(blob);
          const name = `grid-${plot.seed}${wishes.length > 1 ? `-${place + 1}` : ""}.${what === "film" ? wish.format : "png"}`;
          const seen = blob.type === "video/mp4"
            ? make("video", { src: url, controls: true, loop: true, autoplay: true, muted: true, playsinline: true })
            : make("img", { src: url, alt: word(what) });
          shown.push(make("figure", {}, seen, make("a", { class: "act", href: url, download: name }, `${word("save")} ${name}`)));
        }
        files.replaceChildren(...shown);
        files.scrollIntoView({ block: "nearest", behavior: "smooth" });
      } catch (error) {
        complain(error.message);
      }
      making.classList.remove("busy");
    }

    watch("value", () => {
      if (!props.value?.stem || props.value.stem === plot?.stem) return;
      plot = props.value;
      easel.keep("plot", plot);
      complain("");
      lay();
      poll();
    });
    lay();
    poll();
  };

  easel.compare = (element, props, server, watch, { words }) => {
    const { make } = easel;
    const word = (key, values) => easel.say(words[key], values);
    const slots = ["first", "second"].map(slot);
    const wrong = make("p", { class: "wrong", role: "alert", hidden: true });
    const place = make("div", { class: "place" }, make("p", { class: "note" }, word("drop_two")));
    element.replaceChildren(make("div", { class: "results compare" }, make("div", { class: "slots" }, ...slots.map((one) => one.root)), wrong, place));

    function slot(name) {
      const chooser = make("input", { type: "file", accept: "image/png,image/jpeg,image/webp", id: `compare-${name}` });
      const image = make("img", { alt: "", hidden: true });
      const root = make("label", { class: "slot", for: `compare-${name}` }, make("span", { class: "name" }, word(name)), image, chooser);
      const made = { name, root, url: "", data: "" };
      made.take = async (blob) => {
        if (made.url) URL.revokeObjectURL(made.url);
        made.url = image.src = URL.createObjectURL(blob);
        made.data = await easel.asUrl(blob);
        image.hidden = false;
        compare();
      };
      made.open = async (url) => {
        const answer = await fetch(url);
        if (answer.ok) await made.take(await answer.blob());
      };
      chooser.addEventListener("change", () => chooser.files[0] && made.take(chooser.files[0]));
      root.addEventListener("dragover", (event) => event.preventDefault());
      root.addEventListener("drop", (event) => {
        event.preventDefault();
        const [file] = event.dataTransfer.files;
        const url = event.dataTransfer.getData("text/uri-list");
        if (file) made.take(file);
        else if (url && new URL(url, location.href).origin === location.origin) made.open(url);
      });
      return made;
    }

    async function compare() {
      const [first, second] = slots;
      if (!first.data || !second.data) return;
      const answer = await server.compare({ first: first.data, second: second.data }).catch(() => ({ error: word("lost") }));
      wrong.textContent = answer.error ?? "";
      wrong.hidden = !answer.error;
      if (answer.error) return;
      const cell = (parts, side) => make("td", {}, ...parts.filter(([whose]) => whose === "both" || whose === side)
        .map(([whose, text]) => (whose === "both" ? text : make("mark", {}, text))));
      const rows = answer.rows.map(({ name, parts }) => make("tr", {}, make("th", { scope: "row" }, name), cell(parts, "first"), cell(parts, "second")));
      const head = make("tr", {}, ...[word("setting"), word("first"), word("second")].map((one) => make("th", { scope: "col" }, one)));
      const same = make("details", {}, make("summary", {}, answer.same_line), make("dl", {}, ...answer.same.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)])));
      place.replaceChildren(...[
        make("p", { class: "verdict", role: "status" }, answer.verdict),
        easel.slider({ before: first.url, after: second.url, names: [word("first"), word("second")], moves: word("slider") }),
        rows.length ? make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": word("setting") }, make("table", { class: "settings" }, make("thead", {}, head), make("tbody", {}, ...rows))) : null,
        answer.same.length ? same : null,
        answer.same.length || rows.length ? null : make("p", { class: "note" }, word("nothing_told")),
      ].filter(Boolean));
    }

    // A picture that another tab sent takes the first free place, or the second.
    const sent = () => {
      const url = props.value?.open;
      if (url) (slots.find((one) => !one.data) ?? slots[1]).open(url);
    };
    watch("value", sent);
    sent();
  };
})();
