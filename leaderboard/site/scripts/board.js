// The board: one list per data and scheme, a line per recipe by score; the address holds all that is chosen.

import { ANSWERED, address, announce, count, estimate, fill, h, labels, load, many, mark, modelLink, name, number, query, ranks, remember, select, shared, shortRevision, size, sizeColumns, sized, start, status, strategy } from "./page.js";
import { spark, whisker } from "./charts.js";
import { Table } from "./table.js";

const MOST = 4;
const BINS = [["", "any size"], ["0-1e9", "below 1 B"], ["1e9-5e9", "1 B to 5 B"], ["5e9-2e10", "5 B to 20 B"], ["2e10-1e15", "20 B and more"], ["unknown", "not stated"]];
const DEFAULTS = { scope: "", mode: "", strategy: "", size: "", status: "", q: "", sort: "", columns: "" };

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
    this.apart = h("section", { id: "apart", hidden: true });
    this.compare = h("div", { class: "compare-bar", hidden: true });
    fill(place, this.controls(), this.note, this.shown, this.holder, this.apart, this.compare, claimedOnly(board), this.published(), refused(board));
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
    const folded = h("details", { class: "fold", open: matchMedia("(min-width: 40.01rem)").matches }, h("summary", {}, "Data, filters and search"));
    folded.append(h("form", { class: "filters", "aria-label": "Filters", onsubmit: (event) => event.preventDefault() },
      select("Data", this.scopeOptions(), this.scope?.key || "", (value) => { this.state.scope = value; this.show(); }),
      select("Answers", options("mode", "any").map(([value, text]) => [value, ANSWERED[value] || text]), this.state.mode, set("mode")),
      select("Strategy", options("strategy", "any strategy").map(([value, text]) => [value, strategy(text)]), this.state.strategy, set("strategy")),
      select("Size", BINS, this.state.size, set("size")),
      select("Status", [["", "any status"], ...this.board.statuses.map((each, i) => [each, i + 1 < this.board.statuses.length ? `${each} or better` : each])], this.state.status, set("status")),
      h("div", { class: "field grow" }, h("label", { for: "search" }, "Search"), search), clear));
    return folded;
  }

  // Rows under other schemes are in other lists: what is restored before it is shown is another task.
  // So are rows of other steps of the ladder, which the label names.
  scopeOptions() {
    const kinds = [["mean", "Mean over data sets"], ["modality", "Modality"], ["dataset", "Data set"]];
    const schemes = [...new Set(this.board.scopes.map((scope) => scope.scheme))];
    const text = (scope) => (schemes.length > 1 || scope.scheme !== "match" ? `${scope.label} · ${scope.scheme}` : scope.label);
    return kinds.map(([kind, group]) => ({ group, options: this.board.scopes.filter((scope) => scope.kind === kind).map((scope) => [scope.key, text(scope)]) }))
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
    this.said = shared(lines.map((line) => line.row));
    const columns = this.columns(data, single, lines);
    this.lines = lines;
    this.table = new Table({
      caption: `Ranking: ${scope.label}`, columns, rows: lines.filter((line) => line.rank),
      sort: this.sorting(columns),
      remember: ({ id, desc }) => { this.state.sort = id === "rank" && !desc ? "" : `${desc ? "-" : ""}${id}`; this.remember(); },
      empty: lines.some((line) => line.rank) ? "No row fits these filters." : "No row of this list has a rank.",
    });
    const rest = lines.filter((line) => !line.rank);
    this.others = new Table({
      caption: `Without a rank: ${scope.label}`, rows: rest, sort: null,
      columns: columns.map((column) => (column.id === "rank" ? { id: "why", head: "Why it has none", class: "why", value: (line) => line.why, cell: (line) => line.why } : column)),
      empty: "No row fits these filters.",
    });
    const more = h("button", { type: "button", class: "tool", "aria-pressed": String(this.state.columns === "all"), onclick: () => {
      this.state.columns = this.state.columns === "all" ? "" : "all";
      more.setAttribute("aria-pressed", String(this.state.columns === "all"));
      this.brief();
      this.remember();
    } }, "All columns");
    fill(this.holder, this.table.element, columns.some((column) => column.class?.includes("more")) && h("div", { class: "tools" }, more));
    this.brief();
    this.apart.hidden = !rest.length;
    fill(this.apart, h("h2", {}, "Without a rank"), h("p", {}, "Measured, and not ranked: what a row scores without looking at the image, or what nobody could check, is not compared."), this.others.element);
    fill(this.note, scope.about, this.said.length > 0 && [" Of every row: ", this.said.join(", "), "."]);
    this.refilter();
    this.drawPicks();
  }

  // The first look is which model, at which resolution, at what cost; the rest is a button away.
  brief() {
    for (const place of [this.holder, this.apart]) place.classList.toggle("brief", this.state.columns !== "all");
  }

  sorting(columns) {
    const desc = this.state.sort.startsWith("-");
    const id = this.state.sort.replace(/^-/, "");
    return columns.some((column) => column.id === id && column.sortable !== false) ? { id, desc } : { id: "rank", desc: false };
  }

  refilter() {
    if (!this.table) return;
    for (const table of [this.table, this.others]) table.filter((line) => this.keeps(line));
    this.shown.textContent = `${this.table.shown.length + this.others.shown.length} of ${many(this.lines.length, "row")} shown. Ranks count all rows, also those that a filter hides.`;
    announce(this.shown.textContent);
    this.remember();
  }

  keeps(line) {
    const { mode, strategy, size: bin, status: least, q } = this.state;
    const { row } = line;
    const order = this.board.statuses;
    const text = [...line.runs.map((key) => this.rows.get(key).title), row.title, row.variant, row.model, row.base, row.submitter].filter(Boolean).join(" ").toLowerCase();
    return (!mode || row.mode === mode)
      && (!strategy || row.strategy === strategy)
      && (!bin || within(row.parameters, bin))
      && (!least || order.indexOf(line.status) >= order.indexOf(least))
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
      { id: "rank", head: "Rank", numeric: true, class: "rank", title: "The ranks that these samples leave open, all rows together: 1–3 is first, second or third", value: (line) => line.place, cell: (line) => ranks(line.rank) },
      { id: "model", head: "Model", names: true, value: (line) => name({ ...line.row, title: line.title }), cell: (line) => this.modelCell(line, data.datasets) },
      { id: "status", head: "Status", ordered: true, value: (line) => this.board.statuses.indexOf(line.status), cell: (line) => status(line.status) },
      { id: "score", head: "Score", numeric: true, descending: true, title: "How much of what can be gained by looking is gained, mean over the resolutions: 0 is the score without the image, 1 is all right", value: (line) => line.score?.[0], cell: (line) => (line.score ? estimate(line.score) : h("span", { class: "quiet" }, "withheld")) },
      { id: "interval", head: "Interval", sortable: false, class: "wide more", title: "Score and interval on the scale from 0 to 1", value: () => null, cell: (line) => whisker(line.score, null) },
      single && { id: "best", head: "Best at", numeric: true, title: "The resolution with the highest accuracy, the accuracy, and what it costs", value: (line) => best(line)?.score[0], cell: (line) => bestCell(best(line)) },
      single && { id: "enough", head: "Enough", numeric: true, title: "The smallest resolution shown to lose no more than 2 points against the best, and what it costs", value: (line) => (line.choice === null ? null : resolutions.indexOf(line.choice)), cell: (line) => enough(line) },
      single && { id: "curve", head: "Accuracy by resolution (px)", sortable: false, title: "Accuracy over the resolutions; a ring marks a training resolution", value: () => null, cell: (line) => spark(line.cells, resolutions, line.trained, data.chance) },
      ...(single ? sizeColumns(lines, resolutions, "more") : []),
      { id: "area", head: "Accuracy", numeric: true, descending: true, class: single ? "more" : "", title: "Mean accuracy over the resolutions, trapezoid in log2 r", value: (line) => line.area?.[0], cell: (line) => estimate(line.area) },
      { id: "drop", head: "Drop", numeric: true, class: single ? "more" : "", title: "From the best resolution to the worst; of several runs, the largest", value: (line) => line.drop?.[0], cell: (line) => estimate(line.drop) },
      ...(single ? this.board.budgets : []).map((most, i) => some((line) => budget(line, most)) && { id: `tokens-${most}`, head: `@ ${most}`, numeric: true, descending: true, class: "more", title: `Accuracy at ${most} visual tokens, or at the resolution with the next fewer`, value: (line) => budget(line, most)?.[3][0], cell: (line) => budgetCell(budget(line, most)) }),
      { id: "trained", head: "Trained at", value: (line) => line.row.training, cell: (line) => [line.row.training, h("small", {}, strategy(line.row.strategy))] },
      { id: "parameters", head: "Size", numeric: true, value: (line) => line.row.parameters, cell: (line) => size(line.row.parameters) },
      some((line) => line.tokens !== null) && { id: "tokens", head: "Tokens", numeric: true, class: single ? "more" : "", title: "Visual tokens per image, mean over the resolutions", value: (line) => line.tokens, cell: (line) => count(line.tokens) },
      single && sameHardware(lines) && some((line) => line.speed !== null) && { id: "speed", head: "Samples/s", numeric: true, descending: true, class: "more", title: `Samples per second of the whole run, on ${lines[0].hardware}`, value: (line) => line.speed, cell: (line) => count(line.speed) },
      single && some((line) => line.claimed !== null) && { id: "claimed", head: "Claimed − measured", numeric: true, descending: true, class: "more", title: "Largest difference between an accuracy that the submitter states and the measured one", value: (line) => line.claimed, cell: (line) => number(line.claimed) },
    ];
    return columns.filter(Boolean);
  }

  modelCell(line, datasets) {
    const { row, runs } = line;
    const seeds = runs.length > 1 && h("small", {}, `mean of ${runs.length} runs: `, runs.map((key, i) => [i ? ", " : "", h("a", { href: address("model.html", { id: key }) }, String(i + 1))]));
    const what = [row.recipe, runs.length > 1 ? null : shortRevision(row.revision)].filter(Boolean);
    return [modelLink({ ...row, title: line.title }), what.length > 0 && h("small", {}, what.join(" · ")), seeds,
      h("span", { class: "marks" }, mark(ANSWERED[row.mode] || row.mode, "How closed questions were answered: by the options' likelihoods, or in the model's own words", "label"), labels(row, datasets, this.said),
        line.failed > 0 && mark(`${line.failed} failed`, "Samples that failed, at the resolution with most: wrong in the score", "bad"))];
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
    const blocks = sources.map((source) => h("details", { open: true },
      h("summary", {}, h("bdi", {}, source.title), h("small", {}, ` ${source.authors}, ${source.venue} · ${many(rows.filter((row) => row.source.title === source.title).length, "row")}`)),
      h("p", { class: "quiet" }, source.note, " ", h("a", { href: source.url, rel: "noreferrer noopener nofollow" }, "Source")),
      publishedTable(rows.filter((row) => row.source.title === source.title), source.title).element));
    return h("section", { id: "published", "aria-labelledby": "published-heading" }, h("h2", { id: "published-heading" }, "Published, not ranked"), about, blocks);
  }
}

