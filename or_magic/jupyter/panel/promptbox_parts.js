// The parts of the prompt box: `promptbox.js` follows these lines in one module.
// The box in which a prompt is written. What the kernel's side of it is, and why, stands in promptbox.py.

const EACH_BYTES = 20e6;
const TOGETHER_BYTES = 40e6;
const MOST_FILES = 10;
const PIECE_BYTES = 1e6; // Jupyter's server closes a web socket on a message of more than 10 MB
const PIECES_AT_ONCE = 4; // else 40 MB stand in the way of all other messages
const LONGEST = 1_000_000; // characters of a prompt; as JSON they stay below 10 MB
const THUMB_PX = 96;
const ACKNOWLEDGED_WITHIN_MS = 2000;
const DRAFT_MS = 300;
const NAMES_MS = 40;
const DOUBLE_CLICK_MS = 500;
const LOOK_BACK = 300; // characters before the cursor in which a `{{` is looked for
const GONE = "This panel's kernel is gone. Run the panel's cell again.";
const BUSY = "The kernel is busy with a cell; this goes out when it is heard.";
const ASKS = ["role", "aria-expanded", "aria-controls", "aria-activedescendant"];
const CLIP = "M8 4v7.5a2 2 0 0 0 4 0V3.5a3.5 3.5 0 0 0-7 0v8a5 5 0 0 0 10 0V4";
const SHEET = "M4.5 2h5L13 5.5V16H4.5zM9.5 2v3.5H13";
const CROSS = "M5 5l8 8M13 5l-8 8";

