// Tables: TanStack Table sorts and filters, this file makes real table elements of it.

import { announce, h } from "./page.js";

// columns: {id, head, title, numeric, descending, value(row), cell(row), sortable}
// options: {caption, columns, rows, sort: {id, desc} | null, remember(sort), empty, rowClass}
export class Table {
  constructor(options) {
    this.options = options;
    this.columns = options.columns;
    this.state = { sorting: options.sort ? [options.sort] : [], globalFilter: null };
    this.core = globalThis.TableCore.createTable({
      data: options.rows,
      columns: this.columns.map(definition),
      state: {},
      onStateChange: () => {},
      getCoreRowModel: globalThis.TableCore.getCoreRowModel(),
      getSortedRowModel: globalThis.TableCore.getSortedRowModel(),
      getFilteredRowModel: globalThis.TableCore.getFilteredRowModel(),
      globalFilterFn: (row, column, keep) => keep(row.original),
      getColumnCanGlobalFilter: () => true,
      sortDescFirst: false,
      renderFallbackValue: null,
    });
    this.body = h("tbody");
    this.head = h("tr");
    this.element = h("div", { class: "scroller", tabindex: "0", role: "region", "aria-label": options.caption },
      h("table", { class: "stacked rows" }, h("caption", { class: options.shown ? "" : "hidden" }, options.caption),
        h("thead", {}, this.head), this.body));
    this.draw();
  }

  // Shows the rows that `keep` keeps.
  filter(keep) {
    this.state.globalFilter = keep;
    this.draw();
  }

  get shown() {
    return this.core.getRowModel().rows.map((row) => row.original);
  }

  sort(column) {
    const [present] = this.state.sorting;
    const desc = present?.id === column.id ? !present.desc : Boolean(column.descending);
    this.state.sorting = [{ id: column.id, desc }];
    this.options.remember?.({ id: column.id, desc });
    this.draw();
    this.head.querySelector(`[data-column="${CSS.escape(column.id)}"]`)?.focus();
    announce(`Sorted by ${column.head}, ${desc ? "descending" : "ascending"}`);
  }

  draw() {
    this.core.setOptions((options) => ({
      ...options,
      state: { ...this.core.initialState, ...this.state },
    }));
    this.head.replaceChildren(...this.columns.map((column) => this.heading(column)));
    const rows = this.shown;
    this.body.replaceChildren(...rows.map((row) => this.line(row)));
    if (!rows.length) {
      const text = this.options.empty || "Nothing to show.";
      this.body.append(h("tr", {}, h("td", { colspan: this.columns.length, class: "empty" }, text)));
    }
  }

  heading(column) {
    const [present] = this.state.sorting;
    const mine = present?.id === column.id;
    const order = mine ? (present.desc ? "descending" : "ascending") : null;
    const text = column.sortable === false
      ? h("span", { title: column.title, class: column.quietHead ? "hidden" : "" }, column.head)
      : h("button", { type: "button", title: column.title, "data-column": column.id, onclick: () => this.sort(column) }, column.head);
    return h("th", { scope: "col", "aria-sort": order, class: kind(column) }, text);
  }

  line(row) {
    return h("tr", { class: this.options.rowClass?.(row) || null }, this.columns.map((column) => {
      const value = column.cell ? column.cell(row) : column.value(row);
      const tag = column.names ? "th" : "td";
      return h(tag, { scope: column.names ? "row" : null, class: kind(column), "data-label": column.names ? null : column.head }, value ?? "–");
    }));
  }
}

function kind(column) {
  return [column.numeric ? "number" : "", column.class || ""].join(" ").trim() || null;
}

function definition(column) {
  return {
    id: column.id,
    accessorFn: (row) => column.value(row) ?? undefined,
    sortUndefined: "last",
    sortingFn: column.numeric || column.ordered ? "basic" : "text",
    enableSorting: column.sortable !== false,
  };
}
