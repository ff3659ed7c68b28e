// A sheet of white paper to draw a quick picture on, in a window of its own: easel.pad(words, (url) => ...).
easel.pad = (words, done) => {
  const SIDE = 512;
  const { make } = easel;
  const paper = make("canvas", { width: SIDE, height: SIDE, class: "paper", tabindex: 0, "aria-label": words.draw });
  const size = make("input", { type: "range", min: 1, max: 60, value: 8, "aria-label": words.pen });
  const colour = make("input", { type: "color", value: "#000000", "aria-label": words.pen });
  const strokes = easel.strokes({ paint: paper }, () => null);
  const close = () => dialog.close();
  const button = (text, onclick, kind = "act") => make("button", { type: "button", class: kind, onclick }, text);
  const dialog = make("dialog", { class: "pad", "aria-label": words.draw }, paper,
    make("div", { class: "bar" }, make("label", {}, words.pen, size), colour, button(words.undo, strokes.undo),
      button(words.clear, () => strokes.perform({ kind: "clear", layer: "paint" })), button(words.cancel, close),
      button(words.use, used, "act strong")));
  let action = null;

  const at = (event) => {
    const box = paper.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * SIDE, ((event.clientY - box.top) / box.height) * SIDE];
  };
  paper.addEventListener("pointerdown", (event) => {
    paper.setPointerCapture(event.pointerId);
    action = { kind: "stroke", layer: "paint", erases: false, colour: colour.value, width: Number(size.value), points: [at(event)] };
    strokes.draw(action);
  });
  paper.addEventListener("pointermove", (event) => {
    if (!action) return;
    strokes.draw({ ...action, points: [action.points.at(-1), at(event)] });
    action.points.push(at(event));
  });
  for (const how of ["pointerup", "pointercancel"]) {
    paper.addEventListener(how, () => {
      if (action) strokes.perform(action);
      action = null;
    });
  }

  function used() {
    const flat = make("canvas", { width: SIDE, height: SIDE });
    const pen = flat.getContext("2d");
    pen.fillStyle = "#fff";
    pen.fillRect(0, 0, SIDE, SIDE);
    pen.drawImage(paper, 0, 0);
    close();
    done(flat.toDataURL("image/png"));
  }

  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
};
