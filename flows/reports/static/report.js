"use strict";
for (const source of document.querySelectorAll("script.plot-data")) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Zoom";
  button.setAttribute("aria-label", "Zoom into " + source.dataset.title);
  button.addEventListener("click", () => {
    const place = document.createElement("div");
    place.className = "plot";
    place.id = source.dataset.place;
    button.replaceWith(place);
    Bokeh.embed.embed_item(JSON.parse(source.textContent), place.id);
  });
  source.after(button);
}
