(() => {
  // ---- tables: sort by a click on the heading, filter by text and kind --------------------
  for (const table of document.querySelectorAll("table.sortable")) {
    const body = table.tBodies[0];
    const original = [...body.rows];
    const heads = [...table.tHead.rows[0].cells];
    const value = (row, i) => row.cells[i].dataset.v ?? row.cells[i].textContent;
    heads.forEach((head, i) => {
      const button = head.querySelector("button");
      if (!button) return;
      button.addEventListener("click", () => {
        const numeric = head.classList.contains("n");
        const now = head.getAttribute("aria-sort");
        const first = numeric ? "descending" : "ascending";
        const second = numeric ? "ascending" : "descending";
        const next = now === first ? second : now === second ? "none" : first;
        heads.forEach((h) => { if (h.querySelector("button")) h.setAttribute("aria-sort", "none"); });
        head.setAttribute("aria-sort", next);
        let rows = [...original];
        if (next !== "none") {
          const sign = next === "ascending" ? 1 : -1;
          const number = (row) => { const v = value(row, i); return v === "" ? -Infinity : Number(v); };
          const compare = numeric
            ? (a, b) => { const x = number(a), y = number(b); return x === y ? 0 : x < y ? -1 : 1; }
            : (a, b) => value(a, i).localeCompare(value(b, i), undefined, { numeric: true });
          rows.sort((a, b) => sign * compare(a, b));
        }
        body.append(...rows);
      });
    });
    const box = table.closest(".layers");
    if (!box) continue;
    const search = box.querySelector("input[type=search]");
    const kinds = box.querySelector("select");  // some tables have none
    const count = box.querySelector("[role=status]");
    const filter = () => {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of original) {
        const text = row.textContent.toLowerCase();
        const kind = kinds ? kinds.value : "";
        const fits = (kind === "" || (kind === "macs" ? row.dataset.macs === "1" : row.dataset.kind === kind)) &&
          words.every((word) => text.includes(word));
        row.hidden = !fits;
        if (fits) shown += 1;
      }
      count.textContent = `${shown} of ${original.length} rows shown`;
    };
    search.addEventListener("input", filter);
    if (kinds) kinds.addEventListener("change", filter);
    filter();
  }

  // ---- numbers ----------------------------------------------------------------------------
  const si = (value, unit) => {
    const steps = [[1e15, "P"], [1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]];
    for (const [factor, prefix] of steps) {
      if (value >= factor * 0.9995) return `${(value / factor).toPrecision(3)} ${prefix}${unit}`;
    }
    return `${Math.round(value)} ${unit}`.trim();
  };

  // ---- treemap (squarified: Bruls, Huizing, van Wijk, 2000) ---------------------------------
  const squarify = (items, x, y, w, h) => {
    // items: [{size}], largest first, sizes in area units; returns [{item, x, y, w, h}]
    const out = [];
    let rest = items.slice();
    const worst = (row, side) => {
      const sum = row.reduce((a, b) => a + b.size, 0);
      const s2 = side * side, t2 = sum * sum;
      return Math.max((s2 * row[0].size) / t2, t2 / (s2 * row[row.length - 1].size));
    };
    while (rest.length && w > 0 && h > 0) {
      const side = Math.min(w, h);
      let row = [rest[0]], i = 1;
      while (i < rest.length && worst([...row, rest[i]], side) <= worst(row, side)) row.push(rest[i++]);
      rest = rest.slice(i);
      const sum = row.reduce((a, b) => a + b.size, 0);
      const thick = sum / side;
      let at = w >= h ? y : x;
      for (const item of row) {
        const length = item.size / thick;
        out.push(w >= h ? { item, x, y: at, w: thick, h: length } : { item, x: at, y, w: length, h: thick });
        at += length;
      }
      if (w >= h) { x += thick; w -= thick; } else { y += thick; h -= thick; }
    }
    return out;
  };

  const treemap = (box, root, titles) => {
    const map = box.querySelector(".treemap"), crumbs = box.querySelector(".crumbs");
    let path = [root], metric = box.querySelector("input:checked").value;
    const unit = () => (metric === "memory" ? "B" : "");
    const describe = (node) => {
      const total = root.v[metric] || 1;
      return `${node.p || root.n}\n${si(node.v[metric], unit())} ${titles[metric]}, ${(100 * node.v[metric] / total).toFixed(1)} %` +
        (node.o ? `\n${node.o}` : "") + (node.c ? "\nclick to open" : "");
    };
    const visible = (node) => (node.c || []).filter((k) => k.v[metric] > 0);
    const only = (node) => {
      // a module with one visible child is drawn as that child under both names
      let kid = node, name = node.n;
      while (visible(kid).length === 1) { kid = visible(kid)[0]; name += "." + kid.n; }
      return { ...kid, n: name };
    };
    const draw = (node, left, top, width, height) => {
      const kids = visible(node).map(only).sort((a, b) => b.v[metric] - a.v[metric]);
      const sum = kids.reduce((a, b) => a + b.v[metric], 0);
      if (!sum) return;
      const sized = kids.map((k) => ({ node: k, size: (k.v[metric] / sum) * width * height }));
      for (const r of squarify(sized, left, top, width, height)) {
        const kid = r.item.node;
        const tile = document.createElement(kid.c ? "button" : "div");
        tile.className = kid.c ? "tile group" : "tile";
        tile.style.left = r.x + "px"; tile.style.top = r.y + "px";
        tile.style.width = r.w + "px"; tile.style.height = r.h + "px";
        tile.dataset.tip = describe(kid);
        if (r.w > 34 && r.h > 16) tile.textContent = kid.n;
        if (kid.f) tile.style.background = `var(--${kid.f})`;
        if ("i" in kid) tile.dataset.layer = kid.i;
        map.append(tile);
        if (kid.c) {
          tile.setAttribute("aria-label", describe(kid).replaceAll("\n", ", "));
          tile.style.lineHeight = "17px"; tile.style.paddingBottom = Math.max(0, r.h - 19) + "px";
          tile.addEventListener("click", () => { path = [...path, kid]; render(); });
          const head = r.h > 40 && r.w > 30 ? 18 : 2;
          if (r.w > 8 && r.h > 8) draw(kid, r.x + 2, r.y + head, r.w - 4, r.h - head - 2);
        }
      }
    };
    const render = () => {
      map.replaceChildren();
      crumbs.replaceChildren();
      path.forEach((node, i) => {
        const label = i ? node.p.slice(path[i - 1].p.length).replace(/^\./, "") : root.n;
        if (i) crumbs.append(" › ");
        if (i === path.length - 1) { crumbs.append(label); return; }
        const button = document.createElement("button");
        button.textContent = label;
        button.addEventListener("click", () => { path = path.slice(0, i + 1); render(); });
        crumbs.append(button);
      });
      const here = path[path.length - 1];
      crumbs.append(` : ${si(here.v[metric], unit())} ${titles[metric]}`);
      draw(here, 0, 0, map.clientWidth, map.clientHeight);
      if (!map.childElementCount) map.textContent = `no ${titles[metric]} here`;
    };
    box.addEventListener("change", () => { metric = box.querySelector("input:checked").value; render(); });
    let width = 0;
    new ResizeObserver(() => {
      if (map.clientWidth !== width) { width = map.clientWidth; render(); }
    }).observe(map);
    addEventListener("beforeprint", render);
    render();
  };

  const data = JSON.parse(document.getElementById("data").textContent);
  document.querySelectorAll(".modules").forEach((box) => {
    treemap(box, data.networks[Number(box.dataset.network)].modules, data.titles);
  });
})();
