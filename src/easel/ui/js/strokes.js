// What was drawn on layers, each a canvas by its name: stroke by stroke, so that any of it can be undone and done again.
// An action is {kind: "stroke", layer, erases, colour, width, points}, {kind: "image", layer, image} or
// {kind: "clear", layer}. changed: called after every change.
easel.strokes = (layers, changed) => {
  let done = [];
  let undone = [];

  function draw(action) {
    const canvas = layers[action.layer];
    const pen = canvas.getContext("2d");
    if (action.kind === "clear") return pen.clearRect(0, 0, canvas.width, canvas.height);
    if (action.kind === "image") return pen.drawImage(action.image, 0, 0, canvas.width, canvas.height);
    pen.save();
    pen.globalCompositeOperation = action.erases ? "destination-out" : "source-over";
    pen.strokeStyle = pen.fillStyle = action.colour;
    pen.lineCap = pen.lineJoin = "round";
    pen.lineWidth = action.width;
    pen.beginPath();
    const [first, ...rest] = action.points;
    if (rest.length === 0) {
      pen.arc(first[0], first[1], action.width / 2, 0, 2 * Math.PI);
      pen.fill();
    } else {
      pen.moveTo(...first);
      for (const point of rest) pen.lineTo(...point);
      pen.stroke();
    }
    pen.restore();
  }

  function redraw() {
    for (const canvas of Object.values(layers)) canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
    for (const action of done) draw(action);
  }

  return {
    draw,
    redraw,
    done: () => done.length,
    undone: () => undone.length,
    // Whether there is anything on a layer.
    on(layer) {
      const own = done.filter((action) => action.layer === layer);
      return own.length > 0 && own[own.length - 1].kind !== "clear";
    },
    perform(action) {
      done.push(action);
      undone = [];
      draw(action);
      changed();
    },
    undo() {
      if (!done.length) return;
      undone.push(done.pop());
      redraw();
      changed();
    },
    redo() {
      if (!undone.length) return;
      const action = undone.pop();
      done.push(action);
      draw(action);
      changed();
    },
    forget() {
      done = [];
      undone = [];
    },
  };
};
