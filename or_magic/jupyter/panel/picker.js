// What the model picker does in the page. The table is itables' own widget, which takes all rows at once and can only be
// given new ones by building it anew. So filters, favourites, keys and the choice of a row come from here: the table
// tells of each of its draws by an event, and what the kernel says of its rows (which are kept, which are marked, which
// is chosen) arrives as a few bytes. itables' own selection deselects each row there is first: 0.8 s of 10,000.

const KEPT = "orm";

function initialize({ model }) {
  const tables = new Map();  // by their elements: each draw gives another API of the same table

  function onDrawn(event) {
    const { key, api } = event.detail;
    if (key !== model.get("key")) return;
    event.preventDefault();  // it has been heard
    const node = api.table().node();
    if (!tables.has(node)) {
      tables.set(node, api);
      prepare(api, model);
    }
    dress(api, model);
  }

  const onKept = () => tables.forEach((api) => redraw(api, true));
  const onMarked = () => tables.forEach((api) => mark(api, model));
  const onChosen = () => tables.forEach((api) => dress(api, model));
  document.addEventListener("orm-models-drawn", onDrawn);
  model.on("change:key", () => tables.clear());  // another table is on its way
  model.on("change:kept", onKept);
  model.on("change:marks", onMarked);
  model.on("change:chosen", onChosen);
  return () => document.removeEventListener("orm-models-drawn", onDrawn);
}

function prepare(api, model) {
  const node = api.table().node();
  const container = api.table().container();
  api.search.fixed(KEPT, (text, cells, row) => {
    const kept = model.get("kept");  // one byte a row; none at all: every row is kept
    return !kept || row >= kept.byteLength || kept.getUint8(row) === 1;
  });
  container.dataset.lmSuppressShortcuts = "true";  // JupyterLab's own keys, such as the arrows, would leave the cell
  node.setAttribute("role", "grid");
  node.setAttribute("aria-label", "Models");
  node.addEventListener("keydown", (event) => onKey(api, model, event));
  node.addEventListener("focusin", (event) => rove(api, event.target.closest("tbody tr")));
  node.addEventListener("click", (event) => choose(api, model, event.target.closest("tbody tr")));
  label(api, container);
  mark(api, model);
  if (model.get("kept")?.byteLength) redraw(api, true);
}

function label(api, container) {
  api.columns().every(function () {
    const header = this.header();
    const field = header.querySelector("input");
    const name = field?.placeholder || header.textContent;
    header.dataset.ormName = this.index() === 0 ? "favourites" : name;
    // Marks, ticks and scores are not looked for by typing; the others have a field in the header.
    if (this.index() === 0) field?.replaceWith(sign("★", "Favourites, then models you used"));
    else if (header.classList.contains("orm-plain")) field?.replaceWith(name);
    else if (field) {
      field.style.setProperty("--orm-letters", Math.max(5, name.length));
      field.title = `Filter by ${name}`;
      field.setAttribute("aria-label", field.title);
      const short = document.createElement("span");  // where there is no room for the field
      short.className = "orm-short";
      short.textContent = name;
      field.before(short);
    }
  });
  const search = container.querySelector("input[type=search]");
  search?.setAttribute("aria-label", "Search models");
  search?.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") rowsOf(api)[0]?.focus();
  });
  container.querySelector("select")?.setAttribute("aria-label", "Models on a page");
}

function sign(text, told) {
  const element = document.createElement("span");
  element.textContent = text;
  element.title = told;
  element.setAttribute("role", "img");
  element.setAttribute("aria-label", told);
  return element;
}

function mark(api, model) {
  const node = api.table().node();
  const before = node.ormMarks ?? new Map();
  node.ormMarks = new Map(model.get("marks").map(([row, sign], rank) => [row, { rank, sign }]));
  const touched = new Set([...before.keys(), ...node.ormMarks.keys()]);
  const rows = [...touched].filter((row) => api.row(row).any());
  if (!rows.length) return;
  api.cells(rows, 0).invalidate();
  redraw(api, false);
}

function redraw(api, isFromStart) {
  const body = api.table().body();
  const hadFocus = body.contains(document.activeElement);
  api.draw(isFromStart ? "full-reset" : "full-hold");
  if (hadFocus && !body.contains(document.activeElement)) body.querySelector("tr[tabindex='0']")?.focus();
}

