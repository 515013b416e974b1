(() => {
  const D = JSON.parse(document.getElementById("data").textContent);
  const S = (n) => D.Strings[n || 0];
  const list = (a) => a || [];
  const main = document.getElementById("main");
  const dialog = document.getElementById("dialog");

  // el makes an element. Texts become text nodes: nothing here is ever parsed as markup.
  function el(name, attributes, ...children) {
    const e = document.createElement(name);
    for (const [k, v] of Object.entries(attributes || {})) {
      if (v === true) e.setAttribute(k, "");
      else if (v !== false && v !== undefined && v !== null) e.setAttribute(k, v);
    }
    for (const c of children.flat()) {
      if (c !== null && c !== undefined && c !== "") e.append(c);
    }
    return e;
  }
  const verdict = (cell) => D.Verdicts[cell[0]];
  const probeName = (row) => S(D.Probes[row].ID);
  const tableName = (t) => S(t.Kernel) + " " + S(t.Arch);
  const label = (v) => /\w/.test(v.Short) ? v.Sign + " " + v.Short : v.Sign;
  const breakable = (name) => name.replace(/[_@,]/g, "\u200b$&"); // a heading may break there

  // Addresses: #VIEW?filter=..., and #cell?t=KERNEL ARCH&s=SETTING&p=PROBE.
  function address(view, params) {
    const q = new URLSearchParams();
    for (const [k, v] of Object.entries(params || {})) if (v) q.set(k, v);
    const text = q.toString();
    return "#" + view + (text ? "?" + text : "");
  }
  function here() {
    const [view, query] = location.hash.slice(1).split("?");
    return { view, params: new URLSearchParams(query || "") };
  }
  const cellAddress = (t, c, r) => {
    const table = D.Tables[t], col = table.Columns[c];
    return address("cell", { t: tableName(table), s: S(col.Setting), p: probeName(r) });
  };
  function findCell(params) {
    const t = D.Tables.findIndex((x) => tableName(x) === params.get("t"));
    if (t < 0) return null;
    const c = D.Tables[t].Columns.findIndex((x) => S(x.Setting) === params.get("s"));
    const r = D.Probes.findIndex((x) => S(x.ID) === params.get("p"));
    return c < 0 || r < 0 ? null : { t, c, r };
  }

  function lines(items, node) {
    return el("ul", {}, list(items).map((n) => el("li", {}, node ? node(n) : S(n))));
  }
  function plainTable(caption, heads, rows) {
    return el("div", { class: "scroll wrap", tabindex: "0", role: "region", "aria-label": caption },
      el("table", {}, el("caption", { class: "quiet" }, caption),
        el("thead", {}, el("tr", {}, heads.map((h) => el("th", { scope: "col" }, h)))),
        el("tbody", {}, rows.map((r) => el("tr", {}, r.map((x, i) => i === 0 ? el("th", { scope: "row" }, x) : x instanceof Element && x.tagName === "TD" ? x : el("td", {}, x)))))));
  }

  function overview() {
    const out = list(D.Sections).flatMap((s) => [el("h2", {}, el("a", { href: "#" + S(s.Name) }, S(s.Title))), el("p", {}, el("span", { class: "headline " + (s.Good ? "good" : "bad") }, s.Good ? "✓ as expected" : "✗ not as expected")), lines(s.Summary)]);
    return D.Tables.length ? ofMatrix().concat(out) : out;
  }
  function ofMatrix() {
    const counts = new Map();
    for (const t of D.Tables) for (const row of t.Cells) for (const c of row) counts.set(c[0], (counts.get(c[0]) || 0) + 1);
    const out = [el("h2", {}, "Look at this first")];
    if (list(D.First).length === 0) {
      out.push(el("p", {}, !D.Measured ? "Nothing was measured." : D.Known ? "Every other cell is as expected. Known issues: " + D.Known + "." : "Every cell is as expected."));
    } else {
      out.push(el("ul", {}, D.First.map((f) => {
        const v = verdict(D.Tables[f.Table].Cells[f.Row][f.Column]);
        return el("li", {}, el("a", { href: cellAddress(f.Table, f.Column, f.Row) }, v.Sign + " " + v.Name + ": " + S(f.Text)));
      })));
      if (D.Rest) out.push(el("p", {}, el("a", { href: address("matrix", { odd: "1" }) }, "and " + D.Rest + " more cells")));
    }
    if (list(D.Notes).length) out.push(el("h2", {}, "Notes"), lines(D.Notes));
    out.push(el("h2", {}, "Verdicts"), el("ul", { class: "tiles" }, D.Verdicts.map((v, i) => counts.get(i) ?
      el("li", {}, el("a", { class: v.Kind, href: address("matrix", { v: v.Name }), title: v.Meaning }, v.Sign + " " + counts.get(i) + " " + v.Name)) : null)));
    out.push(el("h2", {}, "What it rests on"), lines(D.Tally));
    out.push(el("h2", {}, "Kernels"));
    for (const t of D.Tables) {
      out.push(el("h3", {}, tableName(t)), el("p", { class: "quiet" }, list(t.Made).map(S).join(", ")),
        el("p", {}, t.Enforced.length + " of " + t.Of + " reasons enforced" + (t.Enforced.length ? ": " + t.Enforced.map(S).join(", ") : "")));
      const more = [];
      if (t.Leaking.length) more.push("leaking: " + t.Leaking.map(S).join(", "));
      if (t.Doubtful.length) more.push("in doubt: " + t.Doubtful.map(S).join(", "));
      for (const [r, why] of list(t.Untested)) more.push("not tested: " + S(r) + ": " + S(why));
      for (const [r, why] of list(t.OutOfReach)) more.push("out of reach: " + S(r) + ": " + S(why));
      more.push(...list(t.Strange).map(S));
      if (more.length) out.push(el("ul", {}, more.map((m) => el("li", {}, m))));
    }
    return out;
  }

  // The matrix.
  const filters = { k: "", s: "", r: "", v: "", odd: "", by: "", q: "" };
  let built = "";
  function options(values, all) {
    return [el("option", { value: "" }, all)].concat([...new Set(values)].filter((x) => x !== "").map((x) => el("option", { value: x }, x)));
  }
  function field(name, text, control) {
    control.id = "f-" + name;
    control.name = name;
    return el("div", {}, el("label", { for: control.id }, text), control);
  }
  function matrix(params) {
    for (const k of Object.keys(filters)) filters[k] = params.get(k) || "";
    const columns = D.Tables.flatMap((t) => t.Columns.map((c) => S(c.Setting)));
    const form = el("form", { role: "search", "aria-label": "Filter the matrix" },
      field("q", "Search probes and calls", el("input", { type: "search" })),
      field("k", "Kernel", el("select", {}, options(D.Tables.map(tableName), "all kernels"))),
      field("s", "Setting", el("select", {}, options(columns, "all settings"))),
      field("r", "Reason", el("select", {}, options(list(D.Probes).map((p) => S(p.Reason)), "all reasons"))),
      field("v", "Verdict", el("select", {}, options(D.Verdicts.map((v) => v.Name), "all verdicts"))),
      field("odd", "Cells", el("select", {}, el("option", { value: "" }, "all"), el("option", { value: "1" }, "not as expected"))),
      field("by", "Rows", el("select", {}, el("option", { value: "" }, "probes"), el("option", { value: "reason" }, "reasons"))),
      el("button", { type: "reset" }, "Show all"));
    for (const k of Object.keys(filters)) form.elements[k].value = filters[k];
    form.addEventListener("submit", (e) => e.preventDefault());
    form.addEventListener("reset", () => { for (const k of Object.keys(filters)) filters[k] = ""; setTimeout(applied); });
    form.addEventListener("input", (e) => { filters[e.target.name] = e.target.value; applied(); });
    const status = el("p", { role: "status", id: "found", class: "quiet" });
    const legend = el("details", {}, el("summary", {}, "What the signs mean"),
      el("ul", {}, D.Verdicts.map((v) => el("li", {}, el("span", { class: v.Kind }, label(v)), " " + v.Name + ": " + v.Meaning))));
    built = "";
    const box = el("div", { id: "tables" });
    setTimeout(() => fill(), 0);
    return [el("h2", {}, "Matrix"), form, legend, status, box];
  }
  function applied() {
    history.replaceState(null, "", address("matrix", filters));
    fill();
  }
  // A grid has only the rows in the document that are in sight: a matrix of many cells
  // would be slow otherwise. Rows have one height, and two spacers stand for the others.
  const height = 26, beyond = 8;
  let grids = [];
  function fill() {
    const box = document.getElementById("tables");
    if (!box) return;
    const key = JSON.stringify([filters.k, filters.s, filters.by]);
    if (key !== built) {
      built = key;
      grids = D.Tables.map((t, i) => (filters.k && tableName(t) !== filters.k ? null : grid(t, i))).filter(Boolean);
      box.replaceChildren(...grids.map((g) => g.section));
    }
    let shown = 0, all = 0;
    for (const g of grids) {
      g.rows = matching(g);
      g.dirty = true;
      shown += g.rows.length;
      all += g.count;
      g.section.hidden = !g.rows.length;
      g.table.setAttribute("aria-rowcount", g.rows.length + 1);
    }
    for (const g of grids) if (g.dirty) space(g, 0, 0);
    inSight(0);
    requestAnimationFrame(() => setTimeout(inSight)); // the rows next to those, once these are shown
    document.getElementById("found").textContent = shown + " of " + all + " rows. Arrow keys move in a table, Enter opens a cell.";
  }
  function space(g, from, to) {
    g.above.style.height = from * height + "px";
    g.below.style.height = (g.rows.length - to) * height + "px";
  }
  // inSight draws the tables that are in sight, or near it: margin is in heights of the
  // window.
  function inSight(margin) {
    if (typeof margin !== "number") margin = 0.5; // called for an event
    const places = grids.map((g) => !g.section.hidden && g.section.getBoundingClientRect());
    grids.forEach((g, i) => {
      if (places[i] && places[i].top < (1 + margin) * innerHeight && places[i].bottom > -margin * innerHeight) draw(g, margin ? beyond : 0);
    });
  }
  // draw makes the rows that are in sight, and some more before and after them.
  function draw(g, more) {
    const first = Math.floor(g.scroll.scrollTop / height);
    const from = Math.max(0, Math.min(first - more, g.rows.length));
    const to = Math.min(g.rows.length, first + Math.ceil(g.scroll.clientHeight / height) + more);
    if (!g.dirty && from === g.from && to === g.to) return;
    const focused = g.body.contains(document.activeElement);
    const rows = [];
    for (let i = from; i < to; i++) rows.push(rowOf(g, i));
    g.body.replaceChildren(...rows);
    [g.dirty, g.from, g.to] = [false, from, to];
    space(g, from, to);
    const td = cellAt(g) || g.body.querySelector("td");
    if (td) td.tabIndex = 0;
    if (td && focused) td.focus({ preventScroll: true });
  }
  const cellAt = (g) => {
    const tr = g.body.rows[g.at[0] - g.from];
    return tr && tr.cells[g.at[1] + 1];
  };
  function rowOf(g, i) {
    const r = g.rows[i], tr = document.createElement("tr"), th = document.createElement("th");
    tr.setAttribute("aria-rowindex", i + 2);
    tr.dataset.at = i;
    th.scope = "row";
    th.textContent = th.title = g.byReason ? S(g.t.ByReason[r].Reason) : probeName(r);
    tr.append(th);
    for (const c of g.columns) {
      const v = D.Verdicts[g.byReason ? g.t.ByReason[r].Cells[c] : g.t.Cells[r][c][0]];
      const td = document.createElement("td");
      td.className = v.Kind;
      td.textContent = label(v);
      td.tabIndex = -1;
      tr.append(td);
    }
    return tr;
  }
  function grid(t, index) {
    const columns = t.Columns.map((_, i) => i).filter((i) => !filters.s || S(t.Columns[i].Setting) === filters.s);
    if (!columns.length) return null;
    const byReason = filters.by === "reason";
    const g = { t, index, columns, byReason, count: byReason ? t.ByReason.length : t.Cells.length, rows: [], at: [0, 0], dirty: true, from: 0, to: 0 };
    g.body = el("tbody");
    g.above = el("div");
    g.below = el("div");
    g.table = el("table", { class: "grid", role: "grid", "aria-label": tableName(t) },
      el("colgroup", {}, el("col", { class: "name" }), columns.map(() => el("col", { class: "cell" }))),
      el("thead", {}, el("tr", { "aria-rowindex": "1" }, el("th", { scope: "col" }, byReason ? "reason, all its probes" : "probe"),
        columns.map((c) => el("th", { scope: "col", title: S(t.Columns[c].Note) }, breakable(S(t.Columns[c].Setting)))))), g.body);
    g.scroll = el("div", { class: "scroll" }, g.above, g.table, g.below);
    g.scroll.addEventListener("scroll", () => draw(g, beyond), { passive: true });
    g.table.addEventListener("click", (e) => { const td = e.target.closest("td"); if (td) opened(g, td); });
    g.table.addEventListener("keydown", (e) => moved(e, g));
    g.section = el("section", { "aria-label": tableName(t) }, el("h3", {}, tableName(t)), g.scroll);
    return g;
  }
  addEventListener("scroll", inSight, { passive: true });
  addEventListener("resize", inSight);
  addEventListener("beforeprint", () => { for (const g of grids) { g.dirty = true; draw(g, Infinity); } });
  addEventListener("afterprint", () => { for (const g of grids) g.dirty = true; inSight(); });
  function opened(g, td) {
    const i = Number(td.parentElement.dataset.at), c = g.columns[td.cellIndex - 1];
    move(g, i, td.cellIndex - 1);
    if (g.byReason) location.hash = address("matrix", { k: tableName(g.t), s: S(g.t.Columns[c].Setting), r: S(g.t.ByReason[g.rows[i]].Reason) });
    else if (location.hash === cellAddress(g.index, c, g.rows[i])) route();
    else location.hash = cellAddress(g.index, c, g.rows[i]);
  }
  const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], PageUp: [-20, 0], PageDown: [20, 0], Home: [0, -1e6], End: [0, 1e6] };
  function moved(e, g) {
    const td = e.target.closest("td");
    if (!td || e.ctrlKey || e.altKey || e.metaKey) return;
    if (e.key === "Enter" || e.key === " ") { e.preventDefault(); opened(g, td); return; }
    if (!steps[e.key]) return;
    e.preventDefault();
    const bound = (n, end) => Math.max(0, Math.min(n, end - 1));
    move(g, bound(Number(td.parentElement.dataset.at) + steps[e.key][0], g.rows.length), bound(td.cellIndex - 1 + steps[e.key][1], g.columns.length));
  }
  // move gives a cell the focus, and brings it into sight.
  function move(g, i, c) {
    for (const x of g.body.querySelectorAll('td[tabindex="0"]')) x.tabIndex = -1;
    g.at = [i, c];
    const head = g.table.tHead.offsetHeight, top = i * height;
    if (top < g.scroll.scrollTop) g.scroll.scrollTop = top;
    else if (top + head + height > g.scroll.scrollTop + g.scroll.clientHeight) g.scroll.scrollTop = top + head + height - g.scroll.clientHeight;
    draw(g, beyond);
    const td = cellAt(g);
    if (!td) return;
    td.tabIndex = 0;
    td.focus({ preventScroll: true });
    td.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
  // matching lists the rows that match the search, the reason, and a verdict in a column
  // that is shown.
  const haystack = list(D.Probes).map((p) => (S(p.ID) + "\n" + S(p.Call) + "\n" + S(p.Reason)).toLowerCase());
  function matching(g) {
    const q = filters.q.toLowerCase(), out = [];
    for (let r = 0; r < g.count; r++) {
      const reason = S((g.byReason ? g.t.ByReason[r] : D.Probes[r]).Reason);
      if (q && !(g.byReason ? reason.toLowerCase() : haystack[r] + "\n" + S(list(g.t.Sites)[r]).toLowerCase()).includes(q) || filters.r && reason !== filters.r) continue;
      if ((filters.v || filters.odd) && !g.columns.some((c) => {
        const v = D.Verdicts[g.byReason ? g.t.ByReason[r].Cells[c] : g.t.Cells[r][c][0]];
        return (!filters.v || v.Name === filters.v) && (!filters.odd || !v.Expected);
      })) continue;
      out.push(r);
    }
    return out;
  }

  // One cell: control and observation side by side.
  const parts = [["outcome", 4], ["errno", 5], ["call", 6], ["effect", 7], ["look at the effect", 8], ["how it was denied", 9], ["the kernel's log", 10], ["the kernel's counters", 11], ["variants", 12], ["left behind", 13]];
  function showCell({ t, c, r }) {
    const table = D.Tables[t], col = table.Columns[c], cell = table.Cells[r][c], v = verdict(cell), p = D.Probes[r];
    const k = col.Control;
    const control = k >= 0 && k !== c ? table.Cells[r][k] : null;
    const close = el("button", { type: "button" }, "Close");
    close.addEventListener("click", () => dialog.close());
    const heads = ["", "Control" + (control ? ": " + S(table.Columns[k].Setting) : ""), "Observation: " + S(col.Setting)];
    const rows = [["verdict", control ? label(verdict(control)) + " " + verdict(control).Name : "this is the control, or there is none", label(v) + " " + v.Name]];
    for (const [name, at] of parts) {
      const a = control ? S(control[at]) : "", b = S(cell[at]);
      if (a || b) rows.push([name, a, b]);
    }
    const time = (x) => x && x[14] ? (x[14] / 1000).toFixed(1) + " ms" : "";
    if (time(cell) || time(control)) rows.push(["time", time(control), time(cell)]);
    const facts = [["reason", S(p.Reason)], ["expectation", S(p.Expect)], ["call", S(p.Call)], ["call site", S(list(table.Sites)[r])], ["class of the gap", S(p.Class)], ["source", S(p.Source)],
      ["explanation", S(cell[1])], ["rule that gave the verdict", S(cell[2])], ["counted at the call site", cell[3] ? "yes" : ""],
      ["level file", S(col.Shown)], ["guest", S(col.Note)], ["end of the guest", S(col.End)], ["machine", S(col.Host)]].filter((x) => x[1]);
    dialog.replaceChildren(...[
      el("div", { class: "top" }, el("h2", { id: "cellhead", tabindex: "-1" }, S(p.ID) + ", " + tableName(table) + ", " + S(col.Setting)), close),
      el("p", {}, el("span", { class: "headline " + v.Kind }, v.Sign + " " + v.Name), " " + v.Meaning),
      el("table", {}, el("thead", {}, el("tr", {}, heads.map((h, i) => i ? el("th", { scope: "col" }, h) : el("td")))),
        el("tbody", {}, rows.map((x) => el("tr", {}, el("th", { scope: "row" }, x[0]), el("td", {}, x[1]), el("td", {}, x[2]))))),
      el("h3", {}, "About the probe and its guest"),
      el("table", {}, el("tbody", {}, facts.map((x) => el("tr", {}, el("th", { scope: "row" }, x[0]), el("td", {}, x[1]))))),
      list(col.Splats).length ? el("h3", {}, "Bugs that the kernel reported of its own") : null,
      list(col.Splats).length ? el("pre", { tabindex: "0" }, col.Splats.map(S).join("\n")) : null,
      list(col.Console).length ? el("h3", {}, "Last lines of the console") : null,
      list(col.Console).length ? el("pre", { tabindex: "0" }, col.Console.map(S).join("\n")) : null,
      S(col.Command) ? el("h3", {}, "Command that repeats this boot") : null,
      S(col.Command) ? el("pre", { tabindex: "0", id: "command" }, S(col.Command)) : null].filter(Boolean));
    if (!dialog.open) dialog.showModal();
    // Not the button: the key that opened the cell would press it.
    document.getElementById("cellhead").focus();
  }
  let back = "";
  dialog.addEventListener("close", () => {
    if (dialog.open) return; // it was opened again meanwhile
    if (here().view === "cell") history.replaceState(null, "", current === "matrix" ? address("matrix", filters) : back || "#" + current);
    const cell = document.querySelector('td[tabindex="0"]');
    if (lastCell && lastCell.isConnected) lastCell.focus();
    else if (cell) cell.focus();
  });
  let lastCell = null;

  function reasons() {
    const names = [...new Set(list(D.Probes).map((p) => S(p.Reason)).filter(Boolean))];
    const of = (t, r) => {
      const is = (a) => list(a).some((n) => S(Array.isArray(n) ? n[0] : n) === r);
      if (is(t.Leaking)) return ["✗ LEAK", "bad"];
      if (is(t.Doubtful)) return ["? in doubt", "doubt"];
      if (is(t.Enforced)) return ["✓ enforced", "good"];
      if (is(t.OutOfReach)) return ["– out of reach", "none"];
      return ["– not tested", "none"];
    };
    return [el("h2", {}, "Reasons"), el("p", {}, "Enforced: a probe of the reason was denied, its control was allowed, the kernel named the reason, and no cell of the reason is unexpected."),
      plainTable("Reasons against kernels", ["reason", ...D.Tables.map(tableName)], names.map((r) => [r, ...D.Tables.map((t) => { const [text, kind] = of(t, r); return el("td", { class: kind }, text); })]))];
  }
  function isolation() {
    const out = [el("h2", {}, "Isolation"), el("p", {}, "One reason locked alone (down) against the probes of each reason (across): denied of probed. It shows that A does not block the probes of B, not that A locked alone protects anything. A * is a named dependence, a ! is not as expected.")];
    for (const x of list(D.Isolation)) {
      const names = x.Reasons.map(S);
      out.push(el("h3", {}, S(x.Kernel) + " " + S(x.Arch)), plainTable("Isolation of " + S(x.Kernel) + " " + S(x.Arch), ["locked", ...names],
        names.map((n, i) => [n, ...x.Cells[i].map((s, j) => el("td", { class: x.Bad[i][j] ? "bad" : i === j ? "good" : S(s) === "." ? "none" : "gap" }, S(s)))])));
      if (list(x.Dependences).length) out.push(el("h3", {}, "Named dependences"), lines(x.Dependences));
    }
    return out;
  }
  function gaps() {
    const rows = list(D.Probes).map((p, i) => [p, i]).filter(([p]) => S(p.Expect) === "gap");
    const of = (t, i) => {
      const seen = t.Cells[i].map((c) => verdict(c));
      const odd = seen.find((v) => !v.Expected) || seen.find((v) => v.Name === "gap closed") || seen.find((v) => v.Name === "gap") || seen.find((v) => v.Name !== "not planned") || seen[0];
      return odd ? el("td", { class: odd.Kind }, label(odd) + " " + odd.Name) : el("td");
    };
    return [el("h2", {}, "Known gaps"), el("p", {}, "The same power as a reason protects, in a way that lockdown does not check."),
      plainTable("Known gaps against kernels", ["probe", "reason", "call", "class", ...D.Tables.map(tableName)], rows.map(([p, i]) => [
        el("a", { href: address("matrix", { q: S(p.ID) }) }, S(p.ID)), S(p.Reason), S(p.Call), S(p.Class), ...D.Tables.map((t) => of(t, i))]))];
  }
  function machines() {
    const out = [el("h2", {}, "Machines and guests"), lines(D.Machines)];
    for (const t of D.Tables) {
      out.push(el("h3", {}, tableName(t)), plainTable("Guests of " + tableName(t), ["setting", "what its level file shows, or how it ended", "bugs of its own kernel"],
        t.Columns.map((c) => [S(c.Setting), S(c.Note), list(c.Splats).map(S).join("\n")])));
    }
    return out;
  }

  const past = document.getElementById("nights"); // charts that the lab has drawn
  if (past) past.remove();
  const tables = D.Tables.length;
  const views = [["overview", "Overview", overview, true], ["matrix", "Matrix", matrix, tables], ["reasons", "Reasons", reasons, tables], ["isolation", "Isolation", isolation, list(D.Isolation).length],
    ["gaps", "Gaps", gaps, list(D.Probes).some((p) => S(p.Expect) === "gap")], ...sections({ D, S, list, el, address, field, options, plainTable, lines }),
    ["history", "History", () => [past], past], ["machines", "Machines", machines, tables]].filter((v) => v[3]);
  const nav = document.getElementById("nav");
  for (const [name, title] of views) nav.append(el("a", { href: "#" + name, "data-view": name }, title));

  let current = "";
  function show(name, params) {
    const view = views.find((v) => v[0] === name) || views[0];
    current = view[0];
    for (const a of nav.children) {
      if (a.dataset.view === current) a.setAttribute("aria-current", "page");
      else a.removeAttribute("aria-current");
    }
    document.title = "ldlab: " + view[1];
    main.replaceChildren(...view[2](params || new URLSearchParams()));
  }
  function route() {
    const { view, params } = here();
    if (view === "main") return;
    if (view === "cell") {
      const at = findCell(params);
      if (!current) show(at ? "matrix" : "overview", new URLSearchParams(at ? "k=" + encodeURIComponent(params.get("t")) : ""));
      if (at) {
        if (document.activeElement && document.activeElement !== document.body) lastCell = document.activeElement;
        showCell(at);
      }
      return;
    }
    if (dialog.open) dialog.close();
    back = location.hash;
    show(view, params);
  }
  document.getElementById("headline").append(
    el("span", { class: "headline " + (!D.AsExpected ? "bad" : D.Known ? "known" : "good") }, !D.AsExpected ? "✗ not as expected" : D.Known ? "≈ as expected, but for known issues: " + D.Known : "✓ as expected"),
    el("span", { class: "quiet" }, D.Started ? " " + [S(D.Started), "ldlab " + S(D.Lab)].join(", ") : ""));
  window.addEventListener("hashchange", route);
  route();
  document.documentElement.dataset.ready = "yes";
})();
