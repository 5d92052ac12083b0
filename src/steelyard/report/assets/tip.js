"use strict";
// ---- tooltip: any element with data-tip, and the charts of plots.js -----------------------------
const tooltip = (() => {
  const tip = document.getElementById("tip"), said = document.getElementById("said");
  let lit = [];
  const me = {
    // what an area of a chart shows at a pointer event; plots.js sets it
    area: () => null,
    // shown by a key: stays where it is while the page scrolls to it
    kept: false,
    show(text, x, y) {
      tip.hidden = false;
      tip.textContent = text;
      const box = tip.getBoundingClientRect();
      tip.style.left = Math.max(4, Math.min(x + 14, innerWidth - box.width - 8)) + "px";
      tip.style.top = Math.max(4, y + 18 + box.height > innerHeight ? y - box.height - 10 : y + 18) + "px";
    },
    hide() { tip.hidden = true; me.kept = false; },
    say(text) { said.textContent = text; },
    light(layer, section) {
      lit.forEach((el) => el.classList.remove("lit"));
      lit = layer === null || !section ? [] : [...section.querySelectorAll(`[data-layer="${layer}"]`)];
      lit.forEach((el) => el.classList.add("lit"));
    },
  };
  document.addEventListener("pointermove", (event) => {
    const el = event.target instanceof Element ? event.target.closest("[data-tip], .area") : null;
    const section = el && el.closest(".network");
    const found = el && el.matches(".area") ? me.area(el, event) : el && { tip: el.dataset.tip, layer: el.dataset.layer };
    if (!found) me.area(null, event);
    me.light(found && found.layer !== undefined ? found.layer : null, section);
    me.kept = false;
    if (found) me.show(found.tip, event.clientX, event.clientY); else me.hide();
  });
  document.addEventListener("pointerleave", () => me.hide());
  document.addEventListener("scroll", () => { if (!me.kept) me.hide(); }, { passive: true });
  return me;
})();
