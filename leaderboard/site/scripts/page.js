// What every page shares: elements made without markup, data fetched once, figures as text.
// A string from a record reaches the page as the text of a node or the value of an attribute, never as markup.

const SVG = "http://www.w3.org/2000/svg";
const MINUS = "\u2212";

// An element with its properties and children. `on…` functions are listeners; null and false are left out.
export function h(tag, properties = {}, ...children) {
  return filled(document.createElement(tag), properties, children);
}

export function svg(tag, properties = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), properties, children);
}

// Puts `children` in the place of what an element holds; null and false are left out.
export function fill(element, ...children) {
  element.replaceChildren();
  return filled(element, {}, children);
}

function filled(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "style" || name === "srcdoc") throw new Error(`${name} is not for records`);
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child);
  }
  return element;
}

const fetched = new Map();

// A JSON document of this site, fetched once.
export function load(path) {
  if (!fetched.has(path)) fetched.set(path, request(`data/${path}`));
  return fetched.get(path);
}

async function request(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${answer.statusText}`);
  return answer.json();
}

// Runs a page; what goes wrong is said in its place.
export async function start(run) {
  const place = document.getElementById("content");
  try {
    const board = await load("board.json");
    meanings = board.meanings;
    steps = board.steps;
    await run(place, board);
    place.dataset.ready = "yes";
  } catch (error) {
    place.replaceChildren(h("div", { class: "notice bad", role: "alert" }, h("p", {}, `This page could not be made: ${error.message}`)));
    throw error;
  }
}

export function query() {
  return new URLSearchParams(location.search);
}

// The address of a page of this site with `values` as its query; empty ones are left out.
export function address(page, values) {
  const wanted = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    for (const one of [value].flat()) if (one !== "" && one !== null && one !== undefined) wanted.append(name, one);
  }
  const text = wanted.toString();
  return text ? `${page}?${text}` : page;
}

// Puts the query into the address bar, so that a link to what is seen can be copied.
export function remember(values) {
  const page = location.pathname.split("/").pop() || "./";
  history.replaceState(null, "", address(page, values));
}

export function announce(text) {
  document.getElementById("announcer").textContent = text;
}

export function number(value, digits = 3) {
  if (value === null || value === undefined) return "–";
  return value.toFixed(digits).replace("-", MINUS);
}

// "0.933 [0.894, 0.959]" as value and small interval.
export function estimate(triple, digits = 3) {
  if (!triple) return h("span", { class: "quiet" }, "–");
  const [value, low, high] = triple.map((end) => (end === null ? "∞" : number(end, digits)));
  return h("span", { class: "estimate" }, value, h("small", {}, ` [${low}, ${high}]`));
}

// Columns of how small a thing is still seen: the finest over the resolutions, and each of them.
export function sizeColumns(lines, resolutions, more) {
  if (!lines.some((line) => line.seen?.length)) return [];
  const what = "Size in pixels of the stored image that is seen half of the time, corrected for guessing, with its 95 % interval";
  return [
    { id: "seen", head: "Smallest seen, px", numeric: true, title: `${what}; at the resolution where it is smallest`, value: (line) => finest(line)?.size[0], cell: (line) => sizeCell(line, finest(line)?.r) },
    ...resolutions.map((r) => ({ id: `seen-${r}`, head: `Seen at r = ${r}, px`, numeric: true, class: more, title: `${what}, at r = ${r}`, value: (line) => line.seen?.[0]?.cells[r]?.size?.[0] || null, cell: (line) => sizeCell(line, r) })),
  ];
}

function finest(line) {
  const cells = (line.seen || []).flatMap((run) => Object.entries(run.cells).map(([r, cell]) => ({ r, ...cell })));
  return cells.filter((cell) => !cell.said && cell.size?.[0]).sort((one, other) => one.size[0] - other.size[0])[0];
}

// Every run has its own: "grating 1.26 [1.10, 1.49]", or why there is none.
function sizeCell(line, r) {
  const runs = line.seen || [];
  if (!runs.length) return "–";
  if (r === undefined) return h("span", { class: "quiet" }, runs.length === 1 ? words(runs[0]) : "no size");
  return runs.map((run) => {
    const cell = run.cells[r];
    if (!cell) return h("div", {}, "–");
    return h("div", {}, cell.said ? h("span", { class: "quiet" }, cell.said) : estimate(cell.size, 2), h("small", {}, ` ${run.kind} at ${r}`));
  });
}

function words(run) {
  const said = [...new Set(Object.values(run.cells).map((cell) => cell.said))];
  return said.length === 1 && said[0] ? said[0] : "no size";
}

export function estimateText(triple) {
  if (!triple) return "no figure";
  return `${number(triple[0])}, 95 % interval ${number(triple[1])} to ${number(triple[2])}`;
}

const SIZES = [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "k"]];

// 1100000 as "1.1 M".
export function size(parameters) {
  if (parameters === null || parameters === undefined) return "–";
  const [unit, name] = SIZES.find(([each]) => parameters >= each) || [1, ""];
  const value = parameters / unit;
  return `${value < 10 ? value.toFixed(1).replace(/\.0$/, "") : Math.round(value)} ${name}`.trim();
}

// Two digits of what is below 1: a slow model does not stand still.
export function count(value) {
  if (value === null || value === undefined) return "–";
  if (value >= 100) return Math.round(value).toLocaleString("en");
  return `${value >= 1 ? Math.round(value * 10) / 10 : Number(value.toPrecision(2))}`;
}

export function bytes(value) {
  if (value === null || value === undefined) return "–";
  return value >= 2 ** 30 ? `${(value / 2 ** 30).toFixed(1)} GiB` : `${Math.round(value / 2 ** 20)} MiB`;
}

// "1 model", "2 models".
export function many(amount, noun) {
  return `${amount} ${noun}${amount === 1 ? "" : "s"}`;
}

let meanings = {};
let steps = {};

// What a status means, in words of the board's.
export function meaning(name) {
  return meanings[name].replace(/^./, (first) => first.toUpperCase());
}

export function status(name) {
  return h("span", { class: `status ${name}`, title: meaning(name) }, name);
}

export function mark(text, title, kind = "") {
  return h("span", { class: `mark ${kind}`, title }, text);
}

// The step of the ladder: what is known of the resolution that an encoder received.
export function stepMark(name) {
  return mark(name, `${name.replace(/^./, (first) => first.toUpperCase())}: ${steps[name]}`, name === "attested" ? "right" : "unsure");
}

// Marks of a row: what a reader must know before comparing it.
export function labels(row, datasets = null, said = []) {
  const trained = row.contaminated.filter((id) => !datasets || datasets.includes(id));
  const unseen = row.blind_like.filter((id) => !datasets || datasets.includes(id));
  return [
    ...row.labels.filter((text) => !said.includes(text)).map((text) => mark(text, "Declared by the submitter", "label")),
    row.measured && row.step !== "attested" && stepMark(row.step),
    trained.length > 0 && mark("trained on it", `Trained on ${trained.join(", ")}; declaring it costs no rank`, "unsure"),
    unseen.length > 0 && mark("does not look", `Not shown to score more with the image than without it: ${unseen.join(", ")}`, "bad"),
  ];
}

// Declared labels that all rows share: said once, above them.
export function shared(rows) {
  return rows.length < 2 ? [] : rows[0].labels.filter((text) => rows.every((row) => row.labels.includes(text)));
}

// A resolution in words: "native" says of how many pixels.
export function sized(cell) {
  return cell.r === "native" && cell.edge ? `native (about ${Math.round(cell.edge)} px)` : cell.r;
}

export function strategy(name) {
  return name === "none" ? "not fine-tuned" : name;
}

// How closed questions were answered.
export const ANSWERED = { rank: "ranked options", generate: "written answers", open: "open answers" };

// [1, 3] as "1–3": the ranks that are left open.
export function ranks(pair) {
  if (!pair) return "–";
  return pair[0] === pair[1] ? String(pair[0]) : `${pair[0]}–${pair[1]}`;
}

export function modelLink(row) {
  return h("a", { href: address("model.html", { id: row.key }) }, h("bdi", {}, name(row)));
}

export function name(row) {
  return row.variant ? `${row.title} · ${row.variant}` : row.title;
}

export function shortRevision(revision) {
  const [kind, digest] = revision.includes("-") ? revision.split("-") : ["", revision];
  return kind ? `${kind}-${digest.slice(0, 10)}` : digest.slice(0, 10);
}

export function select(label, options, chosen, change) {
  const id = `choose-${(made += 1)}`;
  const control = h("select", { id, onchange: () => change(control.value) },
    options.map((option) => option.group
      ? h("optgroup", { label: option.group }, option.options.map(choice))
      : choice(option)));
  control.value = chosen;
  return h("div", { class: "field" }, h("label", { for: id }, label), control);
}

let made = 0;

function choice([value, text]) {
  return h("option", { value }, text);
}

export function facts(pairs) {
  return h("dl", { class: "facts" }, pairs
    .filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([term, value]) => h("div", {}, h("dt", {}, term), h("dd", {}, value))));
}

// A link to an address that a record states: only http and https act, and the site is told nothing.
export function outside(url, text) {
  const safe = /^https?:\/\//.test(url || "");
  return safe ? h("a", { href: url, rel: "noreferrer noopener nofollow" }, text) : text;
}