// Several pages may talk to one box, and each hears what the others are told.
let lastNumber = Math.floor(Math.random() * 2 ** 40);

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function icon(path) {
  const [svg, line] = ["svg", "path"].map((tag) => document.createElementNS("http://www.w3.org/2000/svg", tag));
  svg.setAttribute("viewBox", "0 0 18 18");
  svg.setAttribute("aria-hidden", "true");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

function button(kind, label, ...children) {
  const attributes = { type: "button", class: `orm-prompt-button orm-prompt-${kind}`, "aria-label": label };
  return make("button", attributes, ...children);
}

function newId() {
  return [...crypto.getRandomValues(new Uint8Array(8))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function sizeOf(bytes) {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${Math.ceil(bytes / 1e4) / 100} MB`;
}

/** A text that is put in, with a backslash before each `{{` that it holds or makes with its neighbours; and how many
 *  characters before the cursor it replaces: a `{` that was typed there and becomes half of a pair. */
function inertPaste(before, pasted, after) {
  let run = 0;
  while (before[before.length - 1 - run] === "{") run += 1;
  const tail = after.startsWith("{") ? "{" : "";
  let from = run;
  const safe = ("{".repeat(run) + pasted + tail).replace(/\{\{/g, (pair, place) => {
    if (place + 2 <= run) return pair;
    from = Math.min(from, place);
    return `\\${pair}`;
  });
  return { back: run - from, text: safe.slice(from, safe.length - tail.length) };
}

/** An earlier prompt as it was written: what is inert in it already stays as it is. */
function inertRecalled(text) {
  return text.replace(/\\?\{\{/g, (found) => (found[0] === "\\" ? found : `\\${found}`));
}

/** What stands between a live `{{` and the cursor, and where it begins; null outside of one. */
function openExpression({ value, selectionStart, selectionEnd }) {
  const near = value.slice(Math.max(0, selectionEnd - LOOK_BACK), selectionEnd);
  const last = [...near.matchAll(/\\?\{\{/g)].pop();
  if (selectionStart !== selectionEnd || !last || last[0][0] === "\\") return null;
  const inside = near.slice(last.index + 2);
  const prefix = inside.trimStart();
  return /\}\}|\n/.test(inside) ? null : { prefix, from: selectionEnd - prefix.length, to: selectionEnd };
}

/** Replaces a part of the text in a way that the browser can undo. Chromium takes seconds for `insertText` of a few
 *  hundred lines, and none for `insertHTML`, which in a textarea is text too: here one without any markup. */
function replaceText(area, from, to, text) {
  const behind = area.value.length - to;
  const isFocused = document.activeElement === area;
  if (isFocused) {
    const markup = text.replace(/&/g, "&amp;").replace(/</g, "&lt;");
    area.setSelectionRange(from, to);
    const isPutIn = /\n/.test(text) && !/[\0\r]/.test(text) && document.execCommand("insertHTML", false, markup);
    if (!isPutIn) document.execCommand(text ? "insertText" : "delete", false, text);
  }
  const end = area.value.length - behind;
  if (area.value.slice(from, end) !== text) area.setRangeText(text, from, end);
  if (isFocused) area.setSelectionRange(from + text.length, from + text.length);
}

/** Where in the window a place in the text is, which a textarea does not tell. */
function placeOf(area, place) {
  const mirror = make("div", { class: "orm-prompt-text orm-prompt-mirror", "aria-hidden": "true" });
  const mark = make("span", {}, "\u200b");
  mirror.style.width = `${area.clientWidth}px`;
  mirror.append(area.value.slice(0, place), mark);
  area.parentElement.append(mirror);
  const [box, origin, at] = [area, mirror, mark].map((each) => each.getBoundingClientRect());
  mirror.remove();
  const top = box.top + at.top - origin.top - area.scrollTop;
  return { left: box.left + at.left - origin.left, top, bottom: top + at.height };
}

async function thumbOf(file) {
  if (!/^image\/(png|jpeg|gif|webp)$/.test(file.type)) return "";
  try {
    const bitmap = await createImageBitmap(file);
    const scale = Math.min(1, THUMB_PX / Math.max(bitmap.width, bitmap.height));
    const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * scale)));
    const canvas = make("canvas", { width, height });
    canvas.getContext("2d").drawImage(bitmap, 0, 0, width, height);
    bitmap.close();
    return canvas.toDataURL("image/png");
  } catch {
    return ""; // it is no picture, whatever it is called
  }
}

/** The line under the box: what the page has to say, else what the kernel says. */
class Notice {
  own = null;

  constructor(model, line) {
    Object.assign(this, { model, line });
  }

  say(key, text, kind) {
    if (this.own?.key !== "gone") this.own = { key, text, kind };
    this.draw();
  }

  drop(...keys) {
    if (keys.includes(this.own?.key)) this.own = null;
    this.draw();
  }

  draw() {
    const { text, kind } = this.own ?? { text: this.model.get("notice"), kind: this.model.get("notice_kind") };
    if (this.line.textContent === text && this.line.dataset.kind === kind) return;
    this.line.setAttribute("role", kind === "error" ? "alert" : "status");
    this.line.dataset.kind = kind;
    this.line.textContent = text;
  }
}

/** Messages to the kernel, each with a number that it acknowledges at once. */
class Wire {
  waiting = new Map();
  isGone = false;

  constructor(model, notice, el, onGone) {
    Object.assign(this, { model, notice, onGone });
    const wire = this;
    // anywidget hands out no `comm_live`: the view, which events come with, has it; before any, the view's class.
    model.on("comm_live_update", function () {
      if (this.model?.comm_live !== true) wire.lose();
    });
    model.on("comm:close", () => this.lose());
    if (el.classList.contains("jupyter-widgets-disconnected")) this.lose();
  }

  /** Sends, and resolves when the kernel has heard it. */
  say(content, { buffers, isQuiet = false } = {}) {
    const n = (lastNumber += 1);
    const heard = new Promise((resolve) => this.waiting.set(n, resolve));
    try {
      this.model.send({ ...content, n }, undefined, buffers);
    } catch {
      this.lose(); // the kernel was shut down, which nothing else tells
    }
    if (!isQuiet) setTimeout(() => this.waiting.has(n) && this.notice.say("busy", BUSY, "hint"), ACKNOWLEDGED_WITHIN_MS);
    return heard;
  }

  heard(n) {
    this.waiting.get(n)?.();
    this.waiting.delete(n);
    if (this.waiting.size === 0) this.notice.drop("busy");
  }

  lose() {
    if (this.isGone) return;
    this.isGone = true;
    this.waiting.clear();
    this.notice.say("gone", GONE, "error");
    this.onGone();
  }
}

/** The files of the prompt: those that the kernel holds, and those on their way. */
class Files {
  arriving = new Map();
  queue = Promise.resolve();

  constructor(model, wire, notice, list, { onWhole, onRemoved }) {
    Object.assign(this, { model, wire, notice, list, onWhole, onRemoved });
    model.on("change:attachments", () => this.draw());
  }

  add(files) {
    this.notice.drop("file");
    for (const file of files) {
      const why = this.refusal(file);
      if (why) this.notice.say("file", why, "error");
      else this.enqueue(file);
    }
    this.draw();
  }

  refusal({ name, size }) {
    const all = [...this.model.get("attachments"), ...this.arriving.values()];
    const sum = all.reduce((total, each) => total + each.size, size);
    if (size > EACH_BYTES) return `${name} has ${sizeOf(size)}; an attachment may have ${sizeOf(EACH_BYTES)}.`;
    if (all.length >= MOST_FILES) return `${name} is one too many; a prompt may have ${MOST_FILES} attachments.`;
    if (sum <= TOGETHER_BYTES) return "";
    return `With ${name} the attachments have ${sizeOf(sum)}; together they may have ${sizeOf(TOGETHER_BYTES)}.`;
  }

  enqueue(file) {
    const id = newId();
    this.arriving.set(id, { id, name: file.name, size: file.size, isArriving: true });
    // A folder cannot be read, nor a file that is no longer there.
    const fail = () => this.refused({ file: id, why: `${file.name} cannot be read.` });
    this.queue = this.queue.then(() => this.upload(id, file)).catch(fail);
  }

  async upload(id, file) {
    const thumb = await thumbOf(file);
    const underWay = [];
    const read = (at) => file.slice(at, at + PIECE_BYTES).arrayBuffer();
    let piece = await read(0); // what cannot be read is not begun
    this.wire.say({ do: "begin", file: id, name: file.name, size: file.size, mime: file.type, thumb });
    for (let at = 0; at < file.size && this.arriving.has(id); at += PIECE_BYTES) {
      underWay.push(this.wire.say({ do: "piece", file: id, at }, { buffers: [piece] }));
      piece = await read(at + PIECE_BYTES);
      if (underWay.length >= PIECES_AT_ONCE) await underWay.shift();
    }
  }

  remove(id) {
    this.arriving.delete(id);
    this.wire.say({ do: "remove", file: id });
    this.draw();
  }

  refused({ file, why }) {
    if (!this.arriving.has(file)) return;
    this.remove(file);
    this.notice.say("file", why, "error");
  }

  draw() {
    const here = this.model.get("attachments");
    const focused = this.list.querySelector(":focus")?.ariaLabel;
    const had = this.arriving.size;
    for (const { id } of here) this.arriving.delete(id);
    this.list.replaceChildren(...[...here, ...this.arriving.values()].map((each) => this.card(each)));
    this.list.hidden = !this.list.hasChildNodes();
    if (focused) [...this.list.querySelectorAll("button")].find((each) => each.ariaLabel === focused)?.focus();
    if (had && this.arriving.size === 0) this.onWhole();
  }

  card({ id, name, size, thumb, isArriving }) {
    const about = make("small", {}, isArriving ? `${sizeOf(size)}, on its way` : sizeOf(size));
    const words = make("span", { class: "orm-prompt-words" }, make("span", { title: name }, name), about);
    const picture = thumb ? make("img", { alt: "", src: thumb }) : icon(SHEET);
    const away = button("remove", `Remove ${name}`, icon(CROSS));
    away.addEventListener("click", () => {
      this.remove(id);
      this.onRemoved();
    });
    return make("li", { class: "orm-prompt-card" }, picture, words, away);
  }
}

/** The list of what could stand in an expression, under the cursor. */
class Names {
  request = 0;
  offers = [];
  chosen = 0;
  timer = 0;

  constructor(area, list, wire) {
    Object.assign(this, { area, list, wire });
    list.id = `orm-names-${newId()}`;
    list.addEventListener("mousedown", (event) => {
      event.preventDefault(); // the keyboard stays in the box
      const place = [...list.children].indexOf(event.target.closest("li"));
      if (place >= 0) this.take(place);
    });
  }

  ask() {
    this.request = 0;
    clearTimeout(this.timer);
    const open = openExpression(this.area);
    if (!open || this.wire.isGone) return this.close();
    this.timer = setTimeout(() => {
      this.request = lastNumber += 1;
      this.wire.say({ do: "names", request: this.request, prefix: open.prefix }, { isQuiet: true });
    }, NAMES_MS);
  }

  offered({ request, names }) {
    if (request !== this.request || document.activeElement !== this.area) return;
    if (!names.length) return this.close();
    this.offers = names;
    const options = names.map(([name, what], place) => {
      const attributes = { role: "option", id: `${this.list.id}-${place}` };
      return make("li", attributes, make("code", {}, name), make("small", {}, what));
    });
    this.list.replaceChildren(...options);
    this.list.hidden = false;
    this.list.showPopover?.();
    const states = ["combobox", "true", this.list.id, ""];
    ASKS.forEach((name, each) => this.area.setAttribute(name, states[each]));
    this.place();
    this.choose(0);
  }

  place() {
    if (!this.offers.length) return;
    const line = placeOf(this.area, openExpression(this.area)?.from ?? this.area.selectionEnd);
    const { offsetWidth, offsetHeight } = this.list;
    const isBelow = line.bottom + offsetHeight + 2 <= innerHeight || line.top < offsetHeight;
    this.list.style.left = `${Math.max(4, Math.min(line.left, innerWidth - offsetWidth - 4))}px`;
    this.list.style.top = `${isBelow ? line.bottom + 2 : line.top - offsetHeight - 2}px`;
  }

  choose(place) {
    const options = [...this.list.children];
    this.chosen = (place + options.length) % options.length;
    options.forEach((option, each) => option.setAttribute("aria-selected", String(each === this.chosen)));
    options[this.chosen].scrollIntoView({ block: "nearest" });
    this.area.setAttribute("aria-activedescendant", options[this.chosen].id);
  }

  take(place) {
    const open = openExpression(this.area);
    if (open) replaceText(this.area, open.from, open.to, this.offers[place][0]);
    this.close();
  }

  close() {
    clearTimeout(this.timer);
    this.request = 0;
    this.offers = [];
    if (this.list.hidden) return;
    this.list.hidePopover?.();
    this.list.hidden = true;
    for (const name of ASKS) this.area.removeAttribute(name);
  }

  /** Whether a key was meant for the list. */
  hasTaken({ key, ctrlKey, metaKey, altKey, shiftKey }) {
    if (!this.offers.length || ctrlKey || metaKey || altKey || shiftKey) return false;
    if (key === "ArrowDown" || key === "ArrowUp") this.choose(this.chosen + (key === "ArrowDown" ? 1 : -1));
    else if (key === "Enter" || key === "Tab") this.take(this.chosen);
    else if (/^(Escape|ArrowLeft|ArrowRight|Home|End|Page.*)$/.test(key)) this.close();
    return /^(ArrowDown|ArrowUp|Enter|Tab|Escape)$/.test(key);
  }
}

