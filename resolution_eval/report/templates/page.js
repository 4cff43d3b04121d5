"use strict";
(() => {
  const announce = (text) => { document.getElementById("announcer").textContent = text; };
  const make = (tag, properties, ...children) => {
    const node = Object.assign(document.createElement(tag), properties);
    node.append(...children);
    return node;
  };

  // Charts: drawn again when the colour scheme changes.
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const palette = {
    light: ["#0b5cad", "#c2410c", "#0b7a55", "#a21c6f", "#7a5c00", "#5b4bb7", "#0e7490", "#5f6975"],
    dark: ["#6cb6ff", "#ff9e64", "#4fd1a5", "#f28fc3", "#e6c14a", "#b4a5ff", "#5fd4e6", "#a3adba"],
  };
  const look = (width) => {
    const style = getComputedStyle(document.documentElement);
    const [ink, quiet, rule] = ["--ink", "--quiet", "--rule"].map((name) => style.getPropertyValue(name).trim());
    const font = getComputedStyle(document.body).fontFamily;
    return {
      background: "transparent", font, aria: false,
      mark: { aria: false },
      view: { stroke: null },
      range: { category: palette[dark.matches ? "dark" : "light"] },
      axis: { aria: false, labelColor: quiet, titleColor: quiet, gridColor: rule, domainColor: rule, tickColor: rule,
              titleFontWeight: "normal", labelFontSize: 12, titleFontSize: 12, titlePadding: 8 },
      legend: { aria: false, symbolBaseFillColor: quiet, symbolBaseStrokeColor: quiet, columns: Math.max(1, Math.floor(width / 220)), labelColor: ink, titleColor: quiet, labelFontSize: 12.5, titleFontSize: 12, titleFontWeight: "normal" },
      text: { color: quiet }, rule: { color: quiet },
    };
  };
  const views = new Map();
  const draw = async (chart) => {
    const specification = JSON.parse(document.getElementById(chart.dataset.spec).textContent);
    views.get(chart)?.finalize();
    try {
      const result = await vegaEmbed(chart, specification, {
        actions: false, renderer: "svg", ast: true, config: look(chart.clientWidth),
        tooltip: { theme: dark.matches ? "dark" : "light" },
      });
      views.set(chart, result);
      chart.dataset.drawn = "yes";
    } catch (error) {
      chart.textContent = "The chart could not be drawn; the tables below hold the same figures.";
      chart.dataset.drawn = "no";
      console.error(error);
    }
  };
  const save = async (chart, kind) => {
    if (!views.has(chart)) await draw(chart);
    const view = views.get(chart).view;
    const address = await view.toImageURL(kind, 2);
    make("a", { href: address, download: `${chart.id}.${kind}` }).click();
    announce(`Chart saved as ${kind}`);
  };
  // A chart is drawn when it comes near the window, and all of them before printing.
  const charts = [...document.querySelectorAll(".chart")];
  const near = new IntersectionObserver((entries) => {
    for (const { target } of entries.filter((entry) => entry.isIntersecting)) {
      near.unobserve(target);
      draw(target);
    }
  }, { rootMargin: "600px" });
  addEventListener("beforeprint", () => charts.filter((chart) => !views.has(chart)).forEach(draw));
  for (const chart of charts) {
    near.observe(chart);
    chart.after(make("div", { className: "tools" }, ...["svg", "png"].map((kind) => make("button", {
      type: "button", className: "tool", textContent: `Save as ${kind.toUpperCase()}`,
      onclick: () => save(chart, kind),
    }))));
  }
  dark.addEventListener("change", () => [...views.keys()].forEach(draw));

  // Tables: sorted by a click, or a key, on a heading; entries without a value stay last.
  const key = (cell) => {
    if (cell.dataset.sort !== undefined) return Number(cell.dataset.sort);
    const text = cell.querySelector(".value").textContent;
    return text === "–" ? null : text;
  };
  const order = (a, b) => (typeof a === "number" && typeof b === "number"
    ? a - b : String(a).localeCompare(String(b), "en", { numeric: true }));
  const sort = (table, column) => {
    const heads = [...table.tHead.rows[0].cells];
    const rising = heads[column].getAttribute("aria-sort") !== "ascending";
    heads.forEach((head) => head.removeAttribute("aria-sort"));
    heads[column].setAttribute("aria-sort", rising ? "ascending" : "descending");
    const rows = [...table.tBodies[0].rows].map((row) => [key(row.cells[column]), row]);
    rows.sort(([a], [b]) => (a === null ? (b === null ? 0 : 1) : b === null ? -1
      : rising ? order(a, b) : order(b, a)));
    table.tBodies[0].append(...rows.map(([, row]) => row));
    announce(`Sorted by ${heads[column].innerText.trim()}, ${rising ? "ascending" : "descending"}`);
  };
  const line = (cell) => [...cell.childNodes].map((node) => node.textContent.trim()).filter(Boolean).join(" ");
  const copy = async (table) => {
    const text = [...table.rows].map((row) => [...row.cells].map(line).join("\t")).join("\n");
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = make("textarea", { value: text, className: "hidden" });
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    announce("Table copied");
  };
  for (const table of document.querySelectorAll("table.data")) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = make("button", { type: "button", textContent: head.textContent, onclick: () => sort(table, column) });
      head.replaceChildren(button);
    });
    const button = make("button", { type: "button", className: "tool", textContent: "Copy", onclick: async () => {
      await copy(table);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    } });
    button.setAttribute("aria-label", `Copy the table: ${table.caption.textContent}`);
    table.parentElement.before(make("div", { className: "tools for-table" }, button));
  }

  // On paper nothing can be opened.
  addEventListener("beforeprint", () => {
    for (const each of document.querySelectorAll("details")) each.open = true;
  });
})();
