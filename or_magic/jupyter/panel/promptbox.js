// The box in which a prompt is written. What the kernel's side of it is, and why, stands in promptbox.py.

const EACH_BYTES = 20e6;
const TOGETHER_BYTES = 40e6;
const MOST_FILES = 10;
const PIECE_BYTES = 1e6; // Jupyter's server closes a web socket on a message of more than 10 MB
const PIECES_AT_ONCE = 4; // else 40 MB stand in the way of all other messages
const LONGEST = 1_000_000; // characters of a prompt; as JSON they stay below 10 MB
const THUMB_PX = 96;
const PATIENCE_MS = 2000;
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
    if (!isQuiet) setTimeout(() => this.waiting.has(n) && this.notice.say("busy", BUSY, "hint"), PATIENCE_MS);
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

/** The whole box in one place of the page. */
class View {
  timer = 0;
  sent = null;
  sentAt = 0;
  recalled = null;
  draft = "";
  isFilling = false;
  isAwaited = false;
  isComposing = false;

  constructor(model, el, signal) {
    this.model = model;
    this.build(el);
    this.notice = new Notice(model, this.line);
    this.names = new Names(this.area, this.list, null);
    this.wire = this.names.wire = new Wire(model, this.notice, el, () => this.mourn());
    const follow = { onWhole: () => this.isAwaited && this.send(), onRemoved: () => this.area.focus() };
    this.files = new Files(model, this.wire, this.notice, this.cards, follow);
    this.area.value = model.get("draft");
    this.hear();
    this.listen(signal);
    for (const part of [this, this.files, this.notice]) part.draw();
    requestAnimationFrame(() => this.grow());
  }

  build(el) {
    const key = /Mac|iPhone|iPad/.test(navigator.platform) ? "Cmd" : "Ctrl";
    const placeholder = `Ask anything. {{ name }} puts in a variable. ${key}+Enter sends.`;
    const about = { "aria-label": "Prompt", "aria-autocomplete": "list", rows: "3", placeholder };
    this.area = make("textarea", { class: "orm-prompt-text", ...about });
    this.cards = make("ul", { class: "orm-prompt-cards", "aria-label": "Attachments" });
    const offers = { role: "listbox", "aria-label": "Names", popover: "manual", hidden: "" };
    this.list = make("ul", { class: "orm-prompt-names", ...offers });
    this.picker = make("input", { type: "file", multiple: "", hidden: "", "aria-label": "Files" });
    this.attach = button("attach", "Attach files", icon(CLIP));
    this.estimate = make("span", { class: "orm-prompt-estimate" });
    this.go = button("send", "Send");
    this.editing = make("span");
    this.cancel = button("cancel", "Cancel editing", "Cancel");
    this.banner = make("div", { class: "orm-prompt-editing", role: "status" }, this.editing, this.cancel);
    this.line = make("div", { class: "orm-prompt-notice", role: "status" });
    const row = make("div", { class: "orm-prompt-row" }, this.attach, this.picker, this.estimate, this.go);
    const frame = make("div", { class: "orm-prompt-frame" }, this.cards, this.area, row);
    this.root = make("div", { class: "orm-prompt", "data-lm-suppress-shortcuts": "true" });
    this.root.append(this.banner, frame, this.line, this.list);
    el.append(this.root);
  }

  hear() {
    const answers = {
      got: ({ n }) => this.wire.heard(n),
      names: (content) => this.names.offered(content),
      refused: (content) => this.files.refused(content),
      put: (content) => this.put(content),
    };
    this.model.on("msg:custom", (content) => answers[content.do]?.(content));
    this.model.on("change:notice change:notice_kind", () => this.notice.drop("file", "send"));
    this.model.on("change:is_busy change:estimate change:editing", () => this.draw());
    this.model.on("change:draft", () => this.takeDraft());
  }

