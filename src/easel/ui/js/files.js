// Pictures as files: what scripts that hand them over share.
Object.assign(easel, {
  // A file as a data URL.
  asUrl: (blob) => new Promise((done, failed) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.onerror = () => failed(reader.error);
    reader.readAsDataURL(blob);
  }),

  // The data URLs of what an address gives: one, or none where it is gone.
  async fetched(url) {
    if (url.startsWith("data:")) return [url];
    const answer = await fetch(url);
    return answer.ok ? [await easel.asUrl(await answer.blob())] : [];
  },

  // A canvas as the file of a PNG.
  pngOf: (canvas) => new Promise((done) => canvas.toBlob(done, "image/png")),

  // A mask's picture as a layer of one colour, "#rrggbb": the brighter a place, the more opaque.
  maskLayer(picture, colour) {
    const made = Object.assign(document.createElement("canvas"), { width: picture.width, height: picture.height });
    const pen = made.getContext("2d");
    pen.drawImage(picture, 0, 0);
    const pixels = pen.getImageData(0, 0, made.width, made.height);
    const channels = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
    for (let at = 0; at < pixels.data.length; at += 4) {
      const [red, green, blue, alpha] = pixels.data.subarray(at, at + 4);
      pixels.data.set([...channels, Math.round(((0.299 * red + 0.587 * green + 0.114 * blue) * alpha) / 255)], at);
    }
    pen.putImageData(pixels, 0, 0);
    return made;
  },
});
