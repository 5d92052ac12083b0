(() => {
  // ---- charts: bars over layers and points; pointer and arrow keys show the numbers ---------------
  const plots = JSON.parse(document.getElementById("data").textContent).plots || {};
  let active = null;
  const leave = () => {
    if (!active) return;
    for (const mark of active.querySelectorAll(".cursor, .ring")) mark.hidden = true;
    const box = active.querySelector(".ceilings");
    if (box) ceilings(box, plots[active.dataset.dots].network);
    active = null;
  };
  // the k-th bar or point of an area: marks it, and returns what to say
  const choose = (area, k) => {
    if (active !== area) leave();
    active = area;
    area.dataset.at = k;
    if (area.dataset.dots) {
      const dot = plots[area.dataset.dots].dots[k], ring = area.querySelector(".ring");
      ring.hidden = false;
      ring.style.left = 100 * dot.x + "%"; ring.style.bottom = 100 * dot.y + "%";
      const box = area.querySelector(".ceilings");
      if (box && dot.c) ceilings(box, dot.c);
      return { tip: dot.tip, layer: dot.i < 0 ? undefined : dot.i };
    }
    const box = area.closest("[data-plot]"), plot = plots[box.dataset.plot], n = Number(box.dataset.n);
    for (const mark of box.querySelectorAll(".cursor")) mark.hidden = mark.parentElement !== area;
    const mark = area.querySelector(".cursor");
    mark.style.left = (100 * k) / n + "%"; mark.style.width = 100 / n + "%";
    const tips = plot.tips[Number(area.dataset.panel)];
    return { tip: plot.heads[k] + (tips ? "\n" + tips[k] : ""), layer: plot.layers[k] };
  };
  const count = (area) => area.dataset.dots ? plots[area.dataset.dots].dots.length
    : Number(area.closest("[data-plot]").dataset.n);
  const ceilings = (box, heights) => {
    const groups = [];
    heights.forEach((at, step) => {
      if (at >= 1) return;
      const last = groups[groups.length - 1];
      if (last && last.first - at < 0.02) { last.to = step + 1; last.at = at; }
      else groups.push({ first: at, at, from: step + 1, to: step + 1 });
    });
    box.replaceChildren(...groups.map((group) => {
      const line = document.createElement("i"), name = document.createElement("b");
      name.textContent = group.from === group.to ? `step ${group.from}` : `steps ${group.from}–${group.to}`;
      line.style.bottom = 100 * group.at + "%";
      line.append(name);
      return line;
    }));
  };
  tooltip.area = (area, event) => {
    if (!area) { leave(); return null; }
    const box = area.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width, y = 1 - (event.clientY - box.top) / box.height;
    if (!area.dataset.dots) {
      return choose(area, Math.max(0, Math.min(count(area) - 1, Math.floor(x * count(area)))));
    }
    let best = -1, least = 22;
    plots[area.dataset.dots].dots.forEach((dot, k) => {
      const far = Math.hypot((dot.x - x) * box.width, (dot.y - y) * box.height);
      if (far < least) { best = k; least = far; }
    });
    if (best < 0) { leave(); return null; }
    return choose(area, best);
  };
  for (const area of document.querySelectorAll(".area")) {
    area.addEventListener("keydown", (event) => {
      const last = count(area) - 1, at = area.dataset.at === undefined ? -1 : Number(area.dataset.at);
      const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: last }[event.key];
      if (event.key === "Escape") { leave(); tooltip.hide(); return; }
      if (to === undefined || last < 0) return;
      event.preventDefault();
      const found = choose(area, Math.max(0, Math.min(last, to)));
      const mark = area.querySelector(area.dataset.dots ? ".ring" : ".cursor");
      mark.scrollIntoView({ block: "nearest", inline: "nearest" });
      const box = mark.getBoundingClientRect();
      tooltip.light(found.layer === undefined ? null : found.layer, area.closest(".network"));
      tooltip.show(found.tip, box.right, box.top);
      tooltip.kept = true;
      tooltip.say(found.tip.replaceAll("\n", ", "));
    });
    area.addEventListener("blur", () => { leave(); tooltip.hide(); });
  }
  for (const title of document.querySelectorAll(".area svg > title")) title.remove(); // else the browser's own tip

  // ---- a layer's name unfolds its mapping; in print all that are open stay so -----------------------
  const unfold = () => {
    const target = location.hash.startsWith("#mapping-") && document.getElementById(location.hash.slice(1));
    if (target) { target.open = true; target.scrollIntoView({ block: "nearest" }); }
  };
  addEventListener("hashchange", unfold);
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element && event.target.closest('a[href^="#mapping-"]');
    if (link) document.getElementById(link.hash.slice(1)).open = true;
  });
  unfold();
  document.documentElement.dataset.ready = "1";
})();
