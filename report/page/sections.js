// sections makes a view of each section of the data: texts, and tables whose rows can be
// searched and chosen. lab has what it shares with the other views.
function sections(lab) {
  const { D, S, list, el, address, field, options, plainTable, lines } = lab;
  const kindAt = (i) => 1 + 2 * i, textAt = (i) => 2 + 2 * i;
  // choices are what can be chosen in a section: by kernel, and by the columns that the
  // tables name, each under its heading.
  function choices(section) {
    const found = new Map();
    for (const t of section.Tables) {
      if (S(t.Of)) found.set("kernel", [...(found.get("kernel") || []), S(t.Of)]);
      for (const i of list(t.Choose)) found.set(S(t.Heads[i]), [...(found.get(S(t.Heads[i])) || []), ...t.Rows.map((r) => S(r[textAt(i)]))]);
    }
    return found;
  }
  function matches(t, row, filters) {
    if (filters.odd && !row[0]) return false;
    const q = (filters.q || "").toLowerCase();
    if (q && !t.Heads.some((_, i) => S(row[textAt(i)]).toLowerCase().includes(q))) return false;
    return Object.entries(filters).every(([name, value]) => {
      if (!value || name === "q" || name === "odd") return true;
      if (name === "kernel") return !S(t.Of) || S(t.Of) === value;
      const at = t.Heads.findIndex((h) => S(h) === name);
      return at >= 0 && S(row[textAt(at)]) === value;
    });
  }
  function cellOf(section, row, i) {
    const text = S(row[textAt(i)]), kind = S(row[kindAt(i)]);
    if (i === 0) return el("a", { href: address(S(section.Name), { q: text }) }, text);
    return el("td", { class: kind || undefined }, kind === "bad" || kind === "lost" ? "✗ " + text : text);
  }
  function view(section, params) {
    const chosen = choices(section), filters = {};
    for (const name of ["q", "odd", ...chosen.keys()]) filters[name] = params.get(name) || "";
    const form = el("form", { role: "search", "aria-label": "Filter " + S(section.Title) },
      field("q", "Search", el("input", { type: "search" })),
      [...chosen].map(([name, values]) => field(name, name[0].toUpperCase() + name.slice(1), el("select", {}, options(values, "all")))),
      field("odd", "Rows", el("select", {}, el("option", { value: "" }, "all"), el("option", { value: "1" }, "not as expected"))),
      el("button", { type: "reset" }, "Show all"));
    for (const name of Object.keys(filters)) form.elements[name].value = filters[name];
    const status = el("p", { role: "status", id: "found", class: "quiet" });
    const boxes = section.Tables.map((t) => plainTable(S(t.Caption), t.Heads.map(S), t.Rows.map((row) => t.Heads.map((_, i) => cellOf(section, row, i)))));
    function fill() {
      let shown = 0, all = 0;
      section.Tables.forEach((t, n) => {
        const rows = boxes[n].querySelector("tbody").rows;
        let here = 0;
        t.Rows.forEach((row, i) => { here += (rows[i].hidden = !matches(t, row, filters)) ? 0 : 1; });
        boxes[n].hidden = !here;
        shown += here;
        all += t.Rows.length;
      });
      status.textContent = shown + " of " + all + " rows. The first cell of a row has its address.";
    }
    function applied() {
      history.replaceState(null, "", address(S(section.Name), filters));
      fill();
    }
    form.addEventListener("submit", (e) => e.preventDefault());
    form.addEventListener("reset", () => { for (const k of Object.keys(filters)) filters[k] = ""; setTimeout(applied); });
    form.addEventListener("input", (e) => { filters[e.target.name] = e.target.value; applied(); });
    fill();
    return [el("h2", {}, S(section.Title)), el("p", {}, S(section.About)), lines(section.Summary), form, status, ...boxes];
  }
  return list(D.Sections).map((s) => [S(s.Name), S(s.Title), (params) => view(s, params), true]);
}
