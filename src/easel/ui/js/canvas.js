// One picture to draw on: its pixels below, a layer of colours and a layer of the mask above it, each of the picture's
// own size. It draws and hands over files; what becomes of them, the server says. ui/canvas.py makes the elements.

// Tell a canvas its mode or its margins; one that is not on the page yet hears it when it comes.
easel.tellCanvas = (name, what, given) => {
  easel.toldCanvas = { ...easel.toldCanvas, [`${name}.${what}`]: given };
  easel.canvases?.[name]?.[what](...given);
};

easel.canvasValue = async (name) => (await easel.canvases?.[name]?.value()) ?? null;

easel.canvas = (element, props, watch, name) => {
  const LAYERS = ["paint", "mask"];
  const MOST_SIDE = 16384;
  const root = element.querySelector(".canvas");
  const stage = root.querySelector(".stage");
  const sheet = root.querySelector(".sheet");
  const image = root.querySelector("img");
  const frame = root.querySelector(".frame");
  const ring = root.querySelector(".ring");
  const status = root.querySelector(".status");
  const files = root.querySelector("input[type=file]");
  const width = root.querySelector(".brush-size");
  const colour = root.querySelector(".brush-colour");
  const opacity = root.querySelector(".mask-opacity");
  const layers = Object.fromEntries(LAYERS.map((name) => [name, sheet.querySelector(`canvas.${name}`)]));
  const view = { scale: 1, x: 0, y: 0 };
  const state = { mode: root.dataset.mode, tool: "brush", picture: null, margins: [0, 0, 0, 0] };
  const pointers = new Map();
  let stroke = null;
  let pinch = null;
  let saving = 0;

  const layerOf = (mode) => ({ sketch: "paint", inpaint_sketch: "paint", inpaint: "mask" })[mode] || null;
  const button = (act) => root.querySelector(`[data-act="${act}"]`);

  // ---------------------------------------------------------------- layers

  const strokes = easel.strokes(layers, changed);

  function changed() {
    button("undo").disabled = !strokes.done();
    button("redo").disabled = !strokes.undone();
    clearTimeout(saving);
    saving = setTimeout(save, 500);
  }

  function clear() {
    const layer = layerOf(state.mode);
    if (layer && strokes.on(layer)) strokes.perform({ kind: "clear", layer });
  }

  // ---------------------------------------------------------------- the picture

  async function open(file) {
    const fresh = document.createElement("img");
    fresh.src = URL.createObjectURL(file);
    try {
      await fresh.decode();
      if (Math.max(fresh.naturalWidth, fresh.naturalHeight) > MOST_SIDE) throw new Error("too large");
    } catch {
      URL.revokeObjectURL(fresh.src);
      status.textContent = root.dataset.broken;
      return false;
    }
    if (image.src) URL.revokeObjectURL(image.src);
    image.src = fresh.src;
    state.picture = { file, width: fresh.naturalWidth, height: fresh.naturalHeight };
    strokes.forget();
    for (const canvas of Object.values(layers)) {
      canvas.width = state.picture.width;
      canvas.height = state.picture.height;
    }
    root.classList.add("has-picture");
    fit();
    changed();
    return true;
  }

  async function openUrl(url) {
    const answer = await fetch(url, { credentials: "same-origin" });
    if (answer.ok) return open(await answer.blob());
    status.textContent = root.dataset.broken;
    return false;
  }

  function close() {
    if (image.src) URL.revokeObjectURL(image.src);
    image.removeAttribute("src");
    state.picture = null;
    strokes.forget();
    root.classList.remove("has-picture");
    say();
    changed();
  }

  async function paper(wide, high, tone) {
    const blank = Object.assign(document.createElement("canvas"), { width: wide, height: high });
    const pen = blank.getContext("2d");
    pen.fillStyle = tone;
    pen.fillRect(0, 0, wide, high);
    await open(await easel.pngOf(blank));
  }

  // A mask from a file: what is bright in it is painted, as everywhere in Easel; drawn over what is there.
  async function openMask(file) {
    const bitmap = await createImageBitmap(file).catch(() => null);
    if (!bitmap || !state.picture) {
      status.textContent = root.dataset.broken;
      return;
    }
    strokes.perform({ kind: "image", layer: "mask", image: easel.maskLayer(bitmap, maskColour()) });
  }

  const maskColour = () => getComputedStyle(root).getPropertyValue("--mask-colour").trim() || "#ff2d78";

  // What the server is given when somebody draws: the picture's own file, and the layers of this mode as files.
  async function value() {
    if (!state.picture) return null;
    const layer = layerOf(state.mode);
    const made = layer && strokes.on(layer) ? await easel.asUrl(await easel.pngOf(layers[layer])) : null;
    return { picture: await easel.asUrl(state.picture.file), [layer || "paint"]: made };
  }

  // ---------------------------------------------------------------- looking

  function say() {
    const { picture } = state;
    status.textContent = picture
      ? easel.say(root.dataset.status, { width: picture.width, height: picture.height, zoom: Math.round(view.scale * 100) })
      : "";
  }

  function place() {
    sheet.style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.scale})`;
    sheet.style.imageRendering = view.scale >= 2 ? "pixelated" : "auto";
    if (state.picture) {
      const [left, right, top, bottom] = state.mode === "outpaint" ? state.margins : [0, 0, 0, 0];
      Object.assign(sheet.style, { width: `${state.picture.width}px`, height: `${state.picture.height}px` });
      Object.assign(frame.style, { inset: `${-top}px ${-right}px ${-bottom}px ${-left}px` });
      frame.style.setProperty("--line", `${1.5 / view.scale}px`);
    }
    say();
  }

  function fit() {
    if (!state.picture || !stage.clientWidth) return;
    const [left, right, top, bottom] = state.mode === "outpaint" ? state.margins : [0, 0, 0, 0];
    const wide = state.picture.width + left + right;
    const high = state.picture.height + top + bottom;
    const room = [stage.clientWidth - 24, stage.clientHeight - 24];
    view.scale = Math.min(room[0] / wide, room[1] / high, 8);
    view.x = (stage.clientWidth - wide * view.scale) / 2 + left * view.scale;
    view.y = (stage.clientHeight - high * view.scale) / 2 + top * view.scale;
    place();
  }

  function zoom(factor, at = [stage.clientWidth / 2, stage.clientHeight / 2]) {
    const scale = Math.min(Math.max(view.scale * factor, 0.02), 32);
    view.x = at[0] - ((at[0] - view.x) * scale) / view.scale;
    view.y = at[1] - ((at[1] - view.y) * scale) / view.scale;
    view.scale = scale;
    place();
  }

  const onStage = (event) => {
    const box = stage.getBoundingClientRect();
    return [event.clientX - box.left - stage.clientLeft, event.clientY - box.top - stage.clientTop];
  };
  const onPicture = (event) => {
    const [x, y] = onStage(event);
    return [(x - view.x) / view.scale, (y - view.y) / view.scale];
  };

  function brushWidth() {
    const side = state.picture ? Math.max(state.picture.width, state.picture.height) : 512;
    return Math.max(1, (Number(width.value) / 100) ** 2 * side * 0.5);
  }

  function showRing(event) {
    const hidden = !state.picture || state.tool === "hand" || !layerOf(state.mode) || event.pointerType === "touch";
    ring.hidden = hidden;
    if (hidden) return;
    const [x, y] = onStage(event);
    const across = brushWidth() * view.scale;
    Object.assign(ring.style, { width: `${across}px`, height: `${across}px` });
    ring.style.transform = `translate(${x - across / 2}px, ${y - across / 2}px)`;
  }

  // ---------------------------------------------------------------- hands

  function began(event) {
    if (!state.picture || event.target.closest("button, input, label")) return;
    stage.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, onStage(event));
    if (pointers.size === 2) {
      stroke = null;
      strokes.redraw();
      pinch = pinched();
      return;
    }
    const layer = layerOf(state.mode);
    if (state.tool === "hand" || !layer || event.button === 1 || event.shiftKey) return;
    if (event.button !== 0) return;
    event.preventDefault();
    stage.focus({ preventScroll: true });
    stroke = {
      kind: "stroke",
      layer,
      erases: state.tool === "eraser",
      colour: layer === "mask" ? maskColour() : colour.value,
      width: brushWidth(),
      points: [onPicture(event)],
    };
    strokes.draw(stroke);
  }

  function moved(event) {
    showRing(event);
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const now = onStage(event);
    pointers.set(event.pointerId, now);
    if (pinch && pointers.size === 2) {
      const fresh = pinched();
      view.x += fresh.middle[0] - pinch.middle[0];
      view.y += fresh.middle[1] - pinch.middle[1];
      zoom(fresh.apart / pinch.apart, fresh.middle);
      pinch = fresh;
    } else if (stroke) {
      const news = event.getCoalescedEvents?.() || [];
      const points = (news.length ? news : [event]).map(onPicture);
      strokes.draw({ ...stroke, points: [stroke.points[stroke.points.length - 1], ...points] });
      stroke.points.push(...points);
    } else if (!pinch) {
      view.x += now[0] - before[0];
      view.y += now[1] - before[1];
      place();
    }
  }

  function ended(event) {
    if (!pointers.delete(event.pointerId)) return;
    if (stroke) {
      strokes.redraw(); // as one stroke, so that its edge is the same after an undo
      strokes.perform(stroke);
      stroke = null;
    }
    if (pointers.size < 2) pinch = null;
  }

  function pinched() {
    const [a, b] = [...pointers.values()];
    const middle = [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
    return { middle, apart: Math.max(1, Math.hypot(a[0] - b[0], a[1] - b[1])) };
  }

  function wheeled(event) {
    if (!state.picture || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 300), onStage(event));
  }

  const KEYS = { b: "brush", e: "eraser", h: "hand", 0: "fit", "+": "in", "=": "in", "-": "out" };

  function pressed(event) {
    const key = event.key.toLowerCase();
    const held = event.ctrlKey || event.metaKey;
    if (held && key === "z") act(event.shiftKey ? "redo" : "undo");
    else if (held && key === "y") act("redo");
    else if (held || event.altKey) return;
    else if (key === "[" || key === "]") width.value = Number(width.value) + (key === "]" ? 4 : -4);
    else if (KEYS[key]) act(KEYS[key]);
    else return;
    event.preventDefault();
  }

  function choose(tool) {
    state.tool = tool;
    root.dataset.tool = tool;
    for (const name of ["brush", "eraser", "hand"]) button(name).setAttribute("aria-pressed", String(name === tool));
  }

  function setMode(mode) {
    state.mode = mode;
    root.dataset.mode = mode;
    root.dataset.layer = layerOf(mode) || "";
    if (!layerOf(mode)) choose("hand");
    else if (state.tool === "hand") choose("brush");
    fit();
  }

  function act(name) {
    const acts = {
      open: () => ask("picture"),
      "open-mask": () => ask("mask"),
      paper: () => paper(...paperSize(), root.dataset.paper),
      close, clear, fit,
      undo: strokes.undo,
      redo: strokes.redo,
      in: () => zoom(1.25),
      out: () => zoom(0.8),
      brush: () => choose("brush"),
      eraser: () => choose("eraser"),
      hand: () => choose("hand"),
    };
    acts[name]?.();
  }

  function ask(what) {
    files.dataset.what = what;
    files.value = "";
    files.click();
  }

  // Blank paper has the size that the form asks for, or the one that the server named.
  function paperSize() {
    const typed = ["width", "height"].map((side) => Number(document.querySelector(`#edit-${side} input`)?.value));
    return typed.every((side) => side >= 8 && side <= 4096) ? typed : JSON.parse(root.dataset.paperSize);
  }

  function dropped(event) {
    event.preventDefault();
    root.classList.remove("dropping");
    const [file] = event.dataTransfer.files;
    const url = event.dataTransfer.getData("text/uri-list");
    if (file) open(file);
    else if (url && new URL(url, location.href).origin === location.origin) openUrl(url);
  }

  function pasted(event) {
    if (!stage.offsetParent || event.target.closest?.("input, textarea")) return;
    const file = [...(event.clipboardData?.files || [])].find((one) => one.type.startsWith("image/"));
    if (file) open(file);
  }

  // ---------------------------------------------------------------- kept in this browser, for this window

  async function save() {
    const { picture } = state;
    const kept = picture && { file: picture.file };
    for (const layer of LAYERS) if (kept) kept[layer] = strokes.on(layer) ? await easel.pngOf(layers[layer]) : null;
    await easel.shelf.put(kept);
  }

  async function restore() {
    const kept = await easel.shelf.take();
    if (!kept || state.picture || !(await open(kept.file))) return;
    for (const layer of LAYERS) {
      if (kept[layer]) strokes.perform({ kind: "image", layer, image: await createImageBitmap(kept[layer]) });
    }
  }

  // ---------------------------------------------------------------- wiring

  root.addEventListener("click", (event) => {
    const pushed = event.target.closest("[data-act]");
    if (pushed) act(pushed.dataset.act);
  });
  files.addEventListener("change", () => {
    const [file] = files.files;
    if (file) (files.dataset.what === "mask" ? openMask : open)(file);
  });
  stage.addEventListener("pointerdown", began);
  stage.addEventListener("pointermove", moved);
  for (const how of ["pointerup", "pointercancel"]) stage.addEventListener(how, ended);
  stage.addEventListener("pointerleave", () => (ring.hidden = true));
  stage.addEventListener("wheel", wheeled, { passive: false });
  stage.addEventListener("keydown", pressed);
  stage.addEventListener("dragover", (event) => {
    event.preventDefault();
    root.classList.add("dropping");
  });
  stage.addEventListener("dragleave", () => root.classList.remove("dropping"));
  stage.addEventListener("drop", dropped);
  document.addEventListener("paste", pasted);
  opacity.addEventListener("input", () => root.style.setProperty("--mask-opacity", opacity.value / 100));
  new ResizeObserver(fit).observe(stage);
  watch("value", () => {
    if (props.value?.open) openUrl(props.value.open);
    if (props.value?.paper) root.dataset.paperSize = JSON.stringify([props.value.paper, props.value.paper]);
  });
  setMode(state.mode);
  choose(state.tool);
  const own = {
    value,
    mode: setMode,
    margins(...given) {
      state.margins = given.map((side) => Number(side) || 0);
      fit();
    },
  };
  easel.canvases = { ...easel.canvases, [name]: own };
  for (const what of ["mode", "margins"]) {
    const given = easel.toldCanvas?.[`${name}.${what}`];
    if (given) own[what](...given);
  }
  props.value?.open ? openUrl(props.value.open) : restore();
};