  listen(signal) {
    const { area, root, picker } = this;
    const on = (target, name, act, options) => target.addEventListener(name, act, { signal, ...options });
    on(area, "keydown", (event) => this.press(event));
    on(area, "beforeinput", (event) => this.guard(event));
    on(area, "input", (event) => this.change(event));
    on(area, "compositionstart", () => (this.isComposing = true));
    on(area, "compositionend", () => this.composed());
    for (const name of ["blur", "mousedown"]) on(area, name, () => this.names.close());
    on(area, "paste", (event) => this.paste(event));
    on(root, "dragover", (event) => event.dataTransfer.types.includes("Files") && event.preventDefault());
    on(root, "drop", (event) => this.drop(event));
    on(this.attach, "click", () => picker.click());
    on(picker, "change", () => this.files.add([...picker.files]) ?? (picker.value = ""));
    on(this.cancel, "click", () => this.wire.say({ do: "cancel" }));
    on(this.go, "click", () => this.click());
    // Lab's own listener for keys prevents a line break in a cell's output, whatever the attribute says.
    on(root, "keydown", (event) => this.isSaving(event) || event.stopPropagation());
    on(window, "keydown", (event) => this.isSaving(event) && this.letThrough(), { capture: true });
    on(window, "scroll", () => this.names.place(), { capture: true, passive: true });
    on(window, "resize", () => this.names.place());
    on(signal, "abort", () => this.timer && this.save());
  }

  draw() {
    const isBusy = this.model.get("is_busy");
    this.go.classList.toggle("orm-mod-stop", isBusy);
    this.go.textContent = this.go.ariaLabel = isBusy ? "Stop" : "Send";
    this.go.disabled = this.wire.isGone;
    this.estimate.textContent = this.model.get("estimate");
    this.editing.textContent = this.model.get("editing");
    this.banner.hidden = !this.model.get("editing");
    if (!isBusy) this.notice.drop("send");
  }

  press(event) {
    if (event.isComposing) return;
    const isSend = event.key === "Enter" && (event.ctrlKey || event.metaKey);
    if (isSend) this.send();
    if (isSend || this.names.hasTaken(event) || this.hasRecalled(event)) event.preventDefault();
  }

  click() {
    if (!this.model.get("is_busy")) this.send();
    else if (performance.now() - this.sentAt > DOUBLE_CLICK_MS) this.wire.say({ do: "stop" });
  }

  send() {
    const text = this.area.value;
    const [isNow, why = "", kind = "hint"] = this.readiness(text);
    if (why) this.notice.say("send", why, kind);
    if (!isNow) return;
    const heard = this.wire.say({ do: "send", text: text.toWellFormed?.() ?? text });
    if (this.wire.isGone) return; // the text stays where it is
    this.sent = text;
    this.sentAt = performance.now();
    heard.then(() => (this.sent = null));
    this.notice.drop("send", "file");
    this.names.close();
    this.fill("");
    this.save();
  }

  /** Whether the prompt can be sent now, and what is told where it cannot. */
  readiness(text) {
    const { model, files, wire } = this;
    this.isAwaited = files.arriving.size > 0 && !model.get("is_busy");
    if (wire.isGone || this.sent !== null) return [false];
    if (model.get("is_busy")) return [false, "An answer is on its way. Stop it, or wait for its end."];
    if (this.isAwaited) return [false, "This goes out when its files have arrived."];
    const [count, most] = [text.length, LONGEST].map((each) => each.toLocaleString("en"));
    const tooLong = `The prompt has ${count} characters; ${most} can be sent. Attach it as a file.`;
    if (text.length > LONGEST) return [false, tooLong, "error"];
    return [text.trim() !== "" || model.get("attachments").length > 0];
  }

  /** The kernel will not hear what was sent last: it stands in the box again. */
  mourn() {
    this.names.close();
    this.go.disabled = true;
    if (!this.sent) return;
    this.fill([this.sent, this.area.value].filter(Boolean).join("\n"));
    this.sent = null;
    this.saveSoon();
  }

  /** Fills the box; the browser can undo it. */
  fill(text, caret = text.length) {
    this.isFilling = true;
    replaceText(this.area, 0, this.area.value.length, text);
    this.area.setSelectionRange(caret, caret);
    this.isFilling = false;
    this.recalled = null;
    this.grow();
  }

