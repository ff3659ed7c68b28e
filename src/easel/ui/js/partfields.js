// The fields of js/parts.js' rows by their kinds: each is made of (row, field) and is an element. A row has `said`, its
// values; say(field, value); and lists of functions, onlists and onsay, called when lists come and when anything is said.
easel.partFields = ({ name, words, parts, lists, usual }) => {
  const { make } = easel;
  const entriesOf = (field) => lists()?.lists?.[field.of] ?? [];
  const LONG = { words: true, picture: true, pictures: true, options: true };

  function labelled(field, input, ...more) {
    const info = field.info ? make("small", {}, field.info) : null;
    const made = make("label", { class: `one ${field.kind}` }, make("span", { class: "label" }, field.label), input, ...more, info);
    made.classList.toggle("long", !!LONG[field.kind]);
    return made;
  }

  const MAKERS = {
    choice(row, field) {
      const box = make("select", {}, ...field.choices.map(([value, shown]) => make("option", { value }, shown)));
      box.value = usual(row, field);
      box.onchange = () => row.say(field, box.value);
      return labelled(field, box);
    },

    list(row, field) {
      const box = make("select");
      const note = make("small", { class: "lacks", hidden: true });
      const made = labelled(field, box, note);
      box.onchange = () => {
        row.say(field, box.value);
        told();
      };
      const told = () => {
        const entry = entriesOf(field).find((one) => one.value === box.value);
        note.textContent = entry?.lacks ? words.lacks : !entriesOf(field).length && lists() && !field.empty ? lists().none[field.of] ?? "" : "";
        note.hidden = !note.textContent;
      };
      row.onlists.push(() => {
        const entries = entriesOf(field);
        const options = entries.map((one) => make("option", { value: one.value, title: one.note ?? "" }, one.note ? `${one.name} · ${one.note}` : one.name));
        const names = [...new Set(entries.map((one) => one.group).filter(Boolean))];
        const grouped = names.length > 1
          ? names.map((group) => make("optgroup", { label: group }, ...options.filter((_, at) => entries[at].group === group)))
          : options;
        const none = field.empty ? [make("option", { value: "" }, field.name === "model" && row.part === "controls" ? words.none : words.auto)] : [];
        let value = usual(row, field);
        if (value == null && field.first && entries.length) row.said[field.name] = value = entries[0].value;
        const stranger = value && !entries.some((one) => one.value === value) ? [make("option", { value }, value)] : [];
        box.replaceChildren(...none, ...grouped, ...stranger);
        box.value = value ?? "";
        told();
      });
      return made;
    },

    range(row, field) {
      const from = { min: field.least, max: field.greatest, step: field.step };
      const bar = make("input", { type: "range", ...from, "aria-label": field.label, tabindex: 0 });
      const box = make("input", { type: "number", ...from, "aria-label": field.label });
      bar.value = box.value = usual(row, field);
      bar.oninput = () => row.say(field, Number((box.value = bar.value)));
      box.onchange = () => row.say(field, Number((bar.value = box.value)));
      const made = make("div", { class: "one range" }, make("span", { class: "label" }, field.label), make("div", { class: "pair" }, bar, box), field.info ? make("small", {}, field.info) : null);
      return made;
    },

    number(row, field) {
      const box = make("input", { type: "number", min: field.least, max: field.greatest, step: field.step, placeholder: field.value ?? words.auto });
      box.value = row.said[field.name] ?? "";
      box.onchange = () => row.say(field, box.value === "" ? null : Number(box.value));
      return labelled(field, box);
    },

    text(row, field) {
      const box = make("input", { type: "text" });
      box.value = usual(row, field) ?? "";
      box.oninput = () => row.say(field, box.value);
      return labelled(field, box);
    },

    words(row, field) {
      const box = make("textarea", { rows: 2 });
      box.value = usual(row, field) ?? "";
      box.oninput = () => row.say(field, box.value);
      return labelled(field, box);
    },

    check(row, field) {
      const box = make("input", { type: "checkbox" });
      box.checked = !!usual(row, field);
      box.onchange = () => row.say(field, box.checked);
      return make("label", { class: "one check" }, box, make("span", { class: "label" }, field.label), field.info ? make("small", {}, field.info) : null);
    },

    colour(row, field) {
      const box = make("input", { type: "color" });
      box.value = usual(row, field);
      box.oninput = () => row.say(field, box.value);
      return labelled(field, box);
    },

    picture: (row, field) => pictureField(row, field, () => [row.said[field.name]].filter(Boolean), (urls) => row.say(field, urls.at(-1) ?? null), false),
    pictures: (row, field) => pictureField(row, field, () => row.said[field.name] ?? [], (urls) => row.say(field, urls), true),

    names: (row, field) => MAKERS.text(row, field),

    // The options of what another field has chosen.
    options(row, field) {
      const made = make("div", { class: "one long options" });
      let shown = "";
      const fill = () => {
        const chosen = usual(row, parts[row.part].fields.find((one) => one.name === field.of));
        const entry = lists()?.lists?.preprocessors?.find((one) => one.value === chosen);
        if (shown && shown !== chosen) delete row.said[field.name];
        shown = chosen;
        made.replaceChildren(...(entry?.options ?? []).map((one) => {
          const whole = Number.isInteger(one.value) && Number.isInteger(one.greatest);
          const box = make("input", { type: "number", min: one.least, max: one.greatest, step: whole ? 1 : 0.01, placeholder: one.value });
          box.value = row.said[field.name]?.[one.name] ?? "";
          box.onchange = () => {
            const all = { ...row.said[field.name] };
            box.value === "" ? delete all[one.name] : (all[one.name] = Number(box.value));
            row.say(field, all);
          };
          return make("label", { class: "one number" }, make("span", { class: "label" }, one.name.replaceAll("_", " ")), box);
        }));
        made.hidden = !made.childElementCount;
      };
      row.onlists.push(fill);
      row.onsay.push((other) => other.name === field.of && fill());
      return made;
    },
  };

  function pictureField(row, field, get, set, several) {
    const shots = make("div", { class: "shots" });
    const file = make("input", { type: "file", accept: "image/*", multiple: several, hidden: true, "aria-label": field.label });
    const drop = make("button", { type: "button", class: "drop", onclick: () => file.click() }, words.drop);
    const acts = make("div", { class: "acts" },
      make("button", { type: "button", class: "act", onclick: inView }, words.in_view),
      make("button", { type: "button", class: "act", onclick: () => easel.pad(words, (url) => put([url])) }, words.draw));
    const made = make("div", { class: "one long picture", role: "group", "aria-label": field.label },
      make("span", { class: "label" }, field.label), shots, drop, acts, file, field.info ? make("small", {}, field.info) : null);

    function show() {
      const urls = get();
      shots.replaceChildren(...urls.map((url, at) => make("div", { class: "shot" }, make("img", { src: url, alt: field.label }),
        make("button", { type: "button", class: "act", title: words.take_away, "aria-label": words.take_away, onclick: () => { set(urls.filter((_, other) => other !== at)); show(); drop.focus(); } }, "×"))));
      drop.hidden = urls.length > 0 && !several;
      acts.hidden = drop.hidden;
    }
    function put(urls) {
      set(several ? [...get(), ...urls] : urls);
      show();
    }
    async function take(files) {
      const images = [...files].filter((one) => one.type.startsWith("image/"));
      if (images.length) put(await Promise.all(images.map(easel.asUrl)));
    }
    async function inView() {
      const link = document.querySelector(`#${name}-results .stage a:not([hidden])`);
      link ? put(await easel.fetched(link.href)) : easel.tell(words.nothing_in_view);
    }
    file.onchange = async () => {
      await take(file.files);
      file.value = "";
    };
    made.addEventListener("dragover", (event) => {
      event.preventDefault();
      made.classList.add("dropping");
    });
    made.addEventListener("dragleave", () => made.classList.remove("dropping"));
    made.addEventListener("drop", (event) => {
      event.preventDefault();
      made.classList.remove("dropping");
      take(event.dataTransfer.files);
    });
    made.addEventListener("paste", (event) => take(event.clipboardData?.files ?? []));
    row.onpicture[field.name] = put;
    show();
    return made;
  }

  return MAKERS;
};
