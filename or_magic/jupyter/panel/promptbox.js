// The prompt box itself; what it is made of stands in `promptbox_parts.js`, before these lines in one module.

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
    this.wire = this.names.wire = new Wire(model, this.notice, el, () => this.takeBack());
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
    this.empty();
  }

  /** The kernel empties its draft by itself when it hears of the prompt. A message that says so would come after one
   *  that gives a prompt back which cannot be sent. */
  empty() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.fill("");
    this.model.set("draft", "");
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

  /** The kernel is gone, and will not hear what was sent last: it stands in the box again. */
  takeBack() {
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
