// The board: rows ranked by interval, filtered and sorted; the address holds all of it.

import { address, announce, count, estimate, fill, h, labels, load, many, modelLink, name, number, query, remember, select, shortRevision, size, start, status } from "./page.js";
import { spark, whisker } from "./charts.js";
import { Table } from "./table.js";

const MOST = 4;
const BINS = [["", "any size"], ["0-1e9", "below 1 B"], ["1e9-5e9", "1 B to 5 B"], ["5e9-2e10", "5 B to 20 B"], ["2e10-1e15", "20 B and more"], ["unknown", "not stated"]];
const DEFAULTS = { scope: "", scheme: "", strategy: "", size: "", status: "", q: "", sort: "" };

start(async (place, board) => {
  const state = { ...DEFAULTS, pick: [] };
  for (const key of Object.keys(DEFAULTS)) state[key] = query().get(key) || "";
  const known = new Set(board.rows.filter((row) => row.measured).map((row) => row.key));
  state.pick = query().getAll("pick").filter((key) => known.has(key)).slice(0, MOST);
  const scopes = new Map(board.scopes.map((scope) => [scope.key, scope]));
  if (!scopes.has(state.scope)) state.scope = "";
  await new View(place, board, scopes, state).show();
});

class View {
  constructor(place, board, scopes, state) {
    Object.assign(this, { board, scopes, state });
    this.rows = new Map(board.rows.map((row) => [row.key, row]));
    this.note = h("p", { class: "lead-in" });
    this.shown = h("p", { class: "shown", id: "shown" });
    this.holder = h("div", { id: "ranking" });
    this.compare = h("div", { class: "compare-bar", hidden: true });
    fill(place, this.controls(), this.note, this.shown, this.holder, this.compare, claimedOnly(board), this.published(), refused(board));
  }

  get scope() {
    return this.scopes.get(this.state.scope) || this.board.scopes[0];
  }

  controls() {
    const options = (field, label) => [["", label], ...[...new Set(this.board.rows.map((row) => row[field]).filter(Boolean))].sort().map((each) => [each, each])];
    const set = (key) => (value) => { this.state[key] = value; this.refilter(); };
    const search = h("input", { type: "search", id: "search", placeholder: "name, base, submitter", autocomplete: "off",
      oninput: () => set("q")(search.value.trim()) });
    search.value = this.state.q;
    const clear = h("button", { type: "button", class: "tool", onclick: () => { location.href = location.pathname; } }, "Reset");
    return h("form", { class: "filters", "aria-label": "Filters", onsubmit: (event) => event.preventDefault() },
      select("Data", this.scopeOptions(), this.scope?.key || "", (value) => { this.state.scope = value; this.show(); }),
      select("Scheme", options("scheme", "any scheme"), this.state.scheme, set("scheme")),
      select("Strategy", options("strategy", "any strategy"), this.state.strategy, set("strategy")),
      select("Size", BINS, this.state.size, set("size")),
      select("Status", [["", "any status"], ...this.board.statuses.map((each, i) => [each, i + 1 < this.board.statuses.length ? `${each} or better` : each])], this.state.status, set("status")),
      h("div", { class: "field grow" }, h("label", { for: "search" }, "Search"), search), clear);
  }

  scopeOptions() {
    const kinds = [["mean", "Mean over data sets"], ["modality", "Modality"], ["dataset", "Data set"]];
    return kinds.map(([kind, group]) => ({ group, options: this.board.scopes.filter((scope) => scope.kind === kind).map((scope) => [scope.key, scope.label]) }))
      .filter((group) => group.options.length);
  }

  async show() {
    const scope = this.scope;
    if (!scope) {
      fill(this.holder, h("p", {}, "No submission has been measured yet. ", h("a", { href: "method.html#submit" }, "How to submit")));
      return;
    }
    const data = await load(scope.file);
    const lines = data.rows.map((line) => ({ ...line, row: this.rows.get(line.key) }));
    const single = scope.kind === "dataset";
    const columns = this.columns(data, single, lines);
    this.lines = lines;
    this.table = new Table({
      caption: `Ranking: ${scope.label}`, columns, rows: lines,
      sort: this.sorting(columns),
      remember: ({ id, desc }) => { this.state.sort = id === "rank" && !desc ? "" : `${desc ? "-" : ""}${id}`; this.remember(); },
      empty: "No row fits these filters.",
      rowClass: (line) => (line.rank === null ? "unranked" : null),
    });
    fill(this.holder, this.table.element);
    this.note.textContent = scope.about;
    this.refilter();
    this.drawPicks();
  }

  sorting(columns) {
    const desc = this.state.sort.startsWith("-");
    const id = this.state.sort.replace(/^-/, "");
    return columns.some((column) => column.id === id && column.sortable !== false) ? { id, desc } : { id: "rank", desc: false };
  }