function publishedTable(rows, title) {
  const cells = rows.flatMap((row) => row.cells);
  const datasets = [...new Set(cells.map((cell) => cell.dataset))];
  const on = (row, dataset) => row.cells.filter((cell) => cell.dataset === dataset);
  const best = (row, dataset) => on(row, dataset).reduce((most, cell) => Math.max(most ?? cell.accuracy, cell.accuracy), undefined);
  return new Table({
    caption: `Published: ${title}`, rows, sort: null,
    columns: [
      { id: "model", head: "Model", names: true, value: (row) => row.model, cell: (row) => [h("bdi", {}, row.model), h("small", {}, row.kind)] },
      { id: "strategy", head: "Strategy", value: (row) => strategy(row.strategy) },
      ...datasets.map((dataset, i) => ({ id: `c${i}`, head: dataset, numeric: true, descending: true, title: "Accuracy at each resolution that the source prints", value: (row) => best(row, dataset),
        cell: (row) => on(row, dataset).map((cell) => h("span", { class: "printed" }, number(cell.accuracy), h("small", {}, ` at ${cell.resolution}`))) })),
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

function budget(line, most) {
  return line.budgets.find((each) => each[0] === most);
}

function budgetCell(found) {
  return found ? [estimate(found[3]), h("small", { title: "The resolution that it is, and its visual tokens" }, ` r = ${found[1]}, ${found[2]} tokens`)] : "–";
}

// Speeds of different hardware are no comparison: the column is there only where all rows ran on the same.
function sameHardware(lines) {
  return Boolean(lines[0]?.hardware) && lines.every((line) => line.hardware === lines[0].hardware);
}

function best(line) {
  const sound = line.cells.filter((cell) => cell.score && cell.status !== "mismatched");
  return sound.reduce((found, cell) => (found && found.score[0] >= cell.score[0] ? found : cell), null);
}

function cost(cell) {
  return cell && cell.tokens !== null ? many(Math.round(cell.tokens), "token") : "tokens not seen";
}

function bestCell(cell) {
  return cell ? [sized(cell), h("small", {}, `${number(cell.score[0])}, ${cost(cell)}`)] : "–";
}

function enough(line) {
  if (line.choice === null) return h("span", { class: "quiet", title: line.choice_why }, "not shown");
  const cell = line.cells.find((each) => each.r === line.choice);
  return [h("span", { title: line.choice_why }, sized(cell || { r: line.choice })), h("small", {}, `${cost(cell)}${line.robust ? "; all sizes are" : ""}`)];
}

function within(parameters, bin) {
  if (bin === "unknown") return parameters === null;
  const [least, most] = bin.split("-").map(Number);
  return parameters !== null && parameters >= least && parameters < most;
}