function rowsOf(api) {
  return [...api.table().body().rows].filter((row) => api.row(row).any());
}

function choose(api, model, row) {
  if (!row || !api.row(row).any()) return;
  model.set("chosen", api.row(row).index());
  model.save_changes();
}

function dress(api, model) {
  const rows = rowsOf(api);
  for (const row of rows) {
    const isChosen = api.row(row).index() === model.get("chosen");
    row.classList.toggle("orm-chosen", isChosen);
    row.setAttribute("aria-selected", String(isChosen));
  }
  rove(api, rows.find((row) => row === document.activeElement) ?? rows.find((row) => row.matches(".orm-chosen")));
  for (const header of api.table().header().querySelectorAll("th")) {
    header.querySelector(".dt-column-order")?.setAttribute("aria-label", `Sort by ${header.dataset.ormName}`);
  }
}

function rove(api, row) {
  const rows = rowsOf(api);
  const reached = rows.includes(row) ? row : rows[0];
  for (const each of rows) each.tabIndex = each === reached ? 0 : -1;
}

function onKey(api, model, event) {
  const row = event.target;
  if (!row.matches("tbody tr") || event.ctrlKey || event.metaKey || event.altKey) return;
  const rows = rowsOf(api);
  const at = rows.indexOf(row);
  const { page, pages } = api.page.info();
  const turn = (to, isToEnd) => {
    if (to < 0 || to >= pages) return;
    api.page(to).draw("page");
    const turned = rowsOf(api);
    turned[isToEnd ? turned.length - 1 : 0]?.focus();
  };
  const keys = {
    ArrowDown: () => (at < rows.length - 1 ? rows[at + 1].focus() : turn(page + 1)),
    ArrowUp: () => (at > 0 ? rows[at - 1].focus() : turn(page - 1, true)),
    Home: () => rows[0].focus(),
    End: () => rows[rows.length - 1].focus(),
    PageDown: () => turn(page + 1),
    PageUp: () => turn(page - 1),
    Enter: () => choose(api, model, row),
    " ": () => choose(api, model, row),
  };
  if (!Object.hasOwn(keys, event.key)) return;
  event.preventDefault();
  event.stopPropagation();
  keys[event.key]();
}

function render({ model, el }) {
  el.classList.add("orm-picker-page");
  let frame;
  let watch;
  let root;
  const offer = () => root && offerModels(root, model);
  const begin = () => {
    if (!el.isConnected) {  // it is put into the page after this function has returned
      frame = requestAnimationFrame(begin);
      return;
    }
    root = el.closest(".orm-picker");
    if (!root) return;
    const dressRoot = () => {
      press(root);
      if (!root.querySelector(".orm-field input[list]")) offer();  // the field may be rendered later
    };
    dressRoot();
    watch = new MutationObserver(dressRoot);
    watch.observe(root, { subtree: true, childList: true, attributes: true, attributeFilter: ["class"] });
  };
  model.on("change:offered", offer);
  begin();
  return () => {
    cancelAnimationFrame(frame);
    watch?.disconnect();
    model.off("change:offered", offer);
  };
}

// A Combobox of ipywidgets puts its value back over what is being typed when it gets another list. So the field is a
// plain one, and its list is made here.
function offerModels(root, model) {
  const field = root.querySelector(".orm-field input");
  if (!field) return;
  let list = root.querySelector(".orm-field datalist");
  if (!list) {
    list = document.createElement("datalist");
    list.id = `orm-models-${crypto.getRandomValues(new Uint32Array(2)).join("-")}`;
    field.after(list);
  }
  list.replaceChildren(
    ...model.get("offered").map((id) => {
      const option = document.createElement("option");
      option.value = id;
      return option;
    }),
  );
  field.setAttribute("list", list.id);
}

// Toggle buttons of ipywidgets are pressed for the eye alone.
function press(root) {
  for (const button of root.querySelectorAll("button.widget-toggle-button, button.jupyter-widget-toggle-button")) {
    const isPressed = String(button.classList.contains("mod-active"));
    const name = button.classList.contains("orm-opener") ? "aria-expanded" : "aria-pressed";
    if (button.getAttribute(name) !== isPressed) button.setAttribute(name, isPressed);
  }
}

export default { initialize, render };
