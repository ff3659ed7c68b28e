// Before and after: two pictures one over the other, with a line between them that mouse, finger and keys move.

// Make a slider of two pictures by their addresses; the first is stretched to the second. names: of both, in words.
easel.slider = ({ before, after, names, moves }) => {
  const { make } = easel;
  const picture = (src, alt) => make("img", { src, alt, draggable: "false" });
  const range = make("input", { type: "range", min: 0, max: 100, step: 0.5, value: 50, "aria-label": moves });
  const root = make("div", { class: "two" },
    picture(after, names[1]),
    make("div", { class: "over" }, picture(before, names[0])),
    make("span", { class: "tag left" }, names[0]),
    make("span", { class: "tag right" }, names[1]),
    make("div", { class: "line" }),
    range);
  range.addEventListener("input", () => root.style.setProperty("--at", `${range.value}%`));
  return root;
};

// Show what the picture in view on tab `name` was made from, for as long as people have this part open.
easel.beforeAfter = (element, name, words) => {
  const details = element.querySelector("details");
  const place = element.querySelector(".place");
  let view = null;
  let drawn = "";
  const draw = () => {
    details.hidden = !view;
    const key = view ? `${encodeURIComponent(view.job)}/${view.number}` : "";
    if (!details.open || key === drawn) return;
    drawn = key;
    const [job, number] = key.split("/");
    place.replaceChildren(...(key ? [easel.slider({
      before: `/files/before/${key}`,
      after: `/v1/jobs/${job}/pictures/${number}`,
      names: [words.before, words.after],
      moves: words.moves,
    })] : []));
  };
  document.addEventListener("easel:view", ({ detail }) => {
    if (detail.tab !== name) return;
    view = detail.picture;
    draw();
  });
  details.addEventListener("toggle", draw);
};