  refilter() {
    if (!this.table) return;
    this.table.filter((line) => this.keeps(line.row));
    this.shown.textContent = `${this.table.shown.length} of ${many(this.lines.length, "row")} shown. Ranks count all rows, also those that a filter hides.`;
    announce(this.shown.textContent);
    this.remember();
  }

  keeps(row) {
    const { scheme, strategy, size: bin, status: least, q } = this.state;
    const order = this.board.statuses;
    const text = [row.title, row.variant, row.model, row.base, row.submitter].filter(Boolean).join(" ").toLowerCase();
    return (!scheme || row.scheme === scheme)
      && (!strategy || row.strategy === strategy)
      && (!bin || within(row.parameters, bin))
      && (!least || order.indexOf(row.status) >= order.indexOf(least))
      && (!q || q.toLowerCase().split(/\s+/).every((word) => text.includes(word)));
  }

  remember() {
    remember({ ...this.state });
  }

  columns(data, single, lines) {
    const resolutions = data.resolutions || [];
    const some = (test) => lines.some(test);
    const columns = [
      { id: "pick", head: "Compare", sortable: false, quietHead: true, class: "pick", value: () => null, cell: (line) => this.box(line.row) },
      { id: "rank", head: "Rank", numeric: true, class: "rank", title: "One plus the number of rows whose interval lies wholly above", value: (line) => line.rank, cell: (line) => line.rank ?? "–" },
      { id: "model", head: "Model", names: true, value: (line) => name(line.row), cell: (line) => this.modelCell(line.row, data.datasets) },
      { id: "status", head: "Status", ordered: true, value: (line) => this.board.statuses.indexOf(line.row.status), cell: (line) => status(line.row.status) },
      { id: "score", head: "Score", numeric: true, descending: true, title: "Mean accuracy over the resolutions, trapezoid in log2 r, with its 95 % interval", value: (line) => line.score?.[0], cell: (line) => (line.score ? estimate(line.score) : h("span", { class: "quiet", title: line.withheld }, "withheld")) },
      { id: "interval", head: "Interval", sortable: false, class: "wide", title: "Score and interval on the scale from 0 to 1; the tick is chance", value: () => null, cell: (line) => whisker(line.score, data.chance) },
      single && { id: "curve", head: "Curve", sortable: false, class: "wide", title: "Accuracy over the resolutions; the ring is the training resolution", value: () => null, cell: (line) => spark(line.cells, resolutions, line.reference, data.chance) },
      { id: "drop", head: "Worst drop", numeric: true, title: "Largest fall of the accuracy below that at the training resolution", value: (line) => line.drop?.[0], cell: (line) => estimate(line.drop) },
      { id: "retention", head: "Retention", numeric: true, descending: true, title: "What is left above chance at the end of the sweep that is farther from training", value: (line) => line.retention?.[0], cell: (line) => estimate(line.retention, 2) },
      { id: "trained", head: "Trained at", value: (line) => line.row.training, cell: (line) => [line.row.training, h("small", {}, line.row.strategy)] },
      { id: "parameters", head: "Size", numeric: true, value: (line) => line.row.parameters, cell: (line) => size(line.row.parameters) },
      some((line) => line.tokens !== null) && { id: "tokens", head: "Tokens", numeric: true, title: "Visual tokens per image, mean over the resolutions", value: (line) => line.tokens, cell: (line) => count(line.tokens) },
      single && some((line) => line.speed !== null) && { id: "speed", head: "Samples/s", numeric: true, descending: true, title: "Samples per second of the whole run, on the submitter's hardware", value: (line) => line.speed, cell: (line) => count(line.speed) },
      single && some((line) => line.claimed !== null) && { id: "claimed", head: "Claimed − measured", numeric: true, descending: true, title: "Largest difference between an accuracy that the submitter states and the measured one", value: (line) => line.claimed, cell: (line) => number(line.claimed) },
    ];
    return columns.filter(Boolean);
  }

  modelCell(row, datasets) {
    return [modelLink(row), h("small", {}, [row.scheme, row.mode].filter(Boolean).join(", "), " · ", shortRevision(row.revision)), h("span", { class: "marks" }, labels(row, datasets))];
  }

  box(row) {
    const box = h("input", { type: "checkbox", "aria-label": `Compare ${name(row)}`, "data-pick": row.key, onchange: () => this.pick(row.key, box.checked) });
    box.checked = this.state.pick.includes(row.key);
    box.disabled = !box.checked && this.state.pick.length >= MOST;
    return box;
  }

  pick(key, chosen) {
    this.state.pick = chosen ? [...this.state.pick, key].slice(0, MOST) : this.state.pick.filter((each) => each !== key);
    this.remember();
    this.drawPicks();
  }

