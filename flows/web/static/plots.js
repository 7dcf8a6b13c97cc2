"use strict";
// Plots that one can zoom, over the stills that are there without a script.
(() => {
  // Style sheets that Bokeh makes, some when it is loaded, need the word that the policy
  // of this page lets in: this script is loaded before it.
  const nonce = document.currentScript.nonce;
  const create = document.createElement.bind(document);
  document.createElement = (name, options) => {
    const made = create(name, options);
    if (String(name).toLowerCase() === "style") made.nonce = nonce;
    return made;
  };

  const plot = document.getElementById("plot");
  const still = document.getElementById("still");

  const show = async (address) => {
    const answer = await fetch(address);
    if (!answer.ok) return;
    const item = await answer.json();
    plot.replaceChildren();
    await Bokeh.embed.embed_item(item, plot);
    plot.dataset.shown = address;
    still.hidden = true;
  };
  // By then all scripts were loaded.
  if (plot) document.addEventListener("DOMContentLoaded", () => show(plot.dataset.plot));

  const slicer = document.getElementById("slicer");
  if (!slicer) return;
  const waves = slicer.dataset.waves.split(" ");
  const plane = document.getElementById("plane");
  const slice = document.getElementById("slice");
  const spaxel = document.getElementById("spaxel");
  plane.addEventListener("input", () => {
    document.getElementById("wave").value =
      `${Number(waves[plane.value]).toPrecision(4)} ${slicer.dataset.unit}`;
    slice.src = `${slicer.dataset.base}${plane.value}.png`;
    spaxel.elements.plane.value = plane.value;
  });
  const pick = (x, y) => {
    spaxel.elements.x.value = x;
    spaxel.elements.y.value = y;
    show(`${plot.dataset.base}?x=${x}&y=${y}`);
  };
  slice.addEventListener("click", (event) => {
    if (event.detail === 0) return; // by the keyboard: there is no place
    event.preventDefault();
    const box = slice.getBoundingClientRect();
    const x = Math.floor(((event.clientX - box.left) / box.width) * slicer.dataset.columns);
    const y = Math.floor(((box.bottom - event.clientY) / box.height) * slicer.dataset.rows);
    pick(Math.max(0, x), Math.max(0, y));
  });
  spaxel.addEventListener("submit", (event) => {
    event.preventDefault();
    pick(spaxel.elements.x.value, spaxel.elements.y.value);
  });
})();
