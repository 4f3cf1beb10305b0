/* Links the list, the search and the layers to the map. Every text goes in as text, never as markup. */
(async () => {
  "use strict";
  const data = JSON.parse(document.getElementById("qpv-data").textContent);
  const byId = (id) => document.getElementById(id);
  const holder = byId("qpv-map"), tooltip = byId("qpv-tooltip"), list = byId("qpv-list"), search = byId("qpv-search");
  const items = [...list.querySelectorAll(".qpv-item")];
  const itemOf = new Map(items.map((item) => [item.dataset.code, item]));
  const quarters = new Map(data.quarters.map((quarter) => [quarter.code, quarter]));

  const views = await Bokeh.embed.embed_item(data.item, "qpv-map");
  const view = views instanceof Map ? [...views.values()][0] : views.roots ? views.roots[0] : views[0];
  const plot = view.model, [west, south, east, north] = data.home;
  const named = (name) => plot.renderers.filter((renderer) => renderer.name === name);
  const [symbols] = named("symbols"), [polygons] = named("polygons");
  const source = symbols.data_source, codes = Array.from(source.get_column("code"));
  let layers = Array.from(source.get_column("layer"));
  const sides = Array.from(source.get_column("side"));
  const rowOf = new Map(codes.map((code, row) => [code, row]));
  const highlight = plot.renderers.find((r) => r.data_source.name === "highlight").data_source;
  const spot = plot.renderers.find((r) => r.data_source.name === "highlight-point").data_source;

  /* ---- the window on the map: equal scales whatever the size of the page */
  const hidden = new Set();
  let pinned = null;
  const pixels = () => [Math.max(holder.clientWidth, 50), Math.max(holder.clientHeight, 50)];
  const metresPerPixel = () => (plot.x_range.end - plot.x_range.start) / pixels()[0];
  function look(x, y, scale) {
    const [width, height] = pixels();
    plot.x_range.setv({ start: x - (width * scale) / 2, end: x + (width * scale) / 2 });
    plot.y_range.setv({ start: y - (height * scale) / 2, end: y + (height * scale) / 2 });
    adapt();
  }
  const middle = () => [(plot.x_range.start + plot.x_range.end) / 2, (plot.y_range.start + plot.y_range.end) / 2];
  function home() {
    const [width, height] = pixels();
    look((west + east) / 2, (south + north) / 2, Math.max((east - west) / width, (north - south) / height));
  }
  function zoomTo(box) {
    const [width, height] = pixels(), wide = Math.max(box[2] - box[0], 400), high = Math.max(box[3] - box[1], 400);
    look((box[0] + box[2]) / 2, (box[1] + box[3]) / 2, 4 * Math.max(wide / width, high / height));
  }
  /* a symbol gives way to its polygon once this one can be seen */
  let near = null, far = null, city = null;
  function adapt() {
    const scale = metresPerPixel();
    const sizes = sides.map((side) => (side / scale < data.symbol ? data.symbol : 0)), before = source.get_column("size");
    if (sizes.some((size, row) => size !== before[row])) {
      source.data = { ...columns(), size: sizes };
      if (pinned) mark(pinned);
    }
    /* from too far, on a telephone, the names of departments would cover one another */
    const close = scale < 60, distant = scale > 1200, middling = scale < 250;
    if (close !== near || distant !== far || middling !== city) {
      near = close; far = distant; city = middling;
      for (const layer of ["communes", "departments", "commune-outlines"]) show(layer);
    }
  }
  const columns = () => (source.data instanceof Map ? Object.fromEntries(source.data) : source.data);
  let waiting = 0;
  const later = () => { clearTimeout(waiting); waiting = setTimeout(() => { adapt(); if (pinned) place(pinned); }, 40); };
  plot.x_range.change.connect(later);
  let scaleBefore = null;
  new ResizeObserver(() => { if (scaleBefore !== null) look(...middle(), scaleBefore); else home(); scaleBefore = metresPerPixel(); }).observe(holder);
  plot.x_range.change.connect(() => { if (scaleBefore !== null) scaleBefore = metresPerPixel(); });

  /* ---- what is said of a quarter */
  let hovered = null, starred = null, pointer = [0, 0];
  function say(code, at) {
    const quarter = quarters.get(code) || data.practices[Number(code.slice("practice-".length))];
    tooltip.replaceChildren();
    const title = document.createElement("strong");
    title.textContent = quarter.name;
    tooltip.append(title);
    for (const [label, text] of quarter.lines) {
      const line = document.createElement("div"), head = document.createElement("span");
      head.className = "label";
      head.textContent = label ? label + (document.documentElement.lang === "fr" ? "\u00a0: " : ": ") : "";
      line.append(head, text);
      tooltip.append(line);
    }
    tooltip.dataset.code = code;
    tooltip.hidden = false;
    const [width, height] = pixels();
    const [wide, high] = [tooltip.offsetWidth, tooltip.offsetHeight];
    let left = at[0] + 16, top = at[1] + 16;
    if (left + wide > width) left = at[0] - wide - 16;
    if (top + high > height) top = at[1] - high - 16;
    tooltip.style.left = Math.max(4, Math.min(left, width - wide - 4)) + "px";
    tooltip.style.top = Math.max(4, Math.min(top, height - high - 4)) + "px";
  }
  function place(code) {
    const quarter = quarters.get(code), [width, height] = pixels();
    if (!quarter.box) return say(code, [8, height - 8]);
    const [x, y] = [(quarter.box[0] + quarter.box[2]) / 2, (quarter.box[1] + quarter.box[3]) / 2];
    const { start, end } = plot.x_range, low = plot.y_range.start, high = plot.y_range.end;
    say(code, [((x - start) / (end - start)) * width, ((high - y) / (high - low)) * height]);
  }
  function mark(code) {
    const row = rowOf.get(code), at = (name) => (row === undefined ? [] : [source.get_column(name)[row]]);
    highlight.data = { xs: at("xs"), ys: at("ys") };
    /* a ring, where the polygon is too small to be seen */
    const small = row !== undefined && source.get_column("size")[row] > 0;
    spot.data = small ? { x: at("x"), y: at("y") } : { x: [], y: [] };
    holder.dataset.highlighted = row === undefined ? "" : code;
  }
  function pin(code, { zoom = false } = {}) {
    pinned = code;
    for (const item of items) item.classList.toggle("current", item.dataset.code === code);
    mark(code);
    if (!code) { tooltip.hidden = true; return; }
    const box = quarters.get(code).box;
    if (box) {
      const [x, y] = [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2];
      const seen = x > plot.x_range.start && x < plot.x_range.end && y > plot.y_range.start && y < plot.y_range.end;
      if (zoom) zoomTo(box); else if (!seen) look(x, y, metresPerPixel());
    }
    place(code);
  }

  /* ---- mouse */
  const hits = new Map();
  source.inspect.connect(([renderer]) => {
    hits.set(renderer.id, [...source.inspected.indices]);
    const rows = [symbols, polygons].map((drawn) => hits.get(drawn.id) || []).find((found) => found.length);
    hovered = rows ? codes[nearest(rows)] : null;
    holder.style.cursor = hovered ? "pointer" : "";
    if (starred) return;
    if (hovered) say(hovered, pointer);
    else rest();
  });
  /* of quarters under the pointer, the one whose middle is nearest */
  function nearest(rows) {
    const xs = source.get_column("x"), ys = source.get_column("y"), scale = metresPerPixel();
    const x = plot.x_range.start + pointer[0] * scale, y = plot.y_range.end - pointer[1] * scale;
    return rows.reduce((best, row) => (Math.hypot(xs[row] - x, ys[row] - y) < Math.hypot(xs[best] - x, ys[best] - y) ? row : best));
  }
  const stars = named("practices")[0];
  if (stars) stars.data_source.inspect.connect(() => {
    const [star] = stars.data_source.inspected.indices;
    starred = star === undefined ? null : `practice-${star}`;
    holder.style.cursor = hovered ? "pointer" : "";
    if (starred) say(starred, pointer);
    else if (hovered) say(hovered, pointer);
    else rest();
  });
  function rest() {
    if (pinned) place(pinned);
    else tooltip.hidden = true;
  }
  holder.addEventListener("mousemove", (event) => {
    const box = holder.getBoundingClientRect();
    pointer = [event.clientX - box.left, event.clientY - box.top];
  }, true);
  holder.addEventListener("mouseleave", () => {
    hits.clear();
    hovered = null;
    rest();
  });
  source.selected.change.connect(() => {
    if (!source.selected.indices.length) return pin(null);
    const code = hovered || codes[nearest([...source.selected.indices])], item = itemOf.get(code);
    if (item.parentElement.hidden) { search.value = ""; filter(); }
    reach(item);
    item.scrollIntoView({ block: "nearest" });
    pin(code);
  });

  /* ---- keyboard: one stop of Tab for the list, arrows inside it */
  const shown = () => items.filter((item) => !item.parentElement.hidden);
  function reach(item) {
    for (const other of items) other.tabIndex = other === item ? 0 : -1;
  }
  list.addEventListener("focusin", (event) => {
    const item = event.target.closest(".qpv-item");
    if (item) { reach(item); pin(item.dataset.code); }
  });
  list.addEventListener("click", (event) => {
    const item = event.target.closest(".qpv-item");
    if (item) pin(item.dataset.code, { zoom: true });
  });
  list.addEventListener("keydown", (event) => {
    const among = shown(), index = among.indexOf(document.activeElement);
    const next = { ArrowDown: index + 1, ArrowUp: index - 1, Home: 0, End: among.length - 1, PageDown: index + 8, PageUp: index - 8 }[event.key];
    if (next === undefined || index < 0) return;
    event.preventDefault();
    if (event.key === "ArrowUp" && index === 0) search.focus();
    else among[Math.max(0, Math.min(next, among.length - 1))].focus();
  });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") { pin(null); home(); } });

  /* ---- search, without accents, case or hyphens */
  const fold = (text) => text.replace(/[œŒ]/g, "oe").normalize("NFD").replace(/[\u0300-\u036f]/g, "").toLowerCase()
    .replace(/[^a-z0-9]+/g, " ").trim().replace(/\b(st|ste)\b/g, (word) => ({ st: "saint", ste: "sainte" })[word]);
  const print = (number) => number.toLocaleString(document.documentElement.lang);
  function filter() {
    const asked = fold(search.value).split(" ").filter(Boolean);
    for (const item of items) item.parentElement.hidden = !asked.every((word) => item.dataset.key.includes(word));
    const left = shown();
    if (left.length && !left.some((item) => item.tabIndex === 0)) reach(left[0]);
    const form = left.length === 1 ? data.words.count_one : data.words.count;
    const words = left.length ? form.replace("{shown}", print(left.length)).replace("{total}", print(items.length)) : data.words.none;
    byId("qpv-count").textContent = words;
  }
  search.addEventListener("input", () => { filter(); if (pinned) pin(null); });
  search.addEventListener("keydown", (event) => {
    const first = shown()[0];
    if (!first || (event.key !== "Enter" && event.key !== "ArrowDown")) return;
    event.preventDefault();
    first.focus();
    if (event.key === "Enter") pin(first.dataset.code, { zoom: true });
  });

  /* ---- layers */
  const shownRows = symbols.view.filter;
  function show(layer) {
    const visible = !hidden.has(layer);
    const all = !hidden.has("quarters");
    shownRows.booleans = layers.map((own) => all && !hidden.has(own));
    for (const renderer of plot.renderers) {
      const name = renderer.name || "";
      if (layer === "outlines" && name.startsWith("outlines-") && name !== "outlines-commune") renderer.visible = visible;
      if (layer === "commune-outlines" && name === "outlines-commune") renderer.visible = visible && city;
      if (layer === "practices" && name === layer) renderer.visible = visible;
      if (layer === "quarters" && name === "unreliable") renderer.visible = visible && !hidden.has(name);
      if (layer === "outlines" && name === "departments") renderer.visible = visible && !near && !far;
      if (layer === "departments" && name === layer) renderer.visible = !hidden.has("outlines") && !near && !far;
      if (layer === "communes" && name === layer) renderer.visible = visible && near;
      if (layer === "unreliable" && name === layer) renderer.visible = visible && all;
    }
  }
  /* ---- indicators: the same quarters, said and coloured otherwise */
  const first = {
    title: byId("qpv-title").textContent, subtitle: byId("qpv-subtitle").textContent,
    quarters: data.quarters.map((quarter) => {
      const said = itemOf.get(quarter.code).querySelector(".value");
      return { layer: quarter.layer, lines: quarter.lines, doubtful: quarter.doubtful, value: said.textContent, missing: said.classList.contains("missing") };
    }),
  };
  const told = [first, ...data.others];
  function choose(number) {
    const view = told[number], looks = data.looks[number];
    byId("qpv-title").textContent = view.title;
    byId("qpv-subtitle").textContent = view.subtitle;
    for (const part of document.querySelectorAll("[data-view]")) part.hidden = part.dataset.view !== String(number);
    data.quarters.forEach((quarter, row) => {
      const said = view.quarters[row], cell = itemOf.get(quarter.code).querySelector(".value");
      Object.assign(quarters.get(quarter.code), { layer: said.layer, lines: said.lines, doubtful: said.doubtful });
      cell.textContent = said.value;
      cell.classList.toggle("missing", said.missing);
    });
    layers = codes.map((code) => quarters.get(code).layer);
    const own = layers.map((layer) => looks[layer]), before = columns();
    source.data = { ...before, layer: layers, fill: own.map((look) => look[0]), hatch: own.map((look) => look[1]), marker: own.map((look) => look[2]) };
    const rows = codes.flatMap((code, row) => (quarters.get(code).doubtful ? [row] : []));
    const [rings] = named("unreliable"), at = (name) => rows.map((row) => before[name][row]);
    rings.data_source.data = { x: at("x"), y: at("y") };
    hidden.clear();
    for (const box of document.querySelectorAll(".qpv-layer")) {
      const legend = box.closest(".qpv-legend");
      if (!box.checked && (!legend || !legend.hidden)) hidden.add(box.dataset.layer);
    }
    for (const layer of ["quarters", "unreliable"]) show(layer);
    if (pinned) pin(pinned);
  }
  const chooser = byId("qpv-view");
  if (chooser) chooser.addEventListener("change", () => choose(Number(chooser.value)));
  for (const box of document.querySelectorAll(".qpv-layer")) {
    box.addEventListener("change", () => {
      if (box.checked) hidden.delete(box.dataset.layer); else hidden.add(box.dataset.layer);
      hits.clear();
      show(box.dataset.layer);
    });
  }
  byId("qpv-zoom-in").addEventListener("click", () => look(...middle(), metresPerPixel() / 1.6));
  byId("qpv-zoom-out").addEventListener("click", () => look(...middle(), metresPerPixel() * 1.6));
  byId("qpv-home").addEventListener("click", home);
  filter();
  home();
  document.body.dataset.ready = "true";
})();