  drawPicks() {
    const { pick } = this.state;
    for (const box of this.holder.querySelectorAll("[data-pick]")) {
      box.checked = pick.includes(box.dataset.pick);
      box.disabled = !box.checked && pick.length >= MOST;
    }
    this.compare.hidden = pick.length === 0;
    if (!pick.length) return;
    fill(this.compare, 
      h("span", {}, `${pick.length} of ${MOST} chosen: `, pick.map((key, i) => [i ? ", " : "", h("bdi", {}, name(this.rows.get(key)))])),
      h("a", { class: "button", href: address("compare.html", { m: pick }) }, pick.length > 1 ? "Compare" : "Compare with others"),
      h("button", { type: "button", class: "tool", onclick: () => { this.state.pick = []; this.remember(); this.drawPicks(); } }, "Clear"));
    announce(`${pick.length} of ${MOST} chosen to compare`);
  }

  published() {
    const rows = this.board.published;
    if (!rows.length) return null;
    const about = h("p", {}, "Accuracies as papers print them. Nobody here holds the answers behind them: they have no interval, no attestation and no rank.");
    const sources = [...new Map(rows.map((row) => [row.source.title, row.source])).values()];
    const blocks = sources.map((source) => h("details", { open: sources.length === 1 },
      h("summary", {}, h("bdi", {}, source.title), h("small", {}, ` ${source.authors}, ${source.venue} · ${many(rows.filter((row) => row.source.title === source.title).length, "row")}`)),
      h("p", { class: "quiet" }, source.note, " ", h("a", { href: source.url, rel: "noreferrer noopener nofollow" }, "Source")),
      publishedTable(rows.filter((row) => row.source.title === source.title), source.title).element));
    return h("section", { id: "published", "aria-labelledby": "published-heading" }, h("h2", { id: "published-heading" }, "Published, not ranked"), about, blocks);
  }
}

function publishedTable(rows, title) {
  const cells = rows.flatMap((row) => row.cells);
  const heads = [...new Map(cells.map((cell) => [`${cell.dataset} ${cell.resolution}`, cell])).values()];
  const value = (row, head) => row.cells.find((cell) => cell.dataset === head.dataset && cell.resolution === head.resolution)?.accuracy;
  return new Table({
    caption: `Published: ${title}`, rows, sort: null,
    columns: [
      { id: "model", head: "Model", names: true, value: (row) => row.model, cell: (row) => [h("bdi", {}, row.model), h("small", {}, row.kind)] },
      { id: "strategy", head: "Strategy", value: (row) => row.strategy },
      ...heads.map((head, i) => ({ id: `c${i}`, head: `${head.dataset} @ ${head.resolution}`, numeric: true, descending: true, value: (row) => value(row, head), cell: (row) => number(value(row, head)) })),
      { id: "status", head: "Status", sortable: false, value: () => "published", cell: () => h("span", { class: "status published" }, "published") },
    ],
  });
}

// Rows without records: what their submitters state, with nothing to check it with.
function claimedOnly(board) {
  const lines = board.rows.filter((row) => !row.measured).flatMap((row) => (row.claims.length ? row.claims : [null]).map((claim) => ({ row, claim })));
  if (!lines.length) return null;
  const table = new Table({
    caption: "Claimed only", rows: lines, sort: null,
    columns: [
      { id: "model", head: "Model", names: true, value: (line) => name(line.row), cell: (line) => [modelLink(line.row), h("span", { class: "marks" }, labels(line.row))] },
      { id: "task", head: "Task", value: (line) => line.claim?.[0] },
      { id: "scheme", head: "Scheme", value: (line) => line.claim?.[1] },
      { id: "r", head: "r", numeric: true, value: (line) => line.claim?.[2] },
      { id: "accuracy", head: "Claimed accuracy", numeric: true, descending: true, value: (line) => line.claim?.[3], cell: (line) => number(line.claim?.[3]) },
      { id: "source", head: "Claimed in", value: (line) => line.claim?.[4], sortable: false },
      { id: "status", head: "Status", sortable: false, value: (line) => line.row.status, cell: (line) => status(line.row.status) },
    ],
  });
  return h("section", { id: "claimed", "aria-labelledby": "claimed-heading" }, h("h2", { id: "claimed-heading" }, "Claimed, not ranked"),
    h("p", {}, "Stated by submitters without the answers behind it: nothing was computed or checked here."), table.element);
}

function refused(board) {
  if (!board.refused.length) return null;
  return h("details", { id: "refused" }, h("summary", {}, `${many(board.refused.length, "submission")} not shown`),
    h("ul", {}, board.refused.map((each) => h("li", {}, h("code", {}, each.folder), ": ", each.reason))));
}

function within(parameters, bin) {
  if (bin === "unknown") return parameters === null;
  const [least, most] = bin.split("-").map(Number);
  return parameters !== null && parameters >= least && parameters < most;
}