  put({ text, focus }) {
    clearTimeout(this.timer);
    this.timer = 0;
    if (focus && !document.activeElement?.matches(".orm-prompt-text")) this.area.focus();
    if (text !== this.area.value) this.fill(text);
    this.model.set("draft", text);
  }

  change(event) {
    this.grow();
    if (this.isFilling) return;
    this.recalled = null;
    this.saveSoon();
    if (!this.isComposing) this.names.ask();
  }

  composed() {
    this.isComposing = false;
    this.takeDraft();
    this.names.ask();
  }

  saveSoon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.save(), DRAFT_MS);
    this.model.set("draft", this.area.value);
  }

  save() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.model.set("draft", this.area.value);
    if (this.area.value.length <= LONGEST && !this.wire.isGone) this.model.save_changes();
  }

  /** Shows what another view of the box holds, or the kernel; what is typed here and not saved yet wins. */
  takeDraft() {
    const draft = this.model.get("draft");
    if (!this.timer && !this.isComposing && this.area.value !== draft) this.fill(draft);
  }

  hasRecalled({ key, ctrlKey, metaKey, altKey, shiftKey }) {
    const step = { ArrowUp: -1, ArrowDown: 1 }[key];
    const past = this.model.get("recall");
    const isAway = ctrlKey || metaKey || altKey || shiftKey || this.area.selectionEnd !== 0;
    if (!step || isAway || (this.recalled === null && (step > 0 || !past.length))) return false;
    if (this.recalled === null) this.draft = this.area.value;
    const next = Math.max(0, (this.recalled ?? past.length) + step);
    const isPast = next < past.length;
    this.fill(isPast ? inertRecalled(past[next]) : this.draft, isPast ? 0 : undefined);
    this.recalled = isPast ? next : null;
    this.saveSoon();
    return true;
  }

  /** Pasted and dropped text, and what a spelling checker puts in, is not typed. */
  guard(event) {
    const isForeign = /^insert(From(?!Composition)|ReplacementText)/.test(event.inputType);
    const text = event.data ?? event.dataTransfer?.getData("text/plain");
    if (isForeign && this.hasPutIn(text)) event.preventDefault();
  }

  /** Puts a text in at the cursor where it has to be made inert; else the browser does that better. */
  hasPutIn(text) {
    if (!text?.includes("{")) return false;
    const { value, selectionStart, selectionEnd } = this.area;
    const plain = text.replace(/\r\n?/g, "\n");
    const safe = inertPaste(value.slice(0, selectionStart), plain, value.slice(selectionEnd));
    if (safe.text === plain) return false;
    replaceText(this.area, selectionStart - safe.back, selectionEnd, safe.text);
    return true;
  }

  paste(event) {
    const { files, types } = event.clipboardData;
    // A spreadsheet's cells come as text, and as a picture besides.
    const isText = types.includes("text/plain") && (types.includes("text/html") || types.includes("text/rtf"));
    const isFile = files.length > 0 && !isText;
    if (isFile) this.files.add(files);
    if (isFile || this.hasPutIn(event.clipboardData.getData("text/plain"))) event.preventDefault();
  }

  drop(event) {
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    event.stopPropagation();
    this.files.add(event.dataTransfer.files);
  }

  isSaving({ key, ctrlKey, metaKey, target }) {
    return (ctrlKey || metaKey) && key.toLowerCase() === "s" && this.root.contains(target);
  }

  /** For the length of one event JupyterLab's shortcuts act in the box. */
  letThrough() {
    this.root.removeAttribute("data-lm-suppress-shortcuts");
    setTimeout(() => this.root.setAttribute("data-lm-suppress-shortcuts", "true"));
  }

  grow() {
    if (CSS.supports("field-sizing", "content")) return;
    this.area.style.height = "auto";
    this.area.style.height = `${this.area.scrollHeight}px`;
  }
}

function render({ model, el }) {
  const removed = new AbortController();
  new View(model, el, removed.signal);
  return () => removed.abort();
}

export default { render };
