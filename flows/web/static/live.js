"use strict";
// Looks again at what is running, and shows it in place, unless one asks it not to.
(() => {
  const again = document.getElementById("again");
  again.parentElement.hidden = false;
  setInterval(async () => {
    if (!again.checked || document.hidden) return;
    const answer = await fetch(location.href).catch(() => null);
    if (!answer || !answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.getElementById("live").replaceWith(page.getElementById("live"));
  }, 5000);
})();
