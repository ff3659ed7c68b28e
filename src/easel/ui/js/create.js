// The form of a tab, kept in this window alone and brought back from there or from the address.
Object.assign(easel, {
  keepForm([name, places, usual], values) {
    const said = {};
    places.forEach((place, number) => {
      if (JSON.stringify(values[number] ?? null) !== JSON.stringify(usual[number] ?? null)) said[place] = values[number] ?? null;
    });
    if (easel.opened?.[name]) easel.keep(`form.${name}`, said);
  },

  // Values for all controls: those of the address where it names any, else those that this window had.
  async formAgain([name, places, usual], values) {
    const open = easel.opening(name);
    const address = new URLSearchParams(location.search);
    const named = places.filter((place) => address.has(place));
    const said = named.length
      ? Object.fromEntries(named.map((place) => [place, easel.read(address.get(place), usual[places.indexOf(place)])]))
      : easel.recall(`form.${name}`, null);
    if (!said) {
      const own = await easel.own();
      open();
      return places.map((place, number) => own[place.replace(`${name}.`, "")] ?? usual[number]);
    }
    easel.keep(`form.${name}`, said);
    if (named.length) history.replaceState(null, "", location.pathname);
    open();
    return places.map((place, number) => (place in said ? said[place] : usual[number]));
  },

  // Return what calls a form open, a moment later, when its values are in their places; what was typed before stays.
  opening(name) {
    const area = document.querySelector(`#${name}-prompt textarea`);
    let typed = area?.value;
    const hear = () => (typed = area.value);
    area?.addEventListener("input", hear);
    return () => setTimeout(() => {
      area?.removeEventListener("input", hear);
      easel.opened = { ...easel.opened, [name]: true };
      if (typed && area.value !== typed) easel.fill(area, typed);
    }, 250);
  },

  // A text of the address as the kind of value that a control has.
  read(text, usual) {
    if (Array.isArray(usual)) return text ? text.split("|") : [];
    if (typeof usual === "boolean") return text === "true" || text === "1";
    if (typeof usual === "string") return text;
    return text === "" || Number.isNaN(Number(text)) ? (typeof usual === "number" ? usual : text || null) : Number(text);
  },

  async copyLink(name, said) {
    const address = new URLSearchParams();
    for (const [place, value] of Object.entries(easel.recall(`form.${name}`, {}))) {
      address.set(place, Array.isArray(value) ? value.join("|") : value ?? "");
    }
    const link = `${location.origin}${location.pathname}?${address}`;
    history.replaceState(null, "", link);
    await navigator.clipboard?.writeText(link).catch(() => null);
    easel.tell(said);
  },

  async startOver(name) {
    easel.keep(`form.${name}`, null);
    await easel.partsOf?.[name]?.forget();
    location.assign(location.pathname);
  },

  // A line that goes away by itself.
  tell(text) {
    const line = easel.make("div", { class: "easel-toast", role: "status" }, text);
    document.body.append(line);
    setTimeout(() => line.remove(), 2500);
  },

  seedInView: (name) => document.querySelector(`#${name}-results .results`)?.easel?.seed() ?? null,
});
